"""Open loop: errors of the plans against the path that the logged ego drove.

Source:
    nuPlan devkit, `planner_expert_average_l2_error_within_bound` and the four metrics built on it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from driving.geometry import shifted_along_heading, wrap_angle
from simulation.metrics.nuplan.drive import Drive
from simulation.metrics.result import MetricResult, Violation

HORIZONS_S = (3, 5, 8)
"""Times at which the comparison ends; scores average over the three."""
MAX_ERRORS = {"meter": 8.0, "radian": 0.8}
"""Mean displacements and heading errors, average or final, at which the score is 0."""
_SYMBOLS = {"meter": "m", "radian": "rad"}
MISS_DISTANCES_M = (6.0, 8.0, 16.0)
"""Per horizon: a plan with a larger displacement at any time misses."""
MAX_MISS_RATE = 0.3


@dataclass(frozen=True, kw_only=True, eq=False)
class PlanErrors:
    """Errors of the plans of each compared second, for each horizon (3 s, 5 s, 8 s)."""

    steps: Int64[np.ndarray, "frames"]
    """Instants of the compared plans, one a second."""
    average_m: Float64[np.ndarray, "3 frames"]
    final_m: Float64[np.ndarray, "3 frames"]
    max_m: Float64[np.ndarray, "3 frames"]
    average_rad: Float64[np.ndarray, "3 frames"]
    final_rad: Float64[np.ndarray, "3 frames"]
    skipped: int
    """Plans that are not compared, as the log ends before them."""


class _LoggedSamples(NamedTuple):
    """The logged ego once a second."""

    time_us: Int64[np.ndarray, "samples"]
    poses: Float64[np.ndarray, "samples 3"]


def _logged_seconds(drive: Drive) -> _LoggedSamples:
    """Samples of the log and its future that plans are compared with.

    Quirk: the future starts at the last compared plan. The last frame of the scenario therefore appears twice, and
    plans of the last seconds are compared over 7 s, not 8.
    """
    logged = drive.logged_drive("open-loop metrics").motion
    parts = [logged] if drive.future is None else [logged, drive.future]
    time_us = np.concatenate([part.time_us for part in parts])
    poses = np.concatenate([part.rear_axle_poses[0] for part in parts])
    per_second = steps_per_second(drive)
    last_plan = (drive.num_steps - 1) // per_second * per_second
    frames = np.arange(0, logged.num_steps, per_second)
    future_frames = last_plan + per_second * np.arange(1, max(HORIZONS_S) + 1)
    rows = np.concatenate([frames, future_frames[future_frames < len(time_us)]])
    return _LoggedSamples(time_us[rows], poses[rows])


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
    logged = _logged_seconds(drive)
    steps, errors = [], []
    planned = np.arange(0, drive.num_steps, steps_per_second(drive))
    for second, step in enumerate(planned.tolist()):
        found = _errors_of_plan(drive, step, second, logged)
        if found is not None:
            steps.append(step)
            errors.append(found)
    if not errors:
        raise ValueError("Open-loop metrics need 8 s of log after the first plan; the log ends before.")
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
    drive: Drive, step: int, second: int, logged: _LoggedSamples
) -> tuple[Float64[np.ndarray, "8"], Float64[np.ndarray, "8"]] | None:
    """Distance [m] and heading error [rad] at 1, 2, ... 8 s.

    Args:
        drive: With plans.
        step: Instant of the plan.
        second: Sample of that instant.
        logged: The logged ego.

    Returns:
        None when the log ends before the plan.

    Raises:
        ValueError: When the plan is too short.
    """
    plan, horizon = drive.plans[step], max(HORIZONS_S)
    plan_us = drive.motion.time_us[step] + np.round(plan.time_s * 1e6).astype(np.int64)
    compared = logged.time_us[second : second + horizon + 1]
    covered = compared[compared <= plan_us[-1]]
    ours = _poses_at(covered, plan_us, plan.poses)
    theirs = logged.poses[second + 1 : second + horizon + 1]
    if len(covered) < horizon + 1:
        # A plan that ends a little early is compared at its own end.
        if plan_us[-1] > logged.time_us[-1] or len(compared) < horizon:
            return None
        if len(covered) < horizon:
            raise ValueError(
                f"The plan at {drive.time_s[step]:.1f} s ends after {plan.horizon_s:.2f} s;"
                f" open-loop metrics need {horizon} s."
            )
        ours = np.concatenate([ours, plan.poses[-1:]])
        theirs = np.concatenate([theirs[: horizon - 1], _poses_at(plan_us[-1:], logged.time_us, logged.poses)])
    forwards_m = drive.vehicle.rear_axle_to_center_m
    ours, theirs = shifted_along_heading(ours[1:], forwards_m), shifted_along_heading(theirs, forwards_m)
    distances = np.hypot(ours[:, 0] - theirs[:, 0], ours[:, 1] - theirs[:, 1])
    return distances, np.abs(wrap_angle(ours[:, 2] - theirs[:, 2]))


@dataclass(frozen=True)
class BoundedError:
    """A metric: one minus the mean error over plans and horizons divided by a bound, at least 0."""

    name: str
    short_name: str
    """In the names of statistics."""
    unit: str
    """nuPlan's name; key of `MAX_ERRORS`."""
    errors: Callable[[PlanErrors], Float64[np.ndarray, "3 frames"]]

    def __call__(self, drive: Drive) -> list[MetricResult]:
        """The result of the single motion."""
        found = drive.cached(plan_errors)
        values = self.errors(found)
        mean, bound, symbol = float(np.mean(values)), MAX_ERRORS[self.unit], _SYMBOLS[self.unit]
        statistics = {
            f"planner_expert_{self.short_name}_horizon_{horizon}": float(np.mean(row))
            for horizon, row in zip(HORIZONS_S, values, strict=True)
        }
        statistics[self.name] = float(mean <= bound)
        statistics[f"avg_planner_expert_{self.short_name}_over_all_horizons"] = mean
        series = np.mean(values, axis=0)
        score = float(max(0.0, 1.0 - mean / bound))
        violations: tuple[Violation, ...] = ()
        if score < 1.0:
            worst = int(np.argmax(series))
            step = int(found.steps[worst])
            sentence = (
                f"plans are {mean:.2f} {symbol} off the log on average,"
                f" the one at {drive.time_s[step]:.1f} s by {series[worst]:.2f} {symbol}"
            )
            violations = (drive.violation(step, sentence),)
        return [
            MetricResult(
                name=self.name,
                score=score,
                statistics=statistics,
                series=series,
                series_unit=self.unit,
                time_s=drive.time_s[found.steps],
                valid=np.ones(len(series), dtype=bool),
                violations=violations,
                notes=_skipped_note(found),
            )
        ]


planner_expert_average_l2_error_within_bound = BoundedError(
    "planner_expert_average_l2_error_within_bound", "ADE", "meter", lambda found: found.average_m
)
planner_expert_final_l2_error_within_bound = BoundedError(
    "planner_expert_final_l2_error_within_bound", "FDE", "meter", lambda found: found.final_m
)
planner_expert_average_heading_error_within_bound = BoundedError(
    "planner_expert_average_heading_error_within_bound", "AHE", "radian", lambda found: found.average_rad
)
planner_expert_final_heading_error_within_bound = BoundedError(
    "planner_expert_final_heading_error_within_bound", "FHE", "radian", lambda found: found.final_rad
)


def _skipped_note(found: PlanErrors) -> tuple[Violation, ...]:
    if not found.skipped:
        return ()
    sentence = f"{found.skipped} plans are not compared, as the log ends before them"
    return (Violation(time_s=0.0, sentence=sentence),)


def planner_miss_rate_within_bound(drive: Drive) -> list[MetricResult]:
    """1 when at most 30 % of the plans miss by more than 6 m, 8 m, 16 m at any time of the horizons, else 0."""
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
        step = int(found.steps[int(np.argmax(misses.any(axis=0)))])
        shares = ", ".join(f"{100 * rate:.0f} % within {h} s" for rate, h in zip(rates, HORIZONS_S, strict=True))
        sentence = f"plans miss the log too often ({shares}), first at {drive.time_s[step]:.1f} s"
        violations = (drive.violation(step, sentence),)
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
