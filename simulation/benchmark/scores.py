"""Scores of one planner under one kind of traffic, and how a failed scenario counts in a mean."""

from dataclasses import dataclass

import numpy as np

from simulation.benchmark.jobs import JobResult

STAGES = (
    "opening",
    "loading",
    "set_up",
    "planning",
    "control",
    "traffic",
    "observation",
    "metrics",
    "packing",
    "rollout",
    "total",
)


@dataclass(frozen=True, kw_only=True)
class Group:
    """One planner under one kind of traffic."""

    planner: str
    traffic: str
    results: tuple[JobResult, ...]
    is_probe: bool
    """Whether it is a degenerate planner; its score shows how far a metric can be gamed."""

    @property
    def final_score(self) -> float:
        """Mean over all scenarios, failed ones counted as 0."""
        return float(np.mean([counted_score(result) for result in self.results]))

    @property
    def failed(self) -> tuple[JobResult, ...]:
        """The scenarios without a score."""
        return tuple(result for result in self.results if result.status == "failed")

    def by_type(self) -> dict[str, float]:
        """Final score per scenario type."""
        types = sorted({result.scenario_type for result in self.results})
        return {
            name: float(np.mean([counted_score(r) for r in self.results if r.scenario_type == name]))
            for name in types
        }

    def metric_means(self) -> dict[str, float]:
        """Mean of each metric's score over the scenarios that have one."""
        values: dict[str, list[float]] = {}
        for result in self.results:
            for name, score in result.metrics.items():
                if score is not None:
                    values.setdefault(name, []).append(score)
        return {name: float(np.mean(scores)) for name, scores in values.items()}

    def seconds(self) -> dict[str, float]:
        """Median seconds per scenario in each stage."""
        stages: dict[str, list[float]] = {}
        for result in self.results:
            if result.status == "succeeded":
                for stage, seconds in result.stage_time_s.items():
                    stages.setdefault(stage, []).append(seconds)
        return {stage: float(np.median(stages[stage])) for stage in sorted(stages, key=stage_order)}


def counted_score(result: JobResult) -> float:
    """The score that enters a mean: 0 where the scenario failed."""
    return 0.0 if result.score is None else result.score


def stage_order(stage: str) -> tuple[int, str]:
    """Sort key of a stage: the order of `STAGES`, then by name."""
    return (STAGES.index(stage) if stage in STAGES else len(STAGES), stage)


def reason_of(result: JobResult) -> str:
    """Why a scenario failed or lost points, in sentences; empty when nothing was lost."""
    texts = dict.fromkeys(result.sentences[name] for name in sorted(result.sentences))
    # The sentence of comfort repeats those of its parts.
    kept = [text for text in texts if not any(text in other for other in texts if other != text)]
    return result.reason or "; ".join(kept)
