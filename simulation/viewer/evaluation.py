"""Evaluation of a drive for the page: metric scores, sentences, and curves with the bounds of the metrics."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from driving.ego import EgoMotion
from driving.scenario import Scenario
from simulation.log import SimulationLog
from simulation.metrics.nuplan import comfort
from simulation.metrics.nuplan.drive import Drive, drive_of
from simulation.metrics.nuplan.lanes import center_lanes
from simulation.metrics.nuplan.progress import route_progress
from simulation.metrics.nuplan.speed_limit import speed_limits
from simulation.metrics.nuplan.time_to_collision import times_to_collision
from simulation.metrics.result import MetricResult, Violation
from simulation.metrics.rules import TTC_BOUND_S
from simulation.metrics.score import compute_metrics, final_score, rule_for

LONGEST_TTC_S = 8.0
"""Longer times to collision become gaps in the curve."""
_TITLES = {
    "ego_lon_acceleration": "Longitudinal acceleration",
    "ego_lat_acceleration": "Lateral acceleration",
    "ego_jerk": "Jerk",
    "ego_lon_jerk": "Longitudinal jerk",
    "ego_yaw_rate": "Yaw rate",
    "ego_yaw_acceleration": "Yaw acceleration",
}
_UNITS = {"m/s^2": "m/s²", "m/s^3": "m/s³", "rad/s^2": "rad/s²"}
_QUANTITIES = {quantity.name: quantity for quantity in comfort.COMFORT_QUANTITIES}


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One chart of the page."""

    name: str
    title: str
    unit: str
    time_s: Float64[np.ndarray, " time"]
    """Seconds since the start of the drive."""
    series: Mapping[str, np.ndarray]
    """Values (time,) by label; NaN becomes a gap."""
    low: float | None = None
    high: float | None = None
    """Bounds of the metric."""

    def to_json(self) -> dict[str, Any]:
        """The chart as JSON."""
        return {
            "name": self.name,
            "title": self.title,
            "unit": self.unit,
            "low": self.low,
            "high": self.high,
            "time_s": [round(float(value), 3) for value in self.time_s],
            "series": [
                {"label": label, "values": [None if not np.isfinite(v) else round(float(v), 4) for v in values]}
                for label, values in self.series.items()
            ],
        }


def evaluate(log: SimulationLog, scenario: Scenario) -> dict[str, Any]:
    """Scores, sentences and curves of a drive, as JSON.

    Raises:
        ValueError: When the log belongs to another scenario, or is too short for the metrics.
    """
    drive = drive_of(log, scenario)
    rule = rule_for(log.traffic)
    results = compute_metrics(drive, (*rule.scored, *rule.helpers))[0]
    curves = [*_road_curves(drive), *_comfort_curves(drive), _planning_time(log)]
    return {
        "score": final_score(results, rule),
        "multipliers": list(rule.multipliers),
        "weights": dict(rule.weights),
        "metrics": [_metric(result, name in rule.scored) for name, result in results.items()],
        "curves": [curve.to_json() for curve in curves],
    }


def evaluate_motion(motion: EgoMotion, log: SimulationLog | None) -> dict[str, Any]:
    """Curves of a motion that need neither map nor scenario, in the form of `evaluate`.

    Args:
        motion: One motion of the ego.
        log: Its simulation log, for the planning time; None for a logged ego.
    """
    time_s = (motion.time_us - motion.time_us[0]) * 1e-6
    curves = [Curve(name="speed", title="Speed", unit="m/s", time_s=time_s, series={"speed": motion.speed_mps[0]})]
    for axis, name in enumerate(("ego_lon_acceleration", "ego_lat_acceleration")):
        curves.append(
            Curve(
                name=name,
                title=f"{_TITLES[name]} (rear axle)",
                unit="m/s²",
                time_s=time_s,
                series={"acceleration": motion.accelerations_mps2[0, :, axis]},
                low=_QUANTITIES[name].low,
                high=_QUANTITIES[name].high,
            )
        )
    if log is not None:
        curves.append(_planning_time(log))
    charts = [curve.to_json() for curve in curves]
    return {"score": None, "multipliers": [], "weights": {}, "metrics": [], "curves": charts}


def centerline_distance_m(drive: Drive) -> Float64[np.ndarray, " time"]:
    """Distance of the box centre to the centerline of its lane, positive to the left; NaN off the lanes."""
    rows: Int64[np.ndarray, " time"] = drive.cached(center_lanes).first()[0]
    points = drive.centers[0, :, :2]
    distance = np.full(len(rows), np.nan)
    for row in np.unique(rows[rows >= 0]):
        steps = rows == row
        distance[steps] = drive.map.centerline(int(row)).project(np.ascontiguousarray(points[steps]))[:, 1]
    return distance


def _metric(result: MetricResult, is_scored: bool) -> dict[str, Any]:
    return {
        "name": result.name,
        "score": result.score,
        "scored": is_scored,
        "violations": [_event(violation) for violation in result.violations],
        "notes": [_event(note) for note in result.notes],
    }


def _event(violation: Violation) -> dict[str, Any]:
    return {"time_s": round(violation.time_s, 3), "text": violation.sentence, "track": violation.track_id}


def _road_curves(drive: Drive) -> list[Curve]:
    time_s = drive.time_s
    limits = drive.cached(speed_limits).limits_mps[0]
    ttc_s = drive.cached(times_to_collision).times_s[0]
    speeds = {"speed": drive.motion.speed_mps[0], "limit": limits}
    curves = [
        Curve(name="speed", title="Speed and limit", unit="m/s", time_s=time_s, series=speeds),
        Curve(
            name="time_to_collision",
            title="Time to collision",
            unit="s",
            time_s=time_s,
            series={"time": np.where(ttc_s <= LONGEST_TTC_S, ttc_s, np.nan)},
            low=TTC_BOUND_S,
        ),
        Curve(
            name="centerline",
            title="Distance to centerline",
            unit="m",
            time_s=time_s,
            series={"distance": centerline_distance_m(drive)},
        ),
    ]
    if drive.logged is not None and (found := drive.cached(route_progress)).has_route:
        driven_m = np.cumsum(found.steps_m[0])
        series = {"progress": driven_m, "total of the logged ego": np.full(len(driven_m), found.logged_m)}
        title = "Progress along the logged route"
        curves.append(Curve(name="progress", title=title, unit="m", time_s=time_s, series=series))
    return curves


def _comfort_curves(drive: Drive) -> list[Curve]:
    return [
        Curve(
            name=name,
            title=title,
            unit=_UNITS.get(_QUANTITIES[name].unit, _QUANTITIES[name].unit),
            time_s=drive.time_s,
            series={"value": _QUANTITIES[name](drive)[0].series},
            low=_QUANTITIES[name].low,
            high=_QUANTITIES[name].high,
        )
        for name, title in _TITLES.items()
    ]


def _planning_time(log: SimulationLog) -> Curve:
    time_s = (log.ego.time_us - log.ego.time_us[0]) * 1e-6
    series = {"planning": log.planning_time_s * 1e3}
    return Curve(name="planning_time", title="Planning time", unit="ms", time_s=time_s, series=series)
