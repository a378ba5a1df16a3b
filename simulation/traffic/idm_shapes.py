"""Shapes of reactive agents: corridors and footprints as sets of small convex parts.

A corridor is shapely's `buffer` of a line piece with flat caps, cut into one part per segment: the rectangle of the
segment and the wedge of the join at its end. A part has `CORNERS` corners, with repetitions when it needs fewer.

Source:
    GEOS, `OffsetSegmentGenerator` (joins have an arc point every 90/16 degrees).
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from simulation.geometry.boxes import Segment, convex_overlap, point_segment_squared
from simulation.geometry.compiling import njit
from simulation.geometry.polygons import FlatPolygons, distance_to_convex, overlaps_convex

CORNERS = 5
ARC_STEP_RAD = math.pi / 2 / 16
GENTLE_TURN = math.tan(ARC_STEP_RAD)
"""Tangent of a turn below which a join has no arc point."""
MIN_X, MIN_Y, MAX_X, MAX_Y = range(4)
"""Columns of bounding boxes."""


class Shape(NamedTuple):
    """A set of convex parts; the rows after the first `num_parts` are unused."""

    corners: Float64[np.ndarray, "capacity corners 2"]
    bounds: Float64[np.ndarray, "capacity 4"]
    num_parts: int


@njit(cache=True)
def set_part(
    corners: Float64[np.ndarray, "capacity corners 2"],
    bounds: Float64[np.ndarray, "capacity 4"],
    part: int,
    polygon: Float64[np.ndarray, "vertices 2"],
) -> None:
    """Store a convex polygon of at most `CORNERS` vertices and its bounding box as one part of a shape."""
    last = len(polygon) - 1
    bounds[part, MIN_X], bounds[part, MIN_Y] = polygon[0, 0], polygon[0, 1]
    bounds[part, MAX_X], bounds[part, MAX_Y] = polygon[0, 0], polygon[0, 1]
    for k in range(CORNERS):
        x, y = polygon[min(k, last), 0], polygon[min(k, last), 1]
        corners[part, k, 0], corners[part, k, 1] = x, y
        bounds[part, MIN_X], bounds[part, MIN_Y] = min(bounds[part, MIN_X], x), min(bounds[part, MIN_Y], y)
        bounds[part, MAX_X], bounds[part, MAX_Y] = max(bounds[part, MAX_X], x), max(bounds[part, MAX_Y], y)


@njit(cache=True)
def parts_needed(num_points: int) -> int:
    """Capacity for the corridor of a line and a box; arcs beyond the capacity become chords."""
    return 2 * num_points + 64


@njit(cache=True)
def corridor_parts(
    line: Float64[np.ndarray, "points columns"],
    num_points: int,
    half_width: float,
    corners: Float64[np.ndarray, "capacity corners 2"],
    bounds: Float64[np.ndarray, "capacity 4"],
) -> int:
    """Cut the corridor along the first `num_points` points (x, y, ...) of a line into parts; return their number."""
    quad = np.empty((CORNERS, 2))
    triangle = np.empty((3, 2))
    count = 0
    k = _next_segment(line, num_points, 0)
    while k < num_points - 1:
        ax, ay, bx, by = line[k, 0], line[k, 1], line[k + 1, 0], line[k + 1, 1]
        dx, dy = bx - ax, by - ay
        length = math.sqrt(dx * dx + dy * dy)
        ox, oy = -half_width * dy / length, half_width * dx / length
        quad[0, 0], quad[0, 1] = ax + ox, ay + oy
        quad[1, 0], quad[1, 1] = ax - ox, ay - oy
        quad[2, 0], quad[2, 1] = bx - ox, by - oy
        quad[3, 0], quad[3, 1] = bx + ox, by + oy
        quad[4, 0], quad[4, 1] = bx + ox, by + oy
        following = _next_segment(line, num_points, k + 1)
        if following < num_points - 1:
            ex, ey = line[following + 1, 0] - line[following, 0], line[following + 1, 1] - line[following, 1]
            cross, dot = dx * ey - dy * ex, dx * ex + dy * ey
            # The outer side of a right turn is the left one.
            outer = -1.0 if cross > 0.0 else 1.0
            pieces, turn = 1, 0.0
            if abs(cross) > GENTLE_TURN * dot:
                turn = math.atan2(cross, dot)
                pieces = int(abs(turn) / ARC_STEP_RAD + 0.5)
            if pieces > 1 and count + pieces + (num_points - k) <= len(corners):
                start = math.atan2(outer * oy, outer * ox)
                triangle[0, 0], triangle[0, 1] = bx, by
                for piece in range(pieces):
                    for end in range(2):
                        angle = start + turn * (piece + end) / pieces
                        triangle[1 + end, 0] = bx + half_width * math.cos(angle)
                        triangle[1 + end, 1] = by + half_width * math.sin(angle)
                    set_part(corners, bounds, count, triangle)
                    count += 1
            else:
                # The wedge's tip, the start of the next segment's outer side, lies beyond the end of this segment.
                reach = math.sqrt(ex * ex + ey * ey)
                quad[3, 0] = bx - outer * half_width * ey / reach
                quad[3, 1] = by + outer * half_width * ex / reach
        set_part(corners, bounds, count, quad)
        count += 1
        k = following
    return count


@njit(cache=True)
def _next_segment(line: np.ndarray, num_points: int, k: int) -> int:
    """First segment from `k` on that has a length."""
    while k < num_points - 1 and line[k, 0] == line[k + 1, 0] and line[k, 1] == line[k + 1, 1]:
        k += 1
    return k


@njit(cache=True)
def join_bounds(bounds: Float64[np.ndarray, "capacity 4"], count: int, out: Float64[np.ndarray, "4"]) -> None:
    """Bounding box of the first `count` boxes."""
    out[MIN_X], out[MIN_Y], out[MAX_X], out[MAX_Y] = np.inf, np.inf, -np.inf, -np.inf
    for k in range(count):
        out[MIN_X], out[MIN_Y] = min(out[MIN_X], bounds[k, MIN_X]), min(out[MIN_Y], bounds[k, MIN_Y])
        out[MAX_X], out[MAX_Y] = max(out[MAX_X], bounds[k, MAX_X]), max(out[MAX_Y], bounds[k, MAX_Y])


@njit(cache=True)
def bounds_gap(a: Float64[np.ndarray, "4"], b: Float64[np.ndarray, "4"]) -> float:
    """Distance between two bounding boxes [m], 0 when they touch."""
    dx = max(max(a[MIN_X] - b[MAX_X], b[MIN_X] - a[MAX_X]), 0.0)
    dy = max(max(a[MIN_Y] - b[MAX_Y], b[MIN_Y] - a[MAX_Y]), 0.0)
    return math.sqrt(dx * dx + dy * dy)


@njit(cache=True)
def shapes_overlap(a: Shape, b: Shape, b_whole: Float64[np.ndarray, "4"]) -> bool:
    """Whether two shapes share a point; `b_whole` is the bounding box of all of `b`."""
    a_corners, a_bounds, b_corners, b_bounds = a.corners, a.bounds, b.corners, b.bounds
    for i in range(a.num_parts):
        if bounds_gap(a_bounds[i], b_whole) > 0.0:
            continue
        for j in range(b.num_parts):
            if bounds_gap(a_bounds[i], b_bounds[j]) == 0.0 and convex_overlap(a_corners[i], b_corners[j]):
                return True
    return False


@njit(cache=True)
def shapes_distance(a: Shape, b: Shape) -> float:
    """Distance between two shapes [m], 0 when they overlap."""
    a_corners, a_bounds, b_corners, b_bounds = a.corners, a.bounds, b.corners, b.bounds
    # The pair with the nearest boxes first: it excludes most other pairs.
    least, first_i, first_j = np.inf, 0, 0
    for i in range(a.num_parts):
        for j in range(b.num_parts):
            gap = bounds_gap(a_bounds[i], b_bounds[j])
            if gap < least:
                least, first_i, first_j = gap, i, j
    best = _part_distance(a_corners[first_i], b_corners[first_j], least, np.inf)
    for i in range(a.num_parts):
        for j in range(b.num_parts):
            if best == 0.0:
                return 0.0
            gap = bounds_gap(a_bounds[i], b_bounds[j])
            if gap < best:
                best = min(best, _part_distance(a_corners[i], b_corners[j], gap, best))
    return best


@njit(cache=True)
def _part_distance(a: np.ndarray, b: np.ndarray, bounds_gap_m: float, limit_m: float) -> float:
    """Distance between two parts whose bounding boxes are `bounds_gap_m` apart; at most `limit_m`."""
    if bounds_gap_m == 0.0 and convex_overlap(a, b):
        return 0.0
    best = limit_m * limit_m
    # Without overlap, a corner of one part belongs to the nearest pair of points.
    for i in range(CORNERS):
        best = min(best, _squared_from_border(a[i, 0], a[i, 1], b))
        best = min(best, _squared_from_border(b[i, 0], b[i, 1], a))
    return math.sqrt(best)


@njit(cache=True)
def _squared_from_border(x: float, y: float, part: np.ndarray) -> float:
    best = np.inf
    ax, ay = part[CORNERS - 1, 0], part[CORNERS - 1, 1]
    for k in range(CORNERS):
        bx, by = part[k, 0], part[k, 1]
        best = min(best, point_segment_squared(Segment(ax, ay, bx, by), x, y))
        ax, ay = bx, by
    return best


@njit(cache=True)
def area_overlaps(areas: FlatPolygons, row: int, shape: Shape) -> bool:
    """Whether an area and a shape share a point."""
    corners, bounds = shape.corners, shape.bounds
    for i in range(shape.num_parts):
        if bounds_gap(bounds[i], areas.bounds[row]) == 0.0 and overlaps_convex(areas, row, corners[i]):
            return True
    return False


@njit(cache=True)
def area_distance(areas: FlatPolygons, row: int, shape: Shape) -> float:
    """Distance between an area and a shape [m]."""
    corners, bounds = shape.corners, shape.bounds
    best = np.inf
    for i in range(shape.num_parts):
        if bounds_gap(bounds[i], areas.bounds[row]) < best:
            best = min(best, distance_to_convex(areas, row, corners[i]))
            if best == 0.0:
                return 0.0
    return best
