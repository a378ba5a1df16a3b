"""Input of the metrics: motions of the ego with map, agents and the logged ego."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Bool, Float64

from driving.agents import AgentTracks, static_mask
from driving.ego import EgoMotion
from driving.map import MapGraph
from driving.scenario import Scenario
from driving.trajectory import Trajectory
from driving.vehicle import PACIFICA, VehicleParameters
from simulation.ego.box import EgoBox, ego_box
from simulation.log import SimulationLog
from simulation.metrics.result import MetricResult, Violation

Result = TypeVar("Result")


class EgoArrays(NamedTuple):
    """M motions of the ego for compiled code."""

    rear_poses: Float64[np.ndarray, "motions time 3"]
    centers: Float64[np.ndarray, "motions time 3"]
    corners: Float64[np.ndarray, "motions time 4 2"]
    speeds: Float64[np.ndarray, "motions time"]
    """Magnitude of the rear axle's velocity [m/s]."""
    box: EgoBox


class AgentArrays(NamedTuple):
    """N agents and static objects for compiled code."""

    poses: Float64[np.ndarray, "agents time 3"]
    sizes: Float64[np.ndarray, "agents time 2"]
    speeds: Float64[np.ndarray, "agents time"]
    """As nuPlan's metrics define them: 0 for static objects."""
    valid: Bool[np.ndarray, "agents time"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Drive:
    """M motions over the same T instants, and all inputs of their metrics.

    A finished rollout is M = 1. Intermediate results that several metrics need, such as the lanes driven on, are
    computed once; see `cached`.
    """

    motion: EgoMotion
    agents: AgentTracks
    """As the planner observed them, over the same T instants."""
    map: MapGraph
    vehicle: VehicleParameters = PACIFICA
    logged: "Drive | None" = None
    """The logged ego from the first frame to the last, for metrics that compare with it."""
    future: EgoMotion | None = None
    """The logged ego after the last frame (M = 1), for open-loop metrics."""
    plans: tuple[Trajectory, ...] = ()
    """One per instant, for open-loop metrics."""
    _results: dict[Callable[["Drive"], Any], Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.agents.num_steps != self.motion.num_steps:
            raise ValueError(
                f"A drive needs agents at the {self.motion.num_steps} instants of its motion,"
                f" got {self.agents.num_steps} instants."
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
    def ego_arrays(self) -> EgoArrays:
        """The motions for compiled code."""
        motion = self.motion
        return EgoArrays(motion.rear_axle_poses, self.centers, self.corners, motion.speed_mps, ego_box(self.vehicle))

    @cached_property
    def agent_arrays(self) -> AgentArrays:
        """The agents for compiled code."""
        agents = self.agents
        speeds = np.hypot(agents.velocities_mps[..., 0], agents.velocities_mps[..., 1])
        speeds[static_mask(agents.kinds)] = 0.0
        return AgentArrays(agents.poses, agents.sizes, speeds, agents.valid)

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

    def cached(self, measure: Callable[["Drive"], Result]) -> Result:
        """The result of `measure(drive)`, computed at the first call."""
        if measure not in self._results:
            self._results[measure] = measure(self)
        return self._results[measure]

    def preset(self, measure: Callable[["Drive"], Result], result: Result) -> None:
        """Set the result of `measure` instead of computing it, for example whether the ego is in its lane."""
        self._results[measure] = result

    def result(
        self,
        name: str,
        statistics: dict[str, float],
        series: Float64[np.ndarray, "time"],
        unit: str,
        *,
        score: float | None = None,
        valid: Bool[np.ndarray, "time"] | None = None,
        violations: Sequence[Violation] = (),
    ) -> MetricResult:
        """A metric of one motion with a series over all instants, valid everywhere unless a mask is given."""
        return MetricResult(
            name=name,
            score=score,
            statistics=statistics,
            series=series,
            series_unit=unit,
            time_s=self.time_s,
            valid=np.ones(self.num_steps, dtype=bool) if valid is None else valid,
            violations=tuple(violations),
        )

    def violation(self, step: int, sentence: str, track_id: str | None = None) -> Violation:
        """A violation at an instant."""
        return Violation(time_s=float(self.time_s[step]), sentence=sentence, track_id=track_id)

    def logged_drive(self, metric: str) -> "Drive":
        """The drive of the log.

        Raises:
            ValueError: When the drive has none.
        """
        if self.logged is None:
            raise ValueError(
                f"{metric} compares with the logged ego; build the drive with `drive_of(log, scenario)`."
            )
        return self.logged

    def one(self, motion: int) -> "Drive":
        """One of the motions as a drive of its own."""
        rows = slice(motion, motion + 1)
        arrays = {part.name: getattr(self.motion, part.name)[rows] for part in fields(EgoMotion)}
        arrays["time_us"] = self.motion.time_us
        return replace(self, motion=EgoMotion(**arrays))


_LOGGED: WeakKeyDictionary[Scenario, Drive] = WeakKeyDictionary()


def logged_drive_of(scenario: Scenario) -> Drive:
    """The logged ego over the scenario's frames, without agents; cached as long as the scenario exists."""
    drive = _LOGGED.get(scenario)
    if drive is None:
        start, stop = scenario.frames.start, scenario.frames.stop
        drive = Drive(
            motion=scenario.ego.steps(start, stop),
            agents=AgentTracks.none(stop - start),
            map=scenario.map,
        )
        _LOGGED[scenario] = drive
    return drive


def drive_of(log: SimulationLog, scenario: Scenario, vehicle: VehicleParameters = PACIFICA) -> Drive:
    """A finished rollout with its scenario.

    Raises:
        ValueError: When the log belongs to another scenario.
    """
    if log.scenario_id != scenario.scenario_id:
        raise ValueError(f"The log is of scenario {log.scenario_id}, not of {scenario.scenario_id}.")
    stop = scenario.frames.stop
    return Drive(
        motion=log.ego,
        agents=log.agents,
        map=scenario.map,
        vehicle=vehicle,
        logged=logged_drive_of(scenario),
        future=scenario.ego.steps(stop, scenario.ego.num_steps),
        plans=log.plans,
    )
