"""Savitzky-Golay filters, phase unwrapping and rounding, as nuPlan's comfort metrics use them.

The compiled functions take one motion and are shared by the metric of finished drives, the comfort of many motions at
once, and the PDM score.

Source:
    nuPlan devkit, `metrics/utils/state_extractors.py`; `scipy.signal.savgol_filter` in its mode `interp`.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64
from scipy.signal import savgol_filter

from simulation.geometry.compiling import njit

DECIMALS = 8
"""nuPlan rounds filtered values before it compares them with bounds."""
_SCALE = 10.0**DECIMALS


class SmoothingFilter(NamedTuple):
    """A Savitzky-Golay filter for motions of T samples; both ends use the polynomial of the outermost window."""

    weights: Float64[np.ndarray, "time window"]
    first: Int64[np.ndarray, "time"]
    """First sample of each window."""
    divisor: float
    """Of the weighted sums: the time step to the power of the derivative."""


@lru_cache(maxsize=64)
def _filter_bank(num_samples: int, window: int, order: int, derivative: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights (samples, window) for a time step of 1, and the first sample (samples,) of each window."""
    response = savgol_filter(np.eye(num_samples), window, order, deriv=derivative, delta=1.0, axis=0)
    rows = np.arange(num_samples)
    first = np.minimum(np.argmax(response != 0.0, axis=1), num_samples - window)
    return np.ascontiguousarray(response[rows[:, np.newaxis], first[:, np.newaxis] + np.arange(window)]), first


def smoothing_filter(
    num_samples: int, window: int, order: int, derivative: int = 0, step_s: float = 1.0
) -> SmoothingFilter:
    """A filter for motions of `num_samples`.

    Args:
        num_samples: Of each motion.
        window: Samples of the window, also an even number; at most `num_samples` are used.
        order: Of the polynomial.
        derivative: 0 smooths.
        step_s: Time between samples.

    Raises:
        ValueError: When the motions have no more samples than the order of the polynomial.
    """
    window = min(window, num_samples)
    if order >= window:
        raise ValueError(f"A polynomial of order {order} needs at least {order + 1} samples, got {num_samples}.")
    weights, first = _filter_bank(num_samples, window, order, derivative)
    return SmoothingFilter(weights=weights, first=first, divisor=step_s**derivative)


@njit(cache=True)
def apply_filter(
    values: Float64[np.ndarray, "time"], bank: SmoothingFilter, out: Float64[np.ndarray, "time"]
) -> None:
    """Filter one motion into `out`, without rounding."""
    weights, first, divisor = bank.weights, bank.first, bank.divisor
    for t in range(len(values)):
        total = 0.0
        for k in range(weights.shape[1]):
            total += weights[t, k] * values[first[t] + k]
        out[t] = total / divisor


@njit(cache=True)
def rounded(value: float) -> float:
    """A value rounded to 8 decimals, as `np.round` does it."""
    return np.rint(value * _SCALE) / _SCALE


@njit(cache=True)
def unwrap_phase(headings: Float64[np.ndarray, "time"]) -> None:
    """Remove jumps by full turns, in place.

    Source:
        nuPlan devkit, `phase_unwrap`. Unlike in `np.unwrap`, each correction is an exact number of turns.
    """
    turns, before = 0.0, headings[0]
    for t in range(1, len(headings)):
        heading = headings[t]
        turns += np.rint((heading - before) / (2 * np.pi))
        before = heading
        headings[t] = heading - 2 * np.pi * turns


@njit(cache=True)
def _filter_all(values: np.ndarray, bank: SmoothingFilter) -> np.ndarray:
    out = np.empty(values.shape)
    for m in range(len(values)):
        apply_filter(values[m], bank, out[m])
    return out


@njit(cache=True)
def _unwrap_all(headings: np.ndarray) -> None:
    for m in range(len(headings)):
        unwrap_phase(headings[m])


def savitzky_golay(
    values: Float64[np.ndarray, "motions time"],
    window: int,
    order: int,
    derivative: int = 0,
    step_s: float = 1.0,
) -> Float64[np.ndarray, "motions time"]:
    """Smooth or differentiate each motion over time, rounded to 8 decimals; see `smoothing_filter`."""
    bank = smoothing_filter(values.shape[-1], window, order, derivative, step_s)
    return np.round(_filter_all(np.ascontiguousarray(values), bank), DECIMALS)


def unwrapped_phase(headings: Float64[np.ndarray, "motions time"]) -> Float64[np.ndarray, "motions time"]:
    """Headings without jumps by full turns; see `unwrap_phase`."""
    continuous = np.ascontiguousarray(headings).copy()
    _unwrap_all(continuous)
    return continuous
