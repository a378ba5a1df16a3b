"""Farthest-point sampling."""

import numpy as np
from jaxtyping import Float64, Int64

from simulation.geometry.compiling import njit


@njit(cache=True)
def farthest_points(points: Float64[np.ndarray, "points values"], count: int) -> Int64[np.ndarray, "count"]:
    """Rows of `count` points, each the farthest from those before it; none twice, row 0 first."""
    chosen = np.zeros(count, dtype=np.int64)
    nearest = np.full(len(points), np.inf)
    for place in range(1, count):
        last = points[chosen[place - 1]]
        nearest[chosen[place - 1]] = -1.0
        best, farthest = 0, -1.0
        for n in range(len(points)):
            gap = 0.0
            for d in range(points.shape[1]):
                gap += (points[n, d] - last[d]) ** 2
            nearest[n] = min(nearest[n], gap)
            if nearest[n] > farthest:
                best, farthest = n, nearest[n]
        chosen[place] = best
    return chosen
