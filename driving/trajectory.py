"""The plan that a planner returns."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from driving.arrays import require_array
from driving.geometry import poses_in_frame_of, wrap_angle


@dataclass(frozen=True, kw_only=True)
class Trajectory:
    """Poses of the rear axle from now on.

    Types, shapes and values are checked when a trajectory is made, so that no planner can pass another shape to the
    simulation's compiled code.

    Raises:
        TypeError: When `time_s` or `poses` is no float64 array.
        ValueError: When a shape differs, a value is NaN or infinite, or times do not rise.
    """

    time_s: Float64[np.ndarray, "time"]
    """Seconds from now, rising, at least two; in a plan the first is 0, the time of the present pose."""
    poses: Float64[np.ndarray, "time 3"]
    """x [m], y [m], heading [rad] of the rear axle, global."""

    def __post_init__(self) -> None:
        require_array("Trajectory.time_s", self.time_s, ("time",), (None,))
        require_array("Trajectory.poses", self.poses, ("time", "3: x, y, heading"), (None, 3))
        if len(self.time_s) != len(self.poses):
            raise ValueError(f"Need one pose per time stamp, got {len(self.poses)} for {len(self.time_s)}.")
        if len(self.time_s) < 2:
            raise ValueError(f"A trajectory needs at least 2 poses, got {len(self.time_s)}.")
        # A planner makes one trajectory per step: `count_nonzero` takes a fraction of the time of `all`.
        num_finite = np.count_nonzero(np.isfinite(self.poses)) + np.count_nonzero(np.isfinite(self.time_s))
        if num_finite < self.poses.size + self.time_s.size:
            raise ValueError("The trajectory holds NaN or infinite values.")
        if np.count_nonzero(self.time_s[1:] > self.time_s[:-1]) < len(self.time_s) - 1:
            raise ValueError(f"The times of a trajectory must rise, got {self.time_s[:3]} ...")

    @property
    def horizon_s(self) -> float:
        """Time of the last pose."""
        return float(self.time_s[-1])

    def at(self, time_s: Float64[np.ndarray, "queries"]) -> Float64[np.ndarray, "queries 3"]:
        """Poses at other times; positions and unwrapped headings are interpolated linearly.

        Raises:
            ValueError: When a time lies outside the trajectory; plans are never extrapolated.
        """
        if len(time_s) and (time_s.min() < self.time_s[0] or time_s.max() > self.time_s[-1]):
            raise ValueError(
                f"The trajectory covers {self.time_s[0]:.3f} s to {self.time_s[-1]:.3f} s,"
                f" requested were {time_s.min():.3f} s to {time_s.max():.3f} s."
            )
        x = np.interp(time_s, self.time_s, self.poses[:, 0])
        y = np.interp(time_s, self.time_s, self.poses[:, 1])
        heading = np.interp(time_s, self.time_s, np.unwrap(self.poses[:, 2]))
        return np.stack([x, y, wrap_angle(heading)], axis=-1)

    def in_frame_of(self, pose: Float64[np.ndarray, "3"]) -> Float64[np.ndarray, "time 3"]:
        """The poses relative to `pose` (x forward, y left)."""
        return poses_in_frame_of(self.poses, pose)
