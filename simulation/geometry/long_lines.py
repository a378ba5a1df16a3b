"""Projection onto lines of hundreds of vertices, by bounding boxes of `CHUNK` segments each."""

import math

import numpy as np

from simulation.geometry.compiling import njit
from simulation.geometry.corridors import CHUNK


@njit(cache=True)
def project_chunked(points: np.ndarray, arc: np.ndarray, chunks: np.ndarray, x: float, y: float) -> float:
    """`project`, for long lines."""
    return nearest_place(points, arc, chunks, x, y)[1]


@njit(cache=True)
def nearest_place(points: np.ndarray, arc: np.ndarray, chunks: np.ndarray, x: float, y: float) -> tuple[float, float]:
    """Squared distance of a point from a line, and the arc length of the nearest place, the first of equally near.

    Chunks whose bounding box is farther than the best place so far are passed over.
    """
    num_segments = len(points) - 1
    nearest_chunk, nearest_bound = 0, np.inf
    for c in range(len(chunks)):
        bound = _bound_squared(chunks, c, x, y)
        if bound < nearest_bound:
            nearest_chunk, nearest_bound = c, bound
    best, along = _nearest_in_chunk(points, arc, num_segments, nearest_chunk, x, y)
    for c in range(len(chunks)):
        if c == nearest_chunk or _bound_squared(chunks, c, x, y) > best:
            continue
        gap, place = _nearest_in_chunk(points, arc, num_segments, c, x, y)
        if gap < best or (gap == best and place < along):
            best, along = gap, place
    return best, along


@njit(cache=True)
def first_within(
    points: np.ndarray,
    arc: np.ndarray,
    chunks: np.ndarray,
    near: np.ndarray,
    start: int,
    x: float,
    y: float,
    limit_m: float,
) -> int:
    """The first of some chunks `near` that is within `limit_m` of a point, as its place in them; -1 for none.

    They are looked at in turn from place `start` on, and from the first on after the last.
    """
    for i in range(len(near)):
        k = start + i if start + i < len(near) else start + i - len(near)
        if _bound_squared(chunks, near[k], x, y) > limit_m * limit_m:
            continue
        if math.sqrt(_nearest_in_chunk(points, arc, len(points) - 1, near[k], x, y)[0]) <= limit_m:
            return k
    return -1


@njit(cache=True)
def _bound_squared(chunks: np.ndarray, c: int, x: float, y: float) -> float:
    dx = max(max(chunks[c, 0] - x, x - chunks[c, 2]), 0.0)
    dy = max(max(chunks[c, 1] - y, y - chunks[c, 3]), 0.0)
    return dx * dx + dy * dy


@njit(cache=True)
def _nearest_in_chunk(
    points: np.ndarray, arc: np.ndarray, num_segments: int, c: int, x: float, y: float
) -> tuple[float, float]:
    best, along = np.inf, 0.0
    for k in range(c * CHUNK, min(num_segments, (c + 1) * CHUNK)):
        dx, dy = points[k + 1, 0] - points[k, 0], points[k + 1, 1] - points[k, 1]
        rx, ry = x - points[k, 0], y - points[k, 1]
        squared = dx * dx + dy * dy
        t = 0.0
        if squared > 0.0:
            t = min(1.0, max(0.0, (rx * dx + ry * dy) / squared))
        gx, gy = rx - t * dx, ry - t * dy
        gap = gx * gx + gy * gy
        if gap < best:
            best, along = gap, arc[k] + t * (arc[k + 1] - arc[k])
    return best, along
