"""What the metrics look at: motions of the ego on a road, among agents, beside what the log did."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Float64

from driving.agents import AgentTracks
from driving.ego import EgoMotion
from driving.map import MapGraph
from driving.scenario import Scenario
from driving.trajectory import Trajectory
from driving.vehicle import PACIFICA, VehicleParameters
from simulation.log import SimulationLog
from simulation.metrics.nuplan.road import Road, road_of

Fact = TypeVar("Fact")


@dataclass(frozen=True, kw_only=True, eq=False)
class Drive:
    """M motions over the same T instants, and everything needed to judge them.

    A finished rollout is M = 1. Intermediate findings, such as the lanes driven on, are kept as facts, so
    that metrics may build on each other and no finding is made twice.
    """

    motion: EgoMotion
    agents: AgentTracks
    """As the planner was shown them, over the same T instants."""
    road: Road
    map: MapGraph
    vehicle: VehicleParameters = PACIFICA
    logged: "Drive | None" = None
    """What the human driver did, for metrics that compare with it: from the first frame to the last."""
    future: EgoMotion | None = None
    """The log behind its last frame (M = 1), for open-loop metrics."""
    plans: tuple[Trajectory, ...] = ()
    """One per instant, for open-loop metrics."""
    _facts: dict[Callable[["Drive"], Any], Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.agents.num_steps != self.motion.num_steps:
            raise ValueError(
                f"Agents must be given at the {self.motion.num_steps} instants of the motion,"
                f" got {self.agents.num_steps}."
            )

    @property
    def num_motions(self) -> int:
        """M."""
        return self.motion.num_motions

    @property
    def num_steps(self) -> int:
        """T."""
        return self.motion.num_steps

    @cached_property
    def time_s(self) -> Float64[np.ndarray, "time"]:
        """Seconds from the first instant."""
        return (self.motion.time_us - self.motion.time_us[0]) * 1e-6

    @cached_property
    def mean_step_us(self) -> float:
        """Mean time between instants; NaN for a single one."""
        steps = np.diff(self.motion.time_us)
        return float(np.mean(steps)) if len(steps) else float("nan")

    @cached_property
    def centers(self) -> Float64[np.ndarray, "motions time 3"]:
        """Poses of the box centre, global."""
        return self.motion.center_poses(self.vehicle)

    @cached_property
    def corners(self) -> Float64[np.ndarray, "motions time 4 2"]:
        """Box corners: front-left, rear-left, rear-right, front-right, global."""
        return self.motion.corners(self.vehicle)

    def fact(self, measure: Callable[["Drive"], Fact]) -> Fact:
        """What `measure` finds about this drive; found once, however many metrics ask."""
        if measure not in self._facts:
            self._facts[measure] = measure(self)
        return self._facts[measure]

    def remember(self, measure: Callable[["Drive"], Fact], found: Fact) -> None:
        """State a finding instead of measuring it, for example whether the ego is in its lane where no map tells."""
        self._facts[measure] = found

    def logged_drive(self, metric: str) -> "Drive":
        """The drive of the log.

        Raises:
            ValueError: When the drive was built without.
        """
        if self.logged is None:
            raise ValueError(
                f"{metric} compares with the logged ego; build the drive with `drive_of(log, scenario)`."
            )
        return self.logged

    def one(self, motion: int) -> "Drive":
        """Only one of the motions."""
        part = self.motion
        rows = slice(motion, motion + 1)
        return Drive(
            motion=EgoMotion(
                time_us=part.time_us,
                rear_axle_poses=part.rear_axle_poses[rows],
                velocities_mps=part.velocities_mps[rows],
                accelerations_mps2=part.accelerations_mps2[rows],
                steering_rad=part.steering_rad[rows],
                yaw_rate_radps=part.yaw_rate_radps[rows],
                yaw_acceleration_radps2=part.yaw_acceleration_radps2[rows],
            ),
            agents=self.agents,
            road=self.road,
            map=self.map,
            vehicle=self.vehicle,
            logged=self.logged,
            future=self.future,
            plans=self.plans,
        )


_LOGGED: WeakKeyDictionary[Scenario, Drive] = WeakKeyDictionary()


def logged_drive_of(scenario: Scenario) -> Drive:
    """The logged ego over the scenario's frames, without agents; its findings are kept as long as the scenario."""
    drive = _LOGGED.get(scenario)
    if drive is None:
        start, stop = scenario.frames.start, scenario.frames.stop
        drive = Drive(
            motion=scenario.ego.steps(start, stop),
            agents=AgentTracks.none(stop - start),
            road=road_of(scenario.map),
            map=scenario.map,
        )
        _LOGGED[scenario] = drive
    return drive


def drive_of(log: SimulationLog, scenario: Scenario, vehicle: VehicleParameters = PACIFICA) -> Drive:
    """A finished rollout, ready to be judged.

    Raises:
        ValueError: When the log belongs to another scenario.
    """
    if log.scenario_id != scenario.scenario_id:
        raise ValueError(f"The log is of scenario {log.scenario_id}, not of {scenario.scenario_id}.")
    stop = scenario.frames.stop
    return Drive(
        motion=log.ego,
        agents=log.agents,
        road=road_of(scenario.map),
        map=scenario.map,
        vehicle=vehicle,
        logged=logged_drive_of(scenario),
        future=scenario.ego.steps(stop, scenario.ego.num_steps),
        plans=log.plans,
    )
