"""Batches of jobs on Ray, on this machine or on a cluster: one actor per worker, with planners and scenarios kept."""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol

import ray
from ray.exceptions import RayActorError

from simulation.benchmark.devices import require_gpus
from simulation.benchmark.jobs import Job, JobResult
from simulation.benchmark.outcome import Outcome, killed_sentence
from simulation.benchmark.schedule import Batch, WorkQueue
from simulation.benchmark.settings import BenchmarkSettings
from simulation.benchmark.worker import BenchmarkWorker, WorkerSetup
from simulation.process_tasks import WORKER_DIED

MAX_STARTS = 3
"""Attempts to start Ray, which has a time limit of 30 s that a busy machine exceeds."""


@ray.remote(num_cpus=1, max_restarts=0)
class _WorkerActor:
    def __init__(self, setup: WorkerSetup) -> None:
        self._worker = BenchmarkWorker(setup)

    def is_ready(self) -> bool:
        return True

    def run(self, jobs: tuple[Job, ...]) -> tuple[JobResult, ...]:
        return self._worker.run(jobs)


class RayBackend:
    """Actors that work on one batch each. An actor that dies is replaced; the death is reported with its batch."""

    def __init__(self, settings: BenchmarkSettings, setup: WorkerSetup) -> None:
        """Start or join Ray and start the actors.

        Ray shows each actor its own GPU only, so that a planner's device is `cuda` on every actor with a share.

        Raises:
            ValueError: When the cluster has fewer GPUs than the workers need.
            ChildProcessError: When an actor dies while it starts.
        """
        started = time.perf_counter()
        self._settings = settings
        self._setup = replace(setup, device="cuda" if settings.gpus_per_worker else "cpu")
        self._owns_ray = not ray.is_initialized()
        if self._owns_ray:
            start_ray(settings)
        self._actors: list[Any] = []
        try:
            present = float(ray.cluster_resources().get("GPU", 0.0))
            require_gpus(settings.workers, settings.gpus_per_worker, present, "the cluster")
            self._actors = [self._new_actor() for _ in range(settings.workers)]
            ray.get([actor.is_ready.remote() for actor in self._actors])
        except RayActorError as death:
            self.close()
            # An error of its start, such as a missing planner, is in the cause.
            raise ChildProcessError(f"{WORKER_DIED} {death}") from death
        except Exception:
            self.close()
            raise
        self.startup_s = time.perf_counter() - started

    def _new_actor(self) -> Any:
        return _WorkerActor.options(num_gpus=self._settings.gpus_per_worker).remote(self._setup)  # type: ignore[attr-defined]

    def run(self, batches: Iterable[Batch]) -> Iterator[Outcome]:
        """One batch in flight per actor: results are small, and a queue on a dead actor would be lost."""
        queue = WorkQueue(batches)
        running: dict[Any, tuple[Batch, int, float]] = {}
        starting: dict[Any, int] = {}
        while True:
            busy = {worker for _, worker, _ in running.values()} | set(starting.values())
            for worker in [worker for worker in range(len(self._actors)) if worker not in busy]:
                if (batch := queue.next_for(worker)) is not None:
                    running[self._actors[worker].run.remote(batch.jobs)] = (batch, worker, time.monotonic())
            if not running and (queue.is_empty or not starting):
                return
            done, _ = ray.wait([*running, *starting], num_returns=1, timeout=1.0)
            for reference in done or self._overdue(running):
                if reference in starting:
                    del starting[reference]
                    continue
                batch, worker, _ = running.pop(reference)
                outcome = self._outcome(batch, worker, reference, is_late=not done)
                if outcome.results is None:
                    # Its start-up does not count as time of its first batch.
                    self._actors[worker] = self._new_actor()
                    starting[self._actors[worker].is_ready.remote()] = worker
                yield outcome

    def _overdue(self, running: dict[Any, tuple[Batch, int, float]]) -> list[Any]:
        limit_s, now = self._settings.scenario_timeout_s, time.monotonic()
        return [
            reference for reference, (batch, _, since) in running.items() if now - since > limit_s * len(batch.jobs)
        ]

    def _outcome(self, batch: Batch, worker: int, reference: Any, *, is_late: bool) -> Outcome:
        if is_late:
            ray.kill(self._actors[worker])
            death = killed_sentence(self._settings.scenario_timeout_s, len(batch.jobs))
        else:
            try:
                return Outcome(jobs=batch.jobs, results=ray.get(reference))
            except RayActorError as error:
                death = f"The worker process died ({type(error).__name__})."
        return Outcome(jobs=batch.jobs, death=death)

    def close(self) -> None:
        """End the actors, and Ray if this run started it."""
        for actor in self._actors:
            ray.kill(actor)
        if self._owns_ray:
            ray.shutdown()


class RaySettings(Protocol):
    """What Ray is started with."""

    @property
    def workers(self) -> int:
        """Number of actors."""
        ...

    @property
    def ray_address(self) -> str | None:
        """Of a cluster; None starts Ray on this machine."""
        ...


def start_ray(settings: RaySettings, num_gpus: int | None = None) -> None:
    """Start Ray on this machine, or join the cluster that the settings name.

    Args:
        settings: Of the run.
        num_gpus: GPUs that Ray counts on this machine; None counts those present.
    """
    init_ray(settings.workers, settings.ray_address, num_gpus)


def init_ray(workers: int, address: str | None = None, num_gpus: int | None = None) -> None:
    """Start Ray on this machine, or join a cluster.

    Args:
        workers: CPUs that Ray uses on this machine.
        address: Of the cluster; None starts Ray.
        num_gpus: GPUs that Ray counts on this machine; None counts those present.

    Raises:
        ConnectionError: When Ray does not start in time.
    """
    # Workers import the same modules as this process, and use one thread each, as there is one worker per core.
    environment = {name: os.environ[name] for name in ("CAMBER_CACHE",) if name in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    environment |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    options: dict[str, Any] = {
        "address": address,
        "log_to_driver": False,
        "logging_level": "ERROR",
        "runtime_env": {"env_vars": environment},
    }
    if address is None:
        options |= {"num_cpus": workers, "num_gpus": num_gpus, "include_dashboard": False}
    for attempt in range(1, MAX_STARTS + 1):
        try:
            ray.init(**options)
            return
        # Ray has no exception of its own for a start that took too long.
        except Exception as error:
            if "timed out during startup" not in str(error):
                raise
            if attempt == MAX_STARTS:
                raise ConnectionError(
                    f"Ray did not start within its time limit, {MAX_STARTS} times. Is the machine busy with other"
                    " programs? Repeat the command, or use --backend process."
                ) from error


@contextmanager
def ray_session(workers: int, address: str | None = None) -> Iterator[None]:
    """Keep one Ray for several runs, each of which would start and end one of its own."""
    owns_ray = not ray.is_initialized()
    if owns_ray:
        init_ray(workers, address)
    try:
        yield
    finally:
        if owns_ray:
            ray.shutdown()
