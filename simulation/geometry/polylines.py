"""Polylines by arc length: projection, interpolation, and corridors of a given width along them."""

import math

import numpy as np

from simulation.geometry.boxes import convex_overlap, point_segment_distance
from simulation.geometry.compiling import njit


@njit(cache=True)
def arc_lengths(points: np.ndarray) -> np.ndarray:
    """Distance (P,) of each vertex (P, 2) from the first, along the line [m]."""
    arc = np.zeros(len(points))
    for k in range(1, len(points)):
        arc[k] = arc[k - 1] + math.hypot(points[k, 0] - points[k - 1, 0], points[k, 1] - points[k - 1, 1])
    return arc


@njit(cache=True)
def project(points: np.ndarray, arc: np.ndarray, x: float, y: float) -> float:
    """Arc length of the point's nearest place on the line; of equally near ones the first, as in shapely."""
    best, along = np.inf, 0.0
    for k in range(len(points) - 1):
        dx, dy = points[k + 1, 0] - points[k, 0], points[k + 1, 1] - points[k, 1]
        rx, ry = x - points[k, 0], y - points[k, 1]
        squared = dx * dx + dy * dy
        t = 0.0
        if squared > 0.0:
            t = min(1.0, max(0.0, (rx * dx + ry * dy) / squared))
        gx, gy = rx - t * dx, ry - t * dy
        gap = gx * gx + gy * gy
        if gap < best:
            best = gap
            along = arc[k] + t * (arc[k + 1] - arc[k])
    return along


@njit(cache=True)
def segment_at(arc: np.ndarray, along: float) -> int:
    """Segment that holds an arc length: the last one whose start is not behind it, clamped to the line."""
    k = int(np.searchsorted(arc, along, side="right")) - 1
    return int(min(max(k, 0), len(arc) - 2))


@njit(cache=True)
def interpolate(points: np.ndarray, arc: np.ndarray, along: float) -> tuple[float, float, float]:
    """Place on the line at an arc length (clamped to the line) and the heading of its segment."""
    along = min(max(along, 0.0), arc[-1])
    k = segment_at(arc, along)
    length = arc[k + 1] - arc[k]
    t = (along - arc[k]) / length if length > 0.0 else 0.0
    dx, dy = points[k + 1, 0] - points[k, 0], points[k + 1, 1] - points[k, 1]
    return points[k, 0] + t * dx, points[k, 1] + t * dy, math.atan2(dy, dx)


@njit(cache=True)
def corridor_overlaps(
    points: np.ndarray,
    arc: np.ndarray,
    start_m: float,
    end_m: float,
    half_width_m: float,
    square_caps: bool,
    corners: np.ndarray,
) -> bool:
    """Whether a piece of the line, widened to both sides, shares a point with a convex polygon.

    Inner vertices have round joins, ends are flat or, with `square_caps`, prolonged by the half width: what
    shapely's `buffer` draws, but with true arcs instead of its eight chords a quarter.

    Args:
        points: Vertices (P, 2) of the line.
        arc: Their arc lengths (P,).
        start_m: Arc length where the piece starts, clamped to the line.
        end_m: Arc length where it ends, clamped to the line.
        half_width_m: Width to each side.
        square_caps: Prolong both ends by the half width.
        corners: Convex polygon (n, 2).
    """
    start_m, end_m = max(start_m, 0.0), min(end_m, arc[-1])
    if end_m < start_m:
        return False
    first, last = segment_at(arc, start_m), segment_at(arc, end_m)
    # An end on a vertex belongs to the segment before it.
    if last > first and end_m <= arc[last]:
        last -= 1
    cap = half_width_m if square_caps else 0.0
    rectangle = np.empty((4, 2))
    for k in range(first, last + 1):
        length = arc[k + 1] - arc[k]
        if length <= 0.0:
            continue
        ux, uy = (points[k + 1, 0] - points[k, 0]) / length, (points[k + 1, 1] - points[k, 1]) / length
        low = start_m - arc[k] - cap if k == first else 0.0
        high = end_m - arc[k] + cap if k == last else length
        ox, oy = -uy * half_width_m, ux * half_width_m
        ax, ay = points[k, 0] + low * ux, points[k, 1] + low * uy
        bx, by = points[k, 0] + high * ux, points[k, 1] + high * uy
        rectangle[0, 0], rectangle[0, 1] = ax + ox, ay + oy
        rectangle[1, 0], rectangle[1, 1] = ax - ox, ay - oy
        rectangle[2, 0], rectangle[2, 1] = bx - ox, by - oy
        rectangle[3, 0], rectangle[3, 1] = bx + ox, by + oy
        if convex_overlap(rectangle, corners):
            return True
        if k < last and convex_point_distance(corners, points[k + 1, 0], points[k + 1, 1]) <= half_width_m:
            return True
    return False


@njit(cache=True)
def convex_point_distance(corners: np.ndarray, x: float, y: float) -> float:
    """Distance of a point from a convex polygon (n, 2) [m], 0 inside."""
    num_corners = len(corners)
    best = np.inf
    has_left, has_right = False, False
    for c in range(num_corners):
        n = c + 1 if c + 1 < num_corners else 0
        cross = (corners[n, 0] - corners[c, 0]) * (y - corners[c, 1]) - (corners[n, 1] - corners[c, 1]) * (
            x - corners[c, 0]
        )
        has_left = has_left or cross > 0.0
        has_right = has_right or cross < 0.0
        best = min(best, point_segment_distance(x, y, corners[c, 0], corners[c, 1], corners[n, 0], corners[n, 1]))
    return best if has_left and has_right else 0.0
