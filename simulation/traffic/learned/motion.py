"""Poses at 10 Hz between two decisions: constant acceleration along a path, or a cubic curve through a motion."""

import math

import numpy as np
from jaxtyping import Bool, Float64, Int64

from simulation.geometry.compiling import njit
from simulation.traffic.learned.paths import Paths, arc_of, path_length, pose_at
from simulation.traffic.learned.state import DECISION_S, DECISION_STEPS, Choice, State, is_past_end, travelled

STEP_S = DECISION_S / DECISION_STEPS
PLANNED = 5
"""Columns of a planned step: x, y, heading, velocity in x and y, all global."""


@njit(cache=True)
def plan_motions(
    paths: Paths,
    state: State,
    users: Int64[np.ndarray, "agents"],
    is_free: Bool[np.ndarray, "agents"],
    choice: Choice,
) -> Float64[np.ndarray, "agents steps 5"]:
    """Poses and velocities of all agents until their next decision; their progress becomes that of the last pose."""
    planned = np.zeros((len(users), DECISION_STEPS, PLANNED))
    for a in range(len(users)):
        user = users[a]
        if not is_free[a]:
            state.progress[user] = path_motion(paths, state, user, choice.accelerations[a], planned[a])
            continue
        free_motion(state, user, choice.motions[a], planned[a])
        if not math.isnan(state.progress[user]):
            point = (planned[a, -1, 0], planned[a, -1, 1])
            state.progress[user] = arc_of(paths, user, point, state.progress[user])
    return planned


@njit(cache=True)
def has_left(
    paths: Paths, state: State, users: Int64[np.ndarray, "agents"], radius_m: float
) -> Bool[np.ndarray, "agents"]:
    """Whether each agent is beyond a radius around the ego, or behind the end of the lanes."""
    left = np.zeros(len(users), dtype=np.bool_)
    ego = state.poses[len(state.present) - 1]
    for a in range(len(users)):
        user = users[a]
        left[a] = math.hypot(state.poses[user, 0] - ego[0], state.poses[user, 1] - ego[1]) > radius_m
        if not left[a] and not math.isnan(state.progress[user]):
            left[a] = is_past_end(paths, user, state.progress[user])
    return left


@njit(cache=True)
def path_motion(paths: Paths, state: State, user: int, accel: float, out: Float64[np.ndarray, "steps 5"]) -> float:
    """Write poses and velocities of an agent along its path; return its arc length after the last one.

    The velocity points along the heading.
    """
    speed, progress = max(state.speed[user], 0.0), state.progress[user]
    end = np.inf if paths.is_open[user] else max(path_length(paths, user), progress)
    arc = progress
    for k in range(DECISION_STEPS):
        ahead, now = travelled(speed, accel, (k + 1) * STEP_S)
        arc = progress + ahead
        if arc >= end:
            arc, now = end, 0.0
        x, y, heading = pose_at(paths, user, arc)
        out[k, 0], out[k, 1], out[k, 2] = x, y, heading
        out[k, 3], out[k, 4] = now * math.cos(heading), now * math.sin(heading)
    return arc


@njit(cache=True)
def free_motion(
    state: State, user: int, motion: Float64[np.ndarray, "3"], out: Float64[np.ndarray, "steps 5"]
) -> None:
    """Write poses and velocities along a cubic curve from the present pose and velocity through a motion."""
    x, y, heading = state.poses[user]
    cos, sin = math.cos(heading), math.sin(heading)
    dx, dy = cos * motion[0] - sin * motion[1], sin * motion[0] + cos * motion[1]
    start = (state.velocities[user, 0] * DECISION_S, state.velocities[user, 1] * DECISION_S)
    for k in range(DECISION_STEPS):
        u = (k + 1) / DECISION_STEPS
        # Hermite: from 0 with the present velocity to the motion's end with its mean velocity.
        first, whole = u * (1.0 - u) ** 2, u * u * (3.0 - 2.0 * u) + u * u * (u - 1.0)
        slope_first = (1.0 - u) * (1.0 - 3.0 * u)
        slope_whole = 6.0 * u * (1.0 - u) + u * (3.0 * u - 2.0)
        out[k, 0] = x + first * start[0] + whole * dx
        out[k, 1] = y + first * start[1] + whole * dy
        out[k, 2] = heading + u * motion[2]
        out[k, 3] = (slope_first * start[0] + slope_whole * dx) / DECISION_S
        out[k, 4] = (slope_first * start[1] + slope_whole * dy) / DECISION_S
