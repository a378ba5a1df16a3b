"""A coarse navigation line: where the route leads, without lanes, widths or limits.

    line = NavigationLine.of(route, seed=0)
    points = line.ahead(ego.rear_axle_pose)      # (64, 4), every 2 m, in the ego frame

The line consists of waypoints every 10 m along the route. All are shifted to the same side by up to 1.5 m, as a
navigation system without the lane would give them.
"""

import zlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64
from scipy.interpolate import CubicSpline

from driving.geometry import Polyline, arc_lengths, poses_in_frame_of, wrap_angle
from driving.route import Route

WAYPOINT_M = 10.0
"""Distance of the waypoints along the route."""
MAX_SHIFT_M = 1.5
SAMPLE_M = 2.0
"""Distance of the interpolated points."""
NUM_AHEAD, NUM_BEHIND = 64, 5
"""Interpolated points around the ego, and how many of them are behind it."""
_BEFORE_M, _BEYOND_M = 40.0, 130.0
"""The line continues straight before the start and beyond the end of the route, so that the points always exist."""


@dataclass(frozen=True, kw_only=True)
class NavigationLine:
    """Waypoints along a route."""

    waypoints: Float64[np.ndarray, "waypoints 2"]
    """x, y [m], global."""

    @classmethod
    def of(cls, route: Route, seed: int = 0) -> "NavigationLine":
        """The line of a route; the seed and the route determine the shift.

        Raises:
            ValueError: When the route has no centerline.
        """
        if len(route.centerline) < 2:
            raise ValueError(
                f"The route names no lane of the map ({len(route.roadblock_ids)} roadblocks); a navigation line needs"
                " a route to follow."
            )
        line = Polyline(route.centerline)
        content = zlib.crc32(np.ascontiguousarray(route.centerline).tobytes())
        shift_m = np.random.default_rng([seed, content]).uniform(-MAX_SHIFT_M, MAX_SHIFT_M)
        # At least two waypoints, also on a route that is shorter than their distance.
        poses = line.at(np.arange(0.0, max(line.length_m, WAYPOINT_M) + 1e-6, WAYPOINT_M))
        headings = poses[:, 2]
        points = poses[:, :2] + shift_m * np.stack([-np.sin(headings), np.cos(headings)], axis=-1)
        return cls(waypoints=points)

    @cached_property
    def poses(self) -> Float64[np.ndarray, "samples 3"]:
        """x, y [m], heading every 2 m on a smooth curve through the waypoints, global."""
        points = self.waypoints
        along = arc_lengths(points)
        curve = CubicSpline(along, points, bc_type="natural") if len(points) > 2 else Polyline(points)
        stretch = np.arange(0.0, along[-1], SAMPLE_M)
        if isinstance(curve, Polyline):
            inside = curve.at(stretch)
        else:
            tangents = curve(stretch, 1)
            inside = np.column_stack([curve(stretch), np.arctan2(tangents[:, 1], tangents[:, 0])])
        before = _straight(inside[0], np.arange(-_BEFORE_M, -SAMPLE_M / 2, SAMPLE_M))
        return np.concatenate([before, inside, _straight(inside[-1], np.arange(SAMPLE_M, _BEYOND_M, SAMPLE_M))])

    def ahead(self, ego_pose: Float64[np.ndarray, "3"]) -> Float64[np.ndarray, "64 4"]:
        """x, y [m], cosine and sine of the heading of the points around an ego, in its frame.

        Where a route crosses itself, the part in the direction of the ego counts.

        Args:
            ego_pose: Rear axle, global.
        """
        gaps_m = np.hypot(*(self.poses[:, :2] - ego_pose[:2]).T)
        turned = np.abs(wrap_angle(self.poses[:, 2] - ego_pose[2]))
        nearest = int(np.argmin(gaps_m + 2.0 * turned))
        first = min(max(0, nearest - NUM_BEHIND), len(self.poses) - NUM_AHEAD)
        local = poses_in_frame_of(self.poses[first : first + NUM_AHEAD], ego_pose)
        return np.column_stack([local[:, :2], np.cos(local[:, 2]), np.sin(local[:, 2])])


def _straight(
    pose: Float64[np.ndarray, "3"], along_m: Float64[np.ndarray, "samples"]
) -> Float64[np.ndarray, "samples 3"]:
    """Poses on the tangent of a pose, at distances from it."""
    xy = pose[:2] + along_m[:, np.newaxis] * [np.cos(pose[2]), np.sin(pose[2])]
    return np.column_stack([xy, np.full(len(xy), pose[2])])
