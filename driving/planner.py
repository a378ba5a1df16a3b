"""The interface of planners, and a checker that names the violated rule."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np

from driving.candidates import Candidates
from driving.geometry import local_from_global
from driving.map import MapGraph
from driving.observation import Observation
from driving.perceived import Perceived
from driving.route import Route
from driving.scenario import Scenario
from driving.trajectory import Trajectory

MAX_DRIVEN_GAP_M = 50.0
"""A plan that starts farther from the ego cannot be driven: it is in another frame."""
MAX_START_GAP_M = 1.0
"""For `check_planner`: how far ahead of or behind the ego a plan may start; the box centre is 1.461 m ahead."""
MAX_START_OFFSET_M = 10.0
"""How far to its side: nuPlan's IDM planner starts on the lane's centerline, wherever the ego is."""


@runtime_checkable
class Planner(Protocol):
    """Plans one step at a time. A batched planner adds `plan_batch(observations) -> list[Trajectory]`."""

    @property
    def name(self) -> str:
        """Name in reports."""
        ...

    def reset(self, map: MapGraph, route: Route) -> None:  # noqa: A002  (the field's word)
        """Prepare for a new scenario; discard all state of the previous one."""
        ...

    def plan(self, observation: Observation) -> Trajectory:
        """Poses of the rear axle from now on, in the global frame."""
        ...


@runtime_checkable
class BatchedPlanner(Planner, Protocol):
    """A planner with one query for several scenarios in lockstep, each prepared by its own `reset` before.

    A plan depends on its own observation only, so that a scenario's result does not depend on the batch. A batch that
    raises is repeated one observation at a time, by `plan`.
    """

    def plan_batch(self, observations: Sequence[Observation]) -> list[Trajectory]:
        """One plan per observation, in the same order."""
        ...


@runtime_checkable
class PrivilegedPlanner(Planner, Protocol):
    """A planner that reads the recording, future included: log replay, or plans recorded elsewhere."""

    def reset_with_scenario(self, scenario: Scenario) -> None:
        """Replaces `reset`."""
        ...


@runtime_checkable
class ExplainsPlans(Planner, Protocol):
    """A planner that reports its candidates: the simulation log keeps them, and the viewer draws them."""

    def candidates(self) -> Sequence[Candidates | None]:
        """Candidates of the last query: one entry after `plan`, one per observation, in order, after `plan_batch`.

        None for an observation without candidates. The call does not count as planning time.
        """
        ...


@runtime_checkable
class ReportsPerception(Planner, Protocol):
    """A planner on perceived input: the simulation log keeps what it perceived, and the viewer draws it."""

    def perceptions(self) -> Sequence[Perceived | None]:
        """What the last query perceived, one entry per observation as in `ExplainsPlans.candidates`."""
        ...


Reported = TypeVar("Reported")


def candidates_of(planner: Planner, num_observations: int) -> Sequence[Candidates | None]:
    """The candidates of a planner's last query; all None for planners without `candidates`.

    Raises:
        TypeError: When an entry is neither `Candidates` nor None.
        ValueError: When the planner returns another number of entries than it received observations.
    """
    return _reported(planner, "candidates", Candidates, num_observations)


def perceptions_of(planner: Planner, num_observations: int) -> Sequence[Perceived | None]:
    """What a planner's last query perceived; all None for planners without `perceptions`.

    Raises:
        TypeError: When an entry is neither `Perceived` nor None.
        ValueError: When the planner returns another number of entries than it received observations.
    """
    return _reported(planner, "perceptions", Perceived, num_observations)


def _reported(planner: Planner, name: str, kind: type[Reported], num_observations: int) -> Sequence[Reported | None]:
    # Cheaper than isinstance(planner, ExplainsPlans), which takes longer than the call itself.
    method = getattr(planner, name, None)
    if not callable(method):
        return [None] * num_observations
    found: Sequence[Reported | None] = method()
    if len(found) != num_observations:
        raise ValueError(
            f"{planner.name} received {num_observations} observations and returned {len(found)} entries of `{name}`."
        )
    for one in found:
        if one is not None and not isinstance(one, kind):
            raise TypeError(f"`{name}` returns a list of driving.{kind.__name__} or None, got {type(one).__name__}.")
    return found


def is_privileged(planner: Planner) -> bool:
    """Whether a planner reads the recording; its plans may start away from the ego, which need not follow them."""
    # Cheaper than isinstance(planner, PrivilegedPlanner), which takes as long as the check of a plan.
    return hasattr(planner, "reset_with_scenario")


def reset_planner(planner: Planner, scenario: Scenario) -> None:
    """Prepare a planner for a scenario."""
    if isinstance(planner, PrivilegedPlanner):
        planner.reset_with_scenario(scenario)
    else:
        planner.reset(scenario.map, scenario.route)


def require_valid_plan(
    plan: object, observation: Observation, min_horizon_s: float = 0.0, max_start_gap_m: float = MAX_DRIVEN_GAP_M
) -> Trajectory:
    """Return the plan if it can be driven, else raise a sentence that names the fault.

    `Trajectory` itself checks types, shapes, finite values and rising times.

    Args:
        plan: What the planner returned.
        observation: What it received.
        min_horizon_s: Shortest plan that can be driven.
        max_start_gap_m: Largest distance between the ego and the start of the plan. The default is wide, as nuPlan
            has no bound: a planner may project the ego onto its path. Infinite for planners that replay a recording.

    Raises:
        TypeError: When the plan is no `Trajectory`.
        ValueError: When it does not start at time 0, is too short, or starts away from the ego.
    """
    if not isinstance(plan, Trajectory):
        raise TypeError(f"A planner returns a driving.Trajectory, got {type(plan).__name__}.")
    if abs(plan.time_s[0]) > 1e-6:
        raise ValueError(f"Plan times must start at 0, got {plan.time_s[:3]} ...")
    if plan.horizon_s < min_horizon_s:
        raise ValueError(f"The plan ends after {plan.horizon_s:.2f} s; {min_horizon_s:.2f} s are needed.")
    gap_m = float(np.hypot(*(plan.poses[0, :2] - observation.ego_now.rear_axle_pose[:2])))
    if gap_m > max_start_gap_m:
        raise ValueError(_away_from_ego(gap_m))
    return plan


def _require_start_at_ego(plan: Trajectory, observation: Observation) -> None:
    along_m, aside_m = np.abs(local_from_global(plan.poses[0, :2], observation.ego_now.rear_axle_pose)).tolist()
    if along_m > MAX_START_GAP_M or aside_m > MAX_START_OFFSET_M:
        raise ValueError(_away_from_ego(float(np.hypot(along_m, aside_m))))


def _away_from_ego(gap_m: float) -> str:
    return (
        f"The plan starts {gap_m:.2f} m from the ego's rear axle; plans are global poses of the rear axle, the first"
        " one at the ego's present pose."
    )


def check_planner(make_planner: Callable[[], Planner], scenario: Scenario, num_steps: int = 3) -> None:
    """Raise a sentence when a planner breaks its contract; return when it keeps it.

    Checked on the logged ego: name, types, plans that start at the ego, equal plans from a second instance and after
    a second `reset`, unchanged observations, candidates where the planner has any, and `plan_batch` against `plan`
    where the planner is batched.

    Raises:
        TypeError: When a method or the plan has a wrong type.
        ValueError: When a plan breaks a rule.
    """
    planner, twin = make_planner(), make_planner()
    if not isinstance(planner, Planner):
        raise TypeError(f"{type(planner).__name__} needs `name`, `reset(map, route)` and `plan(observation)`.")
    if not planner.name:
        raise ValueError(f"{type(planner).__name__} has an empty name; reports need one.")
    iterations = range(min(num_steps, scenario.num_frames))
    first = _plans(planner, scenario, iterations)
    for other, condition in ((planner, "after a second reset"), (twin, "from a second instance")):
        for iteration, (a, b) in enumerate(zip(first, _plans(other, scenario, iterations), strict=True)):
            if not (np.array_equal(a.poses, b.poses) and np.array_equal(a.time_s, b.time_s)):
                raise ValueError(
                    f"{planner.name} plans differently {condition} at iteration {iteration}; seed it in reset."
                )
    if isinstance(planner, BatchedPlanner):
        _check_batch(planner, scenario, first)


def _check_batch(planner: BatchedPlanner, scenario: Scenario, plans: list[Trajectory]) -> None:
    observations = [scenario.observation_at(iteration) for iteration in range(len(plans))]
    together = planner.plan_batch(observations)
    if len(together) != len(plans):
        raise ValueError(
            f"{planner.name} received {len(plans)} observations and returned {len(together)} plans from plan_batch."
        )
    for plan, observation in zip(together, observations, strict=True):
        _require_start_at_ego(require_valid_plan(plan, observation), observation)
    candidates_of(planner, len(plans))
    perceptions_of(planner, len(plans))


def _plans(planner: Planner, scenario: Scenario, iterations: range) -> list[Trajectory]:
    reset_planner(planner, scenario)
    plans = []
    for iteration in iterations:
        observation = scenario.observation_at(iteration)
        untouched = {name: values.copy() for name, values in _arrays(observation)}
        plan = require_valid_plan(planner.plan(observation), observation)
        _require_start_at_ego(plan, observation)
        candidates_of(planner, 1)
        perceptions_of(planner, 1)
        plans.append(plan)
        for name, values in _arrays(observation):
            if not np.array_equal(values, untouched[name], equal_nan=values.dtype.kind == "f"):
                raise ValueError(
                    f"{planner.name} writes into its observation ({name}); it must copy what it changes."
                )
    return plans


def _arrays(observation: Observation) -> Iterator[tuple[str, np.ndarray]]:
    for part in ("ego", "agents", "traffic_lights", "route"):
        holder = getattr(observation, part)
        for item in fields(holder):
            values = getattr(holder, item.name)
            if isinstance(values, np.ndarray):
                yield f"{part}.{item.name}", values
