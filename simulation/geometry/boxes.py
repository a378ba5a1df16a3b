"""Convex polygons, mostly vehicle boxes: corners, overlap, distance.

Polygons are open rings (n, 2) of any orientation [m]. Touching counts as overlap, as in shapely's `intersects`.
"""

import math

import numpy as np
from jaxtyping import Bool, Float64

from simulation.geometry.compiling import njit


@njit(cache=True)
def box_corners(x: float, y: float, heading: float, length: float, width: float) -> np.ndarray:
    """Corners (4, 2) of a box around its centre: front-left, rear-left, rear-right, front-right."""
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
def convex_overlap(a: np.ndarray, b: np.ndarray) -> bool:
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


@njit(cache=True)
def point_segment_distance(px: float, py: float, ax: float, ay: float, bx: float, by: float) -> float:
    """Distance of a point from a segment."""
    dx, dy = bx - ax, by - ay
    rx, ry = px - ax, py - ay
    squared = dx * dx + dy * dy
    t = 0.0
    if squared > 0.0:
        t = min(1.0, max(0.0, (rx * dx + ry * dy) / squared))
    return math.hypot(rx - t * dx, ry - t * dy)


@njit(cache=True)
def segments_cross(ax: float, ay: float, bx: float, by: float, cx: float, cy: float, dx: float, dy: float) -> bool:
    """Whether segments a-b and c-d share a point."""
    ux, uy = bx - ax, by - ay
    vx, vy = dx - cx, dy - cy
    wx, wy = cx - ax, cy - ay
    cross = ux * vy - uy * vx
    if cross == 0.0:
        if ux * wy - uy * wx != 0.0:
            return False
        squared = ux * ux + uy * uy
        if squared == 0.0:
            return point_segment_distance(ax, ay, cx, cy, dx, dy) == 0.0
        t0 = (wx * ux + wy * uy) / squared
        t1 = t0 + (vx * ux + vy * uy) / squared
        return max(min(t0, t1), 0.0) <= min(max(t0, t1), 1.0)
    t = (wx * vy - wy * vx) / cross
    s = (wx * uy - wy * ux) / cross
    return 0.0 <= t <= 1.0 and 0.0 <= s <= 1.0


@njit(cache=True)
def segment_distance(ax: float, ay: float, bx: float, by: float, cx: float, cy: float, dx: float, dy: float) -> float:
    """Distance of two segments, 0 when they cross."""
    if segments_cross(ax, ay, bx, by, cx, cy, dx, dy):
        return 0.0
    return min(
        min(point_segment_distance(ax, ay, cx, cy, dx, dy), point_segment_distance(bx, by, cx, cy, dx, dy)),
        min(point_segment_distance(cx, cy, ax, ay, bx, by), point_segment_distance(dx, dy, ax, ay, bx, by)),
    )


@njit(cache=True)
def convex_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Distance of two convex polygons, 0 when they overlap."""
    if convex_overlap(a, b):
        return 0.0
    best = np.inf
    num_a, num_b = len(a), len(b)
    for i in range(num_a):
        ni = i + 1 if i + 1 < num_a else 0
        for j in range(num_b):
            nj = j + 1 if j + 1 < num_b else 0
            # Apart, the nearest pair always holds a vertex: two vertex-edge tests per edge pair suffice.
            best = min(best, point_segment_distance(a[i, 0], a[i, 1], b[j, 0], b[j, 1], b[nj, 0], b[nj, 1]))
            best = min(best, point_segment_distance(b[j, 0], b[j, 1], a[i, 0], a[i, 1], a[ni, 0], a[ni, 1]))
    return best
