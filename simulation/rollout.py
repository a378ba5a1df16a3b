"""One scenario driven by one planner, step by step: observe, plan, control, traffic.

    rollout = Rollout(scenario, traffic="reactive")
    begin(planner, scenario)
    while not rollout.is_finished:
        rollout.advance(planner.plan(rollout.observation()))
    log = rollout.log()

`run_rollout` is this loop, `run_lockstep` the same for many scenarios and a planner that is asked once for all.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from driving.candidates import LOGGED_TIME_S, Candidates
from driving.names import unknown_name
from driving.observation import Observation
from driving.planner import (
    MAX_DRIVEN_GAP_M,
    BatchedPlanner,
    Planner,
    begin,
    candidates_of,
    require_valid_plan,
)
from driving.scenario import HISTORY_STEPS, Scenario
from driving.trajectory import Trajectory
from driving.vehicle import PACIFICA, VehicleParameters
from simulation.ego.controllers import Controller, LogPlayback, TrackingController
from simulation.ego.dynamics import motion_of, states_of
from simulation.log import SimulationLog
from simulation.traffic.log_replay import LogReplay
from simulation.traffic.tracks import TrackArrays, TrackWindow


class Traffic(Protocol):
    """The other road users of one rollout."""

    @property
    def tracks(self) -> TrackArrays:
        """Over the scenario's time axis, the rows those of the scenario's agents; filled up to the present frame."""
        ...

    def step(self, iteration: int, ego: np.ndarray) -> None:
        """Fill in frame `iteration + 1`, knowing the ego's state (10,) at `iteration`."""
        ...


@dataclass(frozen=True, kw_only=True)
class TrafficMode:
    """How a scenario is run."""

    make_traffic: Callable[[Scenario], Traffic]
    make_controller: Callable[[Scenario, VehicleParameters], Controller]


def _idm_traffic(scenario: Scenario) -> Traffic:
    from simulation.traffic.idm import IdmTraffic

    return IdmTraffic(scenario)


def _scripted_traffic(scenario: Scenario) -> Traffic:
    from simulation.traffic.idm import IdmTraffic

    return IdmTraffic(scenario, is_scripted=True)


def _playback(scenario: Scenario, _vehicle: VehicleParameters) -> Controller:
    return LogPlayback(scenario)


TRAFFIC: dict[str, TrafficMode] = {
    "nonreactive": TrafficMode(make_traffic=LogReplay, make_controller=TrackingController),
    "reactive": TrafficMode(make_traffic=_idm_traffic, make_controller=TrackingController),
    "reactive_scripted": TrafficMode(make_traffic=_scripted_traffic, make_controller=TrackingController),
    "open_loop": TrafficMode(make_traffic=LogReplay, make_controller=_playback),
}
"""nuPlan's three challenges by name, and `reactive_scripted`, which is ours."""


class Rollout:
    """A scenario on its way. Each step needs one `advance`; `observation` may be asked any number of times."""

    def __init__(
        self,
        scenario: Scenario,
        *,
        traffic: str = "nonreactive",
        planner_name: str = "",
        seed: int = 0,
        vehicle: VehicleParameters = PACIFICA,
    ) -> None:
        """Stand at the first frame.

        Raises:
            KeyError: When there is no such traffic.
            ValueError: When the scenario has fewer than 2 frames.
        """
        if scenario.num_frames < 2:
            raise ValueError(f"Scenario {scenario.scenario_id} has {scenario.num_frames} frame; a rollout needs 2.")
        mode = _traffic_mode(traffic)
        self._scenario = scenario
        self._traffic_name = traffic
        self._planner_name = planner_name
        self._seed = seed
        started = time.perf_counter()
        self._controller = mode.make_controller(scenario, vehicle)
        self._traffic = mode.make_traffic(scenario)
        self._window = TrackWindow(scenario.agents.track_ids, self._traffic.tracks)
        self._states = states_of(scenario.ego)
        self._iteration = 0
        self._observed: Observation | None = None
        self._plans: list[Trajectory] = []
        self._candidates: list[Candidates | None] = []
        self._planning_time_s: list[float] = []
        set_up_s = time.perf_counter() - started
        self._stage_time_s = {"set_up": set_up_s, "observation": 0.0, "planning": 0.0, "control": 0.0, "traffic": 0.0}

    @property
    def scenario(self) -> Scenario:
        """What is driven."""
        return self._scenario

    @property
    def iteration(self) -> int:
        """The present step, 0 at the start."""
        return self._iteration

    @property
    def num_steps(self) -> int:
        """Plans that the whole rollout asks for: one less than the scenario has frames, as in nuPlan."""
        return self._scenario.num_frames - 1

    @property
    def is_finished(self) -> bool:
        """Whether all steps are done."""
        return self._iteration >= self.num_steps

    @property
    def min_horizon_s(self) -> float:
        """How long plans must be."""
        return self._controller.min_horizon_s

    def observation(self) -> Observation:
        """What the planner is shown now; the same object until the next `advance`.

        Raises:
            RuntimeError: When the rollout is finished.
        """
        self._require_running()
        if self._observed is None:
            started = time.perf_counter()
            self._observed = self._observe()
            self._stage_time_s["observation"] += time.perf_counter() - started
        return self._observed

    def _observe(self) -> Observation:
        scenario = self._scenario
        now = scenario.first_frame + self._iteration
        # quirk: buffer_of_22 (nuPlan's 2 s at 10 Hz hold 22 samples; those before the start are the log's boxes even
        # where traffic reacts, although those agents then vanish or jump to their lanes)
        start = max(0, now + 1 - HISTORY_STEPS)
        cameras = scenario.cameras
        return Observation(
            iteration=self._iteration,
            ego=motion_of(scenario.time_us[start : now + 1], self._states[:, start : now + 1]),
            agents=self._window.steps(start, now + 1),
            traffic_lights=scenario.traffic_lights.steps(now, now + 1),
            route=scenario.route,
            map=scenario.map,
            cameras=None if cameras is None else cameras.until(int(scenario.time_us[now])),
        )

    def advance(self, plan: Trajectory, planning_time_s: float = 0.0, candidates: Candidates | None = None) -> None:
        """Drive the plan for one step. It is taken as it is: check it first with `valid_plan`.

        Args:
            plan: What to drive.
            planning_time_s: For the log.
            candidates: What the planner chose among, for the log.

        Raises:
            RuntimeError: When the rollout is finished.
        """
        self._require_running()
        self._plans.append(plan)
        self._candidates.append(candidates and candidates.at(LOGGED_TIME_S))
        self._planning_time_s.append(planning_time_s)
        i = self._iteration
        # quirk: last_frame_unused (the last frame of a scenario is never simulated)
        if i + 1 < self.num_steps:
            now = self._scenario.first_frame + i
            started = time.perf_counter()
            self._states[0, now + 1] = self._controller.next_state(i, self._states[0, now], plan)
            controlled = time.perf_counter()
            # quirk: late_ego (reactive agents of frame i + 1 answer to the ego of frame i)
            self._traffic.step(i, self._states[0, now])
            self._stage_time_s["control"] += controlled - started
            self._stage_time_s["traffic"] += time.perf_counter() - controlled
        self._stage_time_s["planning"] += planning_time_s
        self._observed = None
        self._iteration = i + 1

    def log(self) -> SimulationLog:
        """What was driven so far.

        Raises:
            RuntimeError: Before the first step.
        """
        steps = self._iteration
        if not steps:
            raise RuntimeError("Nothing was driven yet: the log of a rollout needs at least one step.")
        scenario = self._scenario
        frames = slice(scenario.first_frame, scenario.first_frame + steps)
        return SimulationLog(
            scenario_id=scenario.scenario_id,
            scenario_type=scenario.scenario_type,
            log_name=scenario.log_name,
            map_name=scenario.map_name,
            planner_name=self._planner_name,
            traffic=self._traffic_name,
            seed=self._seed,
            ego=motion_of(scenario.time_us[frames], self._states[:, frames]),
            agents=self._window.steps(frames.start, frames.stop),
            traffic_lights=scenario.traffic_lights.steps(frames.start, frames.stop),
            plans=tuple(self._plans),
            planning_time_s=np.array(self._planning_time_s),
            candidates=tuple(self._candidates) if any(self._candidates) else (),
            stage_time_s=dict(self._stage_time_s),
        )

    def _require_running(self) -> None:
        if self.is_finished:
            raise RuntimeError(f"The rollout of scenario {self._scenario.scenario_id} is finished.")


def valid_plan(planner: Planner, plan: object, rollout: Rollout) -> Trajectory:
    """Return the plan if the rollout can drive it.

    Planners that replay a recording may plan away from the ego, which need not have followed them.

    Raises:
        TypeError: When it is no `Trajectory`.
        ValueError: When it is not finite, does not rise in time, is too short, or starts away from the ego.
    """
    return require_valid_plan(
        plan,
        rollout.observation(),
        min_horizon_s=rollout.min_horizon_s - 1e-6,
        # What tells a PrivilegedPlanner; asking its protocol takes as long as the rest of the check.
        max_start_gap_m=np.inf if hasattr(planner, "reset_with_scenario") else MAX_DRIVEN_GAP_M,
    )


def run_rollout(
    scenario: Scenario,
    planner: Planner,
    *,
    traffic: str = "nonreactive",
    seed: int = 0,
    step_timeout_s: float = np.inf,
) -> SimulationLog:
    """Drive a scenario from its first frame to its last. What the planner raises passes through.

    Args:
        scenario: What to drive.
        planner: Who drives.
        traffic: A name of `TRAFFIC`.
        seed: Kept in the log; nothing here is random.
        step_timeout_s: Longest planning time of a step. It is looked at when the plan is there: a planner that
            hangs is stopped by whoever owns the process.

    Raises:
        KeyError: When there is no such traffic.
        TypeError: When a plan is no `Trajectory`.
        ValueError: When a plan cannot be driven.
        TimeoutError: When a plan came too late.
    """
    rollout = Rollout(scenario, traffic=traffic, planner_name=planner.name, seed=seed)
    begin(planner, scenario)
    while not rollout.is_finished:
        observation = rollout.observation()
        asked = time.perf_counter()
        plan = planner.plan(observation)
        planning_time_s = time.perf_counter() - asked
        _require_in_time(planning_time_s, step_timeout_s, rollout)
        rollout.advance(valid_plan(planner, plan, rollout), planning_time_s, candidates_of(planner, 1)[0])
    return rollout.log()


def run_lockstep(rollouts: Sequence[Rollout], planner: BatchedPlanner) -> list[SimulationLog]:
    """Drive many rollouts side by side; the planner is asked once a step for all that are not finished.

    The planner is reset once per rollout, in their order, before the first step; observations come in the same order.

    Raises:
        TypeError: When a plan is no `Trajectory`.
        ValueError: When a plan cannot be driven, or the planner returns another number of plans.
    """
    for rollout in rollouts:
        begin(planner, rollout.scenario)
    running = [rollout for rollout in rollouts if not rollout.is_finished]
    while running:
        observations = [rollout.observation() for rollout in running]
        asked = time.perf_counter()
        plans = planner.plan_batch(observations)
        share_s = (time.perf_counter() - asked) / len(running)
        if len(plans) != len(running):
            raise ValueError(f"{planner.name} was shown {len(running)} observations and returned {len(plans)} plans.")
        told = candidates_of(planner, len(running))
        for rollout, plan, candidates in zip(running, plans, told, strict=True):
            rollout.advance(valid_plan(planner, plan, rollout), share_s, candidates)
        running = [rollout for rollout in running if not rollout.is_finished]
    return [rollout.log() for rollout in rollouts]


def _require_in_time(planning_time_s: float, limit_s: float, rollout: Rollout) -> None:
    if planning_time_s > limit_s:
        raise TimeoutError(
            f"The plan of step {rollout.iteration} took {planning_time_s:.2f} s; {limit_s:.2f} s are allowed."
        )


def _traffic_mode(name: str) -> TrafficMode:
    if name not in TRAFFIC:
        raise KeyError(unknown_name("traffic named", name, TRAFFIC))
    return TRAFFIC[name]
