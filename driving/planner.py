"""What every planner offers, and a checker that tells what was forgotten."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from typing import Protocol, runtime_checkable

import numpy as np

from driving.candidates import Candidates
from driving.geometry import local_from_global
from driving.map import MapGraph
from driving.observation import Observation
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
        """Begin a new scenario; nothing of the one before may remain."""
        ...

    def plan(self, observation: Observation) -> Trajectory:
        """Say where the rear axle shall be from now on, in the global frame."""
        ...


@runtime_checkable
class BatchedPlanner(Planner, Protocol):
    """A planner that is asked once for several scenarios in lockstep, each with its own earlier `reset`."""

    def plan_batch(self, observations: Sequence[Observation]) -> list[Trajectory]:
        """One plan per observation, in the same order."""
        ...


@runtime_checkable
class PrivilegedPlanner(Planner, Protocol):
    """A planner that knows the recording, future included: log replay, or plans recorded elsewhere."""

    def reset_with_scenario(self, scenario: Scenario) -> None:
        """Called instead of `reset`."""
        ...


@runtime_checkable
class ExplainsPlans(Planner, Protocol):
    """A planner that tells what it chose among; the simulation log keeps it, and the viewer shows it."""

    def candidates(self) -> Sequence[Candidates | None]:
        """Of the last call: one entry for `plan`, one per observation, in their order, for `plan_batch`.

        None where there was no choice. It is asked after the time of planning has been taken.
        """
        ...


def candidates_of(planner: Planner, num_observations: int) -> Sequence[Candidates | None]:
    """Ask a planner what it chose among, once it has planned; all None for planners that do not tell.

    Raises:
        ValueError: When it tells of another number of observations than it was shown.
    """
    # What tells an ExplainsPlans; asking its protocol at each step takes longer than the answer.
    tell = getattr(planner, "candidates", None)
    if not callable(tell):
        return [None] * num_observations
    told: Sequence[Candidates | None] = tell()
    if len(told) != num_observations:
        raise ValueError(
            f"{planner.name} was shown {num_observations} observations and tells the candidates of {len(told)}."
        )
    return told


def begin(planner: Planner, scenario: Scenario) -> None:
    """Prepare a planner for a scenario."""
    if isinstance(planner, PrivilegedPlanner):
        planner.reset_with_scenario(scenario)
    else:
        planner.reset(scenario.map, scenario.route)


def require_valid_plan(
    plan: object, observation: Observation, min_horizon_s: float = 0.0, max_start_gap_m: float = MAX_DRIVEN_GAP_M
) -> Trajectory:
    """Return the plan if it can be driven, else raise a sentence that says what is wrong with it.

    Args:
        plan: What the planner returned.
        observation: What it was shown.
        min_horizon_s: How long the plan must be.
        max_start_gap_m: How far from the ego the plan may start. Driving is patient here, as nuPlan is: a planner may
            project the ego onto its path. Infinite for planners that replay a recording.

    Raises:
        TypeError: When it is no `Trajectory`.
        ValueError: When it is not finite, does not rise in time, is too short, or starts away from the ego.
    """
    if not isinstance(plan, Trajectory):
        raise TypeError(f"A planner returns a driving.Trajectory, got {type(plan).__name__}.")
    if not (np.isfinite(plan.time_s).all() and np.isfinite(plan.poses).all()):
        raise ValueError("The plan holds NaN or infinite values.")
    if abs(plan.time_s[0]) > 1e-6 or (np.diff(plan.time_s) <= 0).any():
        raise ValueError(f"Plan times must start at 0 and rise, got {plan.time_s[:3]} ...")
    if plan.horizon_s < min_horizon_s:
        raise ValueError(f"The plan ends after {plan.horizon_s:.2f} s; {min_horizon_s:.2f} s are needed.")
    gap_m = float(np.hypot(*(plan.poses[0, :2] - observation.ego_now.rear_axle_pose[:2])))
    if gap_m > max_start_gap_m:
        raise ValueError(
            f"The plan starts {gap_m:.2f} m from the ego's rear axle; plans are global poses of the rear axle,"
            " the first one where the ego is now."
        )
    return plan


def _require_start_at_ego(plan: Trajectory, observation: Observation) -> None:
    along_m, aside_m = np.abs(local_from_global(plan.poses[0, :2], observation.ego_now.rear_axle_pose)).tolist()
    if along_m > MAX_START_GAP_M or aside_m > MAX_START_OFFSET_M:
        raise ValueError(
            f"The plan starts {np.hypot(along_m, aside_m):.2f} m from the ego's rear axle; plans are global poses of"
            " the rear axle, the first one where the ego is now."
        )


def check_planner(make_planner: Callable[[], Planner], scenario: Scenario, num_steps: int = 3) -> None:
    """Raise a sentence when a planner does not keep the contract; return when it does.

    Checked on the logged ego: name, types, finite and rising plans that start at the ego, the same plans
    from a second instance and from a second `reset`, observations left untouched, and candidates where it has any.

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
    for other, who in ((planner, "after a second reset"), (twin, "from a second instance")):
        for iteration, (a, b) in enumerate(zip(first, _plans(other, scenario, iterations), strict=True)):
            if not (np.array_equal(a.poses, b.poses) and np.array_equal(a.time_s, b.time_s)):
                raise ValueError(
                    f"{planner.name} plans differently {who} at iteration {iteration}; seed it in reset."
                )


def _plans(planner: Planner, scenario: Scenario, iterations: range) -> list[Trajectory]:
    begin(planner, scenario)
    plans = []
    for iteration in iterations:
        observation = scenario.observation_at(iteration)
        untouched = {name: values.copy() for name, values in _arrays(observation)}
        plan = require_valid_plan(planner.plan(observation), observation)
        _require_start_at_ego(plan, observation)
        _require_candidates(candidates_of(planner, 1)[0])
        plans.append(plan)
        for name, values in _arrays(observation):
            if not np.array_equal(values, untouched[name], equal_nan=values.dtype.kind == "f"):
                raise ValueError(
                    f"{planner.name} writes into its observation ({name}); it must copy what it changes."
                )
    return plans


def _require_candidates(told: object) -> None:
    if told is None:
        return
    if not isinstance(told, Candidates):
        raise TypeError(f"`candidates` returns a list of driving.Candidates or None, got {type(told).__name__}.")
    if np.isnan(told.scores).any():
        raise ValueError("A candidate's score is NaN; leave out what was not scored.")


def _arrays(observation: Observation) -> Iterator[tuple[str, np.ndarray]]:
    for part in ("ego", "agents", "traffic_lights", "route"):
        holder = getattr(observation, part)
        for item in fields(holder):
            values = getattr(holder, item.name)
            if isinstance(values, np.ndarray):
                yield f"{part}.{item.name}", values
