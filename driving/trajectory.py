"""The plan that a planner returns."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from driving.geometry import poses_in_frame_of, wrap_angle


@dataclass(frozen=True, kw_only=True)
class Trajectory:
    """Where the rear axle shall be from now on."""

    time_s: Float64[np.ndarray, "time"]
    """Seconds from now, rising; the first is 0, the pose at 0 is the present one."""
    poses: Float64[np.ndarray, "time 3"]
    """x [m], y [m], heading [rad] of the rear axle, global."""

    def __post_init__(self) -> None:
        if len(self.time_s) != len(self.poses):
            raise ValueError(f"Need one pose per time stamp, got {len(self.poses)} for {len(self.time_s)}.")
        if len(self.time_s) < 2:
            raise ValueError(f"A trajectory needs at least 2 poses, got {len(self.time_s)}.")

    @property
    def horizon_s(self) -> float:
        """Time of the last pose."""
        return float(self.time_s[-1])

    def at(self, time_s: Float64[np.ndarray, "queries"]) -> Float64[np.ndarray, "queries 3"]:
        """Poses in between, positions and unwrapped headings interpolated over time.

        Raises:
            ValueError: When a time lies outside the trajectory; plans are never extrapolated.
        """
        if len(time_s) and (time_s.min() < self.time_s[0] or time_s.max() > self.time_s[-1]):
            raise ValueError(
                f"The trajectory covers {self.time_s[0]:.3f} s to {self.time_s[-1]:.3f} s,"
                f" asked for {time_s.min():.3f} s to {time_s.max():.3f} s."
            )
        x = np.interp(time_s, self.time_s, self.poses[:, 0])
        y = np.interp(time_s, self.time_s, self.poses[:, 1])
        heading = np.interp(time_s, self.time_s, np.unwrap(self.poses[:, 2]))
        return np.stack([x, y, wrap_angle(heading)], axis=-1)

    def in_frame_of(self, pose: Float64[np.ndarray, "3"]) -> Float64[np.ndarray, "time 3"]:
        """The poses relative to `pose` (x forward, y left)."""
        return poses_in_frame_of(self.poses, pose)
