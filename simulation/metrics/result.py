"""Result of a metric for one motion: score, series, violations."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float64

DEFINITION = "nuplan-devkit e924167"
"""Version of the rules of these metrics."""


@dataclass(frozen=True, kw_only=True)
class Violation:
    """An event in one sentence."""

    time_s: float
    """Seconds from the start of the drive."""
    sentence: str
    track_id: str | None = None
    """The agent involved, if any."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MetricResult:
    """One metric of one motion."""

    name: str
    """nuPlan's name of the metric."""
    score: float | None
    """In [0, 1]; None for metrics that measure but do not score."""
    statistics: dict[str, float]
    """Under nuPlan's names; truth values are 0 and 1."""
    series: Float64[np.ndarray, "time"] = field(default_factory=lambda: np.zeros(0))
    """The measured quantity over time; empty if the metric has none."""
    series_unit: str = ""
    time_s: Float64[np.ndarray, "time"] = field(default_factory=lambda: np.zeros(0))
    """Times of the series, seconds from the start of the drive."""
    valid: Bool[np.ndarray, "time"] = field(default_factory=lambda: np.zeros(0, dtype=bool))
    """Samples at which the quantity is defined, for example those on a lane."""
    violations: tuple[Violation, ...] = ()
    """Events that lower the score, in order of time."""
    notes: tuple[Violation, ...] = ()
    """Events without effect on the score, for example a rear-end collision of an agent."""
    definition: str = DEFINITION

    def __post_init__(self) -> None:
        if not len(self.series) == len(self.time_s) == len(self.valid):
            raise ValueError(
                f"{self.name}: need one time and one mask entry per sample of the series, got {len(self.series)}"
                f" samples, {len(self.time_s)} times, {len(self.valid)} mask entries."
            )
        if self.score is not None and not 0.0 <= self.score <= 1.0:
            raise ValueError(f"{self.name}: a score lies in [0, 1], got {self.score}.")

    @property
    def first_violation(self) -> Violation | None:
        """The first violation, None without any."""
        return self.violations[0] if self.violations else None

    @property
    def sentence(self) -> str:
        """Sentence of the first violation, empty without any."""
        return self.violations[0].sentence if self.violations else ""


def stretches(flags: Bool[np.ndarray, "time"]) -> list[tuple[int, int]]:
    """First and last sample of each unbroken run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(start), int(stop) - 1) for start, stop in edges.reshape(-1, 2)]
