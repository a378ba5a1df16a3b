"""Where reactive agents are and want to be: corridors and footprints as sets of small convex parts.

Shapely's `buffer` of a line piece with flat caps, cut into one part per segment: its rectangle together with the
wedge of the join behind it. A part has `CORNERS` corners, with repeated ones where it has fewer.

Source:
    GEOS, `OffsetSegmentGenerator` (joins have an arc point every 90/16 degrees).
"""

import math

import numpy as np

from simulation.geometry.boxes import convex_overlap
from simulation.geometry.compiling import njit
from simulation.geometry.polygons import FlatPolygons, distance_to_convex, overlaps_convex

CORNERS = 5
ARC_STEP_RAD = math.pi / 2 / 16
GENTLE_TURN = math.tan(ARC_STEP_RAD)
"""Tangent of a turn whose join surely has no arc point."""


@njit(cache=True)
def set_part(parts: np.ndarray, bounds: np.ndarray, at: int, corners: np.ndarray) -> None:
    """Store a convex polygon (n <= CORNERS, 2) and its bounding box as part `at`."""
    last = len(corners) - 1
    bounds[at, 0], bounds[at, 1] = corners[0, 0], corners[0, 1]
    bounds[at, 2], bounds[at, 3] = corners[0, 0], corners[0, 1]
    for k in range(CORNERS):
        x, y = corners[min(k, last), 0], corners[min(k, last), 1]
        parts[at, k, 0], parts[at, k, 1] = x, y
        bounds[at, 0], bounds[at, 1] = min(bounds[at, 0], x), min(bounds[at, 1], y)
        bounds[at, 2], bounds[at, 3] = max(bounds[at, 2], x), max(bounds[at, 3], y)


@njit(cache=True)
def parts_needed(num_points: int) -> int:
    """Capacity for the corridor of a line with so many points, and a box: more arcs than fit become chords."""
    return 2 * num_points + 64


@njit(cache=True)
def corridor_parts(
    line: np.ndarray, num_points: int, half_width: float, parts: np.ndarray, bounds: np.ndarray
) -> int:
    """Cut the corridor along points (x, y, ...) into parts; return how many."""
    corners = np.empty((CORNERS, 2))
    triangle = np.empty((3, 2))
    count = 0
    k = _next_segment(line, num_points, 0)
    while k < num_points - 1:
        ax, ay, bx, by = line[k, 0], line[k, 1], line[k + 1, 0], line[k + 1, 1]
        dx, dy = bx - ax, by - ay
        length = math.sqrt(dx * dx + dy * dy)
        ox, oy = -half_width * dy / length, half_width * dx / length
        corners[0, 0], corners[0, 1] = ax + ox, ay + oy
        corners[1, 0], corners[1, 1] = ax - ox, ay - oy
        corners[2, 0], corners[2, 1] = bx - ox, by - oy
        corners[3, 0], corners[3, 1] = bx + ox, by + oy
        corners[4, 0], corners[4, 1] = bx + ox, by + oy
        after = _next_segment(line, num_points, k + 1)
        if after < num_points - 1:
            ex, ey = line[after + 1, 0] - line[after, 0], line[after + 1, 1] - line[after, 1]
            cross, dot = dx * ey - dy * ex, dx * ex + dy * ey
            # The outer side of a right turn is the left one.
            outer = -1.0 if cross > 0.0 else 1.0
            pieces, turn = 1, 0.0
            if abs(cross) > GENTLE_TURN * dot:
                turn = math.atan2(cross, dot)
                pieces = int(abs(turn) / ARC_STEP_RAD + 0.5)
            if pieces > 1 and count + pieces + (num_points - k) <= len(parts):
                start = math.atan2(outer * oy, outer * ox)
                triangle[0, 0], triangle[0, 1] = bx, by
                for piece in range(pieces):
                    for end in range(2):
                        angle = start + turn * (piece + end) / pieces
                        triangle[1 + end, 0] = bx + half_width * math.cos(angle)
                        triangle[1 + end, 1] = by + half_width * math.sin(angle)
                    set_part(parts, bounds, count, triangle)
                    count += 1
            else:
                # The wedge's tip, where the next segment's outer side starts, lies beyond this segment's end.
                reach = math.sqrt(ex * ex + ey * ey)
                corners[3, 0] = bx - outer * half_width * ey / reach
                corners[3, 1] = by + outer * half_width * ex / reach
        set_part(parts, bounds, count, corners)
        count += 1
        k = after
    return count


@njit(cache=True)
def _next_segment(line: np.ndarray, num_points: int, k: int) -> int:
    while k < num_points - 1 and line[k, 0] == line[k + 1, 0] and line[k, 1] == line[k + 1, 1]:
        k += 1
    return k


@njit(cache=True)
def join_bounds(bounds: np.ndarray, count: int, out: np.ndarray) -> None:
    """Bounding box (4,) of the first `count` boxes."""
    out[0], out[1], out[2], out[3] = np.inf, np.inf, -np.inf, -np.inf
    for k in range(count):
        out[0], out[1] = min(out[0], bounds[k, 0]), min(out[1], bounds[k, 1])
        out[2], out[3] = max(out[2], bounds[k, 2]), max(out[3], bounds[k, 3])


@njit(cache=True)
def bounds_gap(a: np.ndarray, b: np.ndarray) -> float:
    """Distance of two bounding boxes, 0 when they touch."""
    dx = max(max(a[0] - b[2], b[0] - a[2]), 0.0)
    dy = max(max(a[1] - b[3], b[1] - a[3]), 0.0)
    return math.sqrt(dx * dx + dy * dy)


@njit(cache=True)
def shapes_overlap(
    a: np.ndarray,
    a_bounds: np.ndarray,
    num_a: int,
    b: np.ndarray,
    b_bounds: np.ndarray,
    num_b: int,
    b_whole: np.ndarray,
) -> bool:
    """Whether two sets of parts share a point; `b_whole` is the bounding box of all of b."""
    for i in range(num_a):
        if bounds_gap(a_bounds[i], b_whole) > 0.0:
            continue
        for j in range(num_b):
            if bounds_gap(a_bounds[i], b_bounds[j]) == 0.0 and convex_overlap(a[i], b[j]):
                return True
    return False


@njit(cache=True)
def shapes_distance(
    a: np.ndarray, a_bounds: np.ndarray, num_a: int, b: np.ndarray, b_bounds: np.ndarray, num_b: int
) -> float:
    """Distance of two sets of parts, 0 when they overlap."""
    # The pair with the nearest boxes first: it rules out most others.
    least, first_i, first_j = np.inf, 0, 0
    for i in range(num_a):
        for j in range(num_b):
            gap = bounds_gap(a_bounds[i], b_bounds[j])
            if gap < least:
                least, first_i, first_j = gap, i, j
    best = _part_distance(a[first_i], b[first_j], least, np.inf)
    for i in range(num_a):
        for j in range(num_b):
            if best == 0.0:
                return 0.0
            gap = bounds_gap(a_bounds[i], b_bounds[j])
            if gap < best:
                best = min(best, _part_distance(a[i], b[j], gap, best))
    return best


@njit(cache=True)
def _part_distance(a: np.ndarray, b: np.ndarray, bounds_gap_m: float, limit_m: float) -> float:
    """Distance of two parts whose bounding boxes are `bounds_gap_m` apart, or `limit_m` when it is not below."""
    if bounds_gap_m == 0.0 and convex_overlap(a, b):
        return 0.0
    best = limit_m * limit_m
    # Apart, the nearest pair of places holds a corner of one of them.
    for i in range(CORNERS):
        best = min(best, _corner_squared(a[i, 0], a[i, 1], b))
        best = min(best, _corner_squared(b[i, 0], b[i, 1], a))
    return math.sqrt(best)


@njit(cache=True)
def _corner_squared(px: float, py: float, part: np.ndarray) -> float:
    """Squared distance of a point from the edges of a part."""
    best = np.inf
    ax, ay = part[CORNERS - 1, 0], part[CORNERS - 1, 1]
    for k in range(CORNERS):
        bx, by = part[k, 0], part[k, 1]
        dx, dy = bx - ax, by - ay
        rx, ry = px - ax, py - ay
        squared = dx * dx + dy * dy
        t = 0.0
        if squared > 0.0:
            t = min(1.0, max(0.0, (rx * dx + ry * dy) / squared))
        gx, gy = rx - t * dx, ry - t * dy
        best = min(best, gx * gx + gy * gy)
        ax, ay = bx, by
    return best


@njit(cache=True)
def area_overlaps(areas: FlatPolygons, row: int, parts: np.ndarray, bounds: np.ndarray, count: int) -> bool:
    """Whether an area of any shape and a set of parts share a point."""
    for i in range(count):
        if bounds_gap(bounds[i], areas.bounds[row]) == 0.0 and overlaps_convex(areas, row, parts[i]):
            return True
    return False


@njit(cache=True)
def area_distance(areas: FlatPolygons, row: int, parts: np.ndarray, bounds: np.ndarray, count: int) -> float:
    """Distance of an area of any shape from a set of parts."""
    best = np.inf
    for i in range(count):
        if bounds_gap(bounds[i], areas.bounds[row]) < best:
            best = min(best, distance_to_convex(areas, row, parts[i]))
            if best == 0.0:
                return 0.0
    return best
