"""Unscored metrics: mean speed, and distance from the logged ego.

Source:
    nuPlan devkit, `ego_mean_speed`, `ego_expert_l2_error`, `ego_expert_l2_error_with_yaw`.
"""

import numpy as np

from driving.geometry import wrap_angle
from simulation.metrics.nuplan.comfort import closest_percentile_90
from simulation.metrics.nuplan.drive import Drive
from simulation.metrics.result import MetricResult

HEADING_WEIGHT_M = 2.5
"""Metres per radian in `ego_expert_l2_error_with_yaw`."""


def ego_mean_speed(drive: Drive) -> list[MetricResult]:
    """Mean speed of the rear axle."""
    return [
        drive.result("ego_mean_speed", {"ego_mean_speed_value": float(np.mean(speed_mps))}, speed_mps, "m/s")
        for speed_mps in drive.motion.speed_mps
    ]


def _distance(drive: Drive, name: str, heading_weight_m: float, unit: str) -> list[MetricResult]:
    logged = drive.logged_drive(name).centers[0]
    if not drive.num_steps <= len(logged) <= drive.num_steps + 1:
        raise ValueError(f"{name} needs {drive.num_steps} logged states or one more, got {len(logged)}.")
    logged = logged[: drive.num_steps]
    results = []
    for poses in drive.centers:
        errors = np.hypot(poses[:, 0] - logged[:, 0], poses[:, 1] - logged[:, 1])
        errors = errors + heading_weight_m * np.abs(wrap_angle(poses[:, 2] - logged[:, 2]))
        statistics = {
            f"max_{name}": float(errors.max()),
            f"avg_{name}": float(np.mean(errors)),
            f"p90_{name}": closest_percentile_90(errors),
        }
        results.append(drive.result(name, statistics, errors, unit))
    return results


def ego_expert_l2_error(drive: Drive) -> list[MetricResult]:
    """Distance between the box centres of the ego and the logged ego."""
    return _distance(drive, "ego_expert_L2_error", 0.0, "m")


def ego_expert_l2_error_with_yaw(drive: Drive) -> list[MetricResult]:
    """`ego_expert_l2_error` plus 2.5 m per radian of heading difference."""
    return _distance(drive, "ego_expert_l2_error_with_yaw", HEADING_WEIGHT_M, "m + 2.5 m/rad")
