"""Corridors along a path: which obstacles does a vehicle overlap that follows a line?

A corridor is a piece of a polyline, widened to both sides, with round joins: shapely's `buffer(half_width)`, with
true arcs instead of its chords. It is given by its first and last segment and by distances along them, so that one
line serves many corridors. Most obstacles are far away; the line's bounding boxes exclude them.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from simulation.geometry.boxes import Segment, convex_overlap, convex_point_distance, edge, point_segment_squared
from simulation.geometry.compiling import njit
from simulation.geometry.polygons import FlatPolygons, bounds_distance, distance_to_point, overlaps_convex
from simulation.geometry.polylines import CHUNK, ChunkedLine, segment_at

Bounds = tuple[float, float, float, float]
"""Min x, min y, max x, max y [m]."""


class Corridor(NamedTuple):
    """A widened piece of a line."""

    line: ChunkedLine
    first: int
    """First segment."""
    last: int
    """Last segment."""
    start_m: float
    """Start of the corridor along the first segment."""
    end_m: float
    """End of the corridor along the last segment."""
    half_width_m: float
    """Width to each side."""
    cap_m: float
    """Extension beyond both ends: 0 for flat caps, the half width for square ones."""


@njit(cache=True)
def corridor_between(line: ChunkedLine, start_m: float, end_m: float, half_width_m: float, cap_m: float) -> Corridor:
    """The corridor between two arc lengths.

    At the end of the line, where nothing is left, the whole last segment is the corridor, as in nuPlan's `trim_path`.
    """
    arc = line.arc
    last_segment = len(arc) - 2
    if start_m >= arc[-1]:
        length = arc[-1] - arc[last_segment]
        return Corridor(line, last_segment, last_segment, 0.0, length, half_width_m, cap_m)
    first = segment_at(arc, start_m)
    last = max(first, segment_at(arc, end_m))
    # An end on a vertex belongs to the segment before it.
    while last > first and end_m <= arc[last]:
        last -= 1
    return Corridor(line, first, last, start_m - arc[first], end_m - arc[last], half_width_m, cap_m)


@njit(cache=True)
def corridor_bounds(corridor: Corridor) -> Bounds:
    """Bounding box of the chunks of a corridor's line; the corridor exceeds it by its width and caps only."""
    low_x, low_y, high_x, high_y = np.inf, np.inf, -np.inf, -np.inf
    chunks = corridor.line.chunks
    for c in range(corridor.first // CHUNK, corridor.last // CHUNK + 1):
        low_x, low_y = min(low_x, chunks[c, 0]), min(low_y, chunks[c, 1])
        high_x, high_y = max(high_x, chunks[c, 2]), max(high_y, chunks[c, 3])
    return low_x, low_y, high_x, high_y


@njit(cache=True)
def corridor_overlaps_box(corridor: Corridor, corners: Float64[np.ndarray, "corners 2"]) -> bool:
    """Whether the corridor and a convex polygon share a point."""
    corridor = _trimmed(corridor)
    half_width, points = corridor.half_width_m, corridor.line.points
    # A square cap's corner lies the diagonal away from the line's end.
    margin = half_width * math.sqrt(2.0)
    low_x, low_y, high_x, high_y = np.inf, np.inf, -np.inf, -np.inf
    for k in range(len(corners)):
        low_x, low_y = min(low_x, corners[k, 0] - margin), min(low_y, corners[k, 1] - margin)
        high_x, high_y = max(high_x, corners[k, 0] + margin), max(high_y, corners[k, 1] + margin)
    bounds = (low_x, low_y, high_x, high_y)
    k = _next_near(corridor, corridor.first, bounds)
    while k <= corridor.last:
        if convex_overlap(_rectangle(corridor, k), corners):
            return True
        if k > corridor.first and convex_point_distance(corners, points[k, 0], points[k, 1]) <= half_width:
            return True
        k = _next_near(corridor, k + 1, bounds)
    return False


@njit(cache=True)
def corridor_overlaps_area(corridor: Corridor, areas: FlatPolygons, row: int) -> bool:
    """Whether the corridor and an area of any shape share a point."""
    corridor = _trimmed(corridor)
    half_width, points = corridor.half_width_m, corridor.line.points
    margin = half_width * math.sqrt(2.0)
    low_x, low_y = areas.bounds[row, 0] - margin, areas.bounds[row, 1] - margin
    high_x, high_y = areas.bounds[row, 2] + margin, areas.bounds[row, 3] + margin
    bounds = (low_x, low_y, high_x, high_y)
    k = _next_near(corridor, corridor.first, bounds)
    while k <= corridor.last:
        if overlaps_convex(areas, row, _rectangle(corridor, k)):
            return True
        if k > corridor.first and distance_to_point(areas, row, points[k, 0], points[k, 1]) <= half_width:
            return True
        k = _next_near(corridor, k + 1, bounds)
    return False


@njit(cache=True)
def _trimmed(corridor: Corridor) -> Corridor:
    """The corridor without repeated vertices at its ends, where the caps are."""
    arc, (_, first, last, start_m, end_m, half_width_m, cap_m) = corridor.line.arc, corridor
    while first < last and arc[first + 1] <= arc[first]:
        first += 1
        start_m = 0.0
    while last > first and arc[last + 1] <= arc[last]:
        last -= 1
        end_m = arc[last + 1] - arc[last]
    return Corridor(corridor.line, first, last, start_m, end_m, half_width_m, cap_m)


@njit(cache=True)
def _next_near(corridor: Corridor, k: int, bounds: Bounds) -> int:
    """The first segment from `k` on, of some length, that touches bounds; one past the last for none."""
    points, arc, chunks = corridor.line
    low_x, low_y, high_x, high_y = bounds
    while k <= corridor.last:
        if k % CHUNK == 0 or k == corridor.first:
            c = k // CHUNK
            if chunks[c, 0] > high_x or chunks[c, 2] < low_x or chunks[c, 1] > high_y or chunks[c, 3] < low_y:
                k = (c + 1) * CHUNK
                continue
        ax, ay, bx, by = points[k, 0], points[k, 1], points[k + 1, 0], points[k + 1, 1]
        is_far = min(ax, bx) > high_x or max(ax, bx) < low_x or min(ay, by) > high_y or max(ay, by) < low_y
        if not is_far and arc[k + 1] > arc[k]:
            return k
        k += 1
    return k


@njit(cache=True)
def _rectangle(corridor: Corridor, k: int) -> np.ndarray:
    """Corners (4, 2) of the corridor around one segment."""
    points, arc = corridor.line.points, corridor.line.arc
    length, half_width = arc[k + 1] - arc[k], corridor.half_width_m
    low = corridor.start_m - corridor.cap_m if k == corridor.first else 0.0
    high = corridor.end_m + corridor.cap_m if k == corridor.last else length
    ax, ay = points[k, 0], points[k, 1]
    ux, uy = (points[k + 1, 0] - ax) / length, (points[k + 1, 1] - ay) / length
    ox, oy = -uy * half_width, ux * half_width
    corners = np.empty((4, 2))
    corners[0, 0], corners[0, 1] = ax + low * ux + ox, ay + low * uy + oy
    corners[1, 0], corners[1, 1] = ax + low * ux - ox, ay + low * uy - oy
    corners[2, 0], corners[2, 1] = ax + high * ux - ox, ay + high * uy - oy
    corners[3, 0], corners[3, 1] = ax + high * ux + ox, ay + high * uy + oy
    return corners


@njit(cache=True)
def box_area_distance(
    areas: FlatPolygons, row: int, corners: Float64[np.ndarray, "corners 2"], limit_m: float
) -> float:
    """Distance of a convex polygon from an area [m], 0 when they overlap; infinite when it is not below `limit_m`."""
    num_corners = len(corners)
    cx, cy, reach = 0.0, 0.0, 0.0
    for i in range(num_corners):
        cx += corners[i, 0] / num_corners
        cy += corners[i, 1] / num_corners
    for i in range(num_corners):
        reach = max(reach, math.hypot(corners[i, 0] - cx, corners[i, 1] - cy))
    if bounds_distance(areas, row, cx, cy) - reach >= limit_m:
        return np.inf
    center_gap = distance_to_point(areas, row, cx, cy)
    if center_gap - reach >= limit_m:
        return np.inf
    if center_gap <= reach and overlaps_convex(areas, row, corners):
        return 0.0
    # The convex polygon is nearer than its centre; with this bound most edges are skipped.
    best = min(limit_m, center_gap)
    points = areas.points
    for ring in range(areas.polygon_offsets[row], areas.polygon_offsets[row + 1]):
        start, stop = areas.ring_offsets[ring], areas.ring_offsets[ring + 1]
        before = stop - 1
        for k in range(start, stop):
            border = Segment(points[before, 0], points[before, 1], points[k, 0], points[k, 1])
            before = k
            if point_segment_squared(border, cx, cy) >= (best + reach) ** 2:
                continue
            for i in range(num_corners):
                squared = min(
                    point_segment_squared(border, corners[i, 0], corners[i, 1]),
                    point_segment_squared(edge(corners, i), border.bx, border.by),
                )
                if squared < best * best:
                    best = math.sqrt(squared)
    return best if best < limit_m else np.inf
