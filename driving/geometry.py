"""Angles, poses, boxes and polylines in the plane.

A pose is (x [m], y [m], heading [rad]); headings run counter-clockwise from the x axis.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Float64

Pose = Float64[np.ndarray, "3"]
"""x [m], y [m], heading [rad]."""


def wrap_angle(angle_rad: Float[np.ndarray, "*shape"] | float) -> Float[np.ndarray, "*shape"] | float:
    """Bring angles into [-pi, pi)."""
    return (angle_rad + np.pi) % (2 * np.pi) - np.pi


def global_from_local(
    points_local: Float64[np.ndarray, "*shape 2"], pose: Float64[np.ndarray, "3"]
) -> Float64[np.ndarray, "*shape 2"]:
    """Transform points from the frame of `pose` (x forward, y left) to the frame of the coordinates of `pose`."""
    cos, sin = np.cos(pose[2]), np.sin(pose[2])
    return points_local @ np.array([[cos, sin], [-sin, cos]]) + pose[:2]


def local_from_global(
    points_global: Float64[np.ndarray, "*shape 2"], pose: Float64[np.ndarray, "3"]
) -> Float64[np.ndarray, "*shape 2"]:
    """Transform points into the frame of `pose` (x forward, y left)."""
    cos, sin = np.cos(pose[2]), np.sin(pose[2])
    return (points_global - pose[:2]) @ np.array([[cos, -sin], [sin, cos]])


def poses_in_frame_of(
    poses: Float64[np.ndarray, "*shape 3"], origin: Float64[np.ndarray, "3"]
) -> Float64[np.ndarray, "*shape 3"]:
    """Express poses relative to the pose `origin`, headings wrapped."""
    positions = local_from_global(poses[..., :2], origin)
    headings = wrap_angle(poses[..., 2:] - origin[2])
    return np.concatenate([positions, headings], axis=-1)


def poses_out_of_frame_of(
    poses_local: Float64[np.ndarray, "*shape 3"], origin: Float64[np.ndarray, "3"]
) -> Float64[np.ndarray, "*shape 3"]:
    """Inverse of `poses_in_frame_of`."""
    positions = global_from_local(poses_local[..., :2], origin)
    headings = wrap_angle(poses_local[..., 2:] + origin[2])
    return np.concatenate([positions, headings], axis=-1)


def shifted_along_heading(
    poses: Float64[np.ndarray, "*shape 3"], distance_m: float
) -> Float64[np.ndarray, "*shape 3"]:
    """Shift each pose along its heading, for example from the rear axle to the box centre."""
    heading = poses[..., 2]
    return np.stack(
        [
            poses[..., 0] + distance_m * np.cos(heading),
            poses[..., 1] + distance_m * np.sin(heading),
            heading,
        ],
        axis=-1,
    )


def box_corners(
    center_poses: Float64[np.ndarray, "*shape 3"], sizes: Float64[np.ndarray, "*shape 2"]
) -> Float64[np.ndarray, "*shape 4 2"]:
    """Corners of boxes in nuPlan's order: front-left, rear-left, rear-right, front-right.

    Args:
        center_poses: Box centres and headings.
        sizes: Box length and width [m].
    """
    half_length, half_width = sizes[..., 0] / 2, sizes[..., 1] / 2
    cos, sin = np.cos(center_poses[..., 2]), np.sin(center_poses[..., 2])
    forward = np.stack([half_length * cos, half_length * sin], axis=-1)
    left = np.stack([-half_width * sin, half_width * cos], axis=-1)
    center = center_poses[..., :2]
    return np.stack(
        [center + forward + left, center - forward + left, center - forward - left, center + forward - left],
        axis=-2,
    )


SOLID_EDGES = ((0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), (0, 4), (1, 5), (2, 6), (3, 7))
"""Pairs of the corners of a box that its edges join: below, above, upright."""


def solid_corners(
    center_poses: Float64[np.ndarray, "*shape 3"],
    sizes_m: Float64[np.ndarray, "*shape 3"],
    bottom_m: Float64[np.ndarray, "*shape"] | float = 0.0,
) -> Float64[np.ndarray, "*shape 8 3"]:
    """Corners of upright boxes: four below in nuPlan's order, then four above.

    Args:
        center_poses: Box centres and headings.
        sizes_m: Length, width, height.
        bottom_m: z of the lower faces.
    """
    corners = np.zeros((*sizes_m.shape[:-1], 8, 3))
    corners[..., :2] = np.tile(box_corners(center_poses, sizes_m[..., :2]), (2, 1))
    corners[..., :4, 2] = np.asarray(bottom_m)[..., np.newaxis]
    corners[..., 4:, 2] = np.asarray(bottom_m + sizes_m[..., 2])[..., np.newaxis]
    return corners


def arc_lengths(points: Float64[np.ndarray, "points 2"]) -> Float64[np.ndarray, "points"]:
    """Distance of each vertex from the first, along the line [m]."""
    return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])


def box_overlap_m(
    poses: Float64[np.ndarray, "pairs 3"],
    sizes: Float64[np.ndarray, "pairs 2"],
    other_poses: Float64[np.ndarray, "pairs 3"],
    other_sizes: Float64[np.ndarray, "pairs 2"],
) -> Float64[np.ndarray, "pairs"]:
    """Depth of the overlap of pairs of boxes [m]: the shortest shift that separates them; 0 or less without overlap.

    Separating axes: two boxes do not overlap if and only if the direction of some side separates them.
    """
    first, second = box_corners(poses, sizes), box_corners(other_poses, other_sizes)
    headings = np.stack([poses[:, 2], poses[:, 2], other_poses[:, 2], other_poses[:, 2]], axis=-1)
    headings = headings + np.array([0.0, np.pi / 2, 0.0, np.pi / 2])
    axes = np.stack([np.cos(headings), np.sin(headings)], axis=-1)
    # Relative to one of the boxes: at 4e6 m from the origin, products of coordinates lose millimetres.
    origin = poses[:, np.newaxis, :2]
    a = np.einsum("pcd,pad->pac", first - origin, axes)
    b = np.einsum("pcd,pad->pac", second - origin, axes)
    shared = np.minimum(a.max(axis=-1), b.max(axis=-1)) - np.maximum(a.min(axis=-1), b.min(axis=-1))
    return shared.min(axis=-1)


@dataclass(frozen=True)
class Polyline:
    """A line through points with positions by arc length: a baseline path, a centerline, a driven path."""

    points: Float64[np.ndarray, "points 2"]
    """Vertices [m], at least two."""

    def __post_init__(self) -> None:
        if len(self.points) < 2:
            raise ValueError(f"A polyline needs at least 2 points, got {len(self.points)}.")

    @cached_property
    def arc_length_m(self) -> Float64[np.ndarray, "points"]:
        """Distance of each vertex from the start, along the line."""
        return arc_lengths(self.points)

    @property
    def length_m(self) -> float:
        """Length from first to last vertex."""
        return float(self.arc_length_m[-1])

    @cached_property
    def headings(self) -> Float64[np.ndarray, "points"]:
        """Direction from each vertex to the next; the last one is repeated, as in nuPlan."""
        steps = np.diff(self.points, axis=0)
        headings = np.arctan2(steps[:, 1], steps[:, 0])
        return np.append(headings, headings[-1])

    def project(self, points: Float64[np.ndarray, "queries 2"]) -> Float64[np.ndarray, "queries 2"]:
        """Arc length of the nearest point on the line and signed lateral offset (left positive), both [m]."""
        start, step = self.points[:-1], np.diff(self.points, axis=0)
        length = np.hypot(step[:, 0], step[:, 1])
        squared = np.where(length > 0, length**2, 1.0)
        relative = points[:, np.newaxis] - start
        fraction = np.clip((relative * step).sum(axis=-1) / squared, 0.0, 1.0)
        gap = relative - fraction[..., np.newaxis] * step
        nearest = np.argmin((gap**2).sum(axis=-1), axis=-1)
        rows = np.arange(len(points))
        along = self.arc_length_m[nearest] + fraction[rows, nearest] * length[nearest]
        side = step[nearest, 0] * relative[rows, nearest, 1] - step[nearest, 1] * relative[rows, nearest, 0]
        offset = np.copysign(np.hypot(*gap[rows, nearest].T), side)
        return np.stack([along, offset], axis=-1)

    def at(self, arc_length_m: Float64[np.ndarray, "queries"]) -> Float64[np.ndarray, "queries 3"]:
        """Poses on the line; arc lengths outside are clamped to the ends. Headings are the segment's."""
        along = np.clip(arc_length_m, 0.0, self.length_m)
        segment = np.clip(np.searchsorted(self.arc_length_m, along, side="right") - 1, 0, len(self.points) - 2)
        x = np.interp(along, self.arc_length_m, self.points[:, 0])
        y = np.interp(along, self.arc_length_m, self.points[:, 1])
        return np.stack([x, y, self.headings[segment]], axis=-1)
