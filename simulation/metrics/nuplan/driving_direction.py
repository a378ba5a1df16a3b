"""Driving direction: distance driven against the traffic within a second.

Source:
    nuPlan devkit, `driving_direction_compliance`.
"""

import numpy as np
from jaxtyping import Float64

from simulation.geometry.compiling import njit
from simulation.metrics.nuplan.drive import Drive
from simulation.metrics.nuplan.flat_map import Centerlines, along_centerline, flat_map
from simulation.metrics.nuplan.lanes import center_lanes
from simulation.metrics.result import MetricResult, stretches
from simulation.metrics.rules import AGAINST_TRAFFIC_COMPLIANT_M, direction_scores

WINDOW_S = 1.0


@njit(cache=True)
def _advances(lines: Centerlines, lanes: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Advance (T,) along the centerline of the lane since the sample before [m].

    Quirks: two samples after a lane change give 0, the second because the first does not store its arc length. An arc
    length of exactly 0 gives 0, but is stored. Samples off all lanes do not end a lane: on return to it, the whole
    distance counts.
    """
    advances = np.zeros(len(points))
    lane = lanes[0]
    before = np.nan
    for t in range(len(points)):
        if lanes[t] < 0:
            continue
        if lanes[t] != lane:
            lane = lanes[t]
            before = np.nan
            continue
        along = along_centerline(lines, lane, points[t, 0], points[t, 1])
        if not np.isnan(before) and along != 0.0:
            advances[t] = along - before
        before = along
    return advances


@njit(cache=True)
def _windowed(values: np.ndarray, window: int) -> np.ndarray:
    """Sums (T,) over each sample and the `window` samples before it."""
    sums = np.zeros(len(values))
    for t in range(len(values)):
        for k in range(max(0, t - window), t + 1):
            sums[t] += values[k]
    return sums


def advance_within_window(drive: Drive) -> Float64[np.ndarray, "motions time"]:
    """Advance along the lanes within the last second [m]; negative against the traffic."""
    lanes = drive.cached(center_lanes).first()
    window = int(WINDOW_S * 1e6 / drive.mean_step_us)
    sums = np.zeros(lanes.shape)
    for motion in range(drive.num_motions):
        points = np.ascontiguousarray(drive.centers[motion, :, :2])
        sums[motion] = _windowed(_advances(flat_map(drive.map).centerlines, lanes[motion], points), window)
    return sums


def driving_direction_compliance(drive: Drive) -> list[MetricResult]:
    """1 below 2 m against the traffic within a second, 1/2 below 6 m, else 0."""
    sums = drive.cached(advance_within_window)
    is_on_lane = drive.cached(center_lanes).first() >= 0
    # Quirk: the magnitude of the lowest sum, even of a positive one.
    against_m = np.abs(sums.min(axis=1))
    scores = direction_scores(against_m)
    return [
        _result(drive, sums[m], float(against_m[m]), float(scores[m]), is_on_lane[m])
        for m in range(drive.num_motions)
    ]


def _result(drive: Drive, sums: np.ndarray, against_m: float, score: float, is_on_lane: np.ndarray) -> MetricResult:
    violations = []
    for start, stop in stretches(np.abs(np.minimum(sums, 0.0)) >= AGAINST_TRAFFIC_COMPLIANT_M):
        worst_m = -float(sums[start : stop + 1].min())
        sentence = (
            f"drove up to {worst_m:.1f} m against the traffic within a second"
            f" at {drive.time_s[start]:.1f} s to {drive.time_s[stop]:.1f} s"
        )
        violations.append(drive.violation(start, sentence))
    return drive.result(
        "driving_direction_compliance",
        {
            "driving_direction_compliance_score": score,
            "min_progress_along_driving_direction_in_1_second_interval": -against_m,
        },
        sums,
        "m",
        score=score,
        valid=is_on_lane,
        violations=violations if score < 1.0 else (),
    )
