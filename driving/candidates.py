"""The scored candidates of a planner at one step: kept in the log and drawn in the viewer, never driven."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from driving.arrays import require_array
from driving.geometry import wrap_angle
from driving.timing import STEP_S

LOGGED_TIME_S = np.arange(9) * 0.5
"""Simulation logs keep candidates at these times; candidates given at these times need no interpolation."""
LOGGED_STEPS = np.rint(LOGGED_TIME_S / STEP_S).astype(int)
"""The same times in steps of the simulation."""


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """The candidates of one step, at least one, with the scores by which the planner selected.

    Raises:
        TypeError: When an array has another type.
        ValueError: When shapes differ, times do not rise, a score is NaN, or `chosen` is no row.
    """

    time_s: Float64[np.ndarray, "time"]
    """Seconds from now, rising; the same for all candidates."""
    poses: Float64[np.ndarray, "candidates time 3"]
    """x [m], y [m], heading [rad] of the rear axle, global; NaN beyond the end of a candidate."""
    scores: Float64[np.ndarray, "candidates"]
    """Higher is better; each planner has its own scale."""
    chosen: int | None
    """The row that became the plan; None when none did, for example in an emergency braking."""

    def __post_init__(self) -> None:
        require_array("Candidates.time_s", self.time_s, ("time",), (None,))
        require_array("Candidates.scores", self.scores, ("candidates",), (None,))
        require_array("Candidates.poses", self.poses, ("candidates", "time", "3: x, y, heading"), (None, None, 3))
        if self.poses.shape[:2] != (len(self.scores), len(self.time_s)) or not len(self.scores):
            raise ValueError(
                f"Candidates need poses (candidates, {len(self.time_s)}, 3) for their times and a score each, at"
                f" least one, got poses {self.poses.shape} and {len(self.scores)} scores."
            )
        if len(self.time_s) < 2 or not (self.time_s[1:] > self.time_s[:-1]).all():
            raise ValueError(f"Times of candidates must rise, at least two, got {self.time_s[:3]} ...")
        if np.isnan(self.scores).any():
            raise ValueError("The score of a candidate is NaN; leave candidates without a score out.")
        if self.chosen is not None and not (isinstance(self.chosen, int) and 0 <= self.chosen < len(self.scores)):
            raise ValueError(f"`chosen` must be a row of {len(self.scores)} candidates or None, got {self.chosen!r}.")

    def at(self, time_s: Float64[np.ndarray, "queries"]) -> "Candidates":
        """The same candidates at other times, interpolated linearly; NaN outside their own times."""
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
