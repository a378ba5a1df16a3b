"""One worker: keeps its planners loaded and its maps open, and turns jobs into results that never throw."""

import os
import random
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import psutil

from driving.nuplan.scenarios import open_scenario
from driving.observation import Observation
from driving.planner import Planner, reset_planner
from driving.scenario import Scenario
from driving.synthetic.scenes import scene
from driving.trajectory import Trajectory
from simulation.benchmark.jobs import Job, JobResult, failed
from simulation.log import SimulationLog
from simulation.metrics.result import MetricResult
from simulation.metrics.score import score_simulation
from simulation.rollout import Rollout, run_lockstep
from simulation.time_limit import StepTimeoutError

WARM_UP_SCENES = ("queue", "red_light", "pedestrian_crossing", "construction", "t_junction")
WARM_UP_STRIDE = 25
"""Steps between the plans of a warm-up."""

RESET_PATIENCE = 10
"""Preparing for a scenario may take so many step timeouts: networks warm up there."""


@dataclass(frozen=True, kw_only=True)
class WorkerSetup:
    """What a worker needs to begin with; must pickle."""

    load_planner: Callable[[str], Planner]
    """From a planner's name on the command line to a planner."""
    step_timeout_s: float
    traffic: tuple[str, ...] = ()
    """Kinds of traffic to warm up for."""
    planners: tuple[str, ...] = ()
    """Planners to warm up."""


class Worker:
    """Runs jobs one after the other."""

    def __init__(self, setup: WorkerSetup) -> None:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        self._setup = setup
        self._planners: dict[str, Planner] = {}
        self._warm_up()

    def _warm_up(self) -> None:
        """Load compiled code, or compile it, on hand-made scenes with agents, lights, crossers and cones.

        So starting up is not counted as the first scenario, nor held against a planner as a slow step.
        """
        scenarios = [scene(name) for name in WARM_UP_SCENES]
        for traffic in self._setup.traffic:
            rollout = Rollout(scenarios[0], traffic=traffic)
            while not rollout.is_finished:
                rollout.advance(_straight_on(rollout.observation()))
            score_simulation(rollout.log(), scenarios[0])
        for name in self._setup.planners:
            if ":" in name:  # From outside: what it does at its first step is not ours to guess.
                continue
            planner = self._planner(name)
            for scenario in scenarios:
                reset_planner(planner, scenario)
                for iteration in range(0, scenario.num_frames, WARM_UP_STRIDE):
                    planner.plan(scenario.observation_at(iteration))

    def run(self, job: Job) -> JobResult:
        """Open the scenario, drive it, score it. Whatever goes wrong becomes a failed result with its reason."""
        result = self._attempt(job)
        memory_mib = psutil.Process().memory_info().rss / 2**20
        return replace(result, worker_pid=os.getpid(), memory_mib=memory_mib)

    def _attempt(self, job: Job) -> JobResult:
        times: dict[str, float] = {}
        started = time.perf_counter()
        _seed_everything(job.own_seed)
        try:
            with _timed(times, "opening"):
                scenario = open_scenario(job.entry)
            log = self._drive(job, scenario, times)
            with _timed(times, "metrics"):
                score = score_simulation(log, scenario)
            with _timed(times, "packing"):
                log_bytes = log.to_bytes()
        except (Exception, SystemExit) as error:  # noqa: BLE001  (planners may raise anything; it is reported)
            # A planner that failed may be left in any state: the next scenario gets a new one.
            self._planners.pop(job.planner, None)
            return failed(job, _sentence(error), traceback.format_exc())
        times["total"] = time.perf_counter() - started
        return _succeeded(job, score.metrics, score.score, times, log_bytes)

    def _drive(self, job: Job, scenario: Scenario, times: dict[str, float]) -> SimulationLog:
        with _timed(times, "loading"):
            planner = self._planner(job.planner)
        with _timed(times, "rollout"):
            rollout = Rollout(scenario, traffic=job.traffic, planner_name=job.planner, seed=job.own_seed)
            (error,) = run_lockstep(
                [rollout],
                planner,
                step_timeout_s=self._setup.step_timeout_s,
                reset_timeout_s=self._setup.step_timeout_s * RESET_PATIENCE,
            )
        if error is not None:
            raise error
        log = rollout.log()
        times.update(log.stage_time_s)
        return log

    def _planner(self, name: str) -> Planner:
        if name not in self._planners:
            self._planners[name] = self._setup.load_planner(name)
        return self._planners[name]


def _succeeded(
    job: Job, results: Mapping[str, MetricResult], score: float, times: dict[str, float], log_bytes: bytes
) -> JobResult:
    lost = {name: result.first_violation for name, result in results.items() if result.first_violation is not None}
    return JobResult(
        planner=job.planner,
        scenario=job.entry.token,
        log_name=job.entry.log_name,
        scenario_type=job.entry.scenario_type,
        traffic=job.traffic,
        status="succeeded",
        score=score,
        metrics={name: result.score for name, result in results.items()},
        sentences={name: violation.sentence for name, violation in lost.items()},
        violation_times_s={name: violation.time_s for name, violation in lost.items()},
        violation_tracks={name: violation.track_id for name, violation in lost.items() if violation.track_id},
        stage_time_s=times,
        log_bytes=log_bytes,
    )


def _straight_on(observation: Observation) -> Trajectory:
    time_s = np.arange(0.0, 8.1, 0.5)
    x, y, heading = observation.ego_now.rear_axle_pose
    ahead_m = observation.ego_now.speed_mps * time_s
    poses = np.stack(
        [x + ahead_m * np.cos(heading), y + ahead_m * np.sin(heading), np.full(len(time_s), heading)], -1
    )
    return Trajectory(time_s=time_s, poses=poses)


def _sentence(error: BaseException) -> str:
    if isinstance(error, StepTimeoutError):
        return str(error)
    message = error.args[0] if isinstance(error, KeyError) and error.args else error
    return f"{type(error).__name__}: {message}"


@contextmanager
def _timed(times: dict[str, float], stage: str) -> Iterator[None]:
    started = time.perf_counter()
    try:
        yield
    finally:
        times[stage] = time.perf_counter() - started


def _seed_everything(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  (planners from outside use the global generator)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed)
