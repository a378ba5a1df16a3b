"""Reports of a benchmark run: tables for programs, a summary in Markdown, a page with plots.

Failed scenarios count as 0 in every final score, and are listed first.
"""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from driving.text import printable
from simulation.benchmark.jobs import JobResult
from simulation.benchmark.report_page import html_page
from simulation.benchmark.scores import Group, counted_score, reason_of, stage_order
from simulation.benchmark.store import ResultStore
from simulation.files import write_atomically

FIRST_COLUMNS = ("planner", "scenario", "log_name", "scenario_type", "traffic", "status")


@dataclass(frozen=True, kw_only=True)
class Report:
    """All results of a run, grouped."""

    run: dict[str, Any]
    groups: tuple[Group, ...]

    @classmethod
    def read(cls, store: ResultStore) -> "Report":
        """Group the rows of a results folder; the report of an unfinished run covers its finished scenarios.

        Raises:
            FileNotFoundError: When the folder holds no run.
            ValueError: When no scenario is finished yet, or a row is damaged.
        """
        run = store.read_run()
        results = store.read_all()
        if not results:
            raise ValueError(f"{store.folder} holds no finished scenario yet. Continue the run with --resume.")
        named = run["settings"]["planners"]
        order = {name: place for place, name in enumerate([*named, *run.get("probes", [])])}
        found: dict[tuple[str, str], list[JobResult]] = {}
        for result in results:
            found.setdefault((result.planner, result.traffic), []).append(result)
        keys = sorted(found, key=lambda key: (order.get(key[0], len(order)), key))
        groups = tuple(
            Group(
                planner=planner,
                traffic=traffic,
                results=tuple(sorted(found[planner, traffic], key=lambda result: result.scenario)),
                is_probe=planner not in named,
            )
            for planner, traffic in keys
        )
        return cls(run=run, groups=groups)

    @property
    def expected(self) -> int:
        """Rows of a finished run."""
        planners = len(self.run["settings"]["planners"]) + len(self.run.get("probes", []))
        return int(self.run["scenarios"]) * planners * len(self.run["settings"]["traffic"])

    @property
    def is_complete(self) -> bool:
        """Whether every scenario of every planner is finished."""
        return sum(len(group.results) for group in self.groups) == self.expected

    @property
    def selection_lines(self) -> list[str]:
        """What was lost between the request and the result: missing names, removed and left-out scenarios."""
        return list(self.run.get("selection", {}).get("lines", []))

    @property
    def num_left_out(self) -> int:
        """Logs and scenarios that the request covers and the run left out."""
        return int(self.run.get("selection", {}).get("left_out", 0))

    @property
    def data_warnings(self) -> list[str]:
        """What was ignored in logs and maps that were read."""
        return list(self.run.get("data_warnings", []))

    def summary(self) -> dict[str, Any]:
        """The content of `summary.json`."""
        named = [group for group in self.groups if not group.is_probe]
        seconds = _pooled_seconds(named)
        keys = (
            "command",
            "commit",
            "seed",
            "data_version",
            "hardware",
            "software",
            "scenarios",
            "selection",
            "data_warnings",
            "sessions",
            "settings",
        )
        return {
            "is_complete": self.is_complete,
            "seconds_per_scenario": seconds.get("total"),
            "seconds_per_scenario_by_stage": {name: value for name, value in seconds.items() if name != "total"},
            "worker_memory_mib": self.worker_memory(),
            "final": [_group_summary(group) for group in named],
            "probes": [_group_summary(group) for group in self.groups if group.is_probe],
            **{key: self.run.get(key) for key in keys},
        }

    def worker_memory(self) -> dict[str, float]:
        """Largest resident memory of any worker [MiB]."""
        return {"largest": max((r.memory_mib for group in self.groups for r in group.results), default=0.0)}

    def write(self, folder: Path) -> None:
        """Write scores, summaries and the page into a folder."""
        for stem, groups in (
            ("scores", [group for group in self.groups if not group.is_probe]),
            ("probe_scores", [group for group in self.groups if group.is_probe]),
        ):
            if groups:
                table = score_table(groups)
                sink = pa.BufferOutputStream()
                pq.write_table(table, sink)
                write_atomically(folder / f"{stem}.parquet", sink.getvalue().to_pybytes())
                _write_text(folder / f"{stem}.csv", _csv(table))
        summary = self.summary()
        write_atomically(folder / "summary.json", json.dumps(summary, indent=2).encode())
        _write_text(folder / "summary.md", summary_markdown(self))
        _write_text(folder / "report.html", html_page(self.groups, self.run, summary))


def _write_text(path: Path, text: str) -> None:
    write_atomically(path, printable(text, keeps_lines=True).encode())


def _group_summary(group: Group) -> dict[str, Any]:
    seconds = group.seconds()
    return {
        "planner": group.planner,
        "traffic": group.traffic,
        "score": group.final_score,
        "scenarios": len(group.results),
        "failed": len(group.failed),
        "by_type": group.by_type(),
        "metrics": group.metric_means(),
        "seconds_per_scenario": seconds.get("total"),
        "seconds_per_scenario_by_stage": {name: value for name, value in seconds.items() if name != "total"},
    }


def _pooled_seconds(groups: Sequence[Group]) -> dict[str, float]:
    if not groups:
        return {}
    everything = tuple(result for group in groups for result in group.results)
    return Group(planner="", traffic="", results=everything, is_probe=False).seconds()


def score_table(groups: Sequence[Group]) -> pa.Table:
    """One row per scenario and planner, one column per metric under nuPlan's name.

    The table holds no times: it is equal, byte by byte, for all backends and numbers of workers.
    """
    results = [result for group in groups for result in group.results]
    metrics = sorted({name for result in results for name in result.metrics})
    columns: dict[str, pa.Array] = {
        name: pa.array([getattr(result, name) for result in results], pa.string()) for name in FIRST_COLUMNS
    }
    for name in metrics:
        columns[name] = pa.array([result.metrics.get(name) for result in results], pa.float64())
    columns["score"] = pa.array([counted_score(result) for result in results], pa.float64())
    columns["reason"] = pa.array([reason_of(result) for result in results], pa.string())
    return pa.table(columns)


def _csv(table: pa.Table) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.column_names)
    for row in table.to_pylist():
        writer.writerow(["" if value is None else value for value in row.values()])
    return text.getvalue()


def summary_markdown(report: Report) -> str:
    """The summary in Markdown: failures, scores, types, times, and how to repeat the run."""
    lines = ["# Benchmark", ""]
    if not report.is_complete:
        done = sum(len(group.results) for group in report.groups)
        lines += [f"**Unfinished:** {done} of {report.expected} scenario runs. Continue with `--resume`.", ""]
    if report.selection_lines:
        lines += ["## Selection of scenarios", "", *(f"- {_cell(line)}" for line in report.selection_lines), ""]
    if report.data_warnings:
        lines += [
            "## Unusable records of logs and maps",
            "",
            *(f"- {_cell(line)}" for line in report.data_warnings),
            "",
        ]
    failures = [(group, result) for group in report.groups for result in group.failed]
    if failures:
        lines += [f"## Failed: {len(failures)} (each counts as 0)", "", "| planner | traffic | scenario | reason |"]
        lines += ["|---|---|---|---|"]
        lines += [_row([g.planner, g.traffic, r.scenario, r.reason]) for g, r in failures[:50]]
        lines += [f"| | | | and {len(failures) - 50} more |"] if len(failures) > 50 else []
        lines += [""]
    lines += ["## Scores", "", *_score_rows(report), ""]
    lines += ["Probes are degenerate planners; a metric in which they score high can be gamed.", ""]
    lines += ["## Score by scenario type", "", *_type_rows(report), ""]
    lines += ["## Median seconds per scenario", "", *_time_rows(report), ""]
    run = report.run
    hardware = run["hardware"]
    lines += [
        "## How it was made",
        "",
        f"- Command: `{_cell(run['command'])}`",
        f"- Commit: {run['commit']}; seed {run['seed']}; data version {run['data_version']}"
        f" ({run['scenarios']} scenarios)",
        f"- Hardware: {hardware['cpu']}, {hardware['cores']} cores, {hardware['memory_gib']} GiB",
        "",
    ]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _score_rows(report: Report) -> list[str]:
    metrics = sorted({name for group in report.groups for name in group.metric_means()})
    head = ["planner", "traffic", "score", "scenarios", "failed", *metrics]
    rows = [_row(head), "|" + "---|" * len(head)]
    for group in report.groups:
        means = group.metric_means()
        name = f"{group.planner} (probe)" if group.is_probe else group.planner
        cells = [name, group.traffic, f"**{group.final_score:.4f}**", str(len(group.results)), str(len(group.failed))]
        cells += [f"{means[metric]:.3f}" if metric in means else "" for metric in metrics]
        rows.append(_row(cells))
    return rows


def _type_rows(report: Report) -> list[str]:
    types = sorted({name for group in report.groups for name in group.by_type()})
    head = ["scenario type", *(f"{group.planner} {group.traffic}" for group in report.groups)]
    rows = [_row(head), "|" + "---|" * len(head)]
    scores = [group.by_type() for group in report.groups]
    for name in types:
        cells = [f"{score[name]:.3f}" if name in score else "" for score in scores]
        rows.append(_row([name, *cells]))
    return rows


def _time_rows(report: Report) -> list[str]:
    seconds = [group.seconds() for group in report.groups]
    stages = sorted({stage for times in seconds for stage in times}, key=stage_order)
    head = ["planner", "traffic", *stages]
    rows = [_row(head), "|" + "---|" * len(head)]
    for group, times in zip(report.groups, seconds, strict=True):
        cells = [f"{times[stage]:.4f}" if stage in times else "" for stage in stages]
        rows.append(_row([group.planner, group.traffic, *cells]))
    return rows
