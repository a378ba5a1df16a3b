"""Jobs on Ray, on this machine or on a cluster: one actor a worker, each with its planners and maps kept open."""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

import ray
from ray.exceptions import RayActorError

from simulation.benchmark.jobs import Job, JobResult
from simulation.benchmark.outcome import Outcome
from simulation.benchmark.settings import BenchmarkSettings
from simulation.benchmark.worker import Worker, WorkerSetup


@ray.remote(num_cpus=1, max_restarts=0)
class _RayWorker:
    def __init__(self, setup: WorkerSetup) -> None:
        self._worker = Worker(setup)

    def is_ready(self) -> bool:
        return True

    def run(self, job: Job) -> JobResult:
        return self._worker.run(job)


class RayBackend:
    """Actors that work on one job each. An actor that dies is replaced; its job is reported."""

    def __init__(self, settings: BenchmarkSettings, setup: WorkerSetup) -> None:
        """Start or join Ray and bring the actors up.

        Raises:
            ValueError: When the cluster has fewer GPUs than the workers would take.
        """
        started = time.perf_counter()
        self._settings = settings
        self._setup = setup
        self._owns_ray = not ray.is_initialized()
        if self._owns_ray:
            start_ray(settings)
        _require_gpus(settings)
        self._actors = [self._new_actor() for _ in range(settings.workers)]
        ray.get([actor.is_ready.remote() for actor in self._actors])
        self.startup_s = time.perf_counter() - started

    def _new_actor(self) -> Any:
        return _RayWorker.options(num_gpus=self._settings.gpus_per_worker).remote(self._setup)  # type: ignore[attr-defined]

    def run(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """One job in flight per actor: results are small, and a queue on a dead actor would be lost."""
        waiting = iter(jobs)
        idle = list(self._actors)
        running: dict[Any, tuple[Job, Any, float]] = {}
        while True:
            while idle and (job := next(waiting, None)) is not None:
                actor = idle.pop(0)
                running[actor.run.remote(job)] = (job, actor, time.monotonic())
            if not running:
                return
            done, _ = ray.wait(list(running), num_returns=1, timeout=1.0)
            for reference in done or self._overdue(running):
                job, actor, _ = running.pop(reference)
                outcome, survivor = self._outcome(job, actor, reference, is_late=not done)
                idle.append(survivor)
                yield outcome

    def _overdue(self, running: dict[Any, tuple[Job, Any, float]]) -> list[Any]:
        limit = time.monotonic() - self._settings.scenario_timeout_s
        return [reference for reference, (_, _, since) in running.items() if since < limit]

    def _outcome(self, job: Job, actor: Any, reference: Any, *, is_late: bool) -> tuple[Outcome, Any]:
        if is_late:
            ray.kill(actor)
            seconds = self._settings.scenario_timeout_s
            death = f"The worker was killed after {seconds:g} s over one scenario."
            return Outcome(job=job, death=death), self._replace(actor)
        try:
            return Outcome(job=job, result=ray.get(reference)), actor
        except RayActorError as error:
            death = f"The worker process died ({type(error).__name__})."
            return Outcome(job=job, death=death), self._replace(actor)

    def _replace(self, actor: Any) -> Any:
        self._actors.remove(actor)
        self._actors.append(self._new_actor())
        return self._actors[-1]

    def close(self) -> None:
        """End the actors, and Ray if this run started it."""
        for actor in self._actors:
            ray.kill(actor)
        if self._owns_ray:
            ray.shutdown()


def start_ray(settings: BenchmarkSettings) -> None:
    """Start Ray on this machine, or join the cluster that the settings name."""
    # Workers import from where the driver does; one thread each, as there is one worker a core.
    environment = {name: os.environ[name] for name in ("CAMBER_CACHE",) if name in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    environment |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    options: dict[str, Any] = {
        "address": settings.ray_address,
        "log_to_driver": False,
        "logging_level": "ERROR",
        "runtime_env": {"env_vars": environment},
    }
    if settings.ray_address is None:
        options |= {"num_cpus": settings.workers, "include_dashboard": False}
    ray.init(**options)


def _require_gpus(settings: BenchmarkSettings) -> None:
    wanted = settings.workers * settings.gpus_per_worker
    present = float(ray.cluster_resources().get("GPU", 0.0))
    if wanted > present:
        raise ValueError(
            f"{settings.workers} workers with {settings.gpus_per_worker:g} GPU each need {wanted:g} GPUs,"
            f" the cluster has {present:g}. Lower --workers or --gpus-per-worker."
        )
