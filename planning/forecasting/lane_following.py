"""Agents that follow the lanes they are on, keep their distance and stop at red lights: the compiled part.

An approximate forecast, not a simulation: no agent changes lanes or gives way, and at a fork each takes the
straightest lane.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from planning.forecasting.constant_velocity import NUM_INSTANTS
from planning.lane_sampling import SPACING_M
from simulation.geometry.angles import wrap
from simulation.geometry.compiling import njit
from simulation.traffic.idm_law import IdmParameters, idm_acceleration

MAX_SAMPLES = 56
"""Samples of the path ahead of an agent."""
STEPS_PER_INSTANT, STEP_S = 2, 0.25
"""Integration steps between two instants of the forecast."""
FREE_M = 80.0
"""Gap to a leader or light that does not exist."""
AGENT_COLUMNS = 8
_X, _Y, _HEADING, _VX, _VY, _LENGTH, _WIDTH, _ACCEL = range(8)
"""Columns of an agent."""
_START, _OFFSET, _DRIFT = range(3)
"""Columns of an agent's position on its path: arc length [m], offset to the left [m], lateral speed [m/s]."""
_FOLLOWING = IdmParameters(min_gap_m=1.5, headway_s=1.2, accel_max_mps2=1.3, decel_max_mps2=5.0)
"""Intelligent driver model behind a leader ..."""
_STOPPING = IdmParameters(min_gap_m=1.0, headway_s=0.6, accel_max_mps2=1.3, decel_max_mps2=5.0)
"""... and before a stop line."""
_MIN_TARGET_MPS = 0.5
_MAX_COST_M, _HEADING_WEIGHT_M = 3.0, 4.0
"""Largest misfit of a lane: offset, plus so many metres per radian of heading."""
_LATERAL_ACCEL, _EASY_DECEL = 2.2, 1.5
"""Acceleration that drivers accept in a bend, and deceleration before it [m/s^2]."""
_ACCEL_FADES_S, _BRAKING_FADES_S, _DRIFT_FADES_S, _OFFSET_FADES_S = 0.7, 3.0, 1.0, 3.0
"""Time constants over which present acceleration, hard braking, lateral speed and offset to the lane fade."""
_BRAKING = -1.5
"""Harder braking [m/s^2] has a cause, perhaps an unseen one, and fades slowly."""
_SPEED_UP_S, _DRIFT_MPS = 4.0, 0.3
"""An agent gains speed only if it accelerates now, at most for so long; slower lateral motion is no drift."""


class SampledLanes(NamedTuple):
    """P samples of L lanes, lane by lane."""

    samples: Float64[np.ndarray, "samples 3"]
    """x, y, heading [m, rad], global, every 2 m."""
    lane: Int64[np.ndarray, "samples"]
    """Lane of each sample."""
    stops: Int64[np.ndarray, "lanes"]
    """Row behind the last sample of a lane."""
    successor: Int64[np.ndarray, "lanes"]
    """Lane that follows, -1 for none."""
    limits: Float64[np.ndarray, "lanes"]
    """Speed limits [m/s]."""


class LaneForecasts(NamedTuple):
    """Forecasts of N agents."""

    positions_m: Float64[np.ndarray, "agents 8 2"]
    """Box centres every half second, global."""
    has_lane: Bool[np.ndarray, "agents"]
    """Whether an agent follows a lane; other agents keep their velocity."""
    leader_gap_m: Float64[np.ndarray, "agents"]
    """Gap to the leader now, 80 m without one."""
    red_light_gap_m: Float64[np.ndarray, "agents"]
    """Gap to the next red light now, 80 m without one."""


class LanePaths(NamedTuple):
    """Paths of N agents along their lanes."""

    rows: np.ndarray
    """(N, 56) samples ahead."""
    arc: np.ndarray
    """(N, 56) their arc length from the first [m]."""
    targets: np.ndarray
    """(N, 56) speed of a free agent there [m/s]."""
    counts: np.ndarray
    """(N,) samples in use; 0 for agents that keep their velocity."""
    start: np.ndarray
    """(N, 3) `_START`, `_OFFSET`, `_DRIFT`."""


@njit(cache=True)
def lane_samples_under(
    poses: Float64[np.ndarray, "agents 3"],
    near: Int64[np.ndarray, "agents nearest"],
    samples: Float64[np.ndarray, "samples 3"],
) -> Int64[np.ndarray, "agents"]:
    """The lane sample that fits each pose best, -1 if none does.

    Args:
        poses: x, y, heading, global.
        near: Rows of `samples` to choose from; those beyond the end are none.
        samples: x, y, heading.
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
    agents: Float64[np.ndarray, "agents 8"],
    starts: Int64[np.ndarray, "agents"],
    lanes: SampledLanes,
    is_red: Bool[np.ndarray, "lanes"],
) -> LaneForecasts:
    """Forecast all agents together.

    Args:
        agents: x, y, heading, velocity (2), length, width, acceleration along the heading [m, rad, s], global.
        starts: Row of the lane sample under an agent, -1 for those that keep their velocity.
        lanes: Of the map.
        is_red: Whether the light at the entry of a lane is red.
    """
    num_agents = len(agents)
    paths = _paths(agents, starts, lanes)
    red_m = np.full(num_agents, FREE_M)
    leaders, gaps, shares = np.full(num_agents, -1), np.full(num_agents, FREE_M), np.ones(num_agents)
    for i in range(num_agents):
        if paths.counts[i] > 0:
            red_m[i] = _gap_to_red(agents[i], i, paths, lanes, is_red)
            for j in range(num_agents):
                if j != i:
                    gap, share = _gap_on_path(agents[i], agents[j], i, paths, lanes.samples)
                    if gap < gaps[i]:
                        leaders[i], gaps[i], shares[i] = j, gap, share
    speeds, travelled = np.hypot(agents[:, _VX], agents[:, _VY]), np.zeros(num_agents)
    fastest = speeds + _SPEED_UP_S * np.maximum(agents[:, _ACCEL], 0.0)
    positions = np.empty((num_agents, NUM_INSTANTS, 2))
    for step in range(1, NUM_INSTANTS * STEPS_PER_INSTANT + 1):
        before, moved = speeds.copy(), travelled.copy()
        for i in range(num_agents):
            if paths.counts[i] > 0:
                k = _sample_at(paths, i, paths.start[i, _START] + moved[i])
                target = max(min(paths.targets[i, k], fastest[i]), _MIN_TARGET_MPS)
                lead_speed, gap = before[i], FREE_M
                if leaders[i] >= 0:
                    lead_speed = before[leaders[i]] * shares[i]
                    gap = gaps[i] + moved[leaders[i]] * shares[i] - moved[i]
                accel = idm_acceleration(before[i], gap, lead_speed, target, _FOLLOWING)
                if red_m[i] < FREE_M:
                    room = red_m[i] - moved[i]
                    accel = min(accel, idm_acceleration(before[i], room, 0.0, target, _STOPPING))
                fades_s = _BRAKING_FADES_S if agents[i, _ACCEL] < _BRAKING else _ACCEL_FADES_S
                accel += math.exp(-(step - 1) * STEP_S / fades_s) * (agents[i, _ACCEL] - accel)
                speeds[i] = max(before[i] + accel * STEP_S, 0.0)
            travelled[i] = moved[i] + 0.5 * (before[i] + speeds[i]) * STEP_S
            if step % STEPS_PER_INSTANT == 0:
                x, y = _position(agents[i], i, paths, lanes.samples, (travelled[i], step * STEP_S))
                instant = step // STEPS_PER_INSTANT - 1
                positions[i, instant, 0], positions[i, instant, 1] = x, y
    return LaneForecasts(positions, paths.counts > 0, gaps, red_m)


@njit(cache=True)
def _paths(agents: np.ndarray, starts: np.ndarray, lanes: SampledLanes) -> LanePaths:
    num_agents = len(agents)
    paths = LanePaths(
        np.zeros((num_agents, MAX_SAMPLES), dtype=np.int64),
        np.zeros((num_agents, MAX_SAMPLES)),
        np.zeros((num_agents, MAX_SAMPLES)),
        np.zeros(num_agents, dtype=np.int64),
        np.zeros((num_agents, 3)),
    )
    for i in range(num_agents):
        if starts[i] >= 0:
            count = _walk(starts[i], lanes, paths.rows[i], paths.arc[i])
            _fill_targets(paths.rows[i, :count], paths.arc[i, :count], lanes, paths.targets[i])
            paths.counts[i] = count
            first = lanes.samples[starts[i]]
            cos, sin = math.cos(first[2]), math.sin(first[2])
            dx, dy = agents[i, _X] - first[0], agents[i, _Y] - first[1]
            paths.start[i, _START], paths.start[i, _OFFSET] = dx * cos + dy * sin, dy * cos - dx * sin
            paths.start[i, _DRIFT] = agents[i, _VY] * cos - agents[i, _VX] * sin
    return paths


@njit(cache=True)
def _walk(start: int, lanes: SampledLanes, rows: np.ndarray, arc: np.ndarray) -> int:
    """Write the samples ahead, lane after lane, and return their number."""
    samples, row, num = lanes.samples, start, 0
    while num < MAX_SAMPLES:
        rows[num] = row
        if num > 0:
            before = samples[rows[num - 1]]
            arc[num] = arc[num - 1] + math.hypot(samples[row, 0] - before[0], samples[row, 1] - before[1])
        num += 1
        row += 1
        if row >= lanes.stops[lanes.lane[row - 1]]:
            following = lanes.successor[lanes.lane[row - 1]]
            if following < 0:
                break
            row = lanes.stops[following - 1] if following > 0 else 0
    return num


@njit(cache=True)
def _fill_targets(rows: np.ndarray, arc: np.ndarray, lanes: SampledLanes, targets: np.ndarray) -> None:
    """Write the speed [m/s] at each sample: the limit, less in a bend and before it."""
    num = len(rows)
    for k in range(num):
        first, last = max(k - 2, 0), min(k + 2, num - 1)
        turn = abs(wrap(lanes.samples[rows[last], 2] - lanes.samples[rows[first], 2]))
        curvature = turn / max(arc[last] - arc[first], SPACING_M)
        targets[k] = min(lanes.limits[lanes.lane[rows[k]]], math.sqrt(_LATERAL_ACCEL / max(curvature, 1e-4)))
    for k in range(num - 2, -1, -1):
        targets[k] = min(targets[k], math.sqrt(targets[k + 1] ** 2 + 2.0 * _EASY_DECEL * (arc[k + 1] - arc[k])))


@njit(cache=True)
def _sample_at(paths: LanePaths, i: int, along: float) -> int:
    """Last sample of an agent's path before an arc length."""
    k = min(max(int(along / SPACING_M), 0), paths.counts[i] - 1)
    # Samples are closer together where a lane ends.
    while k + 1 < paths.counts[i] and paths.arc[i, k + 1] <= along:
        k += 1
    return k


@njit(cache=True)
def _gap_to_red(agent: np.ndarray, i: int, paths: LanePaths, lanes: SampledLanes, is_red: np.ndarray) -> float:
    """Gap [m] to the first lane with a red light; `FREE_M` without one, or if the agent cannot stop before it."""
    speed = math.hypot(agent[_VX], agent[_VY])
    for k in range(1, paths.counts[i]):
        entered = lanes.lane[paths.rows[i, k]]
        if entered != lanes.lane[paths.rows[i, k - 1]] and is_red[entered]:
            room = paths.arc[i, k] - paths.start[i, _START] - 0.5 * agent[_LENGTH]
            return room if room > 0.0 and speed**2 < 2.0 * _STOPPING.decel_max_mps2 * room else FREE_M
    return FREE_M


@njit(cache=True)
def _gap_on_path(
    agent: np.ndarray, other: np.ndarray, i: int, paths: LanePaths, samples: np.ndarray
) -> tuple[float, float]:
    """Gap [m] of agent i to another one, `FREE_M` if that is not on its path, and the share of its speed along it."""
    count, along = paths.counts[i], paths.start[i, _START]
    x, y = other[_X], other[_Y]
    reach = paths.arc[i, count - 1] + 10.0
    if abs(x - agent[_X]) > reach or abs(y - agent[_Y]) > reach:
        return FREE_M, 1.0
    nearest, least = -1, 25.0
    for k in range(count):
        dx, dy = x - samples[paths.rows[i, k], 0], y - samples[paths.rows[i, k], 1]
        if dx * dx + dy * dy < least:
            nearest, least = k, dx * dx + dy * dy
    if nearest < 0:
        return FREE_M, 1.0
    sample = samples[paths.rows[i, nearest]]
    cos, sin = math.cos(sample[2]), math.sin(sample[2])
    dx, dy = x - sample[0], y - sample[1]
    towards, across = math.cos(other[_HEADING] - sample[2]), abs(math.sin(other[_HEADING] - sample[2]))
    half_length = 0.5 * (other[_LENGTH] * abs(towards) + other[_WIDTH] * across)
    half_width = 0.5 * (other[_LENGTH] * across + other[_WIDTH] * abs(towards))
    if abs(dy * cos - dx * sin) > half_width + 0.5 * agent[_WIDTH] + 0.1:
        return FREE_M, 1.0
    arc = paths.arc[i, nearest] + dx * cos + dy * sin
    # Crossing and oncoming traffic is no leader.
    if arc <= along or (towards < 0.5 and math.hypot(other[_VX], other[_VY]) > 1.0):
        return FREE_M, 1.0
    return max(arc - along - half_length - 0.5 * agent[_LENGTH], 0.0), max(towards, 0.0)


@njit(cache=True)
def _position(
    agent: np.ndarray, i: int, paths: LanePaths, samples: np.ndarray, travelled: tuple[float, float]
) -> tuple[float, float]:
    """Position of agent i on its path, straight on beyond its end; at its velocity without a path.

    Args:
        agent: (8,) columns of the agent.
        i: Its row.
        paths: Of all agents.
        samples: (P, 3) of all lanes.
        travelled: Distance [m] and time [s].
    """
    distance, time_s = travelled
    count = paths.counts[i]
    if count == 0:
        return agent[_X] + agent[_VX] * time_s, agent[_Y] + agent[_VY] * time_s
    along = paths.start[i, _START] + distance
    k = _sample_at(paths, i, along)
    rest, sample = along - paths.arc[i, k], samples[paths.rows[i, k]]
    cos, sin = math.cos(sample[2]), math.sin(sample[2])
    x, y = sample[0] + rest * cos, sample[1] + rest * sin
    if k + 1 < count:
        share = rest / max(paths.arc[i, k + 1] - paths.arc[i, k], 1e-6)
        following = samples[paths.rows[i, k + 1]]
        x, y = sample[0] + share * (following[0] - sample[0]), sample[1] + share * (following[1] - sample[1])
    offset = _offset_at(paths.start[i, _OFFSET], paths.start[i, _DRIFT], time_s)
    return x - offset * sin, y + offset * cos


@njit(cache=True)
def _offset_at(offset: float, drift: float, time_s: float) -> float:
    """Offset to the lane's centerline: a drift fades, an offset without drift returns to zero."""
    if abs(drift) > _DRIFT_MPS:
        return offset + drift * _DRIFT_FADES_S * (1.0 - math.exp(-time_s / _DRIFT_FADES_S))
    return offset * math.exp(-time_s / _OFFSET_FADES_S)
