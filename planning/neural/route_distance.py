"""Distance of candidates to the line of the route: which of them stay near it, and how far off it they are."""

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from simulation.ego.dynamics import HEADING, X, Y
from simulation.geometry.angles import wrap
from simulation.geometry.compiling import njit

MAX_OFFSET_M, MAX_TURN_RAD = 4.0, 0.6
"""A candidate may be this far from the route and turned this far from it, for instance to pass an obstacle."""
EXTRA_OFFSET_M, EXTRA_TURN_RAD = 1.0, 0.3
"""If the ego itself is farther off, candidates may be off by this much more than the ego."""
_EXCESS_PER_RAD_M = 4.0
FREE_DISTANCE_M, DISTANCE_PER_RAD_M = 0.4, 2.0
"""Distances to the route below the first are not counted; a radian of turn counts as the second."""
_POINTS_BACK, _POINTS_AHEAD = 2, 14
"""Route points, every 2 m, that are searched from one instant to the next."""


@njit(cache=True)
def _search(route: np.ndarray, first: int, stop: int, pose: tuple[float, float, float]) -> tuple[int, float, float]:
    """The nearest of some route points, and the absolute offset and turn of a pose from it.

    Args:
        route: (P, 5) x, y, cos, sin, heading.
        first: First point to search.
        stop: Behind the last one.
        pose: x, y, heading.
    """
    x, y, heading = pose
    nearest, least = first, np.inf
    for p in range(first, stop):
        gap = (route[p, 0] - x) ** 2 + (route[p, 1] - y) ** 2
        if gap < least:
            nearest, least = p, gap
    lateral = -route[nearest, 3] * (x - route[nearest, 0]) + route[nearest, 2] * (y - route[nearest, 1])
    return nearest, abs(lateral), abs(wrap(heading - route[nearest, 4]))


@njit(cache=True)
def _with_headings(route: np.ndarray) -> np.ndarray:
    extended = np.empty((len(route), 5))
    extended[:, :4] = route
    extended[:, 4] = np.arctan2(route[:, 3], route[:, 2])
    return extended


@njit(cache=True)
def nearest_to_route(
    poses: Float64[np.ndarray, "candidates instants 3"],
    route: Float64[np.ndarray, "points 4"],
    num_points: int,
    count: int,
) -> Int64[np.ndarray, "count"]:
    """Rows of the first `count` candidates that stay near the route, ascending; if fewer do, those least off it.

    Args:
        poses: x, y, heading at some instants, ego frame.
        route: x, y [m], cos, sin, ego frame.
        num_points: Valid route points; without any, all candidates are near.
        count: At most the number of candidates.
    """
    excess = np.zeros(len(poses))
    if num_points > 0:
        line = _with_headings(route)
        start, offset, turn = _search(line, 0, num_points, (0.0, 0.0, 0.0))
        max_offset, max_turn = max(MAX_OFFSET_M, offset + EXTRA_OFFSET_M), max(MAX_TURN_RAD, turn + EXTRA_TURN_RAD)
        for n in range(len(poses)):
            at = start
            for i in range(poses.shape[1]):
                x, y, heading = poses[n, i]
                first, stop = max(0, at - _POINTS_BACK), min(num_points, at + _POINTS_AHEAD)
                at, offset, turn = _search(line, first, stop, (x, y, heading))
                beyond = max(offset - max_offset, 0.0) + _EXCESS_PER_RAD_M * max(turn - max_turn, 0.0)
                excess[n] = max(excess[n], beyond)
    return np.sort(np.argsort(excess, kind="mergesort")[:count])


@njit(cache=True)
def off_route_distance_m(
    tracked: Float[np.ndarray, "states candidates instants columns"],
    route: Float64[np.ndarray, "states points 4"],
    num_points: Int64[np.ndarray, "states"],
    is_connector: Bool[np.ndarray, "states points"],
) -> Float64[np.ndarray, "states candidates"]:
    """Distance to the route where it crosses an intersection, turn included, mean over the instants [m].

    Args:
        tracked: States of the rear axle in the columns of `simulation.ego.dynamics`, ego frame.
        route: x, y [m], cos, sin, ego frame.
        num_points: Valid route points.
        is_connector: Whether a route point is on a lane connector.
    """
    num_states, num_candidates, num_instants = tracked.shape[:3]
    distances = np.zeros((num_states, num_candidates))
    for b in range(num_states):
        if num_points[b] == 0:
            continue
        line = _with_headings(route[b])
        start, _, _ = _search(line, 0, num_points[b], (0.0, 0.0, 0.0))
        for a in range(num_candidates):
            at = start
            for k in range(num_instants):
                pose = (tracked[b, a, k, X], tracked[b, a, k, Y], tracked[b, a, k, HEADING])
                first, stop = max(0, at - _POINTS_BACK), min(num_points[b], at + _POINTS_AHEAD)
                at, offset, turn = _search(line, first, stop, pose)
                if is_connector[b, at]:
                    distances[b, a] += max(offset + DISTANCE_PER_RAD_M * turn - FREE_DISTANCE_M, 0.0) / num_instants
    return distances
