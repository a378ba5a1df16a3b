"""Open loop: how far the plans are from what the logged ego then did.

Source:
    nuPlan devkit, `planner_expert_average_l2_error_within_bound` and the four metrics built on it.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from driving.ego import EgoMotion
from driving.geometry import shifted_along_heading, wrap_angle
from driving.trajectory import Trajectory
from simulation.metrics.nuplan.drive import Drive
from simulation.metrics.result import MetricResult, Violation

HORIZONS_S = (3, 5, 8)
"""Comparison ends here; scores average over the three."""
MAX_L2_ERROR_M = 8.0
"""Mean displacement, average or final, that gives 0."""
MAX_HEADING_ERROR_RAD = 0.8
MISS_DISTANCES_M = (6.0, 8.0, 16.0)
"""Per horizon: a plan that is ever further off misses."""
MAX_MISS_RATE = 0.3


@dataclass(frozen=True, kw_only=True, eq=False)
class PlanErrors:
    """Errors of the plans of each compared second, for each horizon (3 s, 5 s, 8 s)."""

    steps: Int64[np.ndarray, "frames"]
    """Instants whose plans were compared, one a second."""
    average_m: Float64[np.ndarray, "3 frames"]
    final_m: Float64[np.ndarray, "3 frames"]
    max_m: Float64[np.ndarray, "3 frames"]
    average_rad: Float64[np.ndarray, "3 frames"]
    final_rad: Float64[np.ndarray, "3 frames"]
    skipped: int
    """Plans that could not be compared, as the log ends before their 8 s do."""


def _logged_seconds(drive: Drive) -> tuple[EgoMotion, Int64[np.ndarray, "samples"]]:
    """The log with its future, and the samples of it that plans are compared at.

    Quirk: the future starts at the last compared plan, so that the last frame of the scenario appears twice and
    plans of the last seconds are compared over 7 s, not 8.
    """
    logged = drive.logged_drive("open-loop metrics").motion
    whole = logged
    if drive.future is not None and drive.future.num_steps:
        behind = drive.future
        whole = EgoMotion(
            time_us=np.concatenate([logged.time_us, behind.time_us]),
            rear_axle_poses=np.concatenate([logged.rear_axle_poses, behind.rear_axle_poses], axis=1),
            velocities_mps=np.concatenate([logged.velocities_mps, behind.velocities_mps], axis=1),
            accelerations_mps2=np.concatenate([logged.accelerations_mps2, behind.accelerations_mps2], axis=1),
            steering_rad=np.concatenate([logged.steering_rad, behind.steering_rad], axis=1),
            yaw_rate_radps=np.concatenate([logged.yaw_rate_radps, behind.yaw_rate_radps], axis=1),
            yaw_acceleration_radps2=np.concatenate(
                [logged.yaw_acceleration_radps2, behind.yaw_acceleration_radps2], axis=1
            ),
        )
    per_second = steps_per_second(drive)
    last_plan = (drive.num_steps - 1) // per_second * per_second
    frames = np.arange(0, logged.num_steps, per_second)
    behind_frames = last_plan + per_second * np.arange(1, max(HORIZONS_S) + 1)
    return whole, np.concatenate([frames, behind_frames[behind_frames < whole.num_steps]])


def steps_per_second(drive: Drive) -> int:
    """Instants from one compared plan to the next."""
    return max(1, round(1e6 / drive.mean_step_us))


def plan_errors(drive: Drive) -> PlanErrors:
    """Compare one plan a second with the log.

    Raises:
        ValueError: When the drive has no plans, a plan is too short, or the log ends before any can be compared.
    """
    if len(drive.plans) != drive.num_steps:
        raise ValueError(f"Open-loop metrics need one plan per instant, {drive.num_steps}, got {len(drive.plans)}.")
    whole, samples = _logged_seconds(drive)
    times_us = whole.time_us[samples]
    poses = whole.rear_axle_poses[0, samples]
    steps, errors = [], []
    planned = np.arange(0, drive.num_steps, steps_per_second(drive))
    for frame, step in enumerate(planned):
        found = _errors_of_plan(drive, drive.plans[step], int(step), frame, times_us, poses)
        if found is not None:
            steps.append(int(step))
            errors.append(found)
    if not errors:
        raise ValueError(
            "The log ends before 8 s after the first plan; open-loop metrics have nothing to compare with."
        )
    distances, headings = np.array([d for d, _ in errors]), np.array([h for _, h in errors])
    return PlanErrors(
        steps=np.array(steps, dtype=np.int64),
        average_m=np.array([[np.mean(row[:h]) for row in distances] for h in HORIZONS_S]),
        final_m=np.array([[row[h - 1] for row in distances] for h in HORIZONS_S]),
        max_m=np.array([[np.max(row[:h]) for row in distances] for h in HORIZONS_S]),
        average_rad=np.array([[np.mean(row[:h]) for row in headings] for h in HORIZONS_S]),
        final_rad=np.array([[row[h - 1] for row in headings] for h in HORIZONS_S]),
        skipped=len(planned) - len(steps),
    )


def _poses_at(
    query_us: np.ndarray, time_us: np.ndarray, poses: Float64[np.ndarray, "samples 3"]
) -> Float64[np.ndarray, "queries 3"]:
    x = np.interp(query_us, time_us, poses[:, 0])
    y = np.interp(query_us, time_us, poses[:, 1])
    return np.stack([x, y, np.interp(query_us, time_us, np.unwrap(poses[:, 2]))], axis=-1)


def _errors_of_plan(
    drive: Drive,
    plan: Trajectory,
    step: int,
    frame: int,
    times_us: np.ndarray,
    poses: Float64[np.ndarray, "samples 3"],
) -> tuple[np.ndarray, np.ndarray] | None:
    """Distance [m] and heading error [rad] at 1, 2, ... 8 s; None when the log ends before."""
    horizon = max(HORIZONS_S)
    plan_us = drive.motion.time_us[step] + np.round(plan.time_s * 1e6).astype(np.int64)
    compared = times_us[frame : frame + horizon + 1]
    covered = compared[compared <= plan_us[-1]]
    ours = _poses_at(covered, plan_us, plan.poses)
    if len(covered) < horizon + 1:
        # A plan that ends a little early is compared at its own end.
        if plan_us[-1] > times_us[-1] or len(compared) < horizon:
            return None
        if len(covered) < horizon:
            raise ValueError(
                f"The plan at {drive.time_s[step]:.1f} s ends after {plan.horizon_s:.2f} s;"
                f" open-loop metrics need {horizon} s."
            )
        ours = np.concatenate([ours, plan.poses[-1:]])
        end = _poses_at(plan_us[-1:], times_us, poses)
        theirs = np.concatenate([poses[frame + 1 : frame + horizon], end])
    else:
        theirs = poses[frame + 1 : frame + horizon + 1]
    forwards_m = drive.vehicle.rear_axle_to_center_m
    ours, theirs = shifted_along_heading(ours[1:], forwards_m), shifted_along_heading(theirs, forwards_m)
    distances = np.hypot(ours[:, 0] - theirs[:, 0], ours[:, 1] - theirs[:, 1])
    return distances, np.abs(wrap_angle(ours[:, 2] - theirs[:, 2]))


def _bounded(drive: Drive, name: str, short: str, unit: str, values: np.ndarray, bound: float) -> list[MetricResult]:
    """One minus the mean error over frames and horizons as a share of the bound."""
    found = drive.cached(plan_errors)
    mean = float(np.mean(values))
    statistics = {
        f"planner_expert_{short}_horizon_{horizon}": float(np.mean(row))
        for horizon, row in zip(HORIZONS_S, values, strict=True)
    }
    statistics[name] = float(mean <= bound)
    statistics[f"avg_planner_expert_{short}_over_all_horizons"] = mean
    series = np.mean(values, axis=0)
    score = float(max(0.0, 1.0 - mean / bound))
    violations: tuple[Violation, ...] = ()
    if score < 1.0:
        worst = int(np.argmax(series))
        time_s = float(drive.time_s[found.steps[worst]])
        symbol = "m" if unit == "meter" else "rad"
        sentence = (
            f"plans are {mean:.2f} {symbol} off the log on average,"
            f" the one at {time_s:.1f} s by {series[worst]:.2f} {symbol}"
        )
        violations = (Violation(time_s=time_s, sentence=sentence),)
    result = MetricResult(
        name=name,
        score=score,
        statistics=statistics,
        series=series,
        series_unit=unit,
        time_s=drive.time_s[found.steps],
        valid=np.ones(len(series), dtype=bool),
        violations=violations,
        notes=_skipped_note(found),
    )
    return [result]


def _skipped_note(found: PlanErrors) -> tuple[Violation, ...]:
    if not found.skipped:
        return ()
    sentence = f"{found.skipped} plans are not compared, as the log ends before them"
    return (Violation(time_s=0.0, sentence=sentence),)


def planner_expert_average_l2_error_within_bound(drive: Drive) -> list[MetricResult]:
    """Average displacement error; 8 m give 0."""
    name, errors = "planner_expert_average_l2_error_within_bound", drive.cached(plan_errors)
    return _bounded(drive, name, "ADE", "meter", errors.average_m, MAX_L2_ERROR_M)


def planner_expert_final_l2_error_within_bound(drive: Drive) -> list[MetricResult]:
    """Final displacement error; 8 m give 0."""
    name, errors = "planner_expert_final_l2_error_within_bound", drive.cached(plan_errors)
    return _bounded(drive, name, "FDE", "meter", errors.final_m, MAX_L2_ERROR_M)


def planner_expert_average_heading_error_within_bound(drive: Drive) -> list[MetricResult]:
    """Average heading error; 0.8 rad give 0."""
    name, errors = "planner_expert_average_heading_error_within_bound", drive.cached(plan_errors)
    return _bounded(drive, name, "AHE", "radian", errors.average_rad, MAX_HEADING_ERROR_RAD)


def planner_expert_final_heading_error_within_bound(drive: Drive) -> list[MetricResult]:
    """Final heading error; 0.8 rad give 0."""
    name, errors = "planner_expert_final_heading_error_within_bound", drive.cached(plan_errors)
    return _bounded(drive, name, "FHE", "radian", errors.final_rad, MAX_HEADING_ERROR_RAD)


def planner_miss_rate_within_bound(drive: Drive) -> list[MetricResult]:
    """1 when for each horizon at most 30 % of the plans are ever further off than 6 m, 8 m, 16 m, else 0."""
    found = drive.cached(plan_errors)
    misses = found.max_m > np.array(MISS_DISTANCES_M)[:, np.newaxis]
    rates = [float(np.mean(row)) for row in misses]
    score = float(all(rate <= MAX_MISS_RATE for rate in rates))
    statistics = {
        f"planner_miss_rate_horizon_{horizon}": rate for horizon, rate in zip(HORIZONS_S, rates, strict=True)
    }
    statistics["planner_miss_rate_within_bound"] = score
    violations: tuple[Violation, ...] = ()
    if not score:
        first_s = float(drive.time_s[found.steps[int(np.argmax(misses.any(axis=0)))]])
        shares = ", ".join(f"{100 * rate:.0f} % within {h} s" for rate, h in zip(rates, HORIZONS_S, strict=True))
        sentence = f"plans miss the log too often ({shares}), first at {first_s:.1f} s"
        violations = (Violation(time_s=first_s, sentence=sentence),)
    return [
        MetricResult(
            name="planner_miss_rate_within_bound",
            score=score,
            statistics=statistics,
            series=misses.mean(axis=0),
            series_unit="ratio",
            time_s=drive.time_s[found.steps],
            valid=np.ones(len(found.steps), dtype=bool),
            violations=violations,
            notes=_skipped_note(found),
        )
    ]
