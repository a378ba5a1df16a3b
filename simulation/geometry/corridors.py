"""Corridors along a path against many obstacles: what does a car meet that keeps to its line?

A corridor is a piece of a polyline, widened to both sides, with round joins and square caps: shapely's
`buffer(half_width, cap_style="square")`. It is given by its first and last segment and by how far it reaches
on them, so that one path serves many pieces. Most obstacles are far away; boxes of `CHUNK` segments rule them out.
"""

import math

import numpy as np

from simulation.geometry.boxes import convex_overlap
from simulation.geometry.compiling import njit
from simulation.geometry.polygons import FlatPolygons, distance_to_point, overlaps_convex
from simulation.geometry.polylines import convex_point_distance, segment_at

CHUNK = 8
"""Segments under one bounding box."""


@njit(cache=True)
def chunk_bounds(points: np.ndarray) -> np.ndarray:
    """Bounding boxes (C, 4) of min x, min y, max x, max y over each `CHUNK` segments of a line (P, 2)."""
    num_segments = len(points) - 1
    num_chunks = (num_segments + CHUNK - 1) // CHUNK
    bounds = np.empty((num_chunks, 4))
    for c in range(num_chunks):
        start, stop = c * CHUNK, min(num_segments, (c + 1) * CHUNK) + 1
        bounds[c, 0] = points[start:stop, 0].min()
        bounds[c, 1] = points[start:stop, 1].min()
        bounds[c, 2] = points[start:stop, 0].max()
        bounds[c, 3] = points[start:stop, 1].max()
    return bounds


@njit(cache=True)
def interpolated_piece(arc: np.ndarray, start_m: float, end_m: float) -> tuple[int, int, float, float]:
    """First and last segment of the piece from `start_m` to `end_m`, and where on them it starts and ends [m].

    At the end of the line, where nothing is left, the whole last segment stands for it, as in nuPlan's `trim_path`.
    """
    last_segment = len(arc) - 2
    if start_m >= arc[-1]:
        return last_segment, last_segment, 0.0, arc[-1] - arc[last_segment]
    first = segment_at(arc, start_m)
    last = max(first, segment_at(arc, end_m))
    # An end on a vertex belongs to the segment before it.
    while last > first and end_m <= arc[last]:
        last -= 1
    return first, last, start_m - arc[first], end_m - arc[last]


@njit(cache=True)
def _rectangle(
    segment: tuple[float, float, float, float], length: float, low: float, high: float, half_width: float
) -> np.ndarray:
    """Corners (4, 2) of a segment from `low` to `high` along it, widened to both sides."""
    ax, ay, bx, by = segment
    ux, uy = (bx - ax) / length, (by - ay) / length
    ox, oy = -uy * half_width, ux * half_width
    corners = np.empty((4, 2))
    corners[0, 0], corners[0, 1] = ax + low * ux + ox, ay + low * uy + oy
    corners[1, 0], corners[1, 1] = ax + low * ux - ox, ay + low * uy - oy
    corners[2, 0], corners[2, 1] = ax + high * ux - ox, ay + high * uy - oy
    corners[3, 0], corners[3, 1] = ax + high * ux + ox, ay + high * uy + oy
    return corners


@njit(cache=True)
def _trimmed(arc: np.ndarray, piece: tuple[int, int, float, float]) -> tuple[int, int, float, float]:
    """The piece without doubled vertices at its ends, where the caps are."""
    first, last, low_m, high_m = piece
    while first < last and arc[first + 1] <= arc[first]:
        first += 1
        low_m = 0.0
    while last > first and arc[last + 1] <= arc[last]:
        last -= 1
        high_m = arc[last + 1] - arc[last]
    return first, last, low_m, high_m


@njit(cache=True)
def piece_bounds(chunks: np.ndarray, piece: tuple[int, int, float, float]) -> tuple[float, float, float, float]:
    """Min x, min y, max x, max y of the chunks that hold a piece: its corridor reaches no farther than its caps."""
    low_x, low_y, high_x, high_y = np.inf, np.inf, -np.inf, -np.inf
    for c in range(piece[0] // CHUNK, piece[1] // CHUNK + 1):
        low_x, low_y = min(low_x, chunks[c, 0]), min(low_y, chunks[c, 1])
        high_x, high_y = max(high_x, chunks[c, 2]), max(high_y, chunks[c, 3])
    return low_x, low_y, high_x, high_y


@njit(cache=True)
def corridor_meets_box(
    points: np.ndarray,
    arc: np.ndarray,
    chunks: np.ndarray,
    piece: tuple[int, int, float, float],
    half_width: float,
    corners: np.ndarray,
) -> bool:
    """Whether the corridor shares a point with a convex polygon.

    Args:
        points: Vertices (P, 2) of the path.
        arc: Their arc lengths (P,).
        chunks: `chunk_bounds` of the path.
        piece: First and last segment, where it starts on the first and ends on the last [m].
        half_width: Width to each side; the caps reach as far beyond the ends.
        corners: Convex polygon (n, 2).
    """
    first, last, low_m, high_m = _trimmed(arc, piece)
    # A square cap's corner lies the diagonal away from the line's end.
    margin = half_width * math.sqrt(2.0)
    low_x, low_y, high_x, high_y = np.inf, np.inf, -np.inf, -np.inf
    for k in range(len(corners)):
        low_x, low_y = min(low_x, corners[k, 0] - margin), min(low_y, corners[k, 1] - margin)
        high_x, high_y = max(high_x, corners[k, 0] + margin), max(high_y, corners[k, 1] + margin)
    for c in range(first // CHUNK, last // CHUNK + 1):
        if chunks[c, 0] > high_x or chunks[c, 2] < low_x or chunks[c, 1] > high_y or chunks[c, 3] < low_y:
            continue
        for k in range(max(first, c * CHUNK), min(last, c * CHUNK + CHUNK - 1) + 1):
            ax, ay, bx, by = points[k, 0], points[k, 1], points[k + 1, 0], points[k + 1, 1]
            if min(ax, bx) > high_x or max(ax, bx) < low_x or min(ay, by) > high_y or max(ay, by) < low_y:
                continue
            length = arc[k + 1] - arc[k]
            if length <= 0.0:
                continue
            rectangle = _rectangle(
                (ax, ay, bx, by),
                length,
                low_m - half_width if k == first else 0.0,
                high_m + half_width if k == last else length,
                half_width,
            )
            if convex_overlap(rectangle, corners):
                return True
            if k > first and convex_point_distance(corners, ax, ay) <= half_width:
                return True
    return False


@njit(cache=True)
def corridor_meets_area(
    points: np.ndarray,
    arc: np.ndarray,
    chunks: np.ndarray,
    piece: tuple[int, int, float, float],
    half_width: float,
    areas: FlatPolygons,
    row: int,
) -> bool:
    """Whether the corridor shares a point with an area of any shape; arguments as of `corridor_meets_box`."""
    first, last, low_m, high_m = _trimmed(arc, piece)
    margin = half_width * math.sqrt(2.0)
    low_x, low_y = areas.bounds[row, 0] - margin, areas.bounds[row, 1] - margin
    high_x, high_y = areas.bounds[row, 2] + margin, areas.bounds[row, 3] + margin
    for c in range(first // CHUNK, last // CHUNK + 1):
        if chunks[c, 0] > high_x or chunks[c, 2] < low_x or chunks[c, 1] > high_y or chunks[c, 3] < low_y:
            continue
        for k in range(max(first, c * CHUNK), min(last, c * CHUNK + CHUNK - 1) + 1):
            ax, ay, bx, by = points[k, 0], points[k, 1], points[k + 1, 0], points[k + 1, 1]
            if min(ax, bx) > high_x or max(ax, bx) < low_x or min(ay, by) > high_y or max(ay, by) < low_y:
                continue
            length = arc[k + 1] - arc[k]
            if length <= 0.0:
                continue
            rectangle = _rectangle(
                (ax, ay, bx, by),
                length,
                low_m - half_width if k == first else 0.0,
                high_m + half_width if k == last else length,
                half_width,
            )
            if overlaps_convex(areas, row, rectangle):
                return True
            if k > first and distance_to_point(areas, row, ax, ay) <= half_width:
                return True
    return False


@njit(cache=True)
def box_area_distance(areas: FlatPolygons, row: int, corners: np.ndarray, limit_m: float) -> float:
    """Distance of a convex polygon (n, 2) from an area [m], 0 when they overlap.

    Gives up as soon as it cannot be below `limit_m`, and returns infinity then.
    """
    num_corners = len(corners)
    cx, cy, reach = 0.0, 0.0, 0.0
    for i in range(num_corners):
        cx += corners[i, 0] / num_corners
        cy += corners[i, 1] / num_corners
    for i in range(num_corners):
        reach = max(reach, math.hypot(corners[i, 0] - cx, corners[i, 1] - cy))
    bounds = areas.bounds
    dx = max(max(bounds[row, 0] - cx, cx - bounds[row, 2]), 0.0)
    dy = max(max(bounds[row, 1] - cy, cy - bounds[row, 3]), 0.0)
    if math.hypot(dx, dy) - reach >= limit_m:
        return np.inf
    center_gap = distance_to_point(areas, row, cx, cy)
    if center_gap - reach >= limit_m:
        return np.inf
    if center_gap <= reach and overlaps_convex(areas, row, corners):
        return 0.0
    best = limit_m
    points = areas.points
    for ring in range(areas.polygon_offsets[row], areas.polygon_offsets[row + 1]):
        start, stop = areas.ring_offsets[ring], areas.ring_offsets[ring + 1]
        before = stop - 1
        for k in range(start, stop):
            ax, ay, bx, by = points[before, 0], points[before, 1], points[k, 0], points[k, 1]
            before = k
            if _point_segment_squared(cx, cy, ax, ay, bx, by) >= (best + reach) ** 2:
                continue
            for i in range(num_corners):
                n = i + 1 if i + 1 < num_corners else 0
                px, py = corners[i, 0], corners[i, 1]
                gap = min(
                    _point_segment_squared(px, py, ax, ay, bx, by),
                    _point_segment_squared(bx, by, px, py, corners[n, 0], corners[n, 1]),
                )
                if gap < best * best:
                    best = math.sqrt(gap)
    return best if best < limit_m else np.inf


@njit(cache=True)
def _point_segment_squared(px: float, py: float, ax: float, ay: float, bx: float, by: float) -> float:
    dx, dy = bx - ax, by - ay
    rx, ry = px - ax, py - ay
    squared = dx * dx + dy * dy
    t = 0.0
    if squared > 0.0:
        t = min(1.0, max(0.0, (rx * dx + ry * dy) / squared))
    gx, gy = rx - t * dx, ry - t * dy
    return gx * gx + gy * gy
