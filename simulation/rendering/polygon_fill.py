"""Anti-aliased filling of polygons and lines into small rasters."""

import math

import numpy as np
from jaxtyping import Float32, Float64, Int64

from simulation.geometry.compiling import njit

SUB_ROWS = 4
"""Scan lines per row; coverage along a row is exact."""
_FEW = 24
"""Up to this number of crossings, sorting by insertion takes less time."""


@njit(cache=True)
def coverage(
    points: Float64[np.ndarray, "points 2"], offsets: Int64[np.ndarray, "rings+1"], size: int
) -> Float32[np.ndarray, "size size"]:
    """Share of each texel that the union of rings covers; row j, column i is the unit square at (i, j).

    A point is inside when the rings wind around it: exteriors that run counter-clockwise and overlap or touch
    make one area without seams; holes run clockwise.

    Args:
        points: Corners of all rings [texels].
        offsets: First corner of each ring, and the number of points.
        size: Rows and columns.
    """
    out = np.zeros((size, size), dtype=np.float32)
    crossings, signs, starts = _crossings(points, offsets, size)
    for row in range(size):
        _cover_row(crossings, signs, starts, row, out[row])
    return out


@njit(cache=True)
def paint_rings(
    image: Float32[np.ndarray, "3 size size"],
    rings: tuple[Float64[np.ndarray, "points 2"], Int64[np.ndarray, "rings+1"]],
    shares: Float32[np.ndarray, "size size"],
    noise: tuple[Float32[np.ndarray, "size size"], Float32[np.ndarray, "size size"]],
    style: tuple[tuple[float, float, float], tuple[float, float]],
) -> None:
    """`paint_surface` with the mask `coverage(*rings, size) * shares`, which is not stored."""
    size = image.shape[1]
    crossings, signs, starts = _crossings(rings[0], rings[1], size)
    mask = np.zeros(size, dtype=np.float32)
    for row in range(size):
        first, stop = _cover_row(crossings, signs, starts, row, mask)
        if first < stop:
            covered = mask[first:stop]
            covered *= shares[row][first:stop]
            colours = image[0, row][first:stop], image[1, row][first:stop], image[2, row][first:stop]
            _paint_row(colours, covered, (noise[0][row][first:stop], noise[1][row][first:stop]), style)
            covered[:] = 0.0


@njit(cache=True)
def paint_surface(
    image: Float32[np.ndarray, "3 size size"],
    mask: Float32[np.ndarray, "size size"],
    noise: tuple[Float32[np.ndarray, "size size"], Float32[np.ndarray, "size size"]],
    style: tuple[tuple[float, float, float], tuple[float, float]],
) -> None:
    """Lay a colour on an image in place, where a mask covers it.

    Args:
        image: Red, green, blue.
        mask: Share of each texel to cover.
        noise: Two rasters of deviation 1 that modulate the brightness.
        style: Red, green, blue; and the relative deviation of the brightness by each noise.
    """
    for row in range(mask.shape[0]):
        _paint_row((image[0, row], image[1, row], image[2, row]), mask[row], (noise[0][row], noise[1][row]), style)


@njit(cache=True)
def _paint_row(
    colours: tuple[np.ndarray, np.ndarray, np.ndarray],
    mask: np.ndarray,
    noise: tuple[np.ndarray, np.ndarray],
    style: tuple[tuple[float, float, float], tuple[float, float]],
) -> None:
    fine, broad = noise
    colour, deviations = style
    red, green, blue = colours
    r, g, b = np.float32(colour[0]), np.float32(colour[1]), np.float32(colour[2])
    # Without a branch for texels that the mask does not cover: the loop compiles to vector instructions.
    for i in range(len(mask)):
        share = mask[i]
        shade = np.float32(1.0 + deviations[0] * fine[i] + deviations[1] * broad[i])
        red[i] += share * (r * shade - red[i])
        green[i] += share * (g * shade - green[i])
        blue[i] += share * (b * shade - blue[i])


@njit(cache=True)
def _crossings(points: np.ndarray, offsets: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where edges cross scan lines: the columns and the signs by which the winding changes, line by line.

    The third array holds the first crossing of each scan line, and their number. They are not sorted by column.
    """
    lines = size * SUB_ROWS
    # Edges by scan line: counting sort.
    starts = np.zeros(lines + 1, dtype=np.int64)
    first = np.empty(len(points), dtype=np.int64)
    last = np.empty(len(points), dtype=np.int64)
    follower = np.empty(len(points), dtype=np.int64)
    for ring in range(len(offsets) - 1):
        for k in range(offsets[ring], offsets[ring + 1]):
            m = k + 1 if k + 1 < offsets[ring + 1] else offsets[ring]
            follower[k] = m
            low, high = min(points[k, 1], points[m, 1]), max(points[k, 1], points[m, 1])
            # Scan line s lies at (s + 0.5) / SUB_ROWS.
            first[k] = max(0, math.ceil(low * SUB_ROWS - 0.5))
            last[k] = min(lines, math.ceil(high * SUB_ROWS - 0.5))
            for s in range(first[k], last[k]):
                starts[s + 1] += 1
    for s in range(lines):
        starts[s + 1] += starts[s]
    crossings = np.empty(starts[lines])
    signs = np.empty(starts[lines], dtype=np.int64)
    filled = starts[:-1].copy()
    for k in range(len(points)):
        m = follower[k]
        for s in range(first[k], last[k]):
            y = (s + 0.5) / SUB_ROWS
            x = points[k, 0] + (y - points[k, 1]) / (points[m, 1] - points[k, 1]) * (points[m, 0] - points[k, 0])
            crossings[filled[s]] = x
            signs[filled[s]] = 1 if points[m, 1] > points[k, 1] else -1
            filled[s] += 1
    return crossings, signs, starts


@njit(cache=True)
def _cover_row(
    crossings: np.ndarray, signs: np.ndarray, starts: np.ndarray, row: int, out: np.ndarray
) -> tuple[int, int]:
    """Add the coverage of a row to `out`; returns the first column that changed and the end of the range."""
    size = len(out)
    touched_from, touched_to = size, 0
    weight = np.float32(1.0 / SUB_ROWS)
    for s in range(row * SUB_ROWS, (row + 1) * SUB_ROWS):
        start, stop = starts[s], starts[s + 1]
        if stop == start:
            continue
        _sort(crossings[start:stop], signs[start:stop])
        winding = 0
        for k in range(start, stop - 1):
            winding += signs[k]
            if winding == 0:
                continue
            low = min(max(crossings[k], 0.0), float(size))
            high = min(max(crossings[k + 1], 0.0), float(size))
            if high <= low:
                continue
            i, j = int(low), int(high)
            touched_from, touched_to = min(touched_from, i), max(touched_to, min(j + 1, size))
            if i == j:
                out[i] += weight * np.float32(high - low)
                continue
            out[i] += weight * np.float32(i + 1 - low)
            inner = out[i + 1 : j]
            for column in range(len(inner)):
                inner[column] += weight
            if j < size:
                out[j] += weight * np.float32(high - j)
    return touched_from, touched_to


@njit(cache=True)
def _sort(crossings: np.ndarray, signs: np.ndarray) -> None:
    """Sort crossings of one scan line by column in place, with their signs."""
    if len(crossings) > _FEW:
        order = np.argsort(crossings)
        crossings[:], signs[:] = crossings[order], signs[order]
        return
    for k in range(1, len(crossings)):
        x, sign = crossings[k], signs[k]
        at = k
        while at > 0 and crossings[at - 1] > x:
            crossings[at], signs[at] = crossings[at - 1], signs[at - 1]
            at -= 1
        crossings[at], signs[at] = x, sign
