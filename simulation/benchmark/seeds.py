"""Planners side by side, where some of them were trained several times: means, spread over seeds, gaps, kinds.

A planner that is trained has as many scores as training seeds; what one of them gets is partly luck. So its score is
the mean over the seeds, and a lead over another counts in units of their spread.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from simulation.benchmark.jobs import JobResult
from simulation.benchmark.scores import Group, counted_score

POINTS = 100.0
"""Of a score of 1."""


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A planner on one set of scenarios under one kind of traffic, driven once per training seed."""

    name: str
    members: tuple[Group, ...]
    """One per training seed; a single one where nothing was trained."""

    def __post_init__(self) -> None:
        if not self.members:
            raise ValueError(f"{self.name} needs at least one member, got none.")
        driven = [{result.scenario for result in member.results} for member in self.members]
        if any(scenarios != driven[0] for scenarios in driven):
            counts = ", ".join(f"{member.planner}: {len(member.results)}" for member in self.members)
            raise ValueError(
                f"The members of {self.name} drove different scenarios ({counts}), their scores do not compare."
                " Name another output, or the same data for all."
            )

    @property
    def scores(self) -> tuple[float, ...]:
        """Mean score of each seed, failed scenarios counted as 0."""
        return tuple(member.final_score for member in self.members)

    @property
    def mean(self) -> float:
        """Mean score over seeds."""
        return float(np.mean(self.scores))

    @property
    def deviation(self) -> float | None:
        """Standard deviation over seeds, of a sample (divided by seeds - 1); None with a single one."""
        return float(np.std(self.scores, ddof=1)) if len(self.scores) > 1 else None

    @property
    def num_scenarios(self) -> int:
        """Scenarios that each seed drove."""
        return len(self.members[0].results)

    @property
    def num_failed(self) -> int:
        """Failed scenarios, all seeds together."""
        return sum(len(member.failed) for member in self.members)

    def metric_means(self) -> dict[str, float]:
        """Mean of each metric's score over seeds; scenarios without one are left out, failed ones among them."""
        found: dict[str, list[float]] = {}
        for member in self.members:
            for name, value in member.metric_means().items():
                found.setdefault(name, []).append(value)
        return {name: float(np.mean(values)) for name, values in found.items()}

    def by_kind(self, kind_of: Callable[[JobResult], str | None]) -> dict[str, tuple[int, float]]:
        """Per kind of scenario: how many there are, and the mean score over seeds.

        Args:
            kind_of: Gives the kind, None for scenarios that have none; they are left out.
        """
        scores: dict[str, list[float]] = {}
        for member in self.members:
            for result in member.results:
                kind = kind_of(result)
                if kind is not None:
                    scores.setdefault(kind, []).append(counted_score(result))
        return {kind: (len(found) // len(self.members), float(np.mean(found))) for kind, found in scores.items()}

    def failures(self, threshold: float) -> list[JobResult]:
        """Scenarios of the first seed whose score is below a threshold, the worst first."""
        low = [result for result in self.members[0].results if counted_score(result) < threshold]
        return sorted(low, key=lambda result: (counted_score(result), result.log_name, result.scenario))


@dataclass(frozen=True, kw_only=True)
class Gap:
    """How far one contender is ahead of another."""

    points: float
    """Difference of the means, 100 for a score of 1."""
    in_deviations: float | None
    """In units of the larger standard deviation over seeds; None where no seed varied, or all scored the same."""


def gap_between(contender: Contender, other: Contender) -> Gap:
    """The lead of a contender over another; negative where it is behind.

    Raises:
        ValueError: When they drove different scenarios.
    """
    mine, theirs = ({result.scenario for result in one.members[0].results} for one in (contender, other))
    if mine != theirs:
        raise ValueError(
            f"{contender.name} and {other.name} drove different scenarios ({len(mine)} and {len(theirs)},"
            f" {len(mine & theirs)} in both), their scores do not compare."
        )
    lead = contender.mean - other.mean
    largest = max((one.deviation for one in (contender, other) if one.deviation is not None), default=0.0)
    return Gap(points=POINTS * lead, in_deviations=lead / largest if largest > 0.0 else None)


def metric_names(contenders: Sequence[Contender]) -> list[str]:
    """All metrics that some contender has a score of."""
    return sorted({name for contender in contenders for name in contender.metric_means()})


def as_values(contender: Contender, kinds: Mapping[str, tuple[int, float]]) -> dict[str, object]:
    """A contender as plain values for a JSON file."""
    return {
        "name": contender.name,
        "members": [member.planner for member in contender.members],
        "scores": list(contender.scores),
        "mean": contender.mean,
        "deviation": contender.deviation,
        "scenarios": contender.num_scenarios,
        "failed": contender.num_failed,
        "metrics": contender.metric_means(),
        "kinds": {kind: {"scenarios": count, "score": score} for kind, (count, score) in kinds.items()},
    }
