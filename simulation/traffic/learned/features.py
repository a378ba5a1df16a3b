"""Features of an agent at a decision: itself, its path, its leader, the next gate, and the road users near it.

All values are in the agent's frame and of order one. A mirrored world changes only the signs of `MIRRORED_OWN` and
`MIRRORED_NEAR`, so training covers left-hand traffic.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int64

from driving.agents import STATIC_KINDS, AgentKind
from simulation.geometry.angles import wrap
from simulation.geometry.compiling import njit
from simulation.traffic.idm_law import IdmParameters, idm_acceleration
from simulation.traffic.learned.paths import LIGHT, Paths, limit_at, path_length, pose_at
from simulation.traffic.learned.state import (
    FORECAST_POSES,
    FORECAST_STEP_S,
    State,
    has_path,
    next_gate,
    relative,
    stop_distance,
)

NEIGHBORS = 12
"""The nearest road users, which are part of the features."""
SIGHT_M = 60.0
PATH_DISTANCES_M = np.array([2.0, 4.0, 7.0, 11.0, 16.0, 24.0, 34.0, 48.0])
LEAD_REACH_M = 60.0
_FREE_ROAD = IdmParameters(min_gap_m=2.0, headway_s=1.2, accel_max_mps2=1.5, decel_max_mps2=4.0)
_CONFLICT_M = 2.0
"""A forecast this near to a point of the path is a conflict."""

(SPEED, ACCEL, YAW_RATE, LENGTH, WIDTH, IS_VEHICLE, IS_PEDESTRIAN, IS_BICYCLE) = range(8)
PAST = 8
"""Position 0.5 s and 1 s ago: x, y, x, y."""
HAS_PATH = 12
PATH = 13
"""x / d, y / d and change of heading at each of `PATH_DISTANCES_M`."""
LIMIT = PATH + 3 * len(PATH_DISTANCES_M)
LIMIT_AHEAD, TURN_AHEAD, HAS_LEAD, LEAD_GAP, LEAD_SPEED, LEAD_CLOSING, LEAD_IS_PERSON = range(LIMIT + 1, LIMIT + 8)
FOLLOWING = LIMIT + 8
"""Acceleration of the intelligent driver model."""
GATE_NEAR, GATE_DISTANCE, GATE_BRAKING = range(FOLLOWING + 1, FOLLOWING + 4)
GATE_KIND = FOLLOWING + 4
"""One of seven: green, yellow, red, or unknown light; stop line, yield line, neither."""
END_DISTANCE = GATE_KIND + 7
LANE = END_DISTANCE + 1
"""Of agents without a path: lateral offset, cosine and sine of the heading offset, whether inside a lane."""
ON_CROSSWALK, ON_WALKWAY = LANE + 4, LANE + 5
NUM_OWN = LANE + 6

(N_X, N_Y, N_COS, N_SIN, N_VX, N_VY, N_SPEED, N_ACCEL, N_LENGTH, N_WIDTH) = range(10)
(N_IS_VEHICLE, N_IS_PEDESTRIAN, N_IS_BICYCLE, N_IS_STATIC, N_IS_EGO, N_NEARNESS) = range(10, 16)
(N_CONFLICT, N_CONFLICT_DISTANCE, N_CONFLICT_TIME, N_CONFLICT_COS, N_OWN_TIME, N_IS_LEAD) = range(16, 22)
NUM_NEAR = 22

MIRRORED_OWN = np.ones(NUM_OWN, dtype=np.float32)
MIRRORED_OWN[[YAW_RATE, PAST + 1, PAST + 3, LANE, LANE + 2]] = -1.0
MIRRORED_OWN[PATH + 1 : LIMIT : 3] = -1.0
MIRRORED_OWN[PATH + 2 : LIMIT : 3] = -1.0
MIRRORED_NEAR = np.ones(NUM_NEAR, dtype=np.float32)
MIRRORED_NEAR[[N_Y, N_SIN, N_VY]] = -1.0

_VEHICLE, _PEDESTRIAN, _BICYCLE = int(AgentKind.VEHICLE), int(AgentKind.PEDESTRIAN), int(AgentKind.BICYCLE)
_STATIC = np.array([kind in STATIC_KINDS for kind in AgentKind])


class Features(NamedTuple):
    """Input of the network for A agents."""

    own: Float32[np.ndarray, "agents own"]
    near: Float32[np.ndarray, "agents neighbors near"]
    counts: Int64[np.ndarray, "agents"]
    """Neighbours of each agent; the rows behind are 0."""


class Places(NamedTuple):
    """Where agents without a path are, one row per agent."""

    lanes: Float64[np.ndarray, "agents 4"]
    """Lateral offset [m], heading offset [rad], whether inside a lane, whether a lane is near."""
    areas: Float64[np.ndarray, "agents 2"]
    """Whether on a crosswalk, on a walkway."""


class Lead(NamedTuple):
    """First road user on an agent's path."""

    user: int
    """-1 for none."""
    gap_m: float
    """From the front of the agent."""
    speed_mps: float
    """Along the path."""


def empty_features(num_agents: int) -> Features:
    """Features to be filled."""
    return Features(
        own=np.zeros((num_agents, NUM_OWN), dtype=np.float32),
        near=np.zeros((num_agents, NEIGHBORS, NUM_NEAR), dtype=np.float32),
        counts=np.zeros(num_agents, dtype=np.int64),
    )


@njit(cache=True)
def find_lead(paths: Paths, state: State, user: int) -> Lead:
    """The first road user with a box that the agent touches when it drives along its path."""
    progress, half = state.progress[user], 0.5 * state.sizes[user, 0]
    best, best_arc = -1, progress + half + LEAD_REACH_M
    own_half_width = 0.5 * state.sizes[user, 1]
    x0, y0 = state.poses[user, 0], state.poses[user, 1]
    for other in range(len(state.present)):
        if other == user or not state.present[other]:
            continue
        x, y, heading = state.poses[other]
        reach = 0.5 * math.hypot(state.sizes[other, 0], state.sizes[other, 1]) + own_half_width
        if math.hypot(x - x0, y - y0) > LEAD_REACH_M + half + reach:
            continue
        ahead_x, _, _ = relative(state.poses[user], x, y, heading)
        if ahead_x < -reach - LEAD_REACH_M:
            continue
        cos, sin = math.cos(heading), math.sin(heading)
        half_length, half_width = 0.5 * state.sizes[other, 0], 0.5 * state.sizes[other, 1]
        arc = progress + 0.5
        while arc < best_arc:
            px, py, course = pose_at(paths, user, arc)
            dx, dy = x - px, y - py
            gap = math.hypot(dx, dy) - reach
            if gap <= 0.0:
                # The front's line of the agent's width against the box, by the width in the box's frame.
                along, left = cos * dx + sin * dy, cos * dy - sin * dx
                turn = wrap(course - heading)
                margin_x = own_half_width * abs(math.sin(turn))
                margin_y = own_half_width * abs(math.cos(turn))
                is_ahead = math.cos(course) * dx + math.sin(course) * dy > 0.0 or arc > progress + half
                if is_ahead and abs(along) <= half_length + margin_x and abs(left) <= half_width + margin_y:
                    best, best_arc = other, arc
                    break
            arc += max(0.5, gap)
    if best < 0:
        return Lead(-1, LEAD_REACH_M, 0.0)
    _, _, course = pose_at(paths, user, best_arc)
    speed = state.velocities[best, 0] * math.cos(course) + state.velocities[best, 1] * math.sin(course)
    return Lead(best, max(0.0, best_arc - progress - half), speed)


@njit(cache=True)
def following_acceleration(paths: Paths, state: State, user: int, lead: Lead, parameters: IdmParameters) -> float:
    """Acceleration of the intelligent driver model behind the leader and before a red light [m/s^2]."""
    speed = max(state.speed[user], 0.0)
    target = max(limit_at(paths, user, state.progress[user]), 1.0)
    accel = idm_acceleration(speed, lead.gap_m, max(lead.speed_mps, 0.0), target, parameters)
    if lead.user < 0:
        accel = idm_acceleration(speed, 1e4, speed, target, parameters)
    stop = stop_distance(paths, state, user)
    if not paths.is_open[user]:
        stop = min(stop, path_length(paths, user) - state.progress[user])
    if stop < LEAD_REACH_M:
        accel = min(accel, idm_acceleration(speed, stop, 0.0, target, parameters))
    return accel


@njit(cache=True)
def fill_features(
    paths: Paths,
    state: State,
    expected: Float64[np.ndarray, "users poses 3"],
    users: Int64[np.ndarray, "agents"],
    places: Places,
    out: Features,
) -> None:
    """Write the features of some agents.

    Args:
        paths: Of all agents.
        state: Of all road users.
        expected: Their forecasts.
        users: The agents that decide.
        places: Of these agents; read for those without a path.
        out: Zeros, to be filled.
    """
    for a in range(len(users)):
        user = users[a]
        own = out.own[a]
        _fill_self(state, user, own)
        lead = Lead(-1, LEAD_REACH_M, 0.0)
        if has_path(paths, state, user):
            lead = find_lead(paths, state, user)
            _fill_path(paths, state, user, lead, own)
        else:
            own[LANE] = min(max(places.lanes[a, 0] / 4.0, -2.0), 2.0) * places.lanes[a, 3]
            own[LANE + 1] = math.cos(places.lanes[a, 1]) * places.lanes[a, 3]
            own[LANE + 2] = math.sin(places.lanes[a, 1]) * places.lanes[a, 3]
            own[LANE + 3] = places.lanes[a, 2]
            own[ON_CROSSWALK], own[ON_WALKWAY] = places.areas[a, 0], places.areas[a, 1]
        out.counts[a] = _fill_neighbors(paths, state, expected, (user, lead.user), out.near[a])


@njit(cache=True)
def _fill_self(state: State, user: int, own: np.ndarray) -> None:
    pose, kind = state.poses[user], state.kinds[user]
    own[SPEED], own[ACCEL], own[YAW_RATE] = state.speed[user] / 10.0, state.accel[user] / 3.0, state.yaw_rate[user]
    own[LENGTH], own[WIDTH] = state.sizes[user, 0] / 5.0, state.sizes[user, 1] / 2.0
    own[IS_VEHICLE], own[IS_PEDESTRIAN], own[IS_BICYCLE] = kind == _VEHICLE, kind == _PEDESTRIAN, kind == _BICYCLE
    for k in range(2):
        x, y, _ = relative(pose, state.past[user, k, 0], state.past[user, k, 1], 0.0)
        own[PAST + 2 * k], own[PAST + 2 * k + 1] = x / 5.0, y / 5.0


@njit(cache=True)
def _fill_path(paths: Paths, state: State, user: int, lead: Lead, own: np.ndarray) -> None:
    pose, progress, speed = state.poses[user], state.progress[user], state.speed[user]
    own[HAS_PATH] = 1.0
    length = path_length(paths, user)
    sharpest, before, at_before = 0.0, pose[2], 0.0
    for k in range(len(PATH_DISTANCES_M)):
        ahead = PATH_DISTANCES_M[k]
        px, py, course = pose_at(paths, user, progress + ahead)
        x, y, turn = relative(pose, px, py, course)
        own[PATH + 3 * k], own[PATH + 3 * k + 1], own[PATH + 3 * k + 2] = x / ahead, y / ahead, turn
        sharpest = max(sharpest, abs(wrap(course - before)) / (ahead - at_before) * (1.0 if ahead < 30.0 else 0.5))
        before, at_before = course, ahead
    own[LIMIT] = limit_at(paths, user, progress) / 10.0
    own[LIMIT_AHEAD] = limit_at(paths, user, progress + 25.0) / 10.0
    own[TURN_AHEAD] = min(10.0 * sharpest, 3.0)
    if lead.user >= 0:
        own[HAS_LEAD] = 1.0
        own[LEAD_CLOSING] = min(max((speed - lead.speed_mps) / max(lead.gap_m, 1.0), -2.0), 2.0)
        own[LEAD_IS_PERSON] = state.kinds[lead.user] == _PEDESTRIAN
    own[LEAD_GAP], own[LEAD_SPEED] = math.exp(-lead.gap_m / 15.0) * own[HAS_LEAD], lead.speed_mps / 10.0
    own[FOLLOWING] = following_acceleration(paths, state, user, lead, _FREE_ROAD) / 3.0
    gate = next_gate(paths, state, user)
    if gate.row >= 0:
        own[GATE_NEAR] = math.exp(-gate.distance_m / 5.0)
        own[GATE_DISTANCE] = math.exp(-gate.distance_m / 25.0)
        own[GATE_BRAKING] = min(speed * speed / (2.0 * max(gate.distance_m, 0.5)) / 4.0, 2.0)
        kind = paths.gate_kinds[gate.row]
        own[GATE_KIND + (gate.status if kind == LIGHT else 3 + kind)] = 1.0
    if not paths.is_open[user]:
        own[END_DISTANCE] = math.exp(-max(length - progress, 0.0) / 10.0)


@njit(cache=True)
def _fill_neighbors(
    paths: Paths, state: State, expected: np.ndarray, agent: tuple[int, int], near: np.ndarray
) -> int:
    """Write the nearest road users, nearest first; return how many."""
    user, lead = agent
    pose = state.poses[user]
    found = np.empty(NEIGHBORS, dtype=np.int64)
    distances = np.full(NEIGHBORS, SIGHT_M)
    count = 0
    # Those ahead matter more: distances count from the place half a second ahead.
    center_x = pose[0] + 0.5 * state.velocities[user, 0]
    center_y = pose[1] + 0.5 * state.velocities[user, 1]
    for other in range(len(state.present)):
        if other == user or not state.present[other]:
            continue
        distance = math.hypot(state.poses[other, 0] - center_x, state.poses[other, 1] - center_y)
        if other == lead:
            distance = 0.0
        if distance >= distances[NEIGHBORS - 1]:
            continue
        at = min(count, NEIGHBORS - 1)
        while at > 0 and distances[at - 1] > distance:
            distances[at], found[at] = distances[at - 1], found[at - 1]
            at -= 1
        distances[at], found[at] = distance, other
        count = min(count + 1, NEIGHBORS)
    ahead_poses = _path_ahead(paths, state, user)
    for k in range(count):
        _fill_neighbor(state, user, found[k], near[k])
        near[k, N_IS_LEAD] = found[k] == lead
        _fill_conflict(state, expected, (user, found[k]), ahead_poses, near[k])
    return count


@njit(cache=True)
def _fill_neighbor(state: State, user: int, other: int, row: np.ndarray) -> None:
    pose, kind = state.poses[user], state.kinds[other]
    x, y, turn = relative(pose, state.poses[other, 0], state.poses[other, 1], state.poses[other, 2])
    cos, sin = math.cos(pose[2]), math.sin(pose[2])
    vx = state.velocities[other, 0] - state.velocities[user, 0]
    vy = state.velocities[other, 1] - state.velocities[user, 1]
    row[N_X], row[N_Y], row[N_COS], row[N_SIN] = x / 20.0, y / 20.0, math.cos(turn), math.sin(turn)
    row[N_VX], row[N_VY] = (cos * vx + sin * vy) / 10.0, (cos * vy - sin * vx) / 10.0
    row[N_SPEED], row[N_ACCEL] = state.speed[other] / 10.0, state.accel[other] / 3.0
    row[N_LENGTH], row[N_WIDTH] = state.sizes[other, 0] / 5.0, state.sizes[other, 1] / 2.0
    row[N_IS_EGO] = other == len(state.present) - 1
    row[N_IS_VEHICLE] = kind == _VEHICLE or row[N_IS_EGO]
    row[N_IS_PEDESTRIAN], row[N_IS_BICYCLE], row[N_IS_STATIC] = kind == _PEDESTRIAN, kind == _BICYCLE, _STATIC[kind]
    row[N_NEARNESS] = math.exp(-math.hypot(x, y) / 8.0)


@njit(cache=True)
def _path_ahead(paths: Paths, state: State, user: int) -> np.ndarray:
    """Poses of an agent's path at 0 m and at `PATH_DISTANCES_M`; none without a path."""
    if not has_path(paths, state, user):
        return np.zeros((0, 3))
    poses = np.empty((len(PATH_DISTANCES_M) + 1, 3))
    for p in range(len(poses)):
        ahead = 0.0 if p == 0 else PATH_DISTANCES_M[p - 1]
        poses[p, 0], poses[p, 1], poses[p, 2] = pose_at(paths, user, state.progress[user] + ahead)
    return poses


@njit(cache=True)
def _fill_conflict(
    state: State, expected: np.ndarray, pair: tuple[int, int], ahead_poses: np.ndarray, row: np.ndarray
) -> None:
    """Where and when the other is expected on the agent's path, or near its expected place if it has none."""
    user, other = pair
    on_path = len(ahead_poses) > 0
    margin = 0.5 * (state.sizes[user, 1] + state.sizes[other, 1]) + _CONFLICT_M / 2
    speed = max(state.speed[user], 1.0)
    for k in range(1, FORECAST_POSES, 2):
        for p in range(max(len(ahead_poses), 1)):
            ahead = 0.0 if p == 0 else PATH_DISTANCES_M[p - 1]
            pose = ahead_poses[p] if on_path else expected[user, k]
            reach = margin + 0.2 * ahead
            dx, dy = expected[other, k, 0] - pose[0], expected[other, k, 1] - pose[1]
            if dx * dx + dy * dy < reach * reach:
                row[N_CONFLICT] = 1.0
                row[N_CONFLICT_DISTANCE], row[N_CONFLICT_TIME] = ahead / 30.0, k * FORECAST_STEP_S / 4.0
                row[N_CONFLICT_COS] = math.cos(expected[other, k, 2] - pose[2])
                row[N_OWN_TIME] = min(ahead / speed, 8.0) / 4.0
                return
