"""How driven trajectories lie to a route and to boxes around: numbers a network can tell sub-scores apart by.

For B states, A entries, K instants, R route points and N agents, all in the ego frame, float32.
"""

import math

import numpy as np
from numba import njit

from driving.vehicle import PACIFICA

RELATION_SIZE = 21
"""Per entry and instant: pose and speed (5), place on the route (13), room to the agents (3)."""
LOOK_AHEAD_S = 0.9
_FAR_M = 12.0
_FARTHEST_M = 36.0
_OFFSET_M = PACIFICA.rear_axle_to_center_m
_HALF_LENGTH_M, _HALF_WIDTH_M = 0.5 * PACIFICA.length_m, 0.5 * PACIFICA.width_m


@njit(cache=True)
def _clip(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


@njit(cache=True)
def entry_relations(
    driven: np.ndarray,
    route: np.ndarray,
    counts: np.ndarray,
    ahead: np.ndarray,
    boxes: np.ndarray,
    present: np.ndarray,
) -> np.ndarray:
    """Relations of every entry at every instant.

    Args:
        driven: (B, A, K, 4) x, y, heading, speed of the rear axle [m, rad, m/s].
        route: (B, R, 12) x, y [m], cos, sin, room to the left and right edge of the road and of the own direction
            [m], limit [m/s], connector, red, arc length from the ego [m].
        counts: (B,) route points that are there.
        ahead: (B, N, K, 2) where the agents will be [m].
        boxes: (B, N, 4) cos, sin, length, width.
        present: (B, N) which agents are there.

    Returns:
        (B, A, K, 21) float32, scaled to about one.
    """
    num_states, num_entries, num_instants = driven.shape[:3]
    out = np.empty((num_states, num_entries, num_instants, RELATION_SIZE), dtype=np.float32)
    for b in range(num_states):
        stop_m = 1e3
        for r in range(counts[b]):
            if route[b, r, 10] > 0.0 and route[b, r, 11] > 0.0:
                stop_m = route[b, r, 11]
                break
        for a in range(num_entries):
            for k in range(num_instants):
                heading, speed = driven[b, a, k, 2], driven[b, a, k, 3]
                cos, sin = math.cos(heading), math.sin(heading)
                x, y = driven[b, a, k, 0] + _OFFSET_M * cos, driven[b, a, k, 1] + _OFFSET_M * sin
                row = out[b, a, k]
                row[0], row[1] = driven[b, a, k, 0] / 20.0, driven[b, a, k, 1] / 20.0
                row[2], row[3], row[4] = cos, sin, speed / 10.0
                _on_route(route[b], counts[b], x, y, cos, sin, speed, stop_m, row)
                _among(ahead[b], boxes[b], present[b], k, x, y, cos, sin, speed, row)
    return out


@njit(cache=True)
def _on_route(
    route: np.ndarray,
    count: int,
    x: float,
    y: float,
    cos: float,
    sin: float,
    speed: float,
    stop_m: float,
    row: np.ndarray,
) -> None:
    nearest, best = 0, np.inf
    for r in range(count):
        dx, dy = x - route[r, 0], y - route[r, 1]
        if dx * dx + dy * dy < best:
            nearest, best = r, dx * dx + dy * dy
    point = route[nearest]
    dx, dy = x - point[0], y - point[1]
    along = dx * point[2] + dy * point[3]
    aside = dy * point[2] - dx * point[3]
    turned_sin, turned_cos = sin * point[2] - cos * point[3], cos * point[2] + sin * point[3]
    half = _HALF_WIDTH_M + _HALF_LENGTH_M * abs(turned_sin)
    place = point[11] + along
    row[5] = _clip(aside, -6.0, 6.0) / 2.0
    row[6] = min(abs(aside), 6.0) / 2.0
    row[7], row[8] = turned_sin, turned_cos
    row[9] = place / 20.0
    row[10] = _clip(point[4] - aside - half, -3.0, 3.0)
    row[11] = _clip(point[5] + aside - half, -3.0, 3.0)
    row[12] = _clip(point[6] - aside, -3.0, 3.0)
    row[13] = _clip(point[7] + aside, -3.0, 3.0)
    row[14] = (speed - point[8]) * 0.3
    row[15] = point[9]
    row[16] = _clip(stop_m - place - _HALF_LENGTH_M, -_FAR_M, _FAR_M) / 4.0
    row[17] = min(abs(along), 6.0) / 2.0


@njit(cache=True)
def _among(
    ahead: np.ndarray,
    boxes: np.ndarray,
    present: np.ndarray,
    k: int,
    x: float,
    y: float,
    cos: float,
    sin: float,
    speed: float,
    row: np.ndarray,
) -> None:
    """Distance to the nearest box, and the free way straight on, both now and were it to go on for 0.9 s."""
    apart, free = _FAR_M, _FARTHEST_M
    for n in range(len(present)):
        if not present[n]:
            continue
        dx, dy = ahead[n, k, 0] - x, ahead[n, k, 1] - y
        if dx * dx + dy * dy > 2500.0:
            continue
        forward, side = dx * cos + dy * sin, abs(dy * cos - dx * sin)
        turned_cos = abs(boxes[n, 0] * cos + boxes[n, 1] * sin)
        turned_sin = abs(boxes[n, 1] * cos - boxes[n, 0] * sin)
        half_length, half_width = 0.5 * boxes[n, 2], 0.5 * boxes[n, 3]
        lengthwise = half_length * turned_cos + half_width * turned_sin + _HALF_LENGTH_M
        crosswise = side - (half_length * turned_sin + half_width * turned_cos + _HALF_WIDTH_M)
        apart = min(apart, max(abs(forward) - lengthwise, crosswise))
        if crosswise <= 0.0 and forward >= 0.0:
            free = min(free, forward - lengthwise)
    row[18] = max(apart, -2.0) / 2.0
    row[19] = max(free, -2.0) / 6.0
    row[20] = _clip(free - LOOK_AHEAD_S * speed, -4.0, _FAR_M) / 2.0
