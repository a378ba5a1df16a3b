"""Polylines by arc length: projection and interpolation.

Long lines carry bounding boxes of `CHUNK` segments each, so that a query passes over most of their segments.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from simulation.geometry.boxes import Segment, offset_from_segment
from simulation.geometry.compiling import njit

CHUNK = 8
"""Segments under one bounding box."""


class ChunkedLine(NamedTuple):
    """A line with its arc lengths and bounding boxes."""

    points: Float64[np.ndarray, "points 2"]
    arc: Float64[np.ndarray, "points"]
    """Arc length of each vertex [m]."""
    chunks: Float64[np.ndarray, "chunks 4"]
    """Min x, min y, max x, max y of each `CHUNK` segments."""


def chunked_line(points: Float64[np.ndarray, "points 2"]) -> ChunkedLine:
    """Measure a line."""
    return ChunkedLine(points, arc_lengths(points), chunk_bounds(points))


@njit(cache=True)
def arc_lengths(points: Float64[np.ndarray, "points 2"]) -> Float64[np.ndarray, "points"]:
    """Distance of each vertex from the first, along the line [m]."""
    arc = np.zeros(len(points))
    for k in range(1, len(points)):
        arc[k] = arc[k - 1] + math.hypot(points[k, 0] - points[k - 1, 0], points[k, 1] - points[k - 1, 1])
    return arc


@njit(cache=True)
def chunk_bounds(points: Float64[np.ndarray, "points 2"]) -> Float64[np.ndarray, "chunks 4"]:
    """Bounding boxes of min x, min y, max x, max y over each `CHUNK` segments of a line."""
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
def segment_at(arc: Float64[np.ndarray, "points"], along: float) -> int:
    """Segment that holds an arc length: the last one that starts at or before it, clamped to the line."""
    k = int(np.searchsorted(arc, along, side="right")) - 1
    return int(min(max(k, 0), len(arc) - 2))


@njit(cache=True)
def interpolate(
    points: Float64[np.ndarray, "points 2"], arc: Float64[np.ndarray, "points"], along: float
) -> tuple[float, float, float]:
    """Position on the line at an arc length (clamped to the line) and the heading of its segment."""
    along = min(max(along, 0.0), arc[-1])
    k = segment_at(arc, along)
    length = arc[k + 1] - arc[k]
    t = (along - arc[k]) / length if length > 0.0 else 0.0
    dx, dy = points[k + 1, 0] - points[k, 0], points[k + 1, 1] - points[k, 1]
    return points[k, 0] + t * dx, points[k, 1] + t * dy, math.atan2(dy, dx)


@njit(cache=True)
def project(points: Float64[np.ndarray, "points 2"], arc: Float64[np.ndarray, "points"], x: float, y: float) -> float:
    """Arc length of the line's point nearest to a point; of equally near ones the first, as in shapely."""
    return _nearest_between(points, arc, (0, len(points) - 1), x, y)[1]


@njit(cache=True)
def project_chunked(line: ChunkedLine, x: float, y: float) -> float:
    """`project`, for long lines."""
    return nearest_on_line(line, x, y)[1]


@njit(cache=True)
def nearest_on_line(line: ChunkedLine, x: float, y: float) -> tuple[float, float]:
    """Squared distance of a point from a line, and the arc length of the line's nearest point, the first of several.

    Chunks whose bounding box is farther than the nearest point so far are passed over.
    """
    nearest_chunk, nearest_bound = 0, np.inf
    for c in range(len(line.chunks)):
        bound = _bound_squared(line.chunks, c, x, y)
        if bound < nearest_bound:
            nearest_chunk, nearest_bound = c, bound
    best, along = _nearest_in_chunk(line, nearest_chunk, x, y)
    for c in range(len(line.chunks)):
        if c == nearest_chunk or _bound_squared(line.chunks, c, x, y) > best:
            continue
        squared, at = _nearest_in_chunk(line, c, x, y)
        if squared < best or (squared == best and at < along):
            best, along = squared, at
    return best, along


@njit(cache=True)
def first_within(
    line: ChunkedLine, near: Int64[np.ndarray, "near"], start: int, point: tuple[float, float], limit_m: float
) -> int:
    """The first of the chunks `near` that is within `limit_m` of a point, as its index in `near`; -1 for none.

    The search starts at index `start` and wraps around to 0 after the last chunk.
    """
    x, y = point
    for i in range(len(near)):
        k = start + i if start + i < len(near) else start + i - len(near)
        if _bound_squared(line.chunks, near[k], x, y) > limit_m * limit_m:
            continue
        if math.sqrt(_nearest_in_chunk(line, near[k], x, y)[0]) <= limit_m:
            return k
    return -1


@njit(cache=True)
def _bound_squared(chunks: np.ndarray, c: int, x: float, y: float) -> float:
    dx = max(max(chunks[c, 0] - x, x - chunks[c, 2]), 0.0)
    dy = max(max(chunks[c, 1] - y, y - chunks[c, 3]), 0.0)
    return dx * dx + dy * dy


@njit(cache=True)
def _nearest_in_chunk(line: ChunkedLine, c: int, x: float, y: float) -> tuple[float, float]:
    span = (c * CHUNK, min(len(line.points) - 1, (c + 1) * CHUNK))
    return _nearest_between(line.points, line.arc, span, x, y)


@njit(cache=True)
def _nearest_between(
    points: np.ndarray, arc: np.ndarray, span: tuple[int, int], x: float, y: float
) -> tuple[float, float]:
    """`nearest_on_line` over the segments from `span[0]` to before `span[1]`."""
    best, along = np.inf, 0.0
    for k in range(span[0], span[1]):
        segment = Segment(points[k, 0], points[k, 1], points[k + 1, 0], points[k + 1, 1])
        share, gx, gy = offset_from_segment(segment, x, y)
        squared = gx * gx + gy * gy
        if squared < best:
            best, along = squared, arc[k] + share * (arc[k + 1] - arc[k])
    return best, along
