"""How driven trajectories lie to a route and to boxes around: numbers a network can tell sub-scores apart by.

For B states, A entries, K instants, R route points and N agents, all in the ego frame, float32.
"""

import math

import numpy as np

from driving.vehicle import PACIFICA
from simulation.kernels.compiling import njit

RELATION_SIZE = 31
"""Per entry and instant: motion (6), place on the route (13), room to agents: foreseen (6), going straight (6)."""
LOOK_AHEAD_S = 0.9
"""nuPlan's bound of the time to collision is 0.95 s."""
STEP_S = 0.5
_NEAR_M = 45.0
_POINTS_BACK, _POINTS_ON = 2, 10
"""Route points that a car passes in half a second, at most."""
_CORNER_POINTS = 3
"""Route points before and behind the nearest one to the centre, among which that of a corner is."""
_POINT_SPACING_M = 2.0
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
    now: np.ndarray,
    ahead: np.ndarray,
    straight: np.ndarray,
    boxes: np.ndarray,
    present: np.ndarray,
) -> np.ndarray:
    """Relations of every entry at every instant.

    Args:
        driven: (B, A, K, 5) x, y, heading, speed, acceleration of the rear axle [m, rad, m/s, m/s^2].
        route: (B, R, 12) x, y [m], cos, sin, room to the left and right edge of the road and of the own direction
            [m], limit [m/s], connector, red, arc length from the ego [m].
        counts: (B,) route points that are there.
        now: (B, N, 2) where the agents are [m].
        ahead: (B, N, K, 2) where they will be.
        straight: (B, N, K, 2) where they would be at their present velocity.
        boxes: (B, N, 4) cos, sin, length, width.
        present: (B, N) which agents are there.

    Returns:
        (B, A, K, 31) float32, scaled to about one.
    """
    num_states, num_entries, num_instants = driven.shape[:3]
    out = np.empty((num_states, num_entries, num_instants, RELATION_SIZE), dtype=np.float32)
    foreseen, steady = np.empty((present.shape[1], 10)), np.empty((present.shape[1], 10))
    nearest = np.zeros(num_entries, dtype=np.int64)
    for b in range(num_states):
        stop_m = 1e3
        for r in range(counts[b]):
            if route[b, r, 10] > 0.0 and route[b, r, 11] > 0.0:
                stop_m = route[b, r, 11]
                break
        nearest[:] = -1
        for k in range(num_instants):
            num = _boxes_at(now[b], ahead[b], boxes[b], present[b], k, foreseen)
            _boxes_at(now[b], straight[b], boxes[b], present[b], k, steady)
            for a in range(num_entries):
                heading, speed = float(driven[b, a, k, 2]), float(driven[b, a, k, 3])
                cos, sin = math.cos(heading), math.sin(heading)
                x, y = driven[b, a, k, 0] + _OFFSET_M * cos, driven[b, a, k, 1] + _OFFSET_M * sin
                row = out[b, a, k]
                row[0], row[1] = driven[b, a, k, 0] / 20.0, driven[b, a, k, 1] / 20.0
                row[2], row[3], row[4], row[5] = cos, sin, speed / 10.0, driven[b, a, k, 4] / 3.0
                nearest[a] = _on_route(route[b], counts[b], nearest[a], x, y, cos, sin, speed, stop_m, row[6:])
                _among(foreseen[:num], x, y, cos, sin, speed, row[19:])
                _among(steady[:num], x, y, cos, sin, speed, row[25:])
    return out


@njit(cache=True)
def _boxes_at(
    now: np.ndarray, ahead: np.ndarray, boxes: np.ndarray, present: np.ndarray, k: int, found: np.ndarray
) -> int:
    """Lay out the boxes that are there at instant k, and give their number.

    Columns: x, y, velocity (2), cos, sin, half length, half width, and how far aside and ahead they begin to matter.
    """
    num = 0
    for n in range(len(present)):
        if present[n]:
            x, y = float(ahead[n, k, 0]), float(ahead[n, k, 1])
            before_x, before_y = (now[n, 0], now[n, 1]) if k == 0 else (ahead[n, k - 1, 0], ahead[n, k - 1, 1])
            found[num, 0], found[num, 1] = x, y
            found[num, 2], found[num, 3] = (x - before_x) / STEP_S, (y - before_y) / STEP_S
            found[num, 4], found[num, 5] = boxes[n, 0], boxes[n, 1]
            found[num, 6], found[num, 7] = 0.5 * boxes[n, 2], 0.5 * boxes[n, 3]
            reach = found[num, 6] + found[num, 7] + _HALF_LENGTH_M + _HALF_WIDTH_M + _FAR_M
            found[num, 8] = reach + LOOK_AHEAD_S * math.hypot(found[num, 2], found[num, 3])
            found[num, 9] = -reach
            num += 1
    return num


@njit(cache=True)
def _on_route(
    route: np.ndarray,
    count: int,
    before: int,
    x: float,
    y: float,
    cos: float,
    sin: float,
    speed: float,
    stop_m: float,
    row: np.ndarray,
) -> int:
    """Where on the route a pose is; gives the nearest point, which is looked for near the one of before."""
    nearest, best = 0, np.inf
    for r in range(max(0, before - _POINTS_BACK), count if before < 0 else min(count, before + _POINTS_ON)):
        dx, dy = x - route[r, 0], y - route[r, 1]
        if dx * dx + dy * dy < best:
            nearest, best = r, dx * dx + dy * dy
    point = route[nearest]
    dx, dy = x - point[0], y - point[1]
    along = dx * point[2] + dy * point[3]
    aside = dy * point[2] - dx * point[3]
    turned_sin, turned_cos = sin * point[2] - cos * point[3], cos * point[2] + sin * point[3]
    place = point[11] + along
    row[0] = _clip(aside, -6.0, 6.0) / 2.0
    row[1] = min(abs(aside), 6.0) / 2.0
    row[2], row[3] = turned_sin, turned_cos
    row[4] = place / 20.0
    left, right = _room_of_corners(route, count, nearest, x, y, cos, sin)
    row[5], row[6] = _clip(left, -3.0, 3.0), _clip(right, -3.0, 3.0)
    row[7] = _clip(point[6] - aside, -3.0, 3.0)
    row[8] = _clip(point[7] + aside, -3.0, 3.0)
    row[9] = (speed - point[8]) * 0.3
    row[10] = point[9]
    row[11] = _clip(stop_m - place - _HALF_LENGTH_M, -_FAR_M, _FAR_M) / 4.0
    row[12] = min(abs(along), 6.0) / 2.0
    return nearest


@njit(cache=True)
def _room_of_corners(
    route: np.ndarray, count: int, nearest: int, x: float, y: float, cos: float, sin: float
) -> tuple[float, float]:
    """Room of the tightest corner of the ego box to the left and to the right edge of the road.

    Each corner is looked up where it is: in a tight turn the road beside a rear corner is another than beside the
    centre.
    """
    left, right = np.inf, np.inf
    first, stop = max(0, nearest - _CORNER_POINTS), min(count, nearest + _CORNER_POINTS + 1)
    for c in range(4):
        ahead = _HALF_LENGTH_M if c < 2 else -_HALF_LENGTH_M
        beside = _HALF_WIDTH_M if c % 2 == 0 else -_HALF_WIDTH_M
        corner_x, corner_y = x + ahead * cos - beside * sin, y + ahead * sin + beside * cos
        best, least = first, np.inf
        for r in range(first, stop):
            dx, dy = corner_x - route[r, 0], corner_y - route[r, 1]
            if dx * dx + dy * dy < least:
                best, least = r, dx * dx + dy * dy
        dx, dy = corner_x - route[best, 0], corner_y - route[best, 1]
        along = dx * route[best, 2] + dy * route[best, 3]
        aside = dy * route[best, 2] - dx * route[best, 3]
        # Between two points the room is between theirs.
        other = min(max(best + (1 if along > 0.0 else -1), 0), count - 1)
        share = min(abs(along) / _POINT_SPACING_M, 1.0)
        left = min(left, route[best, 4] + share * (route[other, 4] - route[best, 4]) - aside)
        right = min(right, route[best, 5] + share * (route[other, 5] - route[best, 5]) + aside)
    return left, right


@njit(cache=True)
def _among(boxes: np.ndarray, x: float, y: float, cos: float, sin: float, speed: float, row: np.ndarray) -> None:
    """Room to the boxes: nearest, free way straight on, and both were all to go on for 0.9 s as they move then."""
    apart, free, soon, closing_s, aside = _FAR_M, _FARTHEST_M, _FAR_M, 4.0, _FAR_M
    for n in range(len(boxes)):
        dx, dy = boxes[n, 0] - x, boxes[n, 1] - y
        if abs(dx) > _NEAR_M or abs(dy) > _NEAR_M:
            continue
        forward, left = dx * cos + dy * sin, dy * cos - dx * sin
        if abs(left) > boxes[n, 8] or forward < boxes[n, 9]:
            continue
        turned_cos = abs(boxes[n, 4] * cos + boxes[n, 5] * sin)
        turned_sin = abs(boxes[n, 5] * cos - boxes[n, 4] * sin)
        lengthwise = boxes[n, 6] * turned_cos + boxes[n, 7] * turned_sin + _HALF_LENGTH_M
        widthwise = boxes[n, 6] * turned_sin + boxes[n, 7] * turned_cos + _HALF_WIDTH_M
        crosswise = abs(left) - widthwise
        # Two boxes are apart where they are so along one of their four axes; the other's two only where it matters.
        gap = max(abs(forward) - lengthwise, crosswise)
        if gap < apart:
            its_length = boxes[n, 6] + _HALF_LENGTH_M * turned_cos + _HALF_WIDTH_M * turned_sin
            its_width = boxes[n, 7] + _HALF_LENGTH_M * turned_sin + _HALF_WIDTH_M * turned_cos
            its_ahead = abs(dx * boxes[n, 4] + dy * boxes[n, 5]) - its_length
            its_aside = abs(dy * boxes[n, 4] - dx * boxes[n, 5]) - its_width
            apart = min(apart, max(gap, its_ahead, its_aside))
        if forward <= 0.0:
            continue
        closing = speed - (boxes[n, 2] * cos + boxes[n, 3] * sin)
        gap = forward - lengthwise
        if crosswise <= 0.0:
            free = min(free, gap)
            if closing > 0.1:
                closing_s = min(closing_s, max(gap, 0.0) / closing)
        if gap < 20.0:
            aside = min(aside, crosswise)
        across = boxes[n, 3] * cos - boxes[n, 2] * sin
        later_forward, later_left = forward - LOOK_AHEAD_S * closing, left + LOOK_AHEAD_S * across
        soon = min(soon, max(abs(later_forward) - lengthwise, abs(later_left) - widthwise))
    row[0] = max(apart, -2.0) / 2.0
    row[1] = max(free, -2.0) / 6.0
    row[2] = _clip(free - LOOK_AHEAD_S * speed, -4.0, _FAR_M) / 2.0
    row[3] = max(soon, -2.0) / 2.0
    row[4] = closing_s
    row[5] = max(aside, -2.0) / 2.0
