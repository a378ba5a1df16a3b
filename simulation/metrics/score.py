"""nuPlan's scores: the metrics by name, and their combination into scores of scenarios, types and benchmarks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from driving.names import unknown_name
from driving.scenario import Scenario
from driving.vehicle import PACIFICA, VehicleParameters
from simulation.log import SimulationLog
from simulation.metrics.nuplan import (
    collision,
    comfort,
    comparisons,
    drivable_area,
    driving_direction,
    lane_change,
    open_loop,
    progress,
    speed_limit,
    stop_lines,
    time_to_collision,
)
from simulation.metrics.nuplan.drive import Drive, drive_of
from simulation.metrics.result import MetricResult

Metric = Callable[[Drive], list[MetricResult]]
"""One result per motion of the drive."""

METRICS: dict[str, Metric] = {
    "no_ego_at_fault_collisions": collision.no_ego_at_fault_collisions,
    "drivable_area_compliance": drivable_area.drivable_area_compliance,
    "ego_is_making_progress": progress.ego_is_making_progress,
    "driving_direction_compliance": driving_direction.driving_direction_compliance,
    "ego_progress_along_expert_route": progress.ego_progress_along_expert_route,
    "time_to_collision_within_bound": time_to_collision.time_to_collision_within_bound,
    "speed_limit_compliance": speed_limit.speed_limit_compliance,
    "ego_is_comfortable": comfort.ego_is_comfortable,
    "ego_lane_change": lane_change.ego_lane_change,
    "corners_in_drivable_area": drivable_area.corners_in_drivable_area,
    **{quantity.name: quantity for quantity in comfort.COMFORT_QUANTITIES},
    **{quantity.name: quantity for quantity in comfort.UNBOUNDED_QUANTITIES},
    "ego_mean_speed": comparisons.ego_mean_speed,
    "ego_expert_L2_error": comparisons.ego_expert_l2_error,
    "ego_expert_l2_error_with_yaw": comparisons.ego_expert_l2_error_with_yaw,
    "ego_stop_at_stop_line": stop_lines.ego_stop_at_stop_line,
    "planner_expert_average_l2_error_within_bound": open_loop.planner_expert_average_l2_error_within_bound,
    "planner_expert_final_l2_error_within_bound": open_loop.planner_expert_final_l2_error_within_bound,
    "planner_expert_average_heading_error_within_bound": open_loop.planner_expert_average_heading_error_within_bound,
    "planner_expert_final_heading_error_within_bound": open_loop.planner_expert_final_heading_error_within_bound,
    "planner_miss_rate_within_bound": open_loop.planner_miss_rate_within_bound,
}
"""Metrics by nuPlan's names. A `ScoreRule` names the metrics of a score."""


@dataclass(frozen=True, kw_only=True)
class ScoreRule:
    """Product of the multipliers times the weighted mean of the weighted metrics."""

    multipliers: tuple[str, ...]
    weights: Mapping[str, float]
    helpers: tuple[str, ...] = ()
    """Computed with the score, but without effect on it."""

    @property
    def scored(self) -> tuple[str, ...]:
        """All metrics that the score depends on."""
        return (*self.multipliers, *self.weights)

    def combine(self, scores: Mapping[str, float | None]) -> float:
        """Score of a scenario from the scores of its metrics.

        Raises:
            KeyError: When a metric is missing.
            ValueError: When a metric has no score.
        """
        missing = [name for name in self.scored if name not in scores]
        if missing:
            raise KeyError(f"The score needs {', '.join(missing)}; got {sorted(scores)}.")
        values: dict[str, float] = {}
        for name in self.scored:
            value = scores[name]
            if value is None or np.isnan(value):
                raise ValueError(f"The score needs a number for {name}, got {value}.")
            values[name] = value
        product = 1.0
        for name in self.multipliers:
            product *= values[name]
        weighted = sum(weight * values[name] for name, weight in self.weights.items())
        return float(product * (weighted / sum(self.weights.values())))


CLOSED_LOOP = ScoreRule(
    multipliers=(
        "no_ego_at_fault_collisions",
        "drivable_area_compliance",
        "ego_is_making_progress",
        "driving_direction_compliance",
    ),
    weights={
        "ego_progress_along_expert_route": 5.0,
        "time_to_collision_within_bound": 5.0,
        "speed_limit_compliance": 4.0,
        "ego_is_comfortable": 2.0,
    },
    helpers=("ego_lane_change", "corners_in_drivable_area", *(part.name for part in comfort.COMFORT_QUANTITIES)),
)
"""Closed-loop score with reactive, non-reactive or scripted traffic."""

OPEN_LOOP = ScoreRule(
    multipliers=("planner_miss_rate_within_bound",),
    weights={
        "planner_expert_average_l2_error_within_bound": 1.0,
        "planner_expert_average_heading_error_within_bound": 2.0,
        "planner_expert_final_l2_error_within_bound": 1.0,
        "planner_expert_final_heading_error_within_bound": 2.0,
    },
)
"""The open-loop score."""


def metric_named(name: str) -> Metric:
    """A metric by nuPlan's name.

    Raises:
        KeyError: With the nearest known name.
    """
    if name not in METRICS:
        raise KeyError(unknown_name("metric named", name, METRICS))
    return METRICS[name]


def compute_metrics(drive: Drive, names: Sequence[str]) -> list[dict[str, MetricResult]]:
    """Results of the named metrics, by name, for each motion of a drive."""
    judged = {name: metric_named(name)(drive) for name in names}
    return [{name: judged[name][motion] for name in names} for motion in range(drive.num_motions)]


def rule_for(traffic: str) -> ScoreRule:
    """The score of a kind of traffic: open loop for `open_loop`, else closed loop."""
    return OPEN_LOOP if traffic == "open_loop" else CLOSED_LOOP


@dataclass(frozen=True, kw_only=True)
class SimulationScore:
    """The score of a rollout with its metrics."""

    score: float
    metrics: dict[str, MetricResult]
    """By nuPlan's names, including helpers."""


def score_simulation(
    log: SimulationLog, scenario: Scenario, vehicle: VehicleParameters = PACIFICA
) -> SimulationScore:
    """Score a rollout by the rule of its kind of traffic.

    Raises:
        ValueError: When the log belongs to another scenario, or is too short for open-loop metrics.
    """
    rule = rule_for(log.traffic)
    metrics = compute_metrics(drive_of(log, scenario, vehicle), (*rule.scored, *rule.helpers))[0]
    return SimulationScore(score=final_score(metrics, rule), metrics=metrics)


def final_score(results: Mapping[str, MetricResult], rule: ScoreRule = CLOSED_LOOP) -> float:
    """Score of a scenario from the results of its metrics."""
    return rule.combine({name: results[name].score for name in rule.scored if name in results})


@dataclass(frozen=True, kw_only=True)
class ScenarioScore:
    """A row of nuPlan's aggregate: one scenario."""

    scenario: str
    log_name: str
    scenario_type: str
    metrics: Mapping[str, float | None]
    score: float


@dataclass(frozen=True, kw_only=True)
class AggregateRow:
    """A row of nuPlan's aggregate: a scenario type, or `final_score` for all."""

    scenario: str
    num_scenarios: int
    metrics: Mapping[str, float | None]
    """Quirk: plain sums in the rows of types; means over the scenarios in the final row."""
    score: float
    """Mean over the scenarios."""


def aggregate(rows: Sequence[ScenarioScore]) -> list[AggregateRow]:
    """Types in order of first appearance, then the final row, by nuPlan's weighted average aggregator.

    A failed scenario counts only if `rows` has it with a score of 0; nuPlan leaves it out.

    Raises:
        ValueError: Without any row.
    """
    if not rows:
        raise ValueError("Aggregation needs at least one scenario, got none.")
    names = list(dict.fromkeys(name for row in rows for name in row.metrics))
    grouped: dict[str, list[ScenarioScore]] = {}
    for row in rows:
        grouped.setdefault(row.scenario_type, []).append(row)
    types = [
        AggregateRow(
            scenario=scenario_type,
            num_scenarios=len(members),
            metrics={name: _sum([row.metrics.get(name) for row in members]) for name in names},
            score=float(np.sum([row.score for row in members])) / len(members),
        )
        for scenario_type, members in grouped.items()
    ]
    sums = {name: _sum([row.metrics[name] for row in types]) for name in names}
    final = AggregateRow(
        scenario="final_score",
        num_scenarios=len(rows),
        metrics={name: None if total is None else total / len(rows) for name, total in sums.items()},
        score=float(np.sum([row.score * row.num_scenarios for row in types])) / len(rows),
    )
    return [*types, final]


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.sum(known)) if known else None


def check_metric(metric: Metric, drive: Drive) -> None:
    """Check that a metric keeps the contract.

    It returns one result per motion, with scores in [0, 1], series, times and masks of one length, no NaN at valid
    samples, violations in order and within the drive exactly if the score is below 1, and each motion alone gives the
    same result.

    Raises:
        TypeError: When it returns no results.
        ValueError: When a result breaks a rule.
    """
    together = metric(drive)
    if not isinstance(together, list) or not all(isinstance(result, MetricResult) for result in together):
        raise TypeError(f"A metric returns a list of MetricResult, got {type(together).__name__}.")
    if len(together) != drive.num_motions:
        raise ValueError(f"A metric returns one result per motion, {drive.num_motions}, got {len(together)}.")
    for motion, result in enumerate(together):
        _check_result(result, drive)
        alone = metric(drive.one(motion))[0]
        if alone.score != result.score or not np.array_equal(alone.series, result.series, equal_nan=True):
            raise ValueError(
                f"{result.name} of motion {motion} is {alone.score} alone, but {result.score} in a batch."
            )


def _check_result(result: MetricResult, drive: Drive) -> None:
    if np.isnan(result.series[result.valid]).any():
        raise ValueError(f"{result.name} has NaN in its series at samples that are valid.")
    times = [violation.time_s for violation in result.violations]
    if times != sorted(times) or any(not 0.0 <= time_s <= drive.time_s[-1] for time_s in times):
        raise ValueError(f"{result.name} must list violations in order of time inside the drive, got {times}.")
    if result.score is not None and (result.score < 1.0) != bool(result.violations):
        raise ValueError(
            f"{result.name} scores {result.score} with {len(result.violations)} violations; a score needs violations"
            " exactly if it is below 1."
        )
