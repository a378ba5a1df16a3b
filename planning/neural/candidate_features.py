"""How driven trajectories lie to a route and to boxes around: numbers a network can tell sub-scores apart by.

For B states, A entries, K instants, R route points and N agents, all in the ego frame, float32.
"""

import math
from typing import Any

import numpy as np

from driving.vehicle import PACIFICA
from simulation.geometry.compiling import lesser, njit
from simulation.metrics.pdm.closing import INSTANT_S

RELATION_SIZE = 31
"""Per entry and instant: motion (6), place on the route (13), room to agents: foreseen (6), going straight (6)."""
LOOK_AHEAD_S = 0.9
"""nuPlan's bound of the time to collision is 0.95 s."""
_LANES = 16
"""Boxes are looked at so many at once, in float32; their number is filled up to a multiple."""
_ROOM = 11
"""Column of the room of the corners to the left, in front of that to the right."""
_NUM_COLUMNS = 10
_NEAR_M = 45.0
_POINTS_BACK, _POINTS_ON = 2, 10
"""Route points that a car passes in half a second, at most."""
_LINE_COLUMNS = 6
"""Of a route point: where it is, its direction, and room to the edges of the road."""
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
    num_boxes = -(-present.shape[1] // _LANES) * _LANES
    foreseen = np.empty((_NUM_COLUMNS, num_boxes), dtype=np.float32)
    steady = np.empty((_NUM_COLUMNS, num_boxes), dtype=np.float32)
    nearest = np.zeros(num_entries, dtype=np.int64)
    xs, ys, coses, sines = np.empty(num_entries), np.empty(num_entries), np.empty(num_entries), np.empty(num_entries)
    left, right = np.empty(num_entries), np.empty(num_entries)
    line = np.empty((_LINE_COLUMNS, route.shape[1]))
    for b in range(num_states):
        line[:] = route[b, :, :_LINE_COLUMNS].T
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
                xs[a], ys[a], coses[a], sines[a] = x, y, cos, sin
                row = out[b, a, k]
                row[0], row[1] = driven[b, a, k, 0] / 20.0, driven[b, a, k, 1] / 20.0
                row[2], row[3], row[4], row[5] = cos, sin, speed / 10.0, driven[b, a, k, 4] / 3.0
                nearest[a] = _on_route(route[b], counts[b], nearest[a], x, y, cos, sin, speed, stop_m, row[6:])
                _among(foreseen, num, x, y, cos, sin, speed, row[19:])
                _among(steady, num, x, y, cos, sin, speed, row[25:])
            _room_of_corners(line, counts[b], nearest, xs, ys, coses, sines, left, right)
            for a in range(num_entries):
                out[b, a, k, _ROOM], out[b, a, k, _ROOM + 1] = _clip(left[a], -3.0, 3.0), _clip(right[a], -3.0, 3.0)
    return out


@njit(cache=True)
def _boxes_at(
    now: np.ndarray, ahead: np.ndarray, boxes: np.ndarray, present: np.ndarray, k: int, found: np.ndarray
) -> int:
    """Lay out the boxes (10, lanes) that are there at instant k, and give their number, filled up.

    Rows: x, y, velocity (2), cos, sin, half length, half width, and how far aside and ahead they begin to matter.
    """
    num = 0
    for n in range(len(present)):
        if present[n]:
            x, y = float(ahead[n, k, 0]), float(ahead[n, k, 1])
            before_x, before_y = (now[n, 0], now[n, 1]) if k == 0 else (ahead[n, k - 1, 0], ahead[n, k - 1, 1])
            velocity_x, velocity_y = (x - before_x) / INSTANT_S, (y - before_y) / INSTANT_S
            half_length, half_width = 0.5 * boxes[n, 2], 0.5 * boxes[n, 3]
            reach = half_length + half_width + _HALF_LENGTH_M + _HALF_WIDTH_M + _FAR_M
            found[0, num], found[1, num], found[2, num], found[3, num] = x, y, velocity_x, velocity_y
            found[4, num], found[5, num] = boxes[n, 0], boxes[n, 1]
            found[6, num], found[7, num] = half_length, half_width
            found[8, num] = reach + LOOK_AHEAD_S * math.hypot(velocity_x, velocity_y)
            found[9, num] = -reach
            num += 1
    filled = -(-num // _LANES) * _LANES
    found[:, num:filled] = 0.0
    found[9, num:filled] = np.inf
    return filled


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
    """Where on the route a pose is, all but the room of its corners.

    Returns the nearest point, which is looked for near the one of before.
    """
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
    row[7] = _clip(point[6] - aside, -3.0, 3.0)
    row[8] = _clip(point[7] + aside, -3.0, 3.0)
    row[9] = (speed - point[8]) * 0.3
    row[10] = point[9]
    row[11] = _clip(stop_m - place - _HALF_LENGTH_M, -_FAR_M, _FAR_M) / 4.0
    row[12] = min(abs(along), 6.0) / 2.0
    return nearest


@njit(cache=True)
def _room_of_corners(
    line: np.ndarray,
    count: int,
    nearest: np.ndarray,
    xs: np.ndarray,
    ys: np.ndarray,
    coses: np.ndarray,
    sines: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
) -> None:
    """Room of the tightest corner of each ego box to the left and to the right edge of the road.

    Each corner is looked up where it is: in a tight turn the road beside a rear corner is another than beside the
    centre. All boxes are looked at together, without branches, so that one instruction looks at many.
    """
    last = max(count - 1, 0)
    left[:], right[:] = np.inf, np.inf
    for c in range(4):
        ahead = _HALF_LENGTH_M if c < 2 else -_HALF_LENGTH_M
        beside = _HALF_WIDTH_M if c % 2 == 0 else -_HALF_WIDTH_M
        for a in range(len(xs)):
            x, y = xs[a] + ahead * coses[a] - beside * sines[a], ys[a] + ahead * sines[a] + beside * coses[a]
            best, least = 0, np.inf
            for shift in range(-_CORNER_POINTS, _CORNER_POINTS + 1):
                r = min(max(nearest[a] + shift, 0), last)
                gap = (x - line[0, r]) * (x - line[0, r]) + (y - line[1, r]) * (y - line[1, r])
                best = r if gap < least else best
                least = gap if gap < least else least
            dx, dy = x - line[0, best], y - line[1, best]
            along, aside = dx * line[2, best] + dy * line[3, best], dy * line[2, best] - dx * line[3, best]
            # Between two points the room is between theirs.
            other = min(max(best + (1 if along > 0.0 else -1), 0), last)
            share = abs(along) / _POINT_SPACING_M
            share = share if share < 1.0 else 1.0
            on_left = line[4, best] + share * (line[4, other] - line[4, best]) - aside
            on_right = line[5, best] + share * (line[5, other] - line[5, best]) + aside
            left[a] = on_left if on_left < left[a] else left[a]
            right[a] = on_right if on_right < right[a] else right[a]


@njit(cache=True)
def _single(value: float) -> Any:
    return np.float32(value)


@njit(cache=True, error_model="numpy")
def _among(
    boxes: np.ndarray, num: int, x: float, y: float, cos: float, sin: float, speed: float, row: np.ndarray
) -> None:
    """Room to the boxes: nearest, free way straight on, and both were all to go on for 0.9 s as they move then.

    Without branches and in float32 throughout, so that one instruction looks at many boxes.
    """
    x, y, cos, sin, speed = _single(x), _single(y), _single(cos), _single(sin), _single(speed)
    half_length, half_width = _single(_HALF_LENGTH_M), _single(_HALF_WIDTH_M)
    near_m, far_m, farthest_m, beside_m = _single(_NEAR_M), _single(_FAR_M), _single(_FARTHEST_M), _single(20.0)
    zero, slow_mps, longest_s, look_ahead_s = _single(0.0), _single(0.1), _single(4.0), _single(LOOK_AHEAD_S)
    xs, ys, velocities_x, velocities_y, coses, sines = boxes[0], boxes[1], boxes[2], boxes[3], boxes[4], boxes[5]
    half_lengths, half_widths, begins_aside, begins_ahead = boxes[6], boxes[7], boxes[8], boxes[9]
    apart, free, soon, closing_s, aside = far_m, farthest_m, far_m, longest_s, far_m
    for n in range(num):
        dx, dy = xs[n] - x, ys[n] - y
        forward, left = dx * cos + dy * sin, dy * cos - dx * sin
        matters = (abs(left) <= begins_aside[n]) & (forward >= begins_ahead[n])
        matters &= (abs(dx) <= near_m) & (abs(dy) <= near_m)
        turned_cos = abs(coses[n] * cos + sines[n] * sin)
        turned_sin = abs(sines[n] * cos - coses[n] * sin)
        lengthwise = half_lengths[n] * turned_cos + half_widths[n] * turned_sin + half_length
        widthwise = half_lengths[n] * turned_sin + half_widths[n] * turned_cos + half_width
        crosswise = abs(left) - widthwise
        # Two boxes are apart where they are so along one of their four axes.
        its_length = half_lengths[n] + half_length * turned_cos + half_width * turned_sin
        its_width = half_widths[n] + half_length * turned_sin + half_width * turned_cos
        its_ahead = abs(dx * coses[n] + dy * sines[n]) - its_length
        its_aside = abs(dy * coses[n] - dx * sines[n]) - its_width
        gap = max(max(abs(forward) - lengthwise, crosswise), max(its_ahead, its_aside))
        apart = lesser(apart, gap if matters else far_m)
        matters &= forward > zero
        closing = speed - (velocities_x[n] * cos + velocities_y[n] * sin)
        gap = forward - lengthwise
        in_way = matters & (crosswise <= zero)
        free = lesser(free, gap if in_way else farthest_m)
        closing_s = lesser(closing_s, max(gap, zero) / closing if in_way & (closing > slow_mps) else longest_s)
        aside = lesser(aside, crosswise if matters & (gap < beside_m) else far_m)
        across = velocities_y[n] * cos - velocities_x[n] * sin
        later_forward, later_left = forward - look_ahead_s * closing, left + look_ahead_s * across
        later = max(abs(later_forward) - lengthwise, abs(later_left) - widthwise)
        soon = lesser(soon, later if matters else far_m)
    row[0] = max(apart, -2.0) / 2.0
    row[1] = max(free, -2.0) / 6.0
    row[2] = _clip(free - LOOK_AHEAD_S * speed, -4.0, _FAR_M) / 2.0
    row[3] = max(soon, -2.0) / 2.0
    row[4] = closing_s
    row[5] = max(aside, -2.0) / 2.0
