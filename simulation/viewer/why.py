"""Why points were lost: curves over time with the bounds of the metrics, and their sentences."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from driving.ego import EgoMotion
from driving.scenario import Scenario
from simulation.log import SimulationLog
from simulation.metrics.nuplan import comfort
from simulation.metrics.nuplan.drive import Drive, drive_of
from simulation.metrics.nuplan.lanes import center_lanes
from simulation.metrics.nuplan.progress import progress
from simulation.metrics.nuplan.speed_limit import speed_limits
from simulation.metrics.result import MetricResult
from simulation.metrics.rules import TTC_BOUND_S
from simulation.metrics.score import final_score, judge, rule_for

LONGEST_TTC_S = 8.0
"""Longer times to collision are drawn as no value: nothing is near."""
_TITLES = {
    "ego_lon_acceleration": "Longitudinal acceleration",
    "ego_lat_acceleration": "Lateral acceleration",
    "ego_jerk": "Jerk",
    "ego_lon_jerk": "Longitudinal jerk",
    "ego_yaw_rate": "Yaw rate",
    "ego_yaw_acceleration": "Yaw acceleration",
}
_UNITS = {"m/s^2": "m/s²", "m/s^3": "m/s³", "rad/s^2": "rad/s²"}


def explain(log: SimulationLog, scenario: Scenario) -> dict[str, Any]:
    """Scores, sentences and curves of a drive, as JSON.

    Raises:
        ValueError: When the log belongs to another scenario, or is too short to be judged.
    """
    drive = drive_of(log, scenario)
    rule = rule_for(log.traffic)
    results = judge(drive, (*rule.scored, *rule.helpers))[0]
    return {
        "score": final_score(results, rule),
        "multipliers": list(rule.multipliers),
        "weights": dict(rule.weights),
        "metrics": [_metric(result, name in rule.scored) for name, result in results.items()],
        "curves": [*_road_curves(drive), *_comfort_curves(drive), _planning_curve(log)],
    }


def explain_alone(motion: EgoMotion, log: SimulationLog | None) -> dict[str, Any]:
    """What can be said without map and scenario: curves of the motion itself."""
    time_s = (motion.time_us - motion.time_us[0]) * 1e-6
    acceleration = motion.accelerations_mps2[0]
    bounds = {quantity.name: (quantity.low, quantity.high) for quantity in comfort.COMFORT_QUANTITIES}
    low, high = bounds["ego_lon_acceleration"]
    aside_low, aside_high = bounds["ego_lat_acceleration"]
    curves = [
        _curve("speed", "Speed", "m/s", time_s, {"speed": motion.speed_mps[0]}),
        _curve(
            "ego_lon_acceleration",
            "Longitudinal acceleration (rear axle)",
            "m/s²",
            time_s,
            {"acceleration": acceleration[:, 0]},
            low,
            high,
        ),
        _curve(
            "ego_lat_acceleration",
            "Lateral acceleration (rear axle)",
            "m/s²",
            time_s,
            {"acceleration": acceleration[:, 1]},
            aside_low,
            aside_high,
        ),
    ]
    if log is not None:
        curves.append(_planning_curve(log))
    return {"score": None, "multipliers": [], "weights": {}, "metrics": [], "curves": curves}


def _metric(result: MetricResult, is_scored: bool) -> dict[str, Any]:
    return {
        "name": result.name,
        "score": result.score,
        "scored": is_scored,
        "violations": [_event(v.time_s, v.sentence, v.track_id) for v in result.violations],
        "notes": [_event(v.time_s, v.sentence, v.track_id) for v in result.notes],
    }


def _event(time_s: float, sentence: str, track_id: str | None) -> dict[str, Any]:
    return {"t": round(time_s, 3), "text": sentence, "track": track_id}


def _road_curves(drive: Drive) -> list[dict[str, Any]]:
    from simulation.metrics.nuplan.time_to_collision import times_to_collision

    time_s = drive.time_s
    limits = drive.fact(speed_limits).limits_mps[0]
    ttc = drive.fact(times_to_collision).times_s[0]
    curves = [
        _curve("speed", "Speed and limit", "m/s", time_s, {"speed": drive.motion.speed_mps[0], "limit": limits}),
        _curve(
            "time_to_collision",
            "Time to collision",
            "s",
            time_s,
            {"time": np.where(ttc <= LONGEST_TTC_S, ttc, np.nan)},
            low=TTC_BOUND_S,
        ),
        _curve("centerline", "Distance to centerline", "m", time_s, {"distance": centerline_distance_m(drive)}),
    ]
    if drive.logged is not None:
        found = drive.fact(progress)
        if found.has_route:
            made = np.cumsum(found.steps_m[0])
            curves.append(
                _curve(
                    "progress",
                    "Progress along the logged route",
                    "m",
                    time_s,
                    {"progress": made, "logged ego in whole": np.full(len(made), found.logged_m)},
                )
            )
    return curves


def centerline_distance_m(drive: Drive) -> np.ndarray:
    """Distance (T,) of the box centre to the centerline of its lane, positive to the left; NaN off the lanes."""
    rows = drive.fact(center_lanes).first()[0]
    points = drive.centers[0, :, :2]
    distance = np.full(len(rows), np.nan)
    for row in np.unique(rows[rows >= 0]):
        steps = rows == row
        distance[steps] = drive.map.centerline(int(row)).project(np.ascontiguousarray(points[steps]))[:, 1]
    return distance


def _comfort_curves(drive: Drive) -> list[dict[str, Any]]:
    curves = []
    by_name = {quantity.name: quantity for quantity in comfort.COMFORT_QUANTITIES}
    for name, title in _TITLES.items():
        quantity = by_name[name]
        result = quantity(drive)[0]
        unit = _UNITS.get(quantity.unit, quantity.unit)
        curves.append(_curve(name, title, unit, drive.time_s, {"value": result.series}, quantity.low, quantity.high))
    return curves


def _planning_curve(log: SimulationLog) -> dict[str, Any]:
    time_s = (log.ego.time_us - log.ego.time_us[0]) * 1e-6
    return _curve("planning_time", "Planning time", "ms", time_s, {"planning": log.planning_time_s * 1e3})


def _curve(
    name: str,
    title: str,
    unit: str,
    time_s: np.ndarray,
    series: Mapping[str, np.ndarray],
    low: float | None = None,
    high: float | None = None,
) -> dict[str, Any]:
    return {
        "name": name,
        "title": title,
        "unit": unit,
        "low": low,
        "high": high,
        "time_s": [round(float(value), 3) for value in time_s],
        "series": [
            {"label": label, "values": [None if not np.isfinite(v) else round(float(v), 4) for v in values]}
            for label, values in series.items()
        ],
    }
