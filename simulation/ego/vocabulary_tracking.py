"""Simulation of vocabulary entries from ego states: re-timing to the ego's speed, then tracker and bicycle model.

An entry is a path with a speed profile that does not start at the ego's speed and acceleration. It is *re-timed*
first: the path stays, and the speed changes from the ego's to that of the entry within bounds of comfort, or within
the limits of the brakes where the entry brakes hard. Fits of speed and curvature do not depend on the ego and are
made once.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int64

from driving.timing import STEP_S
from driving.vehicle import PACIFICA, VehicleParameters
from simulation.ego.batched_tracking import BATCH_WIDTH, REFERENCE_SPEED, TANGENT, step_batch
from simulation.ego.dynamics import (
    ACCEL_X,
    ACCEL_Y,
    HEADING,
    STATE_SIZE,
    STEERING,
    VELOCITY_X,
    VELOCITY_Y,
    X,
    Y,
)
from simulation.ego.tracking import HORIZON, fit_profiles
from simulation.geometry.compiling import njit

LEAD_STEPS = 8
"""Look-ahead in the entry for the target speed."""
MAX_ACCEL_MPS2, MIN_ACCEL_MPS2, MAX_JERK_MPS3 = 2.0, -3.4, 2.5
"""Within nuPlan's comfort bounds, with a margin for the tracker."""
HARD_MPS2, HARDEST_MPS2, HARD_JERK_MPS3 = -3.0, -7.0, 15.0
"""An entry that needs a deceleration beyond the first at once is bounded by the other two instead."""


class FittedVocabulary(NamedTuple):
    """Entries with the references that the tracker follows, in steps of 0.1 s."""

    poses: Float64[np.ndarray, "entries times 3"]
    """In the ego frame, headings unwrapped."""
    along: Float64[np.ndarray, "entries times"]
    """Distance from the start [m]."""
    speeds: Float64[np.ndarray, "entries steps"]
    """[m/s]"""
    curvatures: Float64[np.ndarray, "entries steps"]
    """[1/m]"""


class RetimedPlan(NamedTuple):
    """An entry re-timed to a state, in steps of 0.1 s."""

    poses: Float64[np.ndarray, "times 3"]
    """In the ego frame."""
    speeds: Float64[np.ndarray, "times"]
    """[m/s]"""
    curvatures: Float64[np.ndarray, "times"]
    """[1/m]"""


class _Queries(NamedTuple):
    """Entries (B, A) to simulate from states (B, 10)."""

    states: Float64[np.ndarray, "states 10"]
    entries: Int64[np.ndarray, "states queried"]


def fit_vocabulary(poses: Float[np.ndarray, "entries times 3"]) -> FittedVocabulary:
    """Fit speeds and curvatures of all entries."""
    poses = np.array(poses, dtype=np.float64)
    poses[..., 2] = np.unwrap(poses[..., 2], axis=1)
    speeds, curvatures = _fit(poses)
    steps_m = np.hypot(*np.diff(poses[..., :2], axis=1).transpose(2, 0, 1))
    along = np.concatenate([np.zeros((len(poses), 1)), np.cumsum(steps_m, axis=1)], axis=1)
    return FittedVocabulary(poses=poses, along=along, speeds=speeds, curvatures=curvatures)


@njit(cache=True)
def _fit(poses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    num = poses.shape[1] - 1
    speeds, curvatures = np.empty((len(poses), num)), np.empty((len(poses), num))
    for v in range(len(poses)):
        fit_profiles(poses[v], speeds[v], curvatures[v], True)
    return speeds, curvatures


@njit(cache=True)
def _retime(fitted: FittedVocabulary, row: int, speed: float, accel: float, out: RetimedPlan) -> None:
    """Re-time one entry to start at a speed and an acceleration, into `out`."""
    poses, along = fitted.poses[row], fitted.along[row]
    targets, curvatures = fitted.speeds[row], fitted.curvatures[row]
    num = len(targets)
    needed = min((targets[min(8, num - 1)] - speed) / 0.8, (targets[min(15, num - 1)] - speed) / 1.5)
    lowest, jerk = (HARDEST_MPS2, HARD_JERK_MPS3) if needed < HARD_MPS2 else (MIN_ACCEL_MPS2, MAX_JERK_MPS3)
    accel = min(max(accel, HARDEST_MPS2), MAX_ACCEL_MPS2)
    speed = max(speed, 0.0)
    distance, before, piece = 0.0, 0.0, 0
    for i in range(num + 1):
        while piece < num - 1 and along[piece + 1] < distance:
            piece += 1
        length = along[piece + 1] - along[piece]
        if distance <= along[num] and length > 1e-9:
            share = (distance - along[piece]) / length
            for column in range(3):
                out.poses[i, column] = poses[piece, column] + share * (
                    poses[piece + 1, column] - poses[piece, column]
                )
            out.curvatures[i] = curvatures[piece]
        else:
            # Beyond its end the path continues with its last curvature.
            last = poses[num] if i == 0 or before < along[num] else out.poses[i - 1]
            step_m = distance - max(before, along[num])
            out.curvatures[i] = curvatures[num - 1]
            middle = last[HEADING] + 0.5 * step_m * out.curvatures[i]
            out.poses[i, X] = last[X] + step_m * math.cos(middle)
            out.poses[i, Y] = last[Y] + step_m * math.sin(middle)
            out.poses[i, HEADING] = last[HEADING] + step_m * out.curvatures[i]
        before = distance
        out.speeds[i] = speed
        wanted = (targets[min(i + LEAD_STEPS, num - 1)] - speed) / (LEAD_STEPS * STEP_S)
        wanted = min(max(wanted, lowest), MAX_ACCEL_MPS2)
        accel += min(max(wanted - accel, -jerk * STEP_S), jerk * STEP_S)
        speed = max(0.0, speed + accel * STEP_S)
        if speed == 0.0:
            accel = max(accel, 0.0)
        distance += 0.5 * (out.speeds[i] + speed) * STEP_S


@njit(cache=True)
def _retime_all(fitted: FittedVocabulary, speed: float, accel: float, rows: np.ndarray) -> np.ndarray:
    num = fitted.speeds.shape[1]
    poses = np.empty((len(rows), num + 1, 3))
    speeds, curvatures = np.empty(num + 1), np.empty(num + 1)
    for a in range(len(rows)):
        _retime(fitted, rows[a], speed, accel, RetimedPlan(poses[a], speeds, curvatures))
    return poses


@njit(cache=True)
def _simulate(
    fitted: FittedVocabulary, queries: _Queries, stride: int, wheelbase_m: float, driven: np.ndarray
) -> None:
    """Simulate queried entries in batches, each in the frame of its state, into `driven` (B, A, K, 10)."""
    states, entries = queries
    num, num_entries = fitted.speeds.shape[1], entries.shape[1]
    now = np.zeros((STATE_SIZE + 1, BATCH_WIDTH))
    reference = np.empty((REFERENCE_SPEED + 1, BATCH_WIDTH))
    poses, speeds = np.zeros((num + 1, 3, BATCH_WIDTH)), np.zeros((num + 1, BATCH_WIDTH))
    curvatures = np.zeros((num + HORIZON, BATCH_WIDTH))
    flat_now, flat_reference, flat_curvatures = now.reshape(-1), reference.reshape(-1), curvatures.reshape(-1)
    for b in range(entries.shape[0]):
        speed, accel = states[b, VELOCITY_X], states[b, ACCEL_X]
        for first in range(0, num_entries, BATCH_WIDTH):
            count = min(BATCH_WIDTH, num_entries - first)
            for column in range(STATE_SIZE):
                now[column] = states[b, column]
            now[X], now[Y], now[HEADING], now[TANGENT] = 0.0, 0.0, 0.0, math.tan(states[b, STEERING])
            now[VELOCITY_Y], now[ACCEL_Y] = 0.0, 0.0
            for m in range(count):
                plan = RetimedPlan(poses[..., m], speeds[:, m], curvatures[:, m])
                _retime(fitted, entries[b, first + m], speed, accel, plan)
            curvatures[num + 1 :] = curvatures[num]
            for i in range(num):
                last = min(i + HORIZON, num - 1)
                reference[:REFERENCE_SPEED] = poses[i]
                reference[REFERENCE_SPEED] = 0.5 * (speeds[last] + speeds[last + 1])
                step_batch(flat_now, flat_reference, flat_curvatures[i * BATCH_WIDTH :], wheelbase_m)
                if (i + 1) % stride == 0:
                    driven[b, first : first + count, (i + 1) // stride - 1] = now[:STATE_SIZE, :count].T


def retime_entries(
    fitted: FittedVocabulary, state: Float64[np.ndarray, "10"], entries: Int64[np.ndarray, "queried"]
) -> Float64[np.ndarray, "queried times 3"]:
    """Poses of entries re-timed to a state, in the ego frame, every 0.1 s from now."""
    return _retime_all(fitted, float(state[VELOCITY_X]), float(state[ACCEL_X]), np.ascontiguousarray(entries))


def drive_vocabulary(
    fitted: FittedVocabulary,
    states: Float64[np.ndarray, "states 10"],
    entries: Int64[np.ndarray, "states queried"],
    stride: int = 5,
    vehicle: VehicleParameters = PACIFICA,
) -> Float64[np.ndarray, "states queried steps 10"]:
    """Simulate chosen entries from several states, each in the frame of its state.

    Args:
        fitted: The vocabulary.
        states: In the columns of `simulation.ego.dynamics`; poses have no effect.
        entries: Rows of the vocabulary.
        stride: Steps of 0.1 s between the states that are returned.
        vehicle: Parameters of the ego.

    Returns:
        States after `stride`, 2 `stride`, ... steps.
    """
    num = fitted.speeds.shape[1] // stride
    driven = np.empty((*entries.shape, num, STATE_SIZE))
    queries = _Queries(np.ascontiguousarray(states), np.ascontiguousarray(entries))
    _simulate(fitted, queries, stride, vehicle.wheelbase_m, driven)
    return driven


def drive_whole_vocabulary(
    fitted: FittedVocabulary, state: Float64[np.ndarray, "10"]
) -> Float64[np.ndarray, "entries times 10"]:
    """Simulate all entries from one state: states in the frame of `state`'s pose (global), the first is `state`."""
    rows = np.arange(len(fitted.poses))[np.newaxis]
    out = np.empty((len(fitted.poses), fitted.poses.shape[1], STATE_SIZE))
    out[:, 0] = state
    driven = out[:, 1:]
    _simulate(fitted, _Queries(state[np.newaxis], rows), 1, PACIFICA.wheelbase_m, driven[np.newaxis])
    cos, sin = math.cos(state[HEADING]), math.sin(state[HEADING])
    x, y = driven[..., X].copy(), driven[..., Y].copy()
    driven[..., X] = state[X] + cos * x - sin * y
    driven[..., Y] = state[Y] + sin * x + cos * y
    driven[..., HEADING] += state[HEADING]
    return out
