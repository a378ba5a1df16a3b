"""Comfort: accelerations, jerks and yaw rates within what passengers bear.

Source:
    nuPlan devkit, `ego_is_comfortable` and the metrics it is made of, `metrics/utils/state_extractors.py`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.signal import savgol_filter

from driving.timing import STEP_S, STEP_US
from driving.vehicle import PACIFICA, VehicleParameters
from simulation.ego.dynamics import (
    ACCEL_X,
    ACCEL_Y,
    HEADING,
    YAW_ACCEL,
    YAW_RATE,
    center_accelerations,
    compiled_center_acceleration,
)
from simulation.geometry.compiling import njit
from simulation.metrics.nuplan.drive import Drive
from simulation.metrics.result import MetricResult, Violation, stretches
from simulation.metrics.rules import (
    ACCELERATION_WINDOW,
    JERK_WINDOW,
    MAX_JERK_MPS3,
    MAX_LATERAL_ACCEL_MPS2,
    MAX_LONGITUDINAL_ACCEL_MPS2,
    MAX_LONGITUDINAL_JERK_MPS3,
    MAX_YAW_ACCEL_RADPS2,
    MAX_YAW_RATE_RADPS,
    MIN_LONGITUDINAL_ACCEL_MPS2,
    YAW_WINDOW,
)

OPEN_STEPS = 7
"""Instants at the end of a plan that say little about its comfort: half a filter."""
_DECIMALS = 8
_SCALE = 10.0**_DECIMALS


class SmoothingFilter(NamedTuple):
    """A Savitzky-Golay filter for motions of T samples."""

    weights: np.ndarray
    """(T, window)"""
    first: np.ndarray
    """(T,) where each window starts."""
    divisor: float
    """Of the filtered values, for a derivative over time."""


@lru_cache(maxsize=64)
def _filter_bank(num_samples: int, window: int, order: int, derivative: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights (samples, window) and first input sample (samples,) of a Savitzky-Golay filter, ends included."""
    response = savgol_filter(np.eye(num_samples), window, order, deriv=derivative, delta=1.0, axis=0)
    rows = np.arange(num_samples)
    first = np.minimum(np.argmax(response != 0.0, axis=1), num_samples - window)
    return np.ascontiguousarray(response[rows[:, np.newaxis], first[:, np.newaxis] + np.arange(window)]), first


@njit(cache=True)
def _filtered(values: np.ndarray, weights: np.ndarray, first: np.ndarray) -> np.ndarray:
    num_motions, num_samples = values.shape
    window = weights.shape[1]
    out = np.empty((num_motions, num_samples))
    for m in range(num_motions):
        for t in range(num_samples):
            total = 0.0
            for k in range(window):
                total += weights[t, k] * values[m, first[t] + k]
            out[m, t] = total
    return out


def savitzky_golay(
    values: Float64[np.ndarray, "motions time"],
    window: int,
    order: int,
    derivative: int = 0,
    step_s: float = 1.0,
) -> Float64[np.ndarray, "motions time"]:
    """Smooth, or differentiate smoothly, over time; both ends by the polynomial of the outermost window.

    Args:
        values: One row per motion.
        window: Samples of the window, even ones included; cut to the number of samples.
        order: Of the polynomial.
        derivative: 0 smooths.
        step_s: Time between samples.

    Raises:
        ValueError: With no more samples than the order of the polynomial.

    Source:
        `scipy.signal.savgol_filter` in its mode `interp`.
    """
    num_samples = values.shape[-1]
    window = min(window, num_samples)
    if order >= window:
        raise ValueError(f"A polynomial of order {order} needs at least {order + 1} samples, got {num_samples}.")
    weights, first = _filter_bank(num_samples, window, order, derivative)
    filtered = _filtered(np.ascontiguousarray(values), weights, first)
    return filtered / step_s**derivative if derivative else filtered


def unwrapped(headings: Float64[np.ndarray, "motions time"]) -> Float64[np.ndarray, "motions time"]:
    """Headings without jumps by full turns."""
    turns = np.cumsum(np.round(np.diff(headings, axis=-1) / (2 * np.pi)), axis=-1)
    steady = headings.copy()
    steady[..., 1:] -= 2 * np.pi * turns
    return steady


def smooth_accelerations(drive: Drive) -> dict[str, Float64[np.ndarray, "motions time"]]:
    """Longitudinal (`lon`), lateral (`lat`) of the centre and magnitude (`all`) of the rear axle's acceleration."""
    centers = center_accelerations(drive.motion, drive.vehicle)
    rear = drive.motion.accelerations_mps2
    raw = {"lon": centers[..., 0], "lat": centers[..., 1], "all": np.hypot(rear[..., 0], rear[..., 1])}
    return {axis: np.round(savitzky_golay(values, ACCELERATION_WINDOW, 2), _DECIMALS) for axis, values in raw.items()}


def _mean_step_s(time_us: Int64[np.ndarray, "time"]) -> float:
    return float(np.diff(time_us / 1e6).mean())


def _acceleration(axis: str) -> Callable[[Drive], np.ndarray]:
    return lambda drive: drive.fact(smooth_accelerations)[axis]


def _jerk(axis: str) -> Callable[[Drive], np.ndarray]:
    def measure(drive: Drive) -> np.ndarray:
        smooth = drive.fact(smooth_accelerations)[axis]
        step_s = _mean_step_s(drive.motion.time_us)
        return np.round(savitzky_golay(smooth, JERK_WINDOW, 2, 1, step_s), _DECIMALS)

    return measure


def _yaw(derivative: int, order: int) -> Callable[[Drive], np.ndarray]:
    def measure(drive: Drive) -> np.ndarray:
        headings = unwrapped(drive.motion.rear_axle_poses[..., 2])
        step_s = _mean_step_s(drive.motion.time_us)
        return np.round(savitzky_golay(headings, YAW_WINDOW, order, derivative, step_s), _DECIMALS)

    return measure


@dataclass(frozen=True)
class BoundedQuantity:
    """A metric that measures a quantity over time and may ask it to stay strictly within bounds."""

    name: str
    measure: Callable[[Drive], np.ndarray]
    """(motions, time)"""
    unit: str
    words: str
    """The quantity in a sentence."""
    low: float | None = None
    high: float | None = None

    def __call__(self, drive: Drive) -> list[MetricResult]:
        """One result per motion, without score."""
        return [self._result(drive, values) for values in drive.fact(self.measure)]

    def is_within(self, values: np.ndarray) -> np.ndarray:
        """Elementwise, with both bounds outside."""
        low = -np.inf if self.low is None else self.low
        high = np.inf if self.high is None else self.high
        return (values > low) & (values < high)

    def _result(self, drive: Drive, values: np.ndarray) -> MetricResult:
        statistics = {
            f"max_{self.name}": float(values.max()),
            f"min_{self.name}": float(values.min()),
            f"avg_{self.name}": float(np.mean(values)),
            f"p90_{self.name}": closest_percentile_90(values),
        }
        is_fine = self.is_within(values)
        if self.low is not None or self.high is not None:
            statistics[f"abs_{self.name}_within_bounds"] = float(is_fine.all())
        return MetricResult(
            name=self.name,
            score=None,
            statistics=statistics,
            series=values,
            series_unit=self.unit,
            time_s=drive.time_s,
            valid=np.isfinite(values),
            violations=tuple(self._violations(drive, values, ~is_fine)),
        )

    def _violations(self, drive: Drive, values: np.ndarray, outside: np.ndarray) -> list[Violation]:
        found = []
        for start, stop in stretches(outside):
            worst = float(values[start + int(np.argmax(np.abs(values[start : stop + 1])))])
            bound = self.high if self.high is not None and worst > 0 else self.low
            sentence = (
                f"{self.words} of {worst:.2f} {self.unit} at {drive.time_s[start]:.1f} s, the bound is {bound:.2f}"
            )
            found.append(Violation(time_s=float(drive.time_s[start]), sentence=sentence))
        return found


def closest_percentile_90(values: np.ndarray) -> float:
    """The 90th percentile as an observed value.

    Source:
        numpy's method `closest_observation` as of numpy 1.23, which later releases round differently.
    """
    ordered = np.sort(values)
    position = len(ordered) * 0.9 - 1.5
    below = int(np.floor(position))
    index = below if position == below and below % 2 == 0 else below + 1
    return float(ordered[max(0, index)])


COMFORT_QUANTITIES = (
    BoundedQuantity("ego_jerk", _jerk("all"), "m/s^3", "jerk", -MAX_JERK_MPS3, MAX_JERK_MPS3),
    BoundedQuantity(
        "ego_lat_acceleration",
        _acceleration("lat"),
        "m/s^2",
        "lateral acceleration",
        -MAX_LATERAL_ACCEL_MPS2,
        MAX_LATERAL_ACCEL_MPS2,
    ),
    BoundedQuantity(
        "ego_lon_acceleration",
        _acceleration("lon"),
        "m/s^2",
        "longitudinal acceleration",
        MIN_LONGITUDINAL_ACCEL_MPS2,
        MAX_LONGITUDINAL_ACCEL_MPS2,
    ),
    BoundedQuantity(
        "ego_lon_jerk",
        _jerk("lon"),
        "m/s^3",
        "longitudinal jerk",
        -MAX_LONGITUDINAL_JERK_MPS3,
        MAX_LONGITUDINAL_JERK_MPS3,
    ),
    BoundedQuantity(
        "ego_yaw_acceleration", _yaw(2, 3), "rad/s^2", "yaw acceleration", -MAX_YAW_ACCEL_RADPS2, MAX_YAW_ACCEL_RADPS2
    ),
    BoundedQuantity("ego_yaw_rate", _yaw(1, 2), "rad/s", "yaw rate", -MAX_YAW_RATE_RADPS, MAX_YAW_RATE_RADPS),
)
"""The six that make up `ego_is_comfortable`."""

UNBOUNDED_QUANTITIES = (
    BoundedQuantity("ego_acceleration", _acceleration("all"), "m/s^2", "acceleration"),
    BoundedQuantity("ego_lat_jerk", _jerk("lat"), "m/s^3", "lateral jerk"),
)
"""Measured by nuPlan, but in no score."""


def comfortable_motions(
    states: Float64[np.ndarray, "motions time 10"],
    *,
    steady: int = 0,
    last: int = 0,
    vehicle: VehicleParameters = PACIFICA,
) -> Bool[np.ndarray, "motions"]:
    """Whether each of many motions every 0.1 s keeps all bounds of `ego_is_comfortable`.

    Args:
        states: In the columns of `simulation.ego.dynamics`, what was driven before included.
        steady: So many instants before the first one, acceleration and yaw rate were steadily what they are in it.
        last: So many instants at the end are not judged: a filter's end turns small changes into large jerks, and
            a plan goes on after its end.
        vehicle: Which car drives.
    """
    num_steps = steady + states.shape[1]
    step_s = _mean_step_s(np.arange(num_steps) * STEP_US)
    bounds = np.array([(quantity.low, quantity.high) for quantity in COMFORT_QUANTITIES], dtype=np.float64)
    return _keeps_bounds(
        states,
        steady,
        num_steps - last,
        _smoothing_filter(num_steps, ACCELERATION_WINDOW, 2, 0, step_s),
        _smoothing_filter(num_steps, JERK_WINDOW, 2, 1, step_s),
        _smoothing_filter(num_steps, YAW_WINDOW, 2, 1, step_s),
        _smoothing_filter(num_steps, YAW_WINDOW, 3, 2, step_s),
        bounds,
        vehicle.rear_axle_to_center_m,
    )


def _smoothing_filter(num_samples: int, window: int, order: int, derivative: int, step_s: float) -> SmoothingFilter:
    weights, first = _filter_bank(num_samples, min(window, num_samples), order, derivative)
    return SmoothingFilter(weights=weights, first=first, divisor=step_s**derivative)


@njit(cache=True)
def _keeps_bounds(
    states: np.ndarray,
    steady: int,
    stop: int,
    smoothing: SmoothingFilter,
    derivative: SmoothingFilter,
    turning: SmoothingFilter,
    turning_change: SmoothingFilter,
    bounds: np.ndarray,
    rear_to_center: float,
) -> np.ndarray:
    """Whether the first `stop` instants of each motion are within `bounds` (6, 2), as in `COMFORT_QUANTITIES`."""
    num_steps = steady + states.shape[1]
    fine = np.zeros(len(states), dtype=np.bool_)
    ahead, aside, both, yaw = np.empty(num_steps), np.empty(num_steps), np.empty(num_steps), np.empty(num_steps)
    smooth, rate = np.empty(num_steps), np.empty(num_steps)
    for m in range(len(states)):
        turns, before = 0.0, 0.0
        for i in range(num_steps):
            t = max(0, i - steady)
            accel_x, accel_y = states[m, t, ACCEL_X], states[m, t, ACCEL_Y]
            heading, yaw_rate = states[m, t, HEADING], states[m, t, YAW_RATE]
            yaw_accel = states[m, t, YAW_ACCEL]
            if i < steady:
                heading += yaw_rate * STEP_S * (i - steady)
                yaw_accel = 0.0
            ahead[i] = compiled_center_acceleration(accel_x, yaw_rate, yaw_accel, rear_to_center)
            aside[i] = accel_y
            both[i] = math.hypot(accel_x, accel_y)
            if i > 0:
                turns += np.rint((heading - before) / (2 * np.pi))
            before = heading
            yaw[i] = heading - 2 * np.pi * turns
        _filter_rounded(ahead, smoothing, smooth)
        if not _is_within(smooth, bounds[2], stop):
            continue
        _filter_rounded(smooth, derivative, rate)
        if not _is_within(rate, bounds[3], stop):
            continue
        _filter_rounded(both, smoothing, smooth)
        _filter_rounded(smooth, derivative, rate)
        if not _is_within(rate, bounds[0], stop):
            continue
        _filter_rounded(aside, smoothing, smooth)
        if not _is_within(smooth, bounds[1], stop):
            continue
        _filter_rounded(yaw, turning, rate)
        if not _is_within(rate, bounds[5], stop):
            continue
        _filter_rounded(yaw, turning_change, rate)
        fine[m] = _is_within(rate, bounds[4], stop)
    return fine


@njit(cache=True)
def _filter_rounded(values: np.ndarray, bank: SmoothingFilter, out: np.ndarray) -> None:
    weights, first, divisor = bank.weights, bank.first, bank.divisor
    for t in range(len(values)):
        total = 0.0
        for k in range(weights.shape[1]):
            total += weights[t, k] * values[first[t] + k]
        out[t] = np.rint(total / divisor * _SCALE) / _SCALE


@njit(cache=True)
def _is_within(values: np.ndarray, bounds: np.ndarray, stop: int) -> bool:
    for t in range(stop):
        value = values[t]
        if not bounds[0] < value < bounds[1]:
            return False
    return True


def ego_is_comfortable(drive: Drive) -> list[MetricResult]:
    """1 when all six quantities stay within their bounds throughout, else 0."""
    parts = [quantity(drive) for quantity in COMFORT_QUANTITIES]
    results = []
    for motion in range(drive.num_motions):
        violations = sorted(
            (violation for part in parts for violation in part[motion].violations), key=lambda found: found.time_s
        )
        score = float(not violations)
        results.append(
            MetricResult(
                name="ego_is_comfortable",
                score=score,
                statistics={"ego_is_comfortable": score},
                violations=tuple(violations),
            )
        )
    return results
