"""Comfort of the PDM score: nuPlan's six bounds, on a quadratic fit to the whole motion.

tuPlan garage fits accelerations and jerks over all poses of a proposal. The filters then have rank three: a motion
costs a few dot products instead of a matrix product.

Source:
    tuPlan garage, `ego_is_comfortable` of PDM.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64
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
from simulation.metrics.smoothing import rounded, unwrap_phase


class ComfortFilters(NamedTuple):
    """Savitzky-Golay filters for motions of T samples."""

    fit: Float64[np.ndarray, "3 time"]
    """Coefficients of the quadratic through all samples, over the sample number."""
    jerk: Float64[np.ndarray, "2 time"]
    """Jerk at the first and the last sample; between them it is linear."""
    yaw_rate: Float64[np.ndarray, "time 5"]
    yaw_accel: Float64[np.ndarray, "time 5"]
    starts: Int64[np.ndarray, "time"]
    """First sample of each yaw window."""


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
def _quadratic_within(fit: np.ndarray, values: np.ndarray, low: float, high: float) -> bool:
    """Whether the quadratic through all values stays strictly within bounds at each sample."""
    a, b, c = 0.0, 0.0, 0.0
    for t in range(len(values)):
        a += fit[0, t] * values[t]
        b += fit[1, t] * values[t]
        c += fit[2, t] * values[t]
    for t in range(len(values)):
        value = rounded(a + t * (b + t * c))
        if not low < value < high:
            return False
    return True


@njit(cache=True)
def _ends_within(jerk: np.ndarray, values: np.ndarray, bound: float) -> bool:
    for e in range(2):
        value = 0.0
        for t in range(len(values)):
            value += jerk[e, t] * values[t]
        if not abs(rounded(value)) < bound:
            return False
    return True


@njit(cache=True)
def comfort_scores(
    states: Float64[np.ndarray, "motions time 10"], filters: ComfortFilters
) -> Float64[np.ndarray, "motions"]:
    """1 for comfortable motions, else 0; accelerations are those of the rear axle."""
    num_motions, num_steps = states.shape[:2]
    scores = np.zeros(num_motions)
    lon, lat, magnitude = np.empty(num_steps), np.empty(num_steps), np.empty(num_steps)
    headings = np.empty(num_steps)
    for m in range(num_motions):
        for t in range(num_steps):
            lon[t] = states[m, t, ACCEL_X]
            lat[t] = states[m, t, ACCEL_Y]
            magnitude[t] = np.sqrt(lon[t] * lon[t] + lat[t] * lat[t])
            headings[t] = states[m, t, HEADING]
        unwrap_phase(headings)
        if (
            _quadratic_within(filters.fit, lon, MIN_LONGITUDINAL_ACCEL_MPS2, MAX_LONGITUDINAL_ACCEL_MPS2)
            and _quadratic_within(filters.fit, lat, -MAX_LATERAL_ACCEL_MPS2, MAX_LATERAL_ACCEL_MPS2)
            and _ends_within(filters.jerk, magnitude, MAX_JERK_MPS3)
            and _ends_within(filters.jerk, lon, MAX_LONGITUDINAL_JERK_MPS3)
            and _yaw_within(filters, headings)
        ):
            scores[m] = 1.0
    return scores


@njit(cache=True)
def _yaw_within(filters: ComfortFilters, headings: np.ndarray) -> bool:
    for t in range(len(headings)):
        rate, accel = 0.0, 0.0
        for k in range(YAW_WINDOW):
            # Relative to the first heading of the window: the weights sum to zero.
            turned = headings[filters.starts[t] + k] - headings[filters.starts[t]]
            rate += filters.yaw_rate[t, k] * turned
            accel += filters.yaw_accel[t, k] * turned
        if not (abs(rounded(rate)) < MAX_YAW_RATE_RADPS and abs(rounded(accel)) < MAX_YAW_ACCEL_RADPS2):
            return False
    return True
