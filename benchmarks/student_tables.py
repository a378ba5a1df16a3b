"""The tables of benchmarks/students.py."""

from dataclasses import dataclass

from tables import TextTable

from simulation.benchmark.jobs import JobResult
from simulation.benchmark.scores import counted_score, reason_of
from simulation.benchmark.seeds import Contender, gap_between, metric_names
from simulation.benchmark.settings import Traffic
from simulation.generation.corner_cases.generator import corner_kind_of
from simulation.generation.corner_cases.kinds import CORNER_KINDS

COMPLETE = "complete"
"""Name of a student with all parts, in an ablation."""
_SHORT: dict[Traffic, str] = {
    "nonreactive": "CLS-NR",
    "reactive": "CLS-R",
    "reactive_scripted": "CLS-RS",
    "open_loop": "OLS",
}


@dataclass(frozen=True, kw_only=True)
class Column:
    """All contenders on one data root under one kind of traffic."""

    data: str
    traffic: Traffic
    contenders: tuple[Contender, ...]

    @property
    def title(self) -> str:
        """Column title in tables."""
        return f"{self.data}, {_SHORT[self.traffic]}"

    @property
    def sized_title(self) -> str:
        """Column title with the number of scenarios."""
        return f"{self.title} ({self.contenders[0].num_scenarios})"

    def named(self, name: str) -> Contender:
        """The contender of a name."""
        return next(one for one in self.contenders if one.name == name)


def score_table(columns: list[Column]) -> TextTable:
    """Mean ± standard deviation over seeds, one row per contender."""
    table = TextTable(
        title="Score: mean ± standard deviation over training seeds (scenarios in brackets)",
        head=("planner", "seeds", *(column.sized_title for column in columns), "failed"),
    )
    for place, contender in enumerate(columns[0].contenders):
        found = [column.contenders[place] for column in columns]
        failed = sum(one.num_failed for one in found)
        table.add(contender.name, str(len(contender.members)), *(_score(one) for one in found), str(failed))
    return table


def gap_table(columns: list[Column], against: str) -> TextTable:
    """Differences of all contenders from one of them."""
    table = TextTable(
        title=f"Ahead of {against}: points of 100, and in units of the larger standard deviation (sd) over seeds",
        head=("planner", *(column.title for column in columns)),
    )
    for place, contender in enumerate(columns[0].contenders):
        if contender.name != against:
            cells = []
            for column in columns:
                gap = gap_between(column.contenders[place], column.named(against))
                units = "" if gap.in_deviations is None else f" ({gap.in_deviations:+.1f} sd)"
                cells.append(f"{gap.points:+.1f}{units}")
            table.add(contender.name, *cells)
    return table


def ablation_table(columns: list[Column], student: str) -> TextTable:
    """Score of a student without some of its parts, and the difference to the complete student."""
    table = TextTable(
        title=f"Ablation of {student}: score, and difference to the complete student in points of 100",
        head=("student", *(column.sized_title for column in columns)),
    )
    for place, contender in enumerate(columns[0].contenders):
        cells = [_score(column.contenders[place]) for column in columns]
        if contender.name != COMPLETE:
            gaps = [gap_between(column.contenders[place], column.named(COMPLETE)).points for column in columns]
            cells = [f"{cell} ({gap:+.1f})" for cell, gap in zip(cells, gaps, strict=True)]
        table.add(contender.name, *cells)
    return table


def kind_table(column: Column) -> TextTable | None:
    """Mean score per kind of corner case; None without corner cases."""
    found = [contender.by_kind(_kind) for contender in column.contenders]
    if not found[0]:
        return None
    table = TextTable(
        title=f"{column.title}: score by kind of corner case",
        head=("kind", "scenarios", *(contender.name for contender in column.contenders)),
    )
    for kind in CORNER_KINDS:
        if kind in found[0]:
            table.add(kind, str(found[0][kind][0]), *(f"{kinds[kind][1]:.3f}" for kinds in found))
    means = [f"{contender.mean:.3f}" for contender in column.contenders]
    table.add("all", str(column.contenders[0].num_scenarios), *means)
    return table


def metric_table(column: Column) -> TextTable:
    """Mean score of each metric."""
    table = TextTable(
        title=f"{column.title}: mean of each metric",
        head=("metric", *(contender.name for contender in column.contenders)),
    )
    means = [contender.metric_means() for contender in column.contenders]
    for name in metric_names(column.contenders):
        table.add(name, *(f"{values[name]:.3f}" if name in values else "" for values in means))
    return table


def failure_table(columns: list[Column], name: str, threshold: float) -> TextTable:
    """Worst scenarios of the first seed of a group, with reasons."""
    found = [column.named(name) for column in columns]
    table = TextTable(
        title=f"{name}, first seed ({found[0].members[0].planner}): scenarios below {threshold:g}",
        head=("data", "log", "scenario", "reason", "score"),
        num_left=4,
    )
    for column, contender in zip(columns, found, strict=True):
        for result in contender.failures(threshold):
            cells = (column.title, result.log_name, result.scenario, reason_of(result).replace("\n", " "))
            table.add(*cells, f"{counted_score(result):.3f}")
    return table


def _kind(result: JobResult) -> str | None:
    return corner_kind_of(result.log_name)


def _score(contender: Contender) -> str:
    if contender.deviation is None:
        return f"{contender.mean:.3f}"
    return f"{contender.mean:.3f} ± {contender.deviation:.3f}"
