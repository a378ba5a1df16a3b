"""Drive a fixed vocabulary from many states: entries begin with the ego's own speed, then tracker and bicycle follow.

An entry says along which way and how fast to go, but not from which speed and acceleration. So it is *re-timed*
first: the same way, at a speed that leads from the ego's to that of the entry without discomfort, or as hard as the
brakes allow where the entry brakes hard. Fits of speed and curvature do not depend on the ego and are made once.
"""

import math
from typing import NamedTuple

import numpy as np

from driving.timing import STEP_S
from driving.vehicle import PACIFICA, VehicleParameters
from simulation.ego.batched_tracking import ABREAST, REFERENCE_SPEED, TANGENT, step_abreast
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
"""How far ahead in the entry the speed is looked up that is aimed at."""
MAX_ACCEL_MPS2, MIN_ACCEL_MPS2, MAX_JERK_MPS3 = 2.0, -3.4, 2.5
"""Within nuPlan's bounds of comfort, with something left for the tracker."""
HARD_MPS2, HARDEST_MPS2, HARD_JERK_MPS3 = -3.0, -7.0, 15.0
"""An entry that needs more than the first at once is followed as hard as the others allow."""


class FittedVocabulary(NamedTuple):
    """Entries with the references that the tracker follows."""

    poses: np.ndarray
    """(V, K + 1, 3) in the ego frame, headings without jumps."""
    along: np.ndarray
    """(V, K + 1) way from the start [m]"""
    speeds: np.ndarray
    """(V, K) [m/s]"""
    curvatures: np.ndarray
    """(V, K) [1/m]"""


def fit_vocabulary(poses: np.ndarray) -> FittedVocabulary:
    """Fit speeds and curvatures of all entries (V, K + 1, 3)."""
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
def _retime(
    fitted: FittedVocabulary,
    v: int,
    speed: float,
    accel: float,
    out: np.ndarray,
    speeds: np.ndarray,
    bends: np.ndarray,
) -> None:
    """Lay entry `v` out from a speed and an acceleration: poses (K + 1, 3), speeds and curvatures (K + 1,)."""
    poses, along, wanted, curvatures = fitted.poses[v], fitted.along[v], fitted.speeds[v], fitted.curvatures[v]
    num = len(wanted)
    needed = min((wanted[min(8, num - 1)] - speed) / 0.8, (wanted[min(15, num - 1)] - speed) / 1.5)
    lowest, jerk = (HARDEST_MPS2, HARD_JERK_MPS3) if needed < HARD_MPS2 else (MIN_ACCEL_MPS2, MAX_JERK_MPS3)
    accel = min(max(accel, HARDEST_MPS2), MAX_ACCEL_MPS2)
    speed = max(speed, 0.0)
    place, before, piece = 0.0, 0.0, 0
    for i in range(num + 1):
        while piece < num - 1 and along[piece + 1] < place:
            piece += 1
        length = along[piece + 1] - along[piece]
        if place <= along[num] and length > 1e-9:
            share = (place - along[piece]) / length
            for column in range(3):
                out[i, column] = poses[piece, column] + share * (poses[piece + 1, column] - poses[piece, column])
            bends[i] = curvatures[piece]
        else:
            # Behind its end the way goes on with the bend that it ends with.
            last = poses[num] if i == 0 or before < along[num] else out[i - 1]
            way = place - max(before, along[num])
            bends[i] = curvatures[num - 1]
            middle = last[2] + 0.5 * way * bends[i]
            out[i, 0] = last[0] + way * math.cos(middle)
            out[i, 1] = last[1] + way * math.sin(middle)
            out[i, 2] = last[2] + way * bends[i]
        before = place
        speeds[i] = speed
        aim = (wanted[min(i + LEAD_STEPS, num - 1)] - speed) / (LEAD_STEPS * STEP_S)
        aim = min(max(aim, lowest), MAX_ACCEL_MPS2)
        accel += min(max(aim - accel, -jerk * STEP_S), jerk * STEP_S)
        speed = max(0.0, speed + accel * STEP_S)
        if speed == 0.0:
            accel = max(accel, 0.0)
        place += 0.5 * (speeds[i] + speed) * STEP_S


@njit(cache=True)
def _retimed(fitted: FittedVocabulary, speed: float, accel: float, rows: np.ndarray) -> np.ndarray:
    num = fitted.speeds.shape[1]
    out = np.empty((len(rows), num + 1, 3))
    speeds, bends = np.empty(num + 1), np.empty(num + 1)
    for a in range(len(rows)):
        _retime(fitted, rows[a], speed, accel, out[a], speeds, bends)
    return out


@njit(cache=True)
def _drive(
    fitted: FittedVocabulary,
    states: np.ndarray,
    entries: np.ndarray,
    stride: int,
    wheelbase_m: float,
    driven: np.ndarray,
) -> None:
    num, num_entries = fitted.speeds.shape[1], entries.shape[1]
    now = np.zeros((STATE_SIZE + 1, ABREAST))
    reference = np.empty((REFERENCE_SPEED + 1, ABREAST))
    poses, speeds = np.zeros((num + 1, 3, ABREAST)), np.zeros((num + 1, ABREAST))
    bends = np.zeros((num + HORIZON, ABREAST))
    flat_now, flat_reference, flat_bends = now.reshape(-1), reference.reshape(-1), bends.reshape(-1)
    for b in range(entries.shape[0]):
        speed, accel = states[b, VELOCITY_X], states[b, ACCEL_X]
        for first in range(0, num_entries, ABREAST):
            count = min(ABREAST, num_entries - first)
            for column in range(STATE_SIZE):
                now[column] = states[b, column]
            now[X], now[Y], now[HEADING], now[TANGENT] = 0.0, 0.0, 0.0, math.tan(states[b, STEERING])
            now[VELOCITY_Y], now[ACCEL_Y] = 0.0, 0.0
            for m in range(count):
                _retime(fitted, entries[b, first + m], speed, accel, poses[..., m], speeds[:, m], bends[:, m])
            bends[num + 1 :] = bends[num]
            for i in range(num):
                last = min(i + HORIZON, num - 1)
                reference[:REFERENCE_SPEED] = poses[i]
                reference[REFERENCE_SPEED] = 0.5 * (speeds[last] + speeds[last + 1])
                step_abreast(flat_now, flat_reference, flat_bends[i * ABREAST :], wheelbase_m)
                if (i + 1) % stride == 0:
                    driven[b, first : first + count, (i + 1) // stride - 1] = now[:STATE_SIZE, :count].T


def retime_entries(fitted: FittedVocabulary, state: np.ndarray, entries: np.ndarray) -> np.ndarray:
    """Plans that entries stand for in a state (10,): poses (A, K + 1, 3) in the ego frame, every 0.1 s from now."""
    return _retimed(fitted, float(state[VELOCITY_X]), float(state[ACCEL_X]), np.ascontiguousarray(entries))


def drive_vocabulary(
    fitted: FittedVocabulary,
    states: np.ndarray,
    entries: np.ndarray,
    stride: int = 5,
    vehicle: VehicleParameters = PACIFICA,
) -> np.ndarray:
    """Drive chosen entries from B states, re-timed, by tracker and bicycle, each in the frame of its state.

    Args:
        fitted: The vocabulary.
        states: (B, 10) in the columns of `simulation.ego.dynamics`; where they are does not matter.
        entries: (B, A) rows of the vocabulary.
        stride: Steps of 0.1 s between the states that are returned.
        vehicle: Which car drives.

    Returns:
        (B, A, K, 10) states after `stride`, 2 `stride`, ... steps.
    """
    num = fitted.speeds.shape[1] // stride
    driven = np.empty((*entries.shape, num, STATE_SIZE))
    _drive(fitted, np.ascontiguousarray(states), np.ascontiguousarray(entries), stride, vehicle.wheelbase_m, driven)
    return driven


def driven_states(fitted: FittedVocabulary, state: np.ndarray) -> np.ndarray:
    """All entries driven from one state (10,): states (V, K + 1, 10) as global as it is, the first one `state`."""
    rows = np.arange(len(fitted.poses))[np.newaxis]
    out = np.empty((len(fitted.poses), fitted.poses.shape[1], STATE_SIZE))
    out[:, 0] = state
    driven = out[:, 1:]
    _drive(fitted, state[np.newaxis], rows, 1, PACIFICA.wheelbase_m, driven[np.newaxis])
    cos, sin = math.cos(state[HEADING]), math.sin(state[HEADING])
    x, y = driven[..., X].copy(), driven[..., Y].copy()
    driven[..., X] = state[X] + cos * x - sin * y
    driven[..., Y] = state[Y] + sin * x + cos * y
    driven[..., HEADING] += state[HEADING]
    return out
