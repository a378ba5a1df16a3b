"""Speed limit: amount and duration of speeding.

Source:
    nuPlan devkit, `speed_limit_compliance`, `base/violation_metric_base.py`.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from simulation.geometry.compiling import njit
from simulation.metrics.nuplan.drive import Drive
from simulation.metrics.nuplan.flat_map import LaneLinks, flat_map
from simulation.metrics.nuplan.lanes import center_lanes
from simulation.metrics.result import MetricResult, stretches
from simulation.metrics.rules import MAX_OVERSPEED_MPS


@njit(cache=True)
def _limits(links: LaneLinks, speed_limit_mps: np.ndarray, rows: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Speed limit (T,) at the box centre [m/s]; NaN without a lane, or if a limit is missing or 0.

    The limit of lane connectors is the highest one of all lanes before and after them.
    """
    limits = np.full(len(rows), np.nan)
    for t in range(len(rows)):
        if counts[t] == 0:
            continue
        if rows[t, 0] < links.num_lanes:
            limit = speed_limit_mps[rows[t, 0]]
            limits[t] = limit if limit != 0.0 else np.nan
            continue
        highest, is_complete = -np.inf, True
        for k in range(counts[t]):
            row = rows[t, k]
            for j in range(links.successor_offsets[row], links.successor_offsets[row + 1]):
                limit = speed_limit_mps[links.successors[j]]
                is_complete = is_complete and limit == limit and limit != 0.0
                highest = max(highest, limit)
            for j in range(links.predecessor_offsets[row], links.predecessor_offsets[row + 1]):
                limit = speed_limit_mps[links.predecessors[j]]
                is_complete = is_complete and limit == limit and limit != 0.0
                highest = max(highest, limit)
        if is_complete and highest > 0.0:
            limits[t] = highest
    return limits


@dataclass(frozen=True, kw_only=True, eq=False)
class SpeedLimits:
    """Limits along each motion, and excess speeds."""

    limits_mps: Float64[np.ndarray, "motions time"]
    """NaN if unknown."""
    over_mps: Float64[np.ndarray, "motions time"]
    """0 if the limit is kept or unknown."""


def speed_limits(drive: Drive) -> SpeedLimits:
    """Limits of all motions."""
    lanes, road = drive.cached(center_lanes), flat_map(drive.map)
    limits = np.array(
        [_limits(road.links, road.speed_limit_mps, lanes.rows[m], lanes.counts[m]) for m in range(drive.num_motions)]
    )
    over = drive.motion.speed_mps - limits
    return SpeedLimits(limits_mps=limits, over_mps=np.where(over > 0.0, over, 0.0))


def speed_limit_compliance(drive: Drive) -> list[MetricResult]:
    """1 minus the mean excess speed divided by 2.23 m/s, at least 0."""
    found = drive.cached(speed_limits)
    return [_result(drive, over, limits) for over, limits in zip(found.over_mps, found.limits_mps, strict=True)]


def _result(drive: Drive, over_mps: np.ndarray, limits_mps: np.ndarray) -> MetricResult:
    statistics, violations, score = {"speed_limit_compliance": 1.0}, [], 1.0
    excesses = stretches(over_mps > 0.0)
    if excesses:
        for start, stop in excesses:
            worst = start + int(np.argmax(over_mps[start : stop + 1]))
            sentence = (
                f"{over_mps[worst]:.1f} m/s above the limit of {limits_mps[worst]:.1f} m/s"
                f" at {drive.time_s[start]:.1f} s to {drive.time_s[stop]:.1f} s"
            )
            violations.append(drive.violation(start, sentence))
        statistics = _excess_statistics(drive, over_mps, excesses)
        duration_s = (drive.motion.time_us[-1] - drive.motion.time_us[0]) * 1e-6
        if duration_s > 0:
            loss = np.sum(over_mps) * (drive.mean_step_us * 1e-6) / (MAX_OVERSPEED_MPS * duration_s)
            score = float(max(0.0, 1.0 - loss))
    valid = np.isfinite(limits_mps)
    return drive.result(
        "speed_limit_compliance", statistics, over_mps, "m/s", score=score, valid=valid, violations=violations
    )


def _excess_statistics(drive: Drive, over_mps: np.ndarray, excesses: list[tuple[int, int]]) -> dict[str, float]:
    """Quirk: an excess lasts until the next sample; an excess in the last sample lasts 0 s and has no mean."""
    time_us, last = drive.motion.time_us, drive.num_steps - 1
    durations = np.array(
        [time_us[min(stop + 1, last)] - time_us[start] for start, stop in excesses], dtype=np.float64
    )
    means = np.array([np.mean(over_mps[start : stop + 1]) for start, stop in excesses])
    extremes = np.array([np.max(over_mps[start : stop + 1]) for start, stop in excesses])
    total = float(np.sum(durations))
    return {
        "number_of_violations_of_speed_limit_compliance": float(len(excesses)),
        "max_violation_of_speed_limit_compliance": float(np.max(extremes)),
        "min_violation_of_speed_limit_compliance": float(np.min(extremes)),
        "mean_violation_of_speed_limit_compliance": float(np.sum(means * durations)) / total
        if total
        else float("nan"),
        "speed_limit_compliance": 0.0,
    }
