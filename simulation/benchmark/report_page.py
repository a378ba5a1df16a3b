"""The report as one HTML file that needs no network: plots embedded, failures first."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, select_autoescape
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from driving.text import printable
from simulation.benchmark.scores import Group, counted_score
from simulation.drawing.palette import SERIES

WORST_SHOWN = 40


def html_page(groups: Sequence[Group], run: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    """Render the page."""
    environment = Environment(
        loader=PackageLoader("simulation.benchmark", "templates"), autoescape=select_autoescape(["html", "j2"])
    )
    worst = sorted(
        (result for group in groups if not group.is_probe for result in group.results),
        key=lambda result: (result.status != "failed", counted_score(result), result.planner, result.scenario),
    )
    metrics = sorted({name for group in groups for name in group.metric_means()})
    return environment.get_template("report.html.j2").render(
        groups=groups,
        run=run,
        summary=summary,
        metrics=metrics,
        failures=[result for group in groups for result in group.failed],
        worst=[result for result in worst if counted_score(result) < 1.0][:WORST_SHOWN],
        counted_score=counted_score,
        plots=[
            ("Score by scenario type", _embedded(_scores_by_type(groups))),
            ("Distribution of scores", _embedded(_distribution(groups))),
            ("Median time per stage", _embedded(_time_per_stage(groups))),
        ],
    )


def _embedded(figure: Figure) -> str:
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return base64.b64encode(buffer.getvalue()).decode()


def _label(group: Group) -> str:
    """The group in a plot; `$` starts no formula, and a leading `_` does not hide the label from the legend."""
    label = _plain(f"{group.planner}{' (probe)' if group.is_probe else ''}, {group.traffic}")
    return f" {label}" if label.startswith("_") else label


def _plain(text: str) -> str:
    return printable(text).replace("$", r"\$")


def _scores_by_type(groups: Sequence[Group]) -> Figure:
    types = sorted({name for group in groups for name in group.by_type()})
    bar = 0.8 / len(groups)
    figure = Figure(figsize=(9, 1.2 + len(types) * max(0.35, 0.11 * len(groups))), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(types))
    for index, group in enumerate(groups):
        scores = group.by_type()
        axes.barh(
            places + (index - (len(groups) - 1) / 2) * bar,
            [scores.get(name, np.nan) for name in types],
            bar,
            color=SERIES[index % len(SERIES)],
            hatch="//" if group.is_probe else None,
            edgecolor="white",
            linewidth=0.3,
            label=_label(group),
        )
    axes.set_yticks(places, [_plain(name) for name in types])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("score, failed scenarios counted as 0")
    figure.legend(loc="outside upper left", fontsize="small", ncols=min(3, len(groups)), frameon=False)
    return figure


def _distribution(groups: Sequence[Group]) -> Figure:
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots()
    for index, group in enumerate(groups):
        scores = np.sort([counted_score(result) for result in group.results])
        share = np.arange(1, len(scores) + 1) / len(scores)
        axes.step(
            np.concatenate([[0.0], scores, [1.0]]),
            np.concatenate([[0.0], share, [1.0]]),
            where="post",
            color=SERIES[index % len(SERIES)],
            linestyle="--" if group.is_probe else "-",
            label=_label(group),
        )
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("score")
    axes.set_ylabel("share of scenarios at or below")
    figure.legend(loc="outside right upper", fontsize="small", frameon=False)
    return figure


def _time_per_stage(groups: Sequence[Group]) -> Figure:
    seconds = [group.seconds() for group in groups]
    stages = [stage for times in seconds for stage in times]
    stages = [stage for stage in dict.fromkeys(stages) if stage not in ("total", "rollout", "set_up")]
    figure = Figure(figsize=(9, 1.2 + 0.4 * len(groups)), layout="constrained")
    axes = figure.subplots()
    left = np.zeros(len(groups))
    for index, stage in enumerate(stages):
        widths = np.array([times.get(stage, 0.0) for times in seconds])
        axes.barh(range(len(groups)), widths, left=left, color=SERIES[index % len(SERIES)], label=stage)
        left += widths
    axes.set_yticks(range(len(groups)), [_label(group) for group in groups])
    axes.invert_yaxis()
    axes.set_xlabel("seconds per scenario")
    if stages:
        figure.legend(loc="outside upper left", fontsize="small", ncols=max(1, min(6, len(stages))), frameon=False)
    return figure
