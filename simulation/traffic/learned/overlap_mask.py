"""Choices that would step into an overlap although another choice avoids it.

An acceleration is safe when, after 0.5 s of it, either hard braking or keeping the speed stays clear of the forecasts
of all road users. Agents decide one after the other; those that have decided are forecast by their decisions.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from simulation.geometry.angles import wrap
from simulation.geometry.boxes import box_corners, convex_overlap
from simulation.geometry.compiling import njit
from simulation.traffic.learned.paths import Paths, path_length, pose_at
from simulation.traffic.learned.state import (
    DECISION_S,
    FORECAST_POSES,
    FORECAST_STEP_S,
    State,
    relative,
    travelled,
)

HARD_BRAKING_MPS2 = -6.0
"""After a decision, an agent can still brake this hard."""
CELL_M = 0.75
"""Resolution of the occupied part of a path; boxes are longer by as much."""
MAX_CELLS = 120
SIDE_GAP_M = 0.1
BEHIND_RAD = 0.8
"""A road user behind, whose heading differs by less, is responsible for keeping its distance."""


class Occupancy(NamedTuple):
    """Cells of an agent's path that others are expected to occupy."""

    blocked: Bool[np.ndarray, "poses cells"]
    end_m: float
    """Distance to the end of a path at which the agent has to stop; infinite elsewhere."""


@njit(cache=True)
def is_behind(pose: tuple[float, float, float], other: Float64[np.ndarray, "3"]) -> bool:
    """Whether another road user follows behind a pose."""
    ahead = math.cos(pose[2]) * (other[0] - pose[0]) + math.sin(pose[2]) * (other[1] - pose[1])
    return ahead < 0.0 and abs(wrap(other[2] - pose[2])) < BEHIND_RAD


@njit(cache=True)
def corners_of(pose: tuple[float, float, float], length: float, width: float) -> Float64[np.ndarray, "4 2"]:
    """Corners of a box at a pose."""
    return box_corners(pose[0], pose[1], pose[2], length, width)


@njit(cache=True)
def near_users(
    state: State, expected: Float64[np.ndarray, "users poses 3"], user: int, reach_m: float
) -> Int64[np.ndarray, "near"]:
    """Rows of the road users that may come within a distance of an agent.

    Those that overlap it already are left out, and those that follow directly behind it.
    """
    x, y, heading = state.poses[user]
    length, width = state.sizes[user]
    own = corners_of((x, y, heading), length, width)
    found = np.empty(len(state.present), dtype=np.int64)
    count = 0
    for other in range(len(state.present)):
        if other == user or not state.present[other]:
            continue
        radius = 0.5 * (math.hypot(state.sizes[other, 0], state.sizes[other, 1]) + math.hypot(length, width))
        now = math.hypot(expected[other, 0, 0] - x, expected[other, 0, 1] - y)
        later = math.hypot(expected[other, -1, 0] - x, expected[other, -1, 1] - y)
        if min(now, later) > reach_m + radius + 2.0 and now + later > 2.0 * (reach_m + radius) + 10.0:
            continue
        ox, oy, other_heading = state.poses[other]
        ahead, left, turn = relative(state.poses[user], ox, oy, other_heading)
        if ahead < 0.0 and abs(turn) < BEHIND_RAD and abs(left) < 0.5 * (width + state.sizes[other, 1]) + SIDE_GAP_M:
            continue
        if now < radius:
            box = corners_of((ox, oy, other_heading), state.sizes[other, 0], state.sizes[other, 1])
            if convex_overlap(own, box):
                continue
        found[count] = other
        count += 1
    return found[:count]


@njit(cache=True)
def occupancy(paths: Paths, state: State, expected: Float64[np.ndarray, "users poses 3"], user: int) -> Occupancy:
    """Where on its path an agent would overlap others, by time."""
    speed, progress = max(state.speed[user], 0.0), state.progress[user]
    reach = speed * FORECAST_STEP_S * (FORECAST_POSES - 1) + 0.5 * 4.5 * DECISION_S * 8.0 + 4.0
    cells = min(MAX_CELLS, int(reach / CELL_M) + 2)
    blocked = np.zeros((FORECAST_POSES, cells), dtype=np.bool_)
    end = np.inf if paths.is_open[user] else max(0.0, path_length(paths, user) - progress)
    length, width = state.sizes[user, 0] + CELL_M, state.sizes[user, 1] + 2.0 * SIDE_GAP_M
    poses = np.empty((cells, 3))
    for c in range(cells):
        poses[c, 0], poses[c, 1], poses[c, 2] = pose_at(paths, user, progress + c * CELL_M)
    for other in near_users(state, expected, user, cells * CELL_M):
        other_length, other_width = state.sizes[other]
        radius = 0.5 * (math.hypot(other_length, other_width) + math.hypot(length, width))
        for k in range(1, FORECAST_POSES):
            ox, oy, other_heading = expected[other, k]
            box = box_corners(ox, oy, other_heading, other_length, other_width)
            c = 0
            while c < cells:
                gap = math.hypot(poses[c, 0] - ox, poses[c, 1] - oy) - radius
                if gap > 0.0:
                    c += max(1, int(gap / CELL_M))
                    continue
                pose = (poses[c, 0], poses[c, 1], poses[c, 2])
                if not blocked[k, c] and not is_behind(pose, expected[other, k]):
                    blocked[k, c] = convex_overlap(corners_of(pose, length, width), box)
                c += 1
    return Occupancy(blocked, end)


@njit(cache=True)
def first_overlap(found: Occupancy, speed: float, accel: float, tail: float) -> float:
    """Time until an agent overlaps another [s], infinite for never: 0.5 s with `accel`, then `tail`."""
    after, speed_after = travelled(speed, accel, DECISION_S)
    cells = found.blocked.shape[1]
    for k in range(1, FORECAST_POSES):
        time_s = k * FORECAST_STEP_S
        if time_s <= DECISION_S:
            ahead, _ = travelled(speed, accel, time_s)
        else:
            rest, _ = travelled(speed_after, tail, time_s - DECISION_S)
            ahead = after + rest
        if ahead > found.end_m + 0.5:
            return time_s
        cell = int(ahead / CELL_M + 0.5)
        if cell < cells and found.blocked[k, cell]:
            return time_s
    return np.inf


@njit(cache=True)
def safe_accelerations(
    found: Occupancy, speed: float, accelerations: Float64[np.ndarray, "accelerations"]
) -> Bool[np.ndarray, "accelerations"]:
    """Mask of the safe accelerations; without any, the lowest of those that delay the overlap longest."""
    times = np.empty(len(accelerations))
    for k in range(len(accelerations)):
        braking = first_overlap(found, speed, accelerations[k], HARD_BRAKING_MPS2)
        times[k] = braking if braking == np.inf else max(braking, first_overlap(found, speed, accelerations[k], 0.0))
    safe = times == np.inf
    if not safe.any():
        safe[np.argmax(times)] = True
    return safe


@njit(cache=True)
def token_overlap_time(
    state: State,
    expected: Float64[np.ndarray, "users poses 3"],
    agent: tuple[int, np.ndarray],
    motion: tuple[float, float, float],
) -> float:
    """Time until an agent without a path overlaps another [s], infinite for none within a second.

    Args:
        state: Of all road users.
        expected: Their forecasts.
        agent: Its row, and the rows of the users near it.
        motion: Forward, left, change of heading; after it, the agent moves on for another 0.5 s as long as it moves.
    """
    user, others = agent
    x, y, heading = state.poses[user]
    cos, sin = math.cos(heading), math.sin(heading)
    dx, dy = cos * motion[0] - sin * motion[1], sin * motion[0] + cos * motion[1]
    length, width = state.sizes[user]
    for k in range(1, 5):
        share = k * FORECAST_STEP_S / DECISION_S
        pose = (x + share * dx, y + share * dy, heading + min(share, 1.0) * motion[2])
        own = corners_of(pose, length, width)
        for other in others:
            ox, oy, other_heading = expected[other, k]
            radius = 0.5 * (math.hypot(state.sizes[other, 0], state.sizes[other, 1]) + math.hypot(length, width))
            if math.hypot(ox - pose[0], oy - pose[1]) > radius or is_behind(pose, expected[other, k]):
                continue
            if convex_overlap(own, corners_of((ox, oy, other_heading), state.sizes[other, 0], state.sizes[other, 1])):
                return k * FORECAST_STEP_S
    return np.inf
