"""A benchmark worker: keeps planners loaded and scenarios open, and turns batches of jobs into results."""

import logging
import os
import random
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import psutil

from driving.observation import Observation
from driving.planner import Planner, reset_planner
from driving.scenario import Scenario
from driving.synthetic.scenes import scene
from driving.trajectory import Trajectory
from simulation.benchmark.camera_options import CameraOptions
from simulation.benchmark.data_warnings import collected_warnings
from simulation.benchmark.jobs import Job, JobResult, failed
from simulation.benchmark.opened_scenarios import OpenedScenarios
from simulation.metrics.score import SimulationScore, score_simulation
from simulation.rollout import FAILURES, Rollout, run_lockstep
from simulation.sensors.rendered import CameraSettings, logged_images
from simulation.time_limit import StepTimeoutError

logger = logging.getLogger(__name__)

WARM_UP_SCENES = ("queue", "red_light", "pedestrian_crossing", "construction", "t_junction")
WARM_UP_STRIDE = 25
"""Steps between the plans of a warm-up."""

RESET_TIMEOUTS = 10
"""The reset of a planner may take this many step timeouts: some prepare the map there."""


class PlannerLoader(Protocol):
    """Makes planners; must pickle. `planning.registry.load_planner` is one."""

    def __call__(self, spec: str, *, device: str, arguments: Sequence[str]) -> Planner:
        """Make a planner.

        Args:
            spec: As named on the command line.
            device: In torch's names; ignored by planners that take none.
            arguments: Of the planner, as `NAME=VALUE`.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class WorkerSetup:
    """What a benchmark worker starts with; must pickle."""

    load_planner: PlannerLoader
    step_timeout_s: float
    planners: tuple[str, ...] = ()
    """Planners to warm up."""
    traffic: tuple[str, ...] = ()
    """Kinds of traffic to warm up."""
    arguments: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Of planners that have any, as `NAME=VALUE`."""
    device: str = "cpu"
    """Of planners that take one, in torch's names."""
    opened_scenarios: int = 1
    """How many scenarios stay open."""
    allow_short: bool = False
    """Drive scenarios that the end of their log cuts off."""
    cameras: CameraOptions = field(default_factory=CameraOptions)


class BenchmarkWorker:
    """Runs batches of jobs one after the other."""

    def __init__(self, setup: WorkerSetup) -> None:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        self._setup = setup
        self._planners: dict[str, Planner] = {}
        self._scenarios = OpenedScenarios(setup.opened_scenarios, allow_short=setup.allow_short)
        self._warm_up()

    def _warm_up(self) -> None:
        """Load compiled code, or compile it, on hand-made scenes with agents, lights, pedestrians and cones.

        Compiling then counts neither as time of the first scenario nor against the planner's step limit.
        """
        scenarios = [scene(name) for name in WARM_UP_SCENES]
        for traffic in self._setup.traffic:
            rollout = Rollout(scenarios[0], traffic=traffic)
            while not rollout.is_finished:
                rollout.advance(_straight_on(rollout.observation()))
            score_simulation(rollout.log(), scenarios[0])
        for name in self._setup.planners:
            if is_warmed_up(name):
                try:
                    planner = self._planner(name)
                    self._warm_up_planner(planner, scenarios, self._setup.cameras.settings_for(planner))
                except FAILURES as error:
                    logger.warning("Planner %s cannot be warmed up: %s", name, sentence_of(error))
                    self._planners.pop(name, None)

        if self._setup.cameras.rig is not None:
            # A planner's first image then needs no compiling.
            settings = CameraSettings(rig=self._setup.cameras.rig)
            logged_images(scenarios[0], settings).newest(0, scenarios[0].ego.rear_axle_poses[0]).image(0)

    @staticmethod
    def _warm_up_planner(planner: Planner, scenarios: list[Scenario], cameras: CameraSettings | None) -> None:
        for scenario in scenarios:
            reset_planner(planner, scenario)
            observations = _observations(scenario, cameras)
            for observation in observations:
                planner.plan(observation)
            if hasattr(planner, "plan_batch"):
                planner.plan_batch(observations[:2])

    def run(self, jobs: Sequence[Job]) -> tuple[JobResult, ...]:
        """Open the scenarios, drive them in lockstep, score each; a failure becomes a result with its reason.

        The random generators are seeded once, by the first job: a planner that draws from them in `plan_batch`
        depends on its batch.

        Args:
            jobs: Of one planner and one kind of traffic.
        """
        drives = [_Drive(job) for job in jobs]
        _seed_everything(jobs[0].own_seed)
        for drive in drives:
            with collected_warnings(drive.warnings), drive.stage("opening"):
                drive.scenario = self._scenarios.open(drive.job.entry)
        self._drive_together([drive for drive in drives if drive.error is None])
        for drive in drives:
            if drive.error is None:
                drive.score()
        if any(drive.error is not None for drive in drives):
            # A planner that failed may be left in any state: the next scenario gets a new one.
            self._planners.pop(jobs[0].planner, None)
        memory_mib = psutil.Process().memory_info().rss / 2**20
        return tuple(
            replace(drive.result(), worker_pid=os.getpid(), memory_mib=memory_mib, warnings=tuple(drive.warnings))
            for drive in drives
        )

    def _drive_together(self, drives: "list[_Drive]") -> None:
        """Load the planner and drive; time that the drives share is divided among them."""
        if not drives:
            return
        with _shared_stage(drives, "loading"):
            planner = self._planner(drives[0].job.planner)
        if drives[0].error is not None:
            return
        with _shared_stage(drives, "rollout"):
            for drive in drives:
                with drive.stage("set_up"):
                    drive.start(self._setup.cameras.settings_for(planner))
            started = [drive for drive in drives if drive.rollout is not None]
            errors = run_lockstep(
                [drive.rollout for drive in started if drive.rollout is not None],
                planner,
                step_timeout_s=self._setup.step_timeout_s,
                reset_timeout_s=self._setup.step_timeout_s * RESET_TIMEOUTS,
            )
            for drive, error in zip(started, errors, strict=True):
                drive.error = error

    def _planner(self, name: str) -> Planner:
        if name not in self._planners:
            self._planners[name] = self._setup.load_planner(
                name, device=self._setup.device, arguments=self._setup.arguments.get(name, ())
            )
        return self._planners[name]


def _observations(scenario: Scenario, cameras: CameraSettings | None) -> list[Observation]:
    """Observations of the recorded drive at some steps, with rendered images if there are cameras."""
    found = [scenario.observation_at(step) for step in range(0, scenario.num_frames, WARM_UP_STRIDE)]
    if cameras is None:
        return found
    drawn = logged_images(scenario, replace(cameras, faults=()))
    poses = scenario.ego.rear_axle_poses[0]
    return [replace(one, cameras=drawn.newest(one.iteration, poses)) for one in found]


def is_warmed_up(planner: str) -> bool:
    """Whether workers warm a planner up: those of the registry and students, not a user's class or recorded plans."""
    kind, colon, _ = planner.partition(":")
    return not colon or kind == "student"


class _Drive:
    """One job on its way to a result."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.scenario: Scenario | None = None
        self.rollout: Rollout | None = None
        self.error: BaseException | None = None
        self.times: dict[str, float] = {}
        self.warnings: list[str] = []
        self._log_bytes: bytes | None = None
        self._score: SimulationScore | None = None

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a part of the job; an error of the body fails this job only."""
        started = time.perf_counter()
        try:
            yield
        except FAILURES as error:
            self.error = error
        finally:
            self.times[name] = time.perf_counter() - started

    def start(self, cameras: CameraSettings | None) -> None:
        """Set the rollout up."""
        assert self.scenario is not None
        job = self.job
        self.rollout = Rollout(
            self.scenario, traffic=job.traffic, planner_name=job.planner, seed=job.own_seed, cameras=cameras
        )

    def score(self) -> None:
        """Score and pack the finished rollout."""
        assert self.rollout is not None
        with self.stage("metrics"):
            log = self.rollout.log()
            self.times.update(log.stage_time_s)
            self._score = score_simulation(log, self.rollout.scenario)
        if self.error is None:
            with self.stage("packing"):
                self._log_bytes = log.to_bytes()

    def result(self) -> JobResult:
        """The row of the job."""
        if self.error is not None:
            return failed(self.job, sentence_of(self.error), "".join(traceback.format_exception(self.error)))
        assert self._score is not None
        metrics, job = self._score.metrics, self.job
        lost = {
            name: result.first_violation for name, result in metrics.items() if result.first_violation is not None
        }
        parts = ("opening", "loading", "rollout", "metrics", "packing")
        return JobResult(
            planner=job.planner,
            scenario=job.entry.token,
            log_name=job.entry.log_name,
            scenario_type=job.entry.scenario_type,
            traffic=job.traffic,
            status="succeeded",
            score=self._score.score,
            metrics={name: result.score for name, result in metrics.items()},
            sentences={name: violation.sentence for name, violation in lost.items()},
            violation_times_s={name: violation.time_s for name, violation in lost.items()},
            violation_tracks={name: violation.track_id for name, violation in lost.items() if violation.track_id},
            stage_time_s={**self.times, "total": sum(self.times[part] for part in parts)},
            log_bytes=self._log_bytes,
        )


@contextmanager
def _shared_stage(drives: list[_Drive], name: str) -> Iterator[None]:
    """Divide the time of the body among drives; an error of the body fails all of them."""
    started = time.perf_counter()
    try:
        yield
    except FAILURES as error:
        for drive in drives:
            drive.error = error
    finally:
        share_s = (time.perf_counter() - started) / len(drives)
        for drive in drives:
            drive.times[name] = share_s


def sentence_of(error: BaseException) -> str:
    """An error as one line of a report."""
    if isinstance(error, StepTimeoutError):
        return str(error)
    message = error.args[0] if isinstance(error, KeyError) and error.args else error
    try:
        return f"{type(error).__name__}: {message}"
    except Exception:  # noqa: BLE001  (a planner's own exception may have a faulty __str__)
        return f"{type(error).__name__} (its message cannot be printed)"


def _straight_on(observation: Observation) -> Trajectory:
    time_s = np.arange(0.0, 8.1, 0.5)
    x, y, heading = observation.ego_now.rear_axle_pose
    ahead_m = observation.ego_now.speed_mps * time_s
    poses = np.stack(
        [x + ahead_m * np.cos(heading), y + ahead_m * np.sin(heading), np.full(len(time_s), heading)], -1
    )
    return Trajectory(time_s=time_s, poses=poses)


def _seed_everything(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  (a user's planner may draw from the global generator)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed)
