"""Anti-aliased filling of polygons and lines into small rasters."""

import math

import numpy as np
from jaxtyping import Float32, Float64, Int64

from simulation.geometry.compiling import njit

SUB_ROWS = 4
"""Scan lines per row; coverage along a row is exact."""


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
    out = np.zeros((size, size), dtype=np.float32)
    weight = np.float32(1.0 / SUB_ROWS)
    for s in range(lines):
        start, stop = starts[s], starts[s + 1]
        if stop == start:
            continue
        order = np.argsort(crossings[start:stop])
        row = s // SUB_ROWS
        winding = 0
        for k in range(len(order) - 1):
            winding += signs[start + order[k]]
            if winding == 0:
                continue
            low = min(max(crossings[start + order[k]], 0.0), float(size))
            high = min(max(crossings[start + order[k + 1]], 0.0), float(size))
            if high <= low:
                continue
            i, j = int(low), int(high)
            if i == j:
                out[row, i] += weight * np.float32(high - low)
                continue
            out[row, i] += weight * np.float32(i + 1 - low)
            for column in range(i + 1, j):
                out[row, column] += weight
            if j < size:
                out[row, j] += weight * np.float32(high - j)
    return out


@njit(cache=True)
def paint_surface(
    image: Float32[np.ndarray, "size size 3"],
    mask: Float32[np.ndarray, "size size"],
    noise: tuple[Float32[np.ndarray, "size size"], Float32[np.ndarray, "size size"]],
    colour: tuple[float, float, float],
    deviations: tuple[float, float],
) -> None:
    """Lay a colour on an image in place, where a mask covers it.

    Args:
        image: Red, green, blue.
        mask: Share of each texel to cover.
        noise: Two rasters of deviation 1 that modulate the brightness.
        colour: Red, green, blue.
        deviations: Relative deviation of the brightness by each noise.
    """
    fine, broad = noise
    for j in range(mask.shape[0]):
        for i in range(mask.shape[1]):
            share = mask[j, i]
            if share > 0:
                shade = np.float32(1.0 + deviations[0] * fine[j, i] + deviations[1] * broad[j, i])
                for k in range(3):
                    image[j, i, k] += share * (np.float32(colour[k]) * shade - image[j, i, k])
