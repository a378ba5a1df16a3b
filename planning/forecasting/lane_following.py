"""Where agents will be that follow the lanes they are on, keep their distance and stop at red lights.

A forecast to start from, not a simulation: nobody changes lanes or gives way, and at a fork everybody goes on as
straight as can be. What it misses is left to a network that learns to correct it.
"""

import math
from typing import NamedTuple

import numpy as np

from simulation.geometry.angles import wrap
from simulation.geometry.compiling import njit
from simulation.traffic.idm_law import IdmParameters, idm_acceleration

SPACING_M = 2.0
"""Between samples of a lane."""
MAX_SAMPLES = 56
"""Of the way ahead of an agent."""
NUM_INSTANTS, STEPS_PER_INSTANT, STEP_S = 8, 2, 0.25
"""Forecast instants, every half second."""
NUM_WAY = 5
"""Columns about the way of an agent: on a lane, room to the leader, room to a red light [m], wished speed, offset."""
FREE_M = 80.0
"""Room where nobody is ahead."""
_FOLLOWING = IdmParameters(min_gap_m=1.5, headway_s=1.2, accel_max_mps2=1.3, decel_max_mps2=5.0)
"""Of an agent behind a leader."""
_STOPPING = IdmParameters(min_gap_m=1.0, headway_s=0.6, accel_max_mps2=1.3, decel_max_mps2=5.0)
"""Of an agent in front of a stop line."""
_MAX_COST_M, _HEADING_WEIGHT_M = 3.0, 4.0
"""How badly a lane may fit: metres aside, and metres for a radian of heading."""
_LATERAL_ACCEL, _EASY_DECEL = 2.2, 1.5
"""What drivers allow themselves in a bend, and before it [m/s^2]."""
_FADES_S, _BRAKES_S, _DRIFTS_S, _RETURNS_S = 0.7, 3.0, 1.0, 3.0
"""How long an agent goes on accelerating as it does now, or braking, or drifting sideways, or beside its lane."""
_BRAKING = -1.5
"""Who brakes harder has a reason, seen or not [m/s^2]."""
_SPEEDS_UP_S, _DRIFT_MPS = 4.0, 0.3


class SampledLanes(NamedTuple):
    """P samples of L lanes, lane by lane."""

    samples: np.ndarray
    """(P, 3) x, y, heading [m, rad], global, every 2 m."""
    lane: np.ndarray
    """(P,) lane of each sample."""
    stops: np.ndarray
    """(L,) row behind the last sample of a lane."""
    after: np.ndarray
    """(L,) lane that follows, -1 for none."""
    limits: np.ndarray
    """(L,) [m/s]"""


class Ways(NamedTuple):
    """What lies ahead of each of N agents that follows a lane."""

    rows: np.ndarray
    """(N, 56) samples ahead."""
    along: np.ndarray
    """(N, 56) how far ahead of the first they are [m]."""
    wished: np.ndarray
    """(N, 56) speed that is driven there if nobody is in the way [m/s]."""
    counts: np.ndarray
    """(N,) samples that are there; 0 of agents that keep their velocity."""
    start: np.ndarray
    """(N, 3) place on the way [m], offset to the left of it [m], sideways speed [m/s]."""


@njit(cache=True)
def lane_samples_under(poses: np.ndarray, near: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """The lane sample that fits each pose (N, 3) best, -1 without.

    Args:
        poses: x, y, heading, global.
        near: (N, K) rows of `samples` to choose from; those beyond the end are none.
        samples: (P, 3) x, y, heading.
    """
    under = np.full(len(poses), -1)
    for i in range(len(poses)):
        least = _MAX_COST_M
        for row in near[i]:
            if row >= len(samples):
                continue
            dx, dy = poses[i, 0] - samples[row, 0], poses[i, 1] - samples[row, 1]
            cos, sin = math.cos(samples[row, 2]), math.sin(samples[row, 2])
            if abs(dx * cos + dy * sin) > 0.6 * SPACING_M:
                continue
            cost = abs(dy * cos - dx * sin) + _HEADING_WEIGHT_M * abs(wrap(samples[row, 2] - poses[i, 2]))
            if cost < least:
                under[i], least = row, cost
    return under


@njit(cache=True)
def follow_lanes(
    agents: np.ndarray, starts: np.ndarray, lanes: SampledLanes, is_red: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Forecast all agents together.

    Args:
        agents: (N, 8) x, y, heading, velocity (2), length, width, acceleration along the heading [m, rad, s], global.
        starts: (N,) row of the lane sample under an agent, -1 for those that keep their velocity.
        lanes: Of the map.
        is_red: (L,) whether the light to enter a lane is red.

    Returns:
        (N, 8, 2) positions every half second [m, global], and (N, 5) what is known of the way.
    """
    num_agents = len(agents)
    ways = _ways(agents, starts, lanes)
    red_m = np.full(num_agents, FREE_M)
    leaders, gaps, shares = np.full(num_agents, -1), np.full(num_agents, FREE_M), np.ones(num_agents)
    for i in range(num_agents):
        if ways.counts[i] > 0:
            red_m[i] = _room_to_red(agents, i, ways, lanes, is_red)
            for j in range(num_agents):
                if j != i:
                    gap, share = _gap_on_way(agents, i, j, ways, lanes.samples)
                    if gap < gaps[i]:
                        leaders[i], gaps[i], shares[i] = j, gap, share
    speeds, travelled = np.hypot(agents[:, 3], agents[:, 4]), np.zeros(num_agents)
    # Who does not accelerate now drives as fast as he likes.
    fastest = speeds + _SPEEDS_UP_S * np.maximum(agents[:, 7], 0.0)
    ahead = np.empty((num_agents, NUM_INSTANTS, 2))
    for step in range(1, NUM_INSTANTS * STEPS_PER_INSTANT + 1):
        before, moved = speeds.copy(), travelled.copy()
        for i in range(num_agents):
            if ways.counts[i] > 0:
                k = _sample_at(ways, i, ways.start[i, 0] + moved[i])
                wish = max(min(ways.wished[i, k], fastest[i]), 0.5)
                lead_speed, gap = before[i], FREE_M
                if leaders[i] >= 0:
                    lead_speed = before[leaders[i]] * shares[i]
                    gap = gaps[i] + moved[leaders[i]] * shares[i] - moved[i]
                accel = idm_acceleration(before[i], gap, lead_speed, wish, _FOLLOWING)
                if red_m[i] < FREE_M:
                    room = red_m[i] - moved[i]
                    stopping = idm_acceleration(before[i], room, 0.0, wish, _STOPPING)
                    accel = min(accel, stopping)
                fades_s = _BRAKES_S if agents[i, 7] < _BRAKING else _FADES_S
                accel += math.exp(-(step - 1) * STEP_S / fades_s) * (agents[i, 7] - accel)
                speeds[i] = max(before[i] + accel * STEP_S, 0.0)
            travelled[i] = moved[i] + 0.5 * (before[i] + speeds[i]) * STEP_S
            if step % STEPS_PER_INSTANT == 0:
                _place_at(
                    agents,
                    i,
                    ways,
                    lanes.samples,
                    travelled[i],
                    step * STEP_S,
                    ahead[i, step // STEPS_PER_INSTANT - 1],
                )
    known = np.zeros((num_agents, NUM_WAY))
    for i in range(num_agents):
        known[i, 1], known[i, 2] = gaps[i], red_m[i]
        if ways.counts[i] > 0:
            known[i, 0], known[i, 3], known[i, 4] = 1.0, ways.wished[i, 0], ways.start[i, 1]
    return ahead, known


@njit(cache=True)
def _ways(agents: np.ndarray, starts: np.ndarray, lanes: SampledLanes) -> Ways:
    num_agents = len(agents)
    ways = Ways(
        np.zeros((num_agents, MAX_SAMPLES), dtype=np.int64),
        np.zeros((num_agents, MAX_SAMPLES)),
        np.zeros((num_agents, MAX_SAMPLES)),
        np.zeros(num_agents, dtype=np.int64),
        np.zeros((num_agents, 3)),
    )
    for i in range(num_agents):
        if starts[i] >= 0:
            count = _walk(starts[i], lanes, ways.rows[i], ways.along[i])
            _wish(ways.rows[i, :count], ways.along[i, :count], lanes, ways.wished[i])
            ways.counts[i] = count
            first = lanes.samples[starts[i]]
            cos, sin = math.cos(first[2]), math.sin(first[2])
            dx, dy = agents[i, 0] - first[0], agents[i, 1] - first[1]
            ways.start[i, 0], ways.start[i, 1] = dx * cos + dy * sin, dy * cos - dx * sin
            ways.start[i, 2] = agents[i, 4] * cos - agents[i, 3] * sin
    return ways


@njit(cache=True)
def _walk(start: int, lanes: SampledLanes, rows: np.ndarray, along: np.ndarray) -> int:
    """Write the samples ahead, lane after lane, and give their number."""
    samples, row, num = lanes.samples, start, 0
    while num < MAX_SAMPLES:
        rows[num] = row
        if num > 0:
            before = samples[rows[num - 1]]
            along[num] = along[num - 1] + math.hypot(samples[row, 0] - before[0], samples[row, 1] - before[1])
        num += 1
        row += 1
        if row >= lanes.stops[lanes.lane[row - 1]]:
            following = lanes.after[lanes.lane[row - 1]]
            if following < 0:
                break
            row = lanes.stops[following - 1] if following > 0 else 0
    return num


@njit(cache=True)
def _wish(rows: np.ndarray, along: np.ndarray, lanes: SampledLanes, wished: np.ndarray) -> None:
    """Speed [m/s] at each sample: the limit, less in bends and where one has to slow down for a bend."""
    num = len(rows)
    for k in range(num):
        first, last = max(k - 2, 0), min(k + 2, num - 1)
        turn = abs(wrap(lanes.samples[rows[last], 2] - lanes.samples[rows[first], 2]))
        curvature = turn / max(along[last] - along[first], SPACING_M)
        wished[k] = min(lanes.limits[lanes.lane[rows[k]]], math.sqrt(_LATERAL_ACCEL / max(curvature, 1e-4)))
    for k in range(num - 2, -1, -1):
        wished[k] = min(wished[k], math.sqrt(wished[k + 1] ** 2 + 2.0 * _EASY_DECEL * (along[k + 1] - along[k])))


@njit(cache=True)
def _sample_at(ways: Ways, i: int, along: float) -> int:
    """The last sample of a way that is not beyond a place [m]."""
    k = min(max(int(along / SPACING_M), 0), ways.counts[i] - 1)
    # Samples lie closer where a lane ends.
    while k + 1 < ways.counts[i] and ways.along[i, k + 1] <= along:
        k += 1
    return k


@njit(cache=True)
def _room_to_red(agents: np.ndarray, i: int, ways: Ways, lanes: SampledLanes, is_red: np.ndarray) -> float:
    """Room [m] to the first lane that is entered at red; FREE_M without, and for who cannot stop any more."""
    speed = math.hypot(agents[i, 3], agents[i, 4])
    for k in range(1, ways.counts[i]):
        entered = lanes.lane[ways.rows[i, k]]
        if entered != lanes.lane[ways.rows[i, k - 1]] and is_red[entered]:
            room = ways.along[i, k] - ways.start[i, 0] - 0.5 * agents[i, 5]
            return room if room > 0.0 and speed**2 < 2.0 * _FOLLOWING.decel_max_mps2 * room else FREE_M
    return FREE_M


@njit(cache=True)
def _gap_on_way(agents: np.ndarray, i: int, j: int, ways: Ways, samples: np.ndarray) -> tuple[float, float]:
    """Room [m] of agent i to agent j on its way, FREE_M where j is not on it, and the share of j's speed along it."""
    count, along = ways.counts[i], ways.start[i, 0]
    x, y = agents[j, 0], agents[j, 1]
    reach = ways.along[i, count - 1] + 10.0
    if abs(x - agents[i, 0]) > reach or abs(y - agents[i, 1]) > reach:
        return FREE_M, 1.0
    nearest, least = -1, 25.0
    for k in range(count):
        dx, dy = x - samples[ways.rows[i, k], 0], y - samples[ways.rows[i, k], 1]
        if dx * dx + dy * dy < least:
            nearest, least = k, dx * dx + dy * dy
    if nearest < 0:
        return FREE_M, 1.0
    sample = samples[ways.rows[i, nearest]]
    cos, sin = math.cos(sample[2]), math.sin(sample[2])
    dx, dy = x - sample[0], y - sample[1]
    towards, across = math.cos(agents[j, 2] - sample[2]), abs(math.sin(agents[j, 2] - sample[2]))
    half_length = 0.5 * (agents[j, 5] * abs(towards) + agents[j, 6] * across)
    half_width = 0.5 * (agents[j, 5] * across + agents[j, 6] * abs(towards))
    if abs(dy * cos - dx * sin) > half_width + 0.5 * agents[i, 6] + 0.1:
        return FREE_M, 1.0
    place = ways.along[i, nearest] + dx * cos + dy * sin
    # Who crosses or comes towards one is gone, or is nobody to follow.
    if place <= along or (towards < 0.5 and math.hypot(agents[j, 3], agents[j, 4]) > 1.0):
        return FREE_M, 1.0
    return max(place - along - half_length - 0.5 * agents[i, 5], 0.0), max(towards, 0.0)


@njit(cache=True)
def _place_at(
    agents: np.ndarray,
    i: int,
    ways: Ways,
    samples: np.ndarray,
    travelled: float,
    time_s: float,
    place: np.ndarray,
) -> None:
    """Where an agent is: on its way, straight on beyond its end, or at its velocity without a way."""
    count = ways.counts[i]
    if count == 0:
        place[0], place[1] = agents[i, 0] + agents[i, 3] * time_s, agents[i, 1] + agents[i, 4] * time_s
        return
    along = ways.start[i, 0] + travelled
    k = _sample_at(ways, i, along)
    rest, sample = along - ways.along[i, k], samples[ways.rows[i, k]]
    cos, sin = math.cos(sample[2]), math.sin(sample[2])
    place[0], place[1] = sample[0] + rest * cos, sample[1] + rest * sin
    if k + 1 < count:
        share = rest / max(ways.along[i, k + 1] - ways.along[i, k], 1e-6)
        following = samples[ways.rows[i, k + 1]]
        place[0], place[1] = (
            sample[0] + share * (following[0] - sample[0]),
            sample[1] + share * (following[1] - sample[1]),
        )
    aside = _aside_at(ways.start[i, 1], ways.start[i, 2], time_s)
    place[0] -= aside * sin
    place[1] += aside * cos


@njit(cache=True)
def _aside_at(aside: float, drift: float, time_s: float) -> float:
    """Offset to the lane's middle: who drifts goes on for a while, others come back slowly."""
    if abs(drift) > _DRIFT_MPS:
        return aside + drift * _DRIFTS_S * (1.0 - math.exp(-time_s / _DRIFTS_S))
    return aside * math.exp(-time_s / _RETURNS_S)
