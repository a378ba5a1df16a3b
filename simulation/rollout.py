"""Closed-loop rollouts: observe, plan, control, step the traffic.

    log = run_rollout(scenario, planner, traffic="reactive")

`run_lockstep` is the one loop: it drives N rollouts with one batched query of the planner per step. `run_rollout`
(N = 1), the benchmark's workers and on-policy labelling call it. `Rollout` is a single rollout, step by step:

    rollout = Rollout(scenario)
    reset_planner(planner, scenario)
    while not rollout.is_finished:
        rollout.advance(planner.plan(rollout.observation()))
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import Float64

from driving.agents import AgentTracks
from driving.candidates import LOGGED_TIME_S, Candidates
from driving.ego import EgoMotion
from driving.names import unknown_name
from driving.observation import Observation
from driving.perceived import Perceived
from driving.planner import (
    MAX_DRIVEN_GAP_M,
    Planner,
    candidates_of,
    is_privileged,
    perceptions_of,
    require_valid_plan,
    reset_planner,
)
from driving.scenario import Scenario
from driving.trajectory import Trajectory
from driving.vehicle import PACIFICA, VehicleParameters
from simulation.ego.controllers import Controller, LogPlayback, TrackingController
from simulation.ego.dynamics import HEADING, Commands, motion_of, states_of
from simulation.log import SimulationLog
from simulation.sensors.logged import LoggedSensors
from simulation.sensors.rendered import CameraSettings, RenderedSensors
from simulation.time_limit import time_limit
from simulation.traffic.log_replay import LogReplay
from simulation.traffic.tracks import TrackArrays, TrackWindow

logger = logging.getLogger(__name__)

FAILURES = (Exception, SystemExit)
"""A planner may raise anything; it ends its own rollout only."""


class Traffic(Protocol):
    """The agents of one rollout."""

    @property
    def tracks(self) -> TrackArrays:
        """Over the scenario's time axis, one row per agent of the scenario; filled up to the present frame."""
        ...

    def step(self, iteration: int, ego: Float64[np.ndarray, "10"]) -> None:
        """Fill in frame `iteration + 1`, given the ego's state at `iteration`."""
        ...


class Sensors(Protocol):
    """Makes the planner's input."""

    def observe(
        self, iteration: int, ego_states: Float64[np.ndarray, "1 time 10"], tracks: TrackWindow
    ) -> Observation:
        """Observe at a step, given ego and agents over the scenario's time axis up to the present frame."""
        ...


class TrafficSetting(NamedTuple):
    """What traffic is made of, besides the scenario."""

    seed: int = 0
    """Of agents that draw random numbers."""
    options: str = ""
    """Text behind the name of the traffic, as in `learned:temperature=0.8`."""


@dataclass(frozen=True, kw_only=True)
class TrafficMode:
    """The parts of a rollout: agents, controller of the ego, sensors."""

    make_traffic: Callable[[Scenario, TrafficSetting], Traffic]
    check_options: Callable[[str], object] | None = None
    """Raises ValueError for wrong options; None for traffic without options."""
    make_controller: Callable[[Scenario, VehicleParameters], Controller] = TrackingController
    make_sensors: Callable[[Scenario], Sensors] = LoggedSensors


def _log_replay(scenario: Scenario, _setting: TrafficSetting) -> Traffic:
    return LogReplay(scenario)


def _idm_traffic(scenario: Scenario, _setting: TrafficSetting) -> Traffic:
    from simulation.traffic.idm import IdmTraffic

    return IdmTraffic(scenario)


def _scripted_traffic(scenario: Scenario, _setting: TrafficSetting) -> Traffic:
    from simulation.traffic.idm import IdmTraffic

    return IdmTraffic(scenario, is_scripted=True)


def _learned_options(text: str) -> object:
    from simulation.traffic.learned.options import learned_options

    return learned_options(text)


def _mixed_options(text: str) -> object:
    from simulation.traffic.learned.options import mixed_options

    return mixed_options(text)


def _learned_traffic(scenario: Scenario, setting: TrafficSetting) -> Traffic:
    from simulation.traffic.learned.options import learned_options
    from simulation.traffic.learned.traffic import LearnedTraffic

    return LearnedTraffic(scenario, learned_options(setting.options), seed=setting.seed)


def _mixed_traffic(scenario: Scenario, setting: TrafficSetting) -> Traffic:
    from simulation.traffic.learned.options import mixed_options
    from simulation.traffic.learned.traffic import LearnedTraffic

    return LearnedTraffic(scenario, mixed_options(setting.options), seed=setting.seed)


def _playback(scenario: Scenario, _vehicle: VehicleParameters) -> Controller:
    return LogPlayback(scenario)


def _sensors_with_images(scenario: Scenario) -> Sensors:
    return LoggedSensors(scenario, with_images=True)


TRAFFIC: dict[str, TrafficMode] = {
    "nonreactive": TrafficMode(make_traffic=_log_replay),
    "reactive": TrafficMode(make_traffic=_idm_traffic),
    "reactive_scripted": TrafficMode(make_traffic=_scripted_traffic),
    # Only here is the ego where the images were taken.
    "open_loop": TrafficMode(make_traffic=_log_replay, make_controller=_playback, make_sensors=_sensors_with_images),
    "learned": TrafficMode(make_traffic=_learned_traffic, check_options=_learned_options),
    "mixed": TrafficMode(make_traffic=_mixed_traffic, check_options=_mixed_options),
}
"""nuPlan's three challenges by name; `reactive_scripted`, `learned` and `mixed`, which are ours."""


def traffic_mode(text: str) -> tuple[TrafficMode, str]:
    """The kind of traffic that a text names, and its options: `reactive`, or `learned:temperature=0.8`.

    Raises:
        KeyError: When no traffic has that name.
        ValueError: When the options are wrong, or the traffic takes none.
    """
    name, colon, options = text.partition(":")
    if name not in TRAFFIC:
        raise KeyError(unknown_name("traffic named", name, TRAFFIC))
    mode = TRAFFIC[name]
    if colon and mode.check_options is None:
        raise ValueError(f"Traffic {name} takes no options, got {text!r}.")
    if mode.check_options is not None:
        mode.check_options(options)
    return mode, options


class Rollout:
    """One scenario in simulation. Each step needs one `advance`; `observation` may be called any number of times."""

    def __init__(
        self,
        scenario: Scenario,
        *,
        traffic: str = "nonreactive",
        planner_name: str = "",
        seed: int = 0,
        vehicle: VehicleParameters = PACIFICA,
        cameras: CameraSettings | None = None,
    ) -> None:
        """Start at the first frame.

        Args:
            scenario: The scenario to drive.
            traffic: A name of `TRAFFIC`, with options behind a colon where the traffic takes some.
            planner_name: For the log.
            seed: Of traffic that draws random numbers, and for the log.
            vehicle: The ego.
            cameras: Render images, also in open loop. None: no images in closed loop, logged ones in open loop.

        Raises:
            KeyError: When no traffic has that name.
            ValueError: When the scenario has fewer than 2 frames, or the options of the traffic are wrong.
        """
        if scenario.num_frames < 2:
            raise ValueError(f"Scenario {scenario.scenario_id} has {scenario.num_frames} frame; a rollout needs 2.")
        mode, options = traffic_mode(traffic)
        self._scenario = scenario
        self._traffic_name = traffic
        self._planner_name = planner_name
        self._seed = seed
        started = time.perf_counter()
        self._controller = mode.make_controller(scenario, vehicle)
        self._traffic = mode.make_traffic(scenario, TrafficSetting(seed, options))
        cameras = None if cameras is None else cameras.for_scenario(scenario)
        self._cameras = cameras
        self._sensors: Sensors = RenderedSensors(scenario, cameras) if cameras else mode.make_sensors(scenario)
        self._window = TrackWindow(scenario.agents.track_ids, self._traffic.tracks)
        self._states = states_of(scenario.ego)
        self._iteration = 0
        self._observed: Observation | None = None
        self._plans: list[Trajectory | None] = []
        self._after_last = self._states[0, 0]
        self._candidates: list[Candidates | None] = []
        self._perceived: list[Perceived | None] = []
        self._planning_time_s: list[float] = []
        set_up_s = time.perf_counter() - started
        self._stage_time_s = {"set_up": set_up_s, "observation": 0.0, "planning": 0.0, "control": 0.0, "traffic": 0.0}

    @property
    def scenario(self) -> Scenario:
        """The scenario that is driven."""
        return self._scenario

    @property
    def iteration(self) -> int:
        """The present step, 0 at the start."""
        return self._iteration

    @property
    def num_steps(self) -> int:
        """Plans of the whole rollout: one less than the scenario has frames, as in nuPlan."""
        return self._scenario.num_frames - 1

    @property
    def is_finished(self) -> bool:
        """Whether all steps are done."""
        return self._iteration >= self.num_steps

    def observation(self) -> Observation:
        """The planner's input of the present step; the same object until the next `advance`.

        Raises:
            RuntimeError: When the rollout is finished.
        """
        self._require_running()
        if self._observed is None:
            started = time.perf_counter()
            self._observed = self._sensors.observe(self._iteration, self._states, self._window)
            self._stage_time_s["observation"] += time.perf_counter() - started
        return self._observed

    def advance(
        self,
        plan: Trajectory,
        planning_time_s: float = 0.0,
        candidates: Candidates | None = None,
        *,
        perceived: Perceived | None = None,
        max_start_gap_m: float = MAX_DRIVEN_GAP_M,
    ) -> None:
        """Check the plan and drive it for one step.

        Args:
            plan: The plan to drive.
            planning_time_s: For the log.
            candidates: The planner's candidates, for the log.
            perceived: What the planner perceived, for the log.
            max_start_gap_m: Largest distance between the ego and the start of the plan.

        Raises:
            RuntimeError: When the rollout is finished.
            TypeError: When the plan is no `Trajectory`.
            ValueError: When the plan does not start at time 0, is too short, or starts away from the ego.
        """
        self.check_plan(plan, max_start_gap_m)
        self._plans.append(plan)
        self._candidates.append(candidates and candidates.at(LOGGED_TIME_S))
        self._perceived.append(perceived)
        self._planning_time_s.append(planning_time_s)
        i = self._iteration
        self._step(lambda state: self._controller.next_state(i, state, plan))
        self._stage_time_s["planning"] += planning_time_s

    def check_plan(self, plan: Trajectory, max_start_gap_m: float = MAX_DRIVEN_GAP_M) -> None:
        """Raise the error that `advance` would raise for a plan; change nothing.

        Args:
            plan: The plan to check.
            max_start_gap_m: Largest distance between the ego and the start of the plan.

        Raises:
            RuntimeError: When the rollout is finished.
            TypeError: When the plan is no `Trajectory`.
            ValueError: When the plan does not start at time 0, is too short, or starts away from the ego.
        """
        require_valid_plan(plan, self.observation(), self._controller.min_horizon_s - 1e-6, max_start_gap_m)

    def drive(self, commands: Commands) -> None:
        """Drive one step under commands to the vehicle, without plan and tracker.

        The log's plan of the step is the way to the next state. Commands that the tracker computes from a plan drive
        the same states as the plan.

        Args:
            commands: Finite.

        Raises:
            RuntimeError: When the rollout is finished.
            ValueError: When the ego repeats the log (`open_loop`).
        """
        self._require_running()
        if not isinstance(self._controller, TrackingController):
            raise ValueError(f"Traffic {self._traffic_name} repeats the log; it cannot be driven by commands.")
        following = self._controller.state_under(self._iteration, self._states[0, self.now], commands)
        # The plan is made when the log is read: its poses are states of the ego.
        self._plans.append(None)
        self._candidates.append(None)
        self._perceived.append(None)
        self._planning_time_s.append(0.0)
        self._after_last = following
        self._step(lambda _state: following)

    def _driven_plan(self, iteration: int) -> Trajectory:
        """The way that commands led at a step."""
        now, time_us = self._scenario.first_frame + iteration, self._scenario.time_us
        following = self._states[0, now + 1] if iteration + 1 < self.num_steps else self._after_last
        poses = np.stack([self._states[0, now, : HEADING + 1], following[: HEADING + 1]])
        return Trajectory(time_s=np.array([0.0, (time_us[now + 1] - time_us[now]) / 1e6]), poses=poses)

    def _step(self, next_state: Callable[[Float64[np.ndarray, "10"]], Float64[np.ndarray, "10"]]) -> None:
        """Move the ego, then the traffic, by one frame."""
        i = self._iteration
        # quirk: last_frame_unused (the last frame of a scenario is never simulated)
        if i + 1 < self.num_steps:
            now = self._scenario.first_frame + i
            started = time.perf_counter()
            self._states[0, now + 1] = next_state(self._states[0, now])
            controlled = time.perf_counter()
            # quirk: late_ego (reactive agents of frame i + 1 answer to the ego of frame i)
            self._traffic.step(i, self._states[0, now])
            self._stage_time_s["control"] += controlled - started
            self._stage_time_s["traffic"] += time.perf_counter() - controlled
        self._observed = None
        self._iteration = i + 1

    @property
    def now(self) -> int:
        """Index of the present frame on the scenario's time axis; of the last simulated frame at the end."""
        return self._scenario.first_frame + min(self._iteration, self.num_steps - 1)

    @property
    def ego_state(self) -> Float64[np.ndarray, "10"]:
        """The ego at the present frame, in the columns of `simulation.ego.dynamics`; a copy."""
        return self._states[0, self.now].copy()

    @property
    def tracks(self) -> TrackArrays:
        """The agents over the scenario's time axis, for rewards. Not for planning: it may hold the log's future."""
        return self._traffic.tracks

    def driven(self) -> tuple[EgoMotion, AgentTracks]:
        """Ego and agents from the first frame to the present one, that one included."""
        frames = slice(self._scenario.first_frame, self.now + 1)
        motion = motion_of(self._scenario.time_us[frames], self._states[:, frames])
        return motion, self._window.steps(frames.start, frames.stop)

    def log(self) -> SimulationLog:
        """The log of the steps up to now.

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
            plans=tuple(plan or self._driven_plan(step) for step, plan in enumerate(self._plans)),
            planning_time_s=np.array(self._planning_time_s),
            candidates=tuple(self._candidates) if any(self._candidates) else (),
            perceived=tuple(self._perceived) if any(self._perceived) else (),
            stage_time_s=dict(self._stage_time_s),
            cameras=None if self._cameras is None else self._cameras.to_json(),
        )

    def _require_running(self) -> None:
        if self.is_finished:
            raise RuntimeError(f"The rollout of scenario {self._scenario.scenario_id} is finished.")


def camera_settings_of(planner: Planner) -> CameraSettings | None:
    """The cameras that a planner needs, its attribute `camera_settings`; None for planners without it."""
    settings = getattr(planner, "camera_settings", None)
    if settings is not None and not isinstance(settings, CameraSettings):
        raise TypeError(f"{planner.name}.camera_settings must be CameraSettings, got {type(settings).__name__}.")
    return settings


def run_rollout(
    scenario: Scenario,
    planner: Planner,
    *,
    traffic: str = "nonreactive",
    seed: int = 0,
    step_timeout_s: float = np.inf,
    cameras: CameraSettings | None = None,
) -> SimulationLog:
    """Drive one scenario from its first frame to its last. Errors of the planner are not caught.

    Args:
        scenario: The scenario to drive.
        planner: The planner that drives it.
        traffic: A name of `TRAFFIC`, with options behind a colon where the traffic takes some.
        seed: Of traffic that draws random numbers; stored in the log.
        step_timeout_s: Time limit of one plan.
        cameras: Render images; None uses the cameras of the planner, if it needs any (`camera_settings`).

    Raises:
        KeyError: When no traffic has that name.
        TypeError: When a plan is no `Trajectory`.
        ValueError: When a plan cannot be driven.
        TimeoutError: When a plan exceeds its time limit.
    """
    cameras = cameras or camera_settings_of(planner)
    rollout = Rollout(scenario, traffic=traffic, planner_name=planner.name, seed=seed, cameras=cameras)
    (error,) = run_lockstep([rollout], planner, step_timeout_s=step_timeout_s)
    if error is not None:
        raise error
    return rollout.log()


def run_lockstep(
    rollouts: Sequence[Rollout],
    planner: Planner,
    *,
    step_timeout_s: float = np.inf,
    reset_timeout_s: float = np.inf,
    before_step: Callable[[Rollout], bool] = lambda _rollout: True,
) -> list[BaseException | None]:
    """Drive rollouts to their end in lockstep: one batched query of the planner per step.

    The planner is reset once per rollout, in order, before the first step. A planner without `plan_batch` drives the
    rollouts one after another.

    A rollout that fails (its reset, its plan, its time limit, an invalid plan) ends alone. A batched query that fails
    as a whole is repeated one rollout at a time by `plan`, so that only the rollouts at fault end.

    Args:
        rollouts: Not started yet; their scenarios and traffic may differ.
        planner: One instance for all of them.
        step_timeout_s: Time limit of one plan; that of a batched query is multiplied by the number of plans.
        reset_timeout_s: Time limit of the planner's reset for one scenario.
        before_step: Called for each running rollout before each of its steps; False ends the rollout.

    Returns:
        For each rollout the error that ended it, None for a rollout without error.
    """
    errors: dict[Rollout, BaseException] = {}
    ended: set[Rollout] = set()
    max_start_gap_m = np.inf if is_privileged(planner) else MAX_DRIVEN_GAP_M
    for group in [rollouts] if hasattr(planner, "plan_batch") else [[rollout] for rollout in rollouts]:
        for rollout in group:
            try:
                with time_limit(reset_timeout_s, "The planner's reset"):
                    reset_planner(planner, rollout.scenario)
            except FAILURES as error:
                errors[rollout] = error
        while running := [each for each in group if not (each.is_finished or each in errors or each in ended)]:
            observations: dict[Rollout, Observation] = {}
            for rollout in running:
                try:
                    if before_step(rollout):
                        observations[rollout] = rollout.observation()
                    else:
                        ended.add(rollout)
                except FAILURES as error:
                    errors[rollout] = error
            for rollout, answer in _answers(planner, observations, step_timeout_s, errors).items():
                try:
                    rollout.advance(
                        answer.plan,
                        answer.planning_time_s,
                        answer.candidates,
                        perceived=answer.perceived,
                        max_start_gap_m=max_start_gap_m,
                    )
                except FAILURES as error:
                    errors[rollout] = error
    return [errors.get(rollout) for rollout in rollouts]


class _Answer(NamedTuple):
    plan: Trajectory
    planning_time_s: float
    """Of a batched query, the share of one plan."""
    candidates: Candidates | None
    perceived: Perceived | None


def _answers(
    planner: Planner,
    observations: dict[Rollout, Observation],
    step_timeout_s: float,
    errors: dict[Rollout, BaseException],
) -> dict[Rollout, _Answer]:
    """The planner's answer to each observation; the error of a failed query is in `errors`."""
    if len(observations) > 1:
        try:
            return dict(zip(observations, _query(planner, list(observations.values()), step_timeout_s), strict=True))
        except FAILURES as error:
            logger.warning("A batch of %s failed and is repeated one by one: %s", planner.name, error)
    answers = {}
    for rollout, observation in observations.items():
        try:
            (answers[rollout],) = _query(planner, [observation], step_timeout_s)
        except FAILURES as error:
            errors[rollout] = error
    return answers


def _query(planner: Planner, observations: list[Observation], step_timeout_s: float) -> list[_Answer]:
    count = len(observations)
    started = time.perf_counter()
    with time_limit(count * step_timeout_s, f"The plan of step {observations[0].iteration}"):
        plans = [planner.plan(observations[0])] if count == 1 else planner.plan_batch(observations)  # type: ignore[attr-defined]
    share_s = (time.perf_counter() - started) / count
    if len(plans) != count:
        raise ValueError(f"{planner.name} received {count} observations and returned {len(plans)} plans.")
    reports = zip(plans, candidates_of(planner, count), perceptions_of(planner, count), strict=True)
    return [_Answer(plan, share_s, candidates, perceived) for plan, candidates, perceived in reports]
