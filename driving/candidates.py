"""What a planner weighed before it chose its plan: looked at in the viewer, never driven."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from driving.geometry import wrap_angle

LOGGED_TIME_S = np.arange(9) * 0.5
"""Simulation logs keep candidates at these times; a planner that gives them at these saves the interpolation."""


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """The alternatives of one step, at least one, with the scores by which the planner chose."""

    time_s: Float64[np.ndarray, "time"]
    """Seconds from now, rising; the same for all candidates."""
    poses: Float64[np.ndarray, "candidates time 3"]
    """x [m], y [m], heading [rad] of the rear axle, global; NaN where a candidate does not reach."""
    scores: Float64[np.ndarray, "candidates"]
    """Higher is better, on a scale of the planner's own."""
    chosen: int | None
    """The row that became the plan; None where the planner did something else, for example brake in an emergency."""

    def __post_init__(self) -> None:
        if self.poses.shape != (len(self.scores), len(self.time_s), 3) or not len(self.scores):
            raise ValueError(
                f"Candidates need poses (candidates, {len(self.time_s)}, 3) for their times and a score each, at"
                f" least one, got poses {self.poses.shape} and {len(self.scores)} scores."
            )
        if len(self.time_s) < 2 or (np.diff(self.time_s) <= 0).any():
            raise ValueError(f"Times of candidates must rise, two at least, got {self.time_s[:3]} ...")
        if self.chosen is not None and not 0 <= self.chosen < len(self.scores):
            raise ValueError(
                f"There are {len(self.scores)} candidates, and number {self.chosen} is said to be chosen."
            )

    def at(self, time_s: Float64[np.ndarray, "queries"]) -> "Candidates":
        """The same candidates at other times, in between interpolated, outside of their own times NaN."""
        if time_s is self.time_s or np.array_equal(time_s, self.time_s):
            return self
        after = np.clip(np.searchsorted(self.time_s, time_s), 1, len(self.time_s) - 1)
        before = after - 1
        share = ((time_s - self.time_s[before]) / (self.time_s[after] - self.time_s[before]))[:, np.newaxis]
        step = self.poses[:, after] - self.poses[:, before]
        step[..., 2] = wrap_angle(step[..., 2])
        poses = self.poses[:, before] + share * step
        poses[..., 2] = wrap_angle(poses[..., 2])
        poses[:, (time_s < self.time_s[0]) | (time_s > self.time_s[-1])] = np.nan
        return Candidates(time_s=time_s, poses=poses, scores=self.scores, chosen=self.chosen)
