"""Comfort: bounds on accelerations, jerks and yaw rates.

Source:
    nuPlan devkit, `ego_is_comfortable` and the metrics it is made of, `metrics/utils/state_extractors.py`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

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
from simulation.metrics.smoothing import (
    SmoothingFilter,
    apply_filter,
    rounded,
    savitzky_golay,
    smoothing_filter,
    unwrap_phase,
    unwrapped_phase,
)

OPEN_STEPS = 7
"""Instants at the end of a plan without meaning for its comfort: half a filter window."""


def smooth_accelerations(drive: Drive) -> dict[str, Float64[np.ndarray, "motions time"]]:
    """Longitudinal (`lon`), lateral (`lat`) of the centre and magnitude (`all`) of the rear axle's acceleration."""
    centers = center_accelerations(drive.motion, drive.vehicle)
    rear = drive.motion.accelerations_mps2
    raw = {"lon": centers[..., 0], "lat": centers[..., 1], "all": np.hypot(rear[..., 0], rear[..., 1])}
    return {axis: savitzky_golay(values, ACCELERATION_WINDOW, 2) for axis, values in raw.items()}


def _mean_step_s(time_us: Int64[np.ndarray, "time"]) -> float:
    return float(np.diff(time_us / 1e6).mean())


def _acceleration(axis: str) -> Callable[[Drive], np.ndarray]:
    return lambda drive: drive.cached(smooth_accelerations)[axis]


def _jerk(axis: str) -> Callable[[Drive], np.ndarray]:
    def measure(drive: Drive) -> np.ndarray:
        smooth = drive.cached(smooth_accelerations)[axis]
        return savitzky_golay(smooth, JERK_WINDOW, 2, 1, _mean_step_s(drive.motion.time_us))

    return measure


def _yaw(derivative: int, order: int) -> Callable[[Drive], np.ndarray]:
    def measure(drive: Drive) -> np.ndarray:
        headings = unwrapped_phase(drive.motion.rear_axle_poses[..., 2])
        return savitzky_golay(headings, YAW_WINDOW, order, derivative, _mean_step_s(drive.motion.time_us))

    return measure


@dataclass(frozen=True, kw_only=True)
class BoundedQuantity:
    """A metric that measures a quantity over time, with exclusive bounds if it has any."""

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
        return [self._result(drive, values) for values in drive.cached(self.measure)]

    def is_within(self, values: Float64[np.ndarray, "*shape"]) -> Bool[np.ndarray, "*shape"]:
        """Elementwise; a value on a bound is not within."""
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
        within = self.is_within(values)
        if self.low is not None or self.high is not None:
            statistics[f"abs_{self.name}_within_bounds"] = float(within.all())
        violations = self._violations(drive, values, ~within)
        return drive.result(
            self.name, statistics, values, self.unit, valid=np.isfinite(values), violations=violations
        )

    def _violations(self, drive: Drive, values: np.ndarray, outside: np.ndarray) -> list[Violation]:
        found = []
        for start, stop in stretches(outside):
            worst = float(values[start + int(np.argmax(np.abs(values[start : stop + 1])))])
            bound = self.high if self.high is not None and worst > 0 else self.low
            sentence = (
                f"{self.words} of {worst:.2f} {self.unit} at {drive.time_s[start]:.1f} s, the bound is {bound:.2f}"
            )
            found.append(drive.violation(start, sentence))
        return found


def closest_percentile_90(values: Float64[np.ndarray, "time"]) -> float:
    """The 90th percentile as an observed value.

    Source:
        numpy's method `closest_observation` as of numpy 1.23, which later releases round differently.
    """
    ordered = np.sort(values)
    position = len(ordered) * 0.9 - 1.5
    below = int(np.floor(position))
    index = below if position == below and below % 2 == 0 else below + 1
    return float(ordered[max(0, index)])


def _symmetric(
    name: str, measure: Callable[[Drive], np.ndarray], unit: str, words: str, bound: float
) -> BoundedQuantity:
    return BoundedQuantity(name=name, measure=measure, unit=unit, words=words, low=-bound, high=bound)


COMFORT_QUANTITIES = (
    _symmetric("ego_jerk", _jerk("all"), "m/s^3", "jerk", MAX_JERK_MPS3),
    _symmetric("ego_lat_acceleration", _acceleration("lat"), "m/s^2", "lateral acceleration", MAX_LATERAL_ACCEL_MPS2),
    BoundedQuantity(
        name="ego_lon_acceleration",
        measure=_acceleration("lon"),
        unit="m/s^2",
        words="longitudinal acceleration",
        low=MIN_LONGITUDINAL_ACCEL_MPS2,
        high=MAX_LONGITUDINAL_ACCEL_MPS2,
    ),
    _symmetric("ego_lon_jerk", _jerk("lon"), "m/s^3", "longitudinal jerk", MAX_LONGITUDINAL_JERK_MPS3),
    _symmetric("ego_yaw_acceleration", _yaw(2, 3), "rad/s^2", "yaw acceleration", MAX_YAW_ACCEL_RADPS2),
    _symmetric("ego_yaw_rate", _yaw(1, 2), "rad/s", "yaw rate", MAX_YAW_RATE_RADPS),
)
"""The six quantities of `ego_is_comfortable`."""

UNBOUNDED_QUANTITIES = (
    BoundedQuantity(name="ego_acceleration", measure=_acceleration("all"), unit="m/s^2", words="acceleration"),
    BoundedQuantity(name="ego_lat_jerk", measure=_jerk("lat"), unit="m/s^3", words="lateral jerk"),
)
"""Measured by nuPlan, but in no score."""


class _ComfortTest(NamedTuple):
    """Filters and range of a comfort test of motions that have T samples together with what precedes them."""

    steady: int
    """Samples before the first state, at its acceleration and yaw rate."""
    stop: int
    """Samples from here on are not tested."""
    smoothing: SmoothingFilter
    jerk: SmoothingFilter
    yaw_rate: SmoothingFilter
    yaw_accel: SmoothingFilter
    rear_axle_to_center: float


def comfortable_motions(
    states: Float64[np.ndarray, "motions time 10"],
    *,
    steady: int = 0,
    last: int = 0,
    vehicle: VehicleParameters = PACIFICA,
) -> Bool[np.ndarray, "motions"]:
    """Whether each of many motions, sampled every 0.1 s, keeps all bounds of `ego_is_comfortable`.

    Args:
        states: In the columns of `simulation.ego.dynamics`, including past states if they count.
        steady: Number of instants before the first one, with the acceleration and yaw rate of the first one.
        last: Number of instants at the end that are not tested: at the end of a filter, small changes become large
            jerks, and a plan continues after its end.
        vehicle: Dimensions of the ego.
    """
    num_steps = steady + states.shape[1]
    step_s = _mean_step_s(np.arange(num_steps) * STEP_US)
    test = _ComfortTest(
        steady=steady,
        stop=num_steps - last,
        smoothing=smoothing_filter(num_steps, ACCELERATION_WINDOW, 2),
        jerk=smoothing_filter(num_steps, JERK_WINDOW, 2, 1, step_s),
        yaw_rate=smoothing_filter(num_steps, YAW_WINDOW, 2, 1, step_s),
        yaw_accel=smoothing_filter(num_steps, YAW_WINDOW, 3, 2, step_s),
        rear_axle_to_center=vehicle.rear_axle_to_center_m,
    )
    return _keeps_bounds(states, test)


@njit(cache=True)
def _keeps_bounds(states: np.ndarray, test: _ComfortTest) -> np.ndarray:
    """The compiled form of `COMFORT_QUANTITIES`, cheapest tests first."""
    steady, stop = test.steady, test.stop
    num_steps = steady + states.shape[1]
    comfortable = np.zeros(len(states), dtype=np.bool_)
    lon, lat, magnitude = np.empty(num_steps), np.empty(num_steps), np.empty(num_steps)
    headings = np.empty(num_steps)
    smooth, rate = np.empty(num_steps), np.empty(num_steps)
    for m in range(len(states)):
        for i in range(num_steps):
            t = max(0, i - steady)
            accel_x, accel_y = states[m, t, ACCEL_X], states[m, t, ACCEL_Y]
            yaw_rate, yaw_accel = states[m, t, YAW_RATE], states[m, t, YAW_ACCEL]
            headings[i] = states[m, t, HEADING]
            if i < steady:
                headings[i] += yaw_rate * STEP_S * (i - steady)
                yaw_accel = 0.0
            lon[i] = compiled_center_acceleration(accel_x, yaw_rate, yaw_accel, test.rear_axle_to_center)
            lat[i] = accel_y
            magnitude[i] = math.hypot(accel_x, accel_y)
        _filter_rounded(lon, test.smoothing, smooth)
        if not _is_within(smooth, MIN_LONGITUDINAL_ACCEL_MPS2, MAX_LONGITUDINAL_ACCEL_MPS2, stop):
            continue
        _filter_rounded(smooth, test.jerk, rate)
        if not _is_within(rate, -MAX_LONGITUDINAL_JERK_MPS3, MAX_LONGITUDINAL_JERK_MPS3, stop):
            continue
        _filter_rounded(magnitude, test.smoothing, smooth)
        _filter_rounded(smooth, test.jerk, rate)
        if not _is_within(rate, -MAX_JERK_MPS3, MAX_JERK_MPS3, stop):
            continue
        _filter_rounded(lat, test.smoothing, smooth)
        if not _is_within(smooth, -MAX_LATERAL_ACCEL_MPS2, MAX_LATERAL_ACCEL_MPS2, stop):
            continue
        unwrap_phase(headings)
        _filter_rounded(headings, test.yaw_rate, rate)
        if not _is_within(rate, -MAX_YAW_RATE_RADPS, MAX_YAW_RATE_RADPS, stop):
            continue
        _filter_rounded(headings, test.yaw_accel, rate)
        comfortable[m] = _is_within(rate, -MAX_YAW_ACCEL_RADPS2, MAX_YAW_ACCEL_RADPS2, stop)
    return comfortable


@njit(cache=True)
def _filter_rounded(values: np.ndarray, bank: SmoothingFilter, out: np.ndarray) -> None:
    apply_filter(values, bank, out)
    for t in range(len(out)):
        out[t] = rounded(out[t])


@njit(cache=True)
def _is_within(values: np.ndarray, low: float, high: float, stop: int) -> bool:
    for t in range(stop):
        value = values[t]
        if not low < value < high:
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
