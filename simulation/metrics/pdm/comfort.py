"""Comfort of many short motions at once: the six bounds of nuPlan over one quadratic for the whole motion.

tuPlan garage fits accelerations and jerks over all poses of a proposal, so that the filters have rank three: a
motion costs a few dot products instead of a matrix.

Source:
    tuPlan garage, `ego_is_comfortable` of PDM.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.signal import savgol_filter

from driving.timing import STEP_S
from simulation.ego.dynamics import ACCEL_X, ACCEL_Y, HEADING
from simulation.geometry.compiling import njit
from simulation.metrics.rules import (
    ACCELERATION_WINDOW,
    MAX_JERK_MPS3,
    MAX_LATERAL_ACCEL_MPS2,
    MAX_LONGITUDINAL_ACCEL_MPS2,
    MAX_LONGITUDINAL_JERK_MPS3,
    MAX_YAW_ACCEL_RADPS2,
    MAX_YAW_RATE_RADPS,
    MIN_LONGITUDINAL_ACCEL_MPS2,
    YAW_WINDOW,
)

_DIGITS = 1e8


class ComfortFilters(NamedTuple):
    """Savitzky-Golay filters for motions of T samples."""

    fit: np.ndarray
    """(3, T) coefficients of the quadratic through all samples, over the sample number."""
    jerk: np.ndarray
    """(2, T) jerk at the first and the last sample; between them it is linear."""
    yaw_rate: np.ndarray
    """(T, 5) weights, and where each window starts:"""
    yaw_accel: np.ndarray
    starts: np.ndarray


@lru_cache(maxsize=16)
def comfort_filters(num_samples: int) -> ComfortFilters:
    """The filters for motions of `num_samples` poses every 0.1 s.

    Raises:
        ValueError: With fewer than five samples.
    """
    if num_samples < YAW_WINDOW:
        raise ValueError(f"Comfort needs at least {YAW_WINDOW} poses, got {num_samples}.")
    unit = np.eye(num_samples)
    samples = np.arange(num_samples, dtype=np.float64)
    fit = np.linalg.pinv(np.vander(samples, 3, increasing=True))
    smooth = savgol_filter(unit, min(ACCELERATION_WINDOW, num_samples), 2, axis=0)
    jerk = savgol_filter(unit, num_samples, 2, deriv=1, delta=STEP_S, axis=0) @ smooth
    starts = np.clip(np.arange(num_samples) - YAW_WINDOW // 2, 0, num_samples - YAW_WINDOW)
    columns = starts[:, np.newaxis] + np.arange(YAW_WINDOW)
    rows = np.arange(num_samples)[:, np.newaxis]
    rate = savgol_filter(unit, YAW_WINDOW, 2, deriv=1, delta=STEP_S, axis=0)
    accel = savgol_filter(unit, YAW_WINDOW, 3, deriv=2, delta=STEP_S, axis=0)
    return ComfortFilters(
        fit=np.ascontiguousarray(fit),
        jerk=np.ascontiguousarray(jerk[[0, -1]]),
        yaw_rate=np.ascontiguousarray(rate[rows, columns]),
        yaw_accel=np.ascontiguousarray(accel[rows, columns]),
        starts=starts,
    )


@njit(cache=True)
def _rounded(value: float) -> float:
    return np.rint(value * _DIGITS) / _DIGITS


@njit(cache=True)
def _quadratic_within(fit: np.ndarray, values: np.ndarray, low: float, high: float) -> bool:
    """Whether the quadratic through all values stays strictly within bounds at each sample."""
    a, b, c = 0.0, 0.0, 0.0
    for t in range(len(values)):
        a += fit[0, t] * values[t]
        b += fit[1, t] * values[t]
        c += fit[2, t] * values[t]
    for t in range(len(values)):
        value = _rounded(a + t * (b + t * c))
        if not low < value < high:
            return False
    return True


@njit(cache=True)
def _ends_within(jerk: np.ndarray, values: np.ndarray, bound: float) -> bool:
    for e in range(2):
        value = 0.0
        for t in range(len(values)):
            value += jerk[e, t] * values[t]
        if not abs(_rounded(value)) < bound:
            return False
    return True


@njit(cache=True)
def comfort_scores(states: np.ndarray, filters: ComfortFilters) -> np.ndarray:
    """Whether each motion (M, T, 10) is comfortable, (M,) 1 or 0; accelerations are those of the rear axle."""
    num_motions, num_steps = states.shape[:2]
    scores = np.zeros(num_motions)
    ahead, aside, both, yaw = np.empty(num_steps), np.empty(num_steps), np.empty(num_steps), np.empty(num_steps)
    for m in range(num_motions):
        turns = 0.0
        for t in range(num_steps):
            ahead[t] = states[m, t, ACCEL_X]
            aside[t] = states[m, t, ACCEL_Y]
            both[t] = np.sqrt(ahead[t] * ahead[t] + aside[t] * aside[t])
            if t > 0:
                turns += np.rint((states[m, t, HEADING] - states[m, t - 1, HEADING]) / (2.0 * np.pi))
            yaw[t] = states[m, t, HEADING] - 2.0 * np.pi * turns
        if not (
            _quadratic_within(filters.fit, ahead, MIN_LONGITUDINAL_ACCEL_MPS2, MAX_LONGITUDINAL_ACCEL_MPS2)
            and _quadratic_within(filters.fit, aside, -MAX_LATERAL_ACCEL_MPS2, MAX_LATERAL_ACCEL_MPS2)
            and _ends_within(filters.jerk, both, MAX_JERK_MPS3)
            and _ends_within(filters.jerk, ahead, MAX_LONGITUDINAL_JERK_MPS3)
        ):
            continue
        is_calm = True
        for t in range(num_steps):
            rate, accel = 0.0, 0.0
            for k in range(YAW_WINDOW):
                # Relative to the first heading of the window: the weights sum to zero.
                turned = yaw[filters.starts[t] + k] - yaw[filters.starts[t]]
                rate += filters.yaw_rate[t, k] * turned
                accel += filters.yaw_accel[t, k] * turned
            if not (abs(_rounded(rate)) < MAX_YAW_RATE_RADPS and abs(_rounded(accel)) < MAX_YAW_ACCEL_RADPS2):
                is_calm = False
                break
        scores[m] = 1.0 if is_calm else 0.0
    return scores
