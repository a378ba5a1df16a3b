"""Two results folders side by side: paired differences, with what chance alone would give."""

from dataclasses import dataclass

import numpy as np

from simulation.benchmark.report import Report
from simulation.benchmark.scores import Group, counted_score, reason_of

CONFIDENCE = 0.95
RESAMPLES = 10_000


@dataclass(frozen=True, kw_only=True)
class Change:
    """One scenario's scores in both folders."""

    scenario: str
    scenario_type: str
    before: float
    after: float
    why: str
    """Reasons for lost points in the lower of the two."""

    @property
    def difference(self) -> float:
        """After minus before."""
        return self.after - self.before


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Paired scores of one planner (or two) under one kind of traffic."""

    planner_a: str
    planner_b: str
    traffic: str
    mean_a: float
    mean_b: float
    interval: tuple[float, float]
    """95 % confidence interval of the mean difference, by paired bootstrap over scenarios."""
    changes: tuple[Change, ...]
    """The most changed scenarios first."""
    unpaired: int
    """Scenarios that only one folder has; they are left out of both means."""

    @property
    def difference(self) -> float:
        """Mean of b minus mean of a."""
        return self.mean_b - self.mean_a


def compare_reports(a: Report, b: Report, seed: int = 0) -> list[Comparison]:
    """Pair planners of the same name; where each folder has a single planner, pair those two.

    Raises:
        ValueError: When nothing can be paired.
    """
    pairs = [
        (group_a, group_b)
        for group_a in a.groups
        for group_b in b.groups
        if group_a.traffic == group_b.traffic and _belong_together(group_a, group_b, a, b)
    ]
    comparisons = [compare_groups(group_a, group_b, seed) for group_a, group_b in pairs]
    comparisons = [comparison for comparison in comparisons if comparison is not None]
    if not comparisons:
        raise ValueError(
            "Nothing to compare: no planner, traffic and scenario occurs in both folders."
            f" A has {_names(a)}, B has {_names(b)}."
        )
    return [comparison for comparison in comparisons if comparison is not None]


def _belong_together(group_a: Group, group_b: Group, a: Report, b: Report) -> bool:
    if group_a.planner == group_b.planner:
        return True
    single = [{group.planner for group in report.groups if not group.is_probe} for report in (a, b)]
    return single == [{group_a.planner}, {group_b.planner}]


def _names(report: Report) -> str:
    return ", ".join(f"{group.planner}/{group.traffic}" for group in report.groups)


def compare_groups(a: Group, b: Group, seed: int = 0) -> Comparison | None:
    """Pair the scenarios of two groups; None when they share none."""
    of_b = {result.scenario: result for result in b.results}
    pairs = [(result, of_b[result.scenario]) for result in a.results if result.scenario in of_b]
    if not pairs:
        return None
    changes = []
    for first, second in pairs:
        before, after = counted_score(first), counted_score(second)
        lower = first if before <= after else second
        why = reason_of(lower)
        changes.append(
            Change(
                scenario=first.scenario,
                scenario_type=first.scenario_type,
                before=before,
                after=after,
                why=why if before != after else "",
            )
        )
    differences = np.array([change.difference for change in changes])
    changes.sort(key=lambda change: (-abs(change.difference), change.scenario))
    return Comparison(
        planner_a=a.planner,
        planner_b=b.planner,
        traffic=a.traffic,
        mean_a=float(np.mean([change.before for change in changes])),
        mean_b=float(np.mean([change.after for change in changes])),
        interval=bootstrap_interval(differences, seed),
        changes=tuple(changes),
        unpaired=len(a.results) + len(b.results) - 2 * len(pairs),
    )


def bootstrap_interval(differences: np.ndarray, seed: int) -> tuple[float, float]:
    """Percentile interval of the mean of (scenarios,) differences."""
    rng = np.random.default_rng(seed)
    count = len(differences)
    means = [differences[rng.integers(0, count, count)].mean() for _ in range(RESAMPLES)]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)
