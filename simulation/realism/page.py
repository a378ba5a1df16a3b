"""The comparison as one HTML file that needs no network, with a histogram of each statistic."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64
from jinja2 import Environment, PackageLoader, select_autoescape
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from driving.text import printable
from simulation.drawing.palette import SERIES
from simulation.realism import maps
from simulation.realism.comparison import FLOOR, Comparison, Row, means
from simulation.realism.divergence import Bins
from simulation.realism.rollouts import KINEMATICS
from simulation.realism.scene_statistics import STATISTICS

COLUMNS_OF_PLOTS = 3
MAP_BINS = {
    "connectivity": (Bins(low=0, high=10, width=1), ""),
    "density": (Bins(low=0, high=80, width=4), ""),
    "reach": (Bins(low=0, high=20, width=1), ""),
    "convenience": (Bins(low=0, high=250, width=10), "m"),
}
"""Bins of the plots, and units."""

Samples = Mapping[str, Float64[np.ndarray, "samples"]]


class Panel(NamedTuple):
    """One histogram."""

    name: str
    bins: Bins
    unit: str


class Section(NamedTuple):
    """A table with the histograms of its statistics."""

    title: str
    text: str
    rows: Sequence[Row]
    columns: Sequence[str]
    plot: str
    """PNG in base64."""


def sections_of(comparison: Comparison) -> list[Section]:
    """Scenes, roll-outs and maps, as far as they were compared."""
    found = []
    if comparison.scenes:
        panels = [Panel(name, one.bins, one.unit) for name, one in STATISTICS.items()]
        samples = {kind: one.samples for kind, one in comparison.scene_samples.items()}
        text = (
            "Jensen-Shannon divergence of each statistic; six and pair are the means of the six marginals and of the"
            " relations of pairs. overlaps: share of agents in an overlap; off_lane: share of vehicles off the lanes."
        )
        found.append(_section("Scenes", text, comparison.scenes, panels, samples))
    if comparison.rollouts:
        panels = [Panel(name, one.bins, one.unit) for name, one in KINEMATICS.items()]
        samples = {kind: one.samples for kind, one in comparison.rollout_samples.items()}
        text = "Jensen-Shannon divergence of the motion of agents over time, and shares of agents that fail."
        found.append(_section("Motion", text, comparison.rollouts, panels, samples))
    if comparison.maps:
        panels = [Panel(name, *MAP_BINS[name]) for name in maps.STATISTICS]
        samples = {
            kind: {name: np.concatenate([np.zeros(0), *(getattr(one, name) for one in windows)]) for name in MAP_BINS}
            for kind, windows in comparison.map_samples.items()
        }
        text = "Square roots of Frechet distances; mean is in units of the recorded standard deviations."
        found.append(_section("Maps", text, comparison.maps, panels, samples))
    return found


def html_page(comparison: Comparison, run: Mapping[str, Any]) -> str:
    """Render the page."""
    environment = Environment(
        loader=PackageLoader("simulation.realism", "templates"), autoescape=select_autoescape(["html", "j2"])
    )
    return environment.get_template("realism.html.j2").render(
        comparison=comparison, run=run, sections=sections_of(comparison), floor=FLOOR, number=number
    )


def number(value: float) -> str:
    """A value for a table: three decimals, counts without."""
    if np.isnan(value):
        return "-"
    return f"{value:.0f}" if value >= 100 or (value >= 2 and float(value).is_integer()) else f"{value:.3f}"


def _section(
    title: str, text: str, rows: Sequence[Row], panels: Sequence[Panel], samples: Mapping[str, Samples]
) -> Section:
    averaged = means(rows)
    return Section(title, text, averaged, list(averaged[0].values), _embedded(_histograms(panels, samples)))


def _histograms(panels: Sequence[Panel], samples: Mapping[str, Samples]) -> Figure:
    lines = -(-len(panels) // COLUMNS_OF_PLOTS)
    figure = Figure(figsize=(11, 0.8 + 2.3 * lines), layout="constrained")
    grid = figure.subplots(lines, COLUMNS_OF_PLOTS, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for panel, axes in zip(panels, grid.flat, strict=False):
        edges = panel.bins.edges
        for index, (kind, of_kind) in enumerate(samples.items()):
            axes.stairs(
                panel.bins.shares(of_kind[panel.name]),
                edges,
                color=SERIES[index % len(SERIES)],
                fill=index == 0,
                alpha=0.35 if index == 0 else 1.0,
                label=printable(kind).replace("$", r"\$"),
            )
        axes.set_title(panel.name.replace("_", " "), fontsize="medium")
        axes.set_xlabel(panel.unit)
        axes.set_yticks([])
    handles, labels = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=min(6, len(labels)), frameon=False)
    return figure


def _embedded(figure: Figure) -> str:
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return base64.b64encode(buffer.getvalue()).decode()
