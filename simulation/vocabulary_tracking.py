"""Drive a fixed vocabulary from many states: what `tracking.track_proposals` does, with the fits done once.

Speeds and curvatures of an entry do not depend on the ego, so that they are fitted when the vocabulary is loaded.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from driving.vehicle import PACIFICA, VehicleParameters
from simulation.dynamics import HEADING, STATE_SIZE, STEERING, VELOCITY_X, X, Y, step_bicycle, wrap
from simulation.tracking import HORIZON, STEP_S, fit_profiles, lqr_commands


class FittedVocabulary(NamedTuple):
    """Entries with the references that the tracker follows."""

    poses: np.ndarray
    """(V, K + 1, 3) in the ego frame."""
    speeds: np.ndarray
    """(V, K) [m/s]"""
    curvatures: np.ndarray
    """(V, K + HORIZON) [1/m], the last repeated."""


def fit_vocabulary(poses: np.ndarray) -> FittedVocabulary:
    """Fit speeds and curvatures of all entries (V, K + 1, 3)."""
    poses = np.ascontiguousarray(poses, dtype=np.float64)
    speeds, curvatures = _fit(poses)
    padded = np.concatenate([curvatures, np.repeat(curvatures[:, -1:], HORIZON, axis=1)], axis=1)
    return FittedVocabulary(poses=poses, speeds=speeds, curvatures=padded)


@njit(cache=True)
def _fit(poses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    num = poses.shape[1] - 1
    speeds, curvatures = np.empty((len(poses), num)), np.empty((len(poses), num))
    for v in range(len(poses)):
        fit_profiles(poses[v], speeds[v], curvatures[v], True)
    return speeds, curvatures


@njit(cache=True)
def _drive(
    fitted: FittedVocabulary,
    states: np.ndarray,
    entries: np.ndarray,
    stride: int,
    wheelbase_m: float,
    driven: np.ndarray,
) -> None:
    all_poses, all_speeds, all_curvatures = fitted.poses, fitted.speeds, fitted.curvatures
    num = all_speeds.shape[1]
    now, following = np.empty(STATE_SIZE), np.empty(STATE_SIZE)
    for b in range(entries.shape[0]):
        for a in range(entries.shape[1]):
            v = entries[b, a]
            now[:] = states[b]
            now[X], now[Y], now[HEADING] = 0.0, 0.0, 0.0
            for i in range(num):
                x, y, heading = all_poses[v, i, 0], all_poses[v, i, 1], all_poses[v, i, 2]
                lateral_error = -(now[X] - x) * math.sin(heading) + (now[Y] - y) * math.cos(heading)
                accel, steering_rate = lqr_commands(
                    now[VELOCITY_X],
                    lateral_error,
                    wrap(now[HEADING] - heading),
                    now[STEERING],
                    all_speeds[v, min(i + HORIZON, num - 1)],
                    all_curvatures[v, i : i + HORIZON],
                    wheelbase_m,
                )
                step_bicycle(now, accel, steering_rate, STEP_S, wheelbase_m, following)
                now[:] = following
                if (i + 1) % stride == 0:
                    k = (i + 1) // stride - 1
                    driven[b, a, k, 0], driven[b, a, k, 1] = now[X], now[Y]
                    driven[b, a, k, 2], driven[b, a, k, 3] = now[HEADING], now[VELOCITY_X]


def drive_vocabulary(
    fitted: FittedVocabulary,
    states: np.ndarray,
    entries: np.ndarray,
    stride: int = 5,
    vehicle: VehicleParameters = PACIFICA,
) -> np.ndarray:
    """Drive chosen entries from B states by tracker and bicycle, each in the frame of its state.

    Args:
        fitted: The vocabulary.
        states: (B, 10) in the columns of `simulation.dynamics`; where they are does not matter.
        entries: (B, A) rows of the vocabulary.
        stride: Steps of 0.1 s between the poses that are returned.
        vehicle: Which car drives.

    Returns:
        (B, A, K, 4) x, y, heading, speed after `stride`, 2 `stride`, ... steps.
    """
    num = fitted.speeds.shape[1] // stride
    driven = np.empty((*entries.shape, num, 4))
    _drive(fitted, np.ascontiguousarray(states), np.ascontiguousarray(entries), stride, vehicle.wheelbase_m, driven)
    return driven
