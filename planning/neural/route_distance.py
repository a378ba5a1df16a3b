"""How far many motions lie beside a route, and which of them stay near it."""

import numpy as np

from simulation.geometry.angles import wrap
from simulation.geometry.compiling import njit

NEAR_M, NEAR_RAD = 4.0, 0.6
"""A motion this far beside the route, or turned this far from it, may still be wanted: a lane to pass somebody in."""
BEYOND_M, BEYOND_RAD = 1.0, 0.3
"""Where the ego is farther out itself, so much more than that."""
_TURN_M = 4.0
"""What a radian beyond counts as, in metres."""
STRAY_M, STRAY_TURN_M = 0.4, 2.0
"""A pose this far beside the route, a radian counting as so much, is on it."""
_POINTS_BACK, _POINTS_ON = 2, 14
"""Route points, every 2 m, that are looked at from one instant to the next."""


@njit(cache=True)
def _beside(
    route: np.ndarray, headings: np.ndarray, first: int, stop: int, x: float, y: float, heading: float
) -> tuple[int, float, float]:
    """The nearest of some route points; how far a pose lies beside it and how far it is turned from it, absolute."""
    nearest, least = first, np.inf
    for p in range(first, stop):
        gap = (route[p, 0] - x) ** 2 + (route[p, 1] - y) ** 2
        if gap < least:
            nearest, least = p, gap
    aside = -route[nearest, 3] * (x - route[nearest, 0]) + route[nearest, 2] * (y - route[nearest, 1])
    return nearest, abs(aside), abs(wrap(heading - headings[nearest]))


@njit(cache=True)
def nearest_the_route(places: np.ndarray, route: np.ndarray, count: int, wanted: int) -> np.ndarray:
    """The first `wanted` of N motions that stay near the route; where there are fewer, the nearest of the others.

    Args:
        places: (N, I, 3) poses at some instants, in the ego frame.
        route: (P, 4) x, y [m], cos, sin, in the ego frame.
        count: Route points that are there; without any, all motions are near.
        wanted: N or fewer.

    Returns:
        (wanted,) rows, ascending.
    """
    num = len(places)
    beyond = np.zeros(num)
    if count > 0:
        headings = np.arctan2(route[:, 3], route[:, 2])
        start, aside, turned = _beside(route, headings, 0, count, 0.0, 0.0, 0.0)
        most_m, most_rad = max(NEAR_M, aside + BEYOND_M), max(NEAR_RAD, turned + BEYOND_RAD)
        for n in range(num):
            at = start
            for i in range(places.shape[1]):
                x, y, heading = places[n, i]
                first, stop = max(0, at - _POINTS_BACK), min(count, at + _POINTS_ON)
                at, aside, turned = _beside(route, headings, first, stop, x, y, heading)
                out = max(aside - most_m, 0.0) + _TURN_M * max(turned - most_rad, 0.0)
                beyond[n] = max(beyond[n], out)
    return np.sort(np.argsort(beyond, kind="mergesort")[:wanted])


@njit(cache=True)
def astray_in_junctions(
    driven: np.ndarray, route: np.ndarray, counts: np.ndarray, connectors: np.ndarray
) -> np.ndarray:
    """How far motions are beside the route and turned from it where it is in a junction, mean over instants [m].

    Args:
        driven: (B, A, K, 3 or more) x, y, heading of the rear axle, in the ego frame.
        route: (B, P, 4) x, y [m], cos, sin, in the ego frame.
        counts: (B,) route points that are there.
        connectors: (B, P) whether a point is in a junction.

    Returns:
        (B, A), without the first `STRAY_M` of each instant.
    """
    num_states, num_motions, num_instants = driven.shape[:3]
    astray = np.zeros((num_states, num_motions))
    for b in range(num_states):
        if counts[b] == 0:
            continue
        headings = np.arctan2(route[b, :, 3], route[b, :, 2])
        start, _, _ = _beside(route[b], headings, 0, counts[b], 0.0, 0.0, 0.0)
        for a in range(num_motions):
            at = start
            for k in range(num_instants):
                x, y, heading = driven[b, a, k, 0], driven[b, a, k, 1], driven[b, a, k, 2]
                first, stop = max(0, at - _POINTS_BACK), min(counts[b], at + _POINTS_ON)
                at, aside, turned = _beside(route[b], headings, first, stop, x, y, heading)
                if connectors[b, at]:
                    astray[b, a] += max(aside + STRAY_TURN_M * turned - STRAY_M, 0.0) / num_instants
    return astray
