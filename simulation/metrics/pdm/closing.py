"""Time to collision as nuPlan's closed-loop metric counts it, of many motions among others whose future is known.

From each instant on, the ego and all others are moved straight on at their speeds of that instant. A score that
moves the others along their true future instead lets the ego close in on a leader that is about to speed up, and
loses the metric.
"""

import math

import numpy as np

from simulation.ego.dynamics import HEADING, VELOCITY_X, VELOCITY_Y, X, Y
from simulation.geometry.area_raster import AreaRaster
from simulation.geometry.boxes import box_corners, convex_overlap
from simulation.geometry.compiling import njit
from simulation.metrics.pdm.agents import Others
from simulation.metrics.pdm.road import sides_count
from simulation.metrics.rules import (
    BEHIND,
    BESIDE,
    TTC_BOUND_S,
    TTC_STOPPED_SPEED_MPS,
    MovingPoint,
    counts_for_ttc,
    relative_position,
)

INSTANT_S = 0.5
"""Time between two instants of an agent forecast."""
CAUTIOUS_S = 1.5
"""Up to this time to collision a motion is close to nuPlan's bound."""
CLOSE_SCORE = 0.5
_LOOK_S = np.array([0.0, 0.3, 0.6, 0.9, 1.2, 1.5])
_NUM_LOOKS = 4
"""So many of them lie within the bound."""
_MOVES_MPS = 1.0
"""Who is expected to move points where he goes; the direction of a slower box is what it is now."""
_EVERY = 2
"""Every so many poses of a motion are asked."""


@njit(cache=True)
def closing_scores(
    states: np.ndarray,
    areas: np.ndarray,
    others: Others,
    speeds: np.ndarray,
    raster: AreaRaster,
    kinds: np.ndarray,
    size: tuple[float, float],
    rear_to_center: float,
) -> np.ndarray:
    """1 where no collision is nearer than 1.5 s, 1/2 where none is nearer than 0.95 s, else 0.

    Args:
        states: (M, T, 10) every 0.1 s.
        areas: (M, T) where each pose is, as `road.ego_areas` counts it.
        others: At T or more instants, stride 1.
        speeds: (F, N) of the others at each instant [m/s].
        raster: Of the areas.
        kinds: What each polygon counts as.
        size: Length and width of the ego [m].
        rear_to_center: Of the ego [m].

    Returns:
        (M,)
    """
    num_motions, num_steps = states.shape[:2]
    scores = np.ones(num_motions)
    reach = 0.5 * math.hypot(size[0], size[1])
    most = _LOOK_S[-1]
    num_others = len(others.speeds)
    # Of those who are there at an instant: row; centre, how near it must come to touch, how far it may go until then.
    counts = np.zeros(num_steps, dtype=np.int64)
    rows, there = np.empty((num_steps, num_others), dtype=np.int64), np.empty((num_steps, num_others, 4))
    for t in range(0, num_steps, _EVERY):
        for n in range(num_others):
            if others.valid[t, n] and not others.is_ignored[n]:
                k = counts[t]
                rows[t, k] = n
                there[t, k, 0], there[t, k, 1] = others.poses[t, n, 0], others.poses[t, n, 1]
                there[t, k, 2] = reach + 0.5 * math.hypot(others.sizes[t, n, 0], others.sizes[t, n, 1])
                there[t, k, 3] = most * speeds[t, n]
                counts[t] += 1
    for m in range(num_motions):
        for t in range(0, num_steps, _EVERY):
            speed = math.hypot(states[m, t, VELOCITY_X], states[m, t, VELOCITY_Y])
            if speed < TTC_STOPPED_SPEED_MPS:
                continue
            ego = MovingPoint(states[m, t, X], states[m, t, Y], states[m, t, HEADING], speed)
            heading = ego.heading
            cos, sin = math.cos(heading), math.sin(heading)
            x, y = ego.x + rear_to_center * cos, ego.y + rear_to_center * sin
            for k in range(counts[t]):
                other_x, other_y, away = there[t, k, 0], there[t, k, 1], there[t, k, 2]
                far = away + most * speed + there[t, k, 3]
                if (other_x - x) ** 2 + (other_y - y) ** 2 > far * far:
                    continue
                n = rows[t, k]
                other_heading = others.poses[t, n, 2]
                other_cos, other_sin = math.cos(other_heading), math.sin(other_heading)
                may_count = False
                for look in _LOOK_S:
                    # A later collision changes nothing any more.
                    if look > TTC_BOUND_S and scores[m] <= CLOSE_SCORE:
                        break
                    ego_x, ego_y = x + look * speed * cos, y + look * speed * sin
                    at_x = other_x + look * speeds[t, n] * other_cos
                    at_y = other_y + look * speeds[t, n] * other_sin
                    if (at_x - ego_x) ** 2 + (at_y - ego_y) ** 2 > away**2:
                        continue
                    # Few come so near that it matters where they are.
                    if not may_count:
                        position = relative_position(ego, other_x, other_y)
                        may_count = counts_for_ttc(
                            position, position == BESIDE and sides_count(areas[m, t], raster, kinds, ego.x, ego.y)
                        )
                    if not may_count:
                        break
                    if convex_overlap(
                        box_corners(ego_x, ego_y, heading, size[0], size[1]),
                        box_corners(at_x, at_y, other_heading, others.sizes[t, n, 0], others.sizes[t, n, 1]),
                    ):
                        scores[m] = min(scores[m], 0.0 if look <= TTC_BOUND_S else CLOSE_SCORE)
                        break
                if scores[m] == 0.0:
                    break
            if scores[m] == 0.0:
                break
    return scores


@njit(cache=True)
def closing_shares(
    driven: np.ndarray,
    now: np.ndarray,
    ahead: np.ndarray,
    boxes: np.ndarray,
    present: np.ndarray,
    size: tuple[float, float],
    rear_to_center: float,
) -> np.ndarray:
    """Share of the instants at which a collision is nearer than nuPlan's bound, as others are expected to move.

    Whoever is not behind counts, as in junctions: which lanes a pose is in is not asked. Who touches the ego now is
    nobody's fault.

    Args:
        driven: (B, A, T, 10) motions of the ego every 0.1 s from 0.1 s on, in the frame of its rear axle now.
        now: (B, N, 2) box centres of the others, in the same frame [m].
        ahead: (B, N, K, 2) where they are expected every half second; the T instants lie within.
        boxes: (B, N, 4) cos, sin, length, width now.
        present: (B, N) which of them are there.
        size: Length and width of the ego [m].
        rear_to_center: Of the ego [m].

    Returns:
        (B, A)
    """
    num_states, num_entries, num_steps = driven.shape[:3]
    shares = np.zeros((num_states, num_entries))
    reach = 0.5 * math.hypot(size[0], size[1])
    ego_corners = box_corners(rear_to_center, 0.0, 0.0, size[0], size[1])
    # x, y, velocity (2), heading, length, width, how near its centre must come to touch.
    there = np.empty((now.shape[1], 8))
    counts = np.zeros(num_entries, dtype=np.int64)
    rows = np.empty(now.shape[1], dtype=np.int64)
    headings = np.empty(now.shape[1])
    for b in range(num_states):
        counts[:] = 0
        num = 0
        for n in range(now.shape[1]):
            if not present[b, n]:
                continue
            headings[num] = math.atan2(boxes[b, n, 1], boxes[b, n, 0])
            length, width = boxes[b, n, 2], boxes[b, n, 3]
            away = reach + 0.5 * math.hypot(length, width)
            gap = math.hypot(now[b, n, 0] - rear_to_center, now[b, n, 1])
            if gap < away and convex_overlap(
                ego_corners, box_corners(now[b, n, 0], now[b, n, 1], headings[num], length, width)
            ):
                continue
            rows[num] = n
            there[num, 5], there[num, 6], there[num, 7] = length, width, away
            num += 1
        for t in range(0, num_steps, _EVERY):
            for k in range(num):
                _expected_at(now[b, rows[k]], ahead[b, rows[k]], 0.1 * (t + 1), headings[k], there[k])
            for a in range(num_entries):
                if _closes_in(driven[b, a, t], there[:num], size, rear_to_center):
                    counts[a] += 1
        shares[b] = counts / max(len(range(0, num_steps, _EVERY)), 1)
    return shares


@njit(cache=True)
def _expected_at(now: np.ndarray, ahead: np.ndarray, time_s: float, heading: float, found: np.ndarray) -> None:
    """Place, velocity and heading of somebody at a time: between half seconds he goes straight on."""
    k = min(int((time_s - 1e-9) / INSTANT_S), len(ahead) - 1)
    start = now if k == 0 else ahead[k - 1]
    velocity_x, velocity_y = (ahead[k, 0] - start[0]) / INSTANT_S, (ahead[k, 1] - start[1]) / INSTANT_S
    since_s = time_s - k * INSTANT_S
    found[0], found[1] = start[0] + since_s * velocity_x, start[1] + since_s * velocity_y
    found[2], found[3] = velocity_x, velocity_y
    moves = math.hypot(velocity_x, velocity_y) > _MOVES_MPS
    found[4] = math.atan2(velocity_y, velocity_x) if moves else heading


@njit(cache=True)
def _closes_in(state: np.ndarray, there: np.ndarray, size: tuple[float, float], rear_to_center: float) -> bool:
    speed = math.hypot(state[VELOCITY_X], state[VELOCITY_Y])
    if speed < TTC_STOPPED_SPEED_MPS:
        return False
    ego = MovingPoint(state[X], state[Y], state[HEADING], speed)
    heading = ego.heading
    cos, sin = math.cos(heading), math.sin(heading)
    x, y = state[X] + rear_to_center * cos, state[Y] + rear_to_center * sin
    most = _LOOK_S[_NUM_LOOKS - 1]
    for n in range(len(there)):
        away = there[n, 7]
        dx, dy = there[n, 0] - x, there[n, 1] - y
        far = away + most * (speed + abs(there[n, 2]) + abs(there[n, 3]))
        if dx * dx + dy * dy > far * far:
            continue
        closing_x, closing_y = there[n, 2] - speed * cos, there[n, 3] - speed * sin
        for look in _LOOK_S[:_NUM_LOOKS]:
            if (dx + look * closing_x) ** 2 + (dy + look * closing_y) ** 2 > away * away:
                continue
            if relative_position(ego, there[n, 0], there[n, 1]) == BEHIND:
                break
            at_x, at_y = there[n, 0] + look * there[n, 2], there[n, 1] + look * there[n, 3]
            if convex_overlap(
                box_corners(x + look * speed * cos, y + look * speed * sin, heading, size[0], size[1]),
                box_corners(at_x, at_y, there[n, 4], there[n, 5], there[n, 6]),
            ):
                return True
    return False
