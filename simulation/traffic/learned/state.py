"""State of all road users at a decision, and their forecasts: along their paths, or at constant velocity."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int8

from driving.agents import LightStatus
from simulation.geometry.angles import wrap
from simulation.geometry.compiling import njit
from simulation.traffic.learned.paths import LIGHT, Paths, path_length, pose_at

DECISION_STEPS = 5
"""Steps of 0.1 s between decisions."""
DECISION_S = 0.5
FORECAST_STEP_S = 0.25
FORECAST_POSES = 17
"""Poses of a forecast, the present one included: 4 s."""
COMFORTABLE_STOP_MPS2 = 4.0
"""An agent is expected to stop at a red light when this deceleration suffices."""
MAX_TURN_S = 1.0
"""Time for which a road user without a path is expected to keep turning."""
_RED, _YELLOW = int(LightStatus.RED), int(LightStatus.YELLOW)


class State(NamedTuple):
    """All road users: the tracks in their rows, then the ego."""

    kinds: Int8[np.ndarray, "users"]
    """Values of `AgentKind`."""
    present: Bool[np.ndarray, "users"]
    poses: Float64[np.ndarray, "users 3"]
    sizes: Float64[np.ndarray, "users 2"]
    speed: Float64[np.ndarray, "users"]
    """Along the heading [m/s]."""
    velocities: Float64[np.ndarray, "users 2"]
    accel: Float64[np.ndarray, "users"]
    """Mean over the last 0.5 s [m/s^2]."""
    yaw_rate: Float64[np.ndarray, "users"]
    past: Float64[np.ndarray, "users 2 2"]
    """Positions 0.5 s and 1 s ago [m, global]."""
    progress: Float64[np.ndarray, "users"]
    """Arc length on the path [m]; NaN without a path."""
    lights: Int8[np.ndarray, "lanes"]
    """`LightStatus` of each lane connector; -1 where not observed."""


class Choice(NamedTuple):
    """Decisions of A agents."""

    accelerations: Float64[np.ndarray, "agents"]
    """Of agents with a path [m/s^2]."""
    motions: Float64[np.ndarray, "agents 3"]
    """Of agents without a path, in their frame."""


class Gate(NamedTuple):
    """The next entry into a junction on a path."""

    row: int
    """Row of the gate in `Paths`; -1 for none."""
    distance_m: float
    """From the front of the box."""
    status: int
    """`LightStatus` at a traffic light, UNKNOWN where not observed; -1 elsewhere."""


@njit(cache=True)
def next_gate(paths: Paths, state: State, user: int) -> Gate:
    """The first gate that the front of an agent has not passed yet."""
    front = state.progress[user] + 0.5 * state.sizes[user, 0]
    for k in range(paths.gate_offsets[user], paths.gate_offsets[user + 1]):
        # A box stands a little beyond the line at times.
        if paths.gate_arc[k] >= front - 1.5:
            status = -1
            if paths.gate_kinds[k] == LIGHT:
                status = state.lights[paths.gate_rows[k]]
                if status < 0:
                    status = 3
            return Gate(k, max(0.0, paths.gate_arc[k] - front), status)
    return Gate(-1, np.inf, -1)


@njit(cache=True)
def stop_distance(paths: Paths, state: State, user: int) -> float:
    """Distance within which an agent has to stop at a red or yellow light [m]; infinite where it has not to."""
    gate = next_gate(paths, state, user)
    if gate.row >= 0 and (gate.status == _RED or gate.status == _YELLOW):
        speed = state.speed[user]
        if speed * speed <= 2.0 * COMFORTABLE_STOP_MPS2 * max(gate.distance_m, 0.1):
            return gate.distance_m
    return np.inf


@njit(cache=True)
def travelled(speed: float, accel: float, time_s: float) -> tuple[float, float]:
    """Distance and speed after a time of constant acceleration; a braking agent stops and stays."""
    if accel < 0.0 and speed + accel * time_s < 0.0:
        return (speed * speed / (-2.0 * accel) if speed > 0.0 else 0.0), 0.0
    return speed * time_s + 0.5 * accel * time_s * time_s, speed + accel * time_s


@njit(cache=True)
def forecast_along_path(
    paths: Paths, state: State, user: int, decided: float, out: Float64[np.ndarray, "poses 3"]
) -> None:
    """Write the expected poses of an agent along its path.

    It drives with the acceleration `decided` for 0.5 s, then keeps its speed. Without a decision (NaN) it keeps
    braking if it brakes, else it keeps its speed; and it stops before a red light.
    """
    speed, accel, progress = max(state.speed[user], 0.0), state.accel[user], state.progress[user]
    limit = stop_distance(paths, state, user)
    after, speed_after = 0.0, 0.0
    if not math.isnan(decided):
        after, speed_after = travelled(speed, decided, DECISION_S)
    for k in range(FORECAST_POSES):
        time_s = k * FORECAST_STEP_S
        if math.isnan(decided):
            ahead, _ = travelled(speed, min(accel, 0.0), time_s)
        elif time_s <= DECISION_S:
            ahead, _ = travelled(speed, decided, time_s)
        else:
            rest, _ = travelled(speed_after, min(decided, 0.0), time_s - DECISION_S)
            ahead = after + rest
        out[k, 0], out[k, 1], out[k, 2] = pose_at(paths, user, progress + min(ahead, limit))


@njit(cache=True)
def forecast_free(state: State, user: int, out: Float64[np.ndarray, "poses 3"]) -> None:
    """Write the expected poses of a road user without a path: constant velocity, turning on for a second."""
    x, y, heading = state.poses[user]
    vx, vy = state.velocities[user]
    rate = state.yaw_rate[user] if math.hypot(vx, vy) > 1.0 else 0.0
    braking = min(0.0, state.accel[user])
    speed = math.hypot(vx, vy)
    course, before, turned = math.atan2(vy, vx), 0.0, 0.0
    for k in range(FORECAST_POSES):
        if k:
            time_s = k * FORECAST_STEP_S
            ahead, _ = travelled(speed, braking, time_s)
            middle = rate * min(time_s - 0.5 * FORECAST_STEP_S, MAX_TURN_S)
            turned = rate * min(time_s, MAX_TURN_S)
            x += (ahead - before) * math.cos(course + middle)
            y += (ahead - before) * math.sin(course + middle)
            before = ahead
        out[k, 0], out[k, 1], out[k, 2] = x, y, heading + turned


@njit(cache=True)
def forecasts(paths: Paths, state: State, out: Float64[np.ndarray, "users poses 3"]) -> None:
    """Write the expected poses of all present road users."""
    for user in range(len(state.present)):
        if state.present[user]:
            if has_path(paths, state, user):
                forecast_along_path(paths, state, user, np.nan, out[user])
            else:
                forecast_free(state, user, out[user])


@njit(cache=True)
def has_path(paths: Paths, state: State, user: int) -> bool:
    """Whether a road user follows a path: the ego and tracks that replay the log do not."""
    return user < len(paths.offsets) - 1 and not math.isnan(state.progress[user])


@njit(cache=True)
def is_past_end(paths: Paths, user: int, progress_m: float) -> bool:
    """Whether an agent has left the scene at the end of its path."""
    return bool(paths.is_open[user]) and progress_m > path_length(paths, user)


@njit(cache=True)
def relative(pose: Float64[np.ndarray, "3"], x: float, y: float, heading: float) -> tuple[float, float, float]:
    """A pose in the frame of another one."""
    cos, sin = math.cos(pose[2]), math.sin(pose[2])
    dx, dy = x - pose[0], y - pose[1]
    return cos * dx + sin * dy, cos * dy - sin * dx, wrap(heading - pose[2])


def no_users(num_users: int, num_lanes: int) -> State:
    """A state without any road user, to be filled."""
    return State(
        kinds=np.zeros(num_users, dtype=np.int8),
        present=np.zeros(num_users, dtype=bool),
        poses=np.full((num_users, 3), np.nan),
        sizes=np.full((num_users, 2), np.nan),
        speed=np.zeros(num_users),
        velocities=np.zeros((num_users, 2)),
        accel=np.zeros(num_users),
        yaw_rate=np.zeros(num_users),
        past=np.full((num_users, 2, 2), np.nan),
        progress=np.full(num_users, np.nan),
        lights=np.full(num_lanes, -1, dtype=np.int8),
    )
