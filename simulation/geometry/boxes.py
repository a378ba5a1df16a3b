"""Segments and convex polygons, mostly vehicle boxes: corners, overlap, distance.

Polygons are open rings of any orientation [m]. Touching counts as overlap, as in shapely's `intersects`.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64

from simulation.geometry.compiling import njit


@njit(cache=True)
def box_corners(x: float, y: float, heading: float, length: float, width: float) -> Float64[np.ndarray, "4 2"]:
    """Corners of a box around its centre: front-left, rear-left, rear-right, front-right."""
    cos, sin = math.cos(heading), math.sin(heading)
    fx, fy = 0.5 * length * cos, 0.5 * length * sin
    lx, ly = -0.5 * width * sin, 0.5 * width * cos
    corners = np.empty((4, 2))
    corners[0, 0], corners[0, 1] = x + fx + lx, y + fy + ly
    corners[1, 0], corners[1, 1] = x - fx + lx, y - fy + ly
    corners[2, 0], corners[2, 1] = x - fx - lx, y - fy - ly
    corners[3, 0], corners[3, 1] = x + fx - lx, y + fy - ly
    return corners


@njit(cache=True)
def _is_separated_by_edges_of(a: np.ndarray, b: np.ndarray) -> bool:
    num_a, num_b = len(a), len(b)
    for i in range(num_a):
        j = i + 1 if i + 1 < num_a else 0
        nx, ny = a[i, 1] - a[j, 1], a[j, 0] - a[i, 0]
        if nx == 0.0 and ny == 0.0:
            continue
        # Relative to a vertex: map coordinates of 4e6 m would cost seven digits in the products.
        low_a, high_a = 0.0, 0.0
        for k in range(num_a):
            value = nx * (a[k, 0] - a[i, 0]) + ny * (a[k, 1] - a[i, 1])
            low_a = min(low_a, value)
            high_a = max(high_a, value)
        low_b, high_b = np.inf, -np.inf
        for k in range(num_b):
            value = nx * (b[k, 0] - a[i, 0]) + ny * (b[k, 1] - a[i, 1])
            low_b = min(low_b, value)
            high_b = max(high_b, value)
        if high_a < low_b or high_b < low_a:
            return True
    return False


@njit(cache=True)
def convex_overlap(a: Float64[np.ndarray, "corners_a 2"], b: Float64[np.ndarray, "corners_b 2"]) -> bool:
    """Whether two convex polygons share a point, by the separating-axis theorem."""
    return not (_is_separated_by_edges_of(a, b) or _is_separated_by_edges_of(b, a))


@njit(cache=True)
def boxes_overlapping(
    corners: Float64[np.ndarray, "corners 2"],
    poses: Float64[np.ndarray, "boxes 3"],
    sizes: Float64[np.ndarray, "boxes 2"],
) -> Bool[np.ndarray, "boxes"]:
    """Whether each box overlaps a box given by its corners, for example the ego's; a NaN pose overlaps nothing.

    Args:
        corners: Of the one box, opposite corners two places apart.
        poses: Centres and headings of the other boxes.
        sizes: Their lengths and widths [m].
    """
    overlaps = np.zeros(len(poses), dtype=np.bool_)
    reach = 0.5 * math.hypot(corners[0, 0] - corners[2, 0], corners[0, 1] - corners[2, 1])
    x, y = 0.5 * (corners[0, 0] + corners[2, 0]), 0.5 * (corners[0, 1] + corners[2, 1])
    for i in range(len(poses)):
        length, width = sizes[i, 0], sizes[i, 1]
        if math.hypot(poses[i, 0] - x, poses[i, 1] - y) <= reach + 0.5 * math.hypot(length, width):
            box = box_corners(poses[i, 0], poses[i, 1], poses[i, 2], length, width)
            overlaps[i] = convex_overlap(corners, box)
    return overlaps


class Segment(NamedTuple):
    """A straight line from a to b [m]."""

    ax: float
    ay: float
    bx: float
    by: float


@njit(cache=True)
def offset_from_segment(segment: Segment, x: float, y: float) -> tuple[float, float, float]:
    """Share of the segment at its place nearest to a point, and the vector from that place to the point."""
    dx, dy = segment.bx - segment.ax, segment.by - segment.ay
    rx, ry = x - segment.ax, y - segment.ay
    squared = dx * dx + dy * dy
    share = 0.0
    if squared > 0.0:
        share = min(1.0, max(0.0, (rx * dx + ry * dy) / squared))
    return share, rx - share * dx, ry - share * dy


@njit(cache=True)
def point_segment_distance(segment: Segment, x: float, y: float) -> float:
    """Distance of a point from a segment [m]."""
    _, gx, gy = offset_from_segment(segment, x, y)
    return math.hypot(gx, gy)


@njit(cache=True)
def point_segment_squared(segment: Segment, x: float, y: float) -> float:
    """Squared distance of a point from a segment [m^2]."""
    _, gx, gy = offset_from_segment(segment, x, y)
    return gx * gx + gy * gy


@njit(cache=True)
def segments_cross(first: Segment, second: Segment) -> bool:
    """Whether two segments share a point."""
    ux, uy = first.bx - first.ax, first.by - first.ay
    vx, vy = second.bx - second.ax, second.by - second.ay
    wx, wy = second.ax - first.ax, second.ay - first.ay
    cross = ux * vy - uy * vx
    if cross == 0.0:
        if ux * wy - uy * wx != 0.0:
            return False
        squared = ux * ux + uy * uy
        if squared == 0.0:
            return point_segment_distance(second, first.ax, first.ay) == 0.0
        t0 = (wx * ux + wy * uy) / squared
        t1 = t0 + (vx * ux + vy * uy) / squared
        return max(min(t0, t1), 0.0) <= min(max(t0, t1), 1.0)
    t = (wx * vy - wy * vx) / cross
    s = (wx * uy - wy * ux) / cross
    return 0.0 <= t <= 1.0 and 0.0 <= s <= 1.0


@njit(cache=True)
def edge(polygon: Float64[np.ndarray, "corners 2"], i: int) -> Segment:
    """Edge of a polygon from corner `i` to the next."""
    j = i + 1 if i + 1 < len(polygon) else 0
    return Segment(polygon[i, 0], polygon[i, 1], polygon[j, 0], polygon[j, 1])


@njit(cache=True)
def convex_distance(a: Float64[np.ndarray, "corners_a 2"], b: Float64[np.ndarray, "corners_b 2"]) -> float:
    """Distance of two convex polygons [m], 0 when they overlap."""
    if convex_overlap(a, b):
        return 0.0
    best = np.inf
    for i in range(len(a)):
        for j in range(len(b)):
            # Without overlap, a vertex is part of the nearest pair: two vertex-edge tests per edge pair suffice.
            best = min(best, point_segment_distance(edge(b, j), a[i, 0], a[i, 1]))
            best = min(best, point_segment_distance(edge(a, i), b[j, 0], b[j, 1]))
    return best


@njit(cache=True)
def convex_contains(corners: Float64[np.ndarray, "corners 2"], x: float, y: float) -> bool:
    """Whether a point is in a convex polygon or on its border: on the same side of all edges."""
    has_left, has_right = False, False
    for i in range(len(corners)):
        side = edge(corners, i)
        cross = (side.bx - side.ax) * (y - side.ay) - (side.by - side.ay) * (x - side.ax)
        has_left = has_left or cross > 0.0
        has_right = has_right or cross < 0.0
    return not (has_left and has_right)


@njit(cache=True)
def convex_point_distance(corners: Float64[np.ndarray, "corners 2"], x: float, y: float) -> float:
    """Distance of a point from a convex polygon [m], 0 inside."""
    if convex_contains(corners, x, y):
        return 0.0
    best = np.inf
    for i in range(len(corners)):
        best = min(best, point_segment_distance(edge(corners, i), x, y))
    return best
