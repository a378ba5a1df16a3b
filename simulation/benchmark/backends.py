"""Where jobs run: in this process, in local processes, or on Ray. All give the same results.

A backend yields one outcome per job, in the order of completion. It says when a worker died or was killed
over a job; what to do then is decided in one place, `simulation.benchmark.run`.
"""

import multiprocessing
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, Protocol

from pebble import ProcessExpired, ProcessPool

from simulation.benchmark.jobs import Job, JobResult
from simulation.benchmark.outcome import Outcome
from simulation.benchmark.settings import BenchmarkSettings
from simulation.benchmark.worker import Worker, WorkerSetup

IN_FLIGHT_PER_WORKER = 2
"""One being worked on and one waiting, so that a worker never idles and the queue stays short."""


class Backend(Protocol):
    """Runs jobs."""

    startup_s: float
    """How long it took until workers were ready for their first job, apart from the work itself."""

    def run(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Run the jobs and yield their outcomes as they come."""
        ...

    def close(self) -> None:
        """End the workers."""
        ...


class SerialBackend:
    """In this process: for debugging, and where a laptop has one core to give."""

    def __init__(self, setup: WorkerSetup) -> None:
        started = time.perf_counter()
        self._worker = Worker(setup)
        self.startup_s = time.perf_counter() - started

    def run(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Run one job after the other."""
        for job in jobs:
            yield Outcome(job=job, result=self._worker.run(job))

    def close(self) -> None:
        """Nothing to end."""


_worker: Worker | None = None


def _start_worker(setup: WorkerSetup) -> None:
    global _worker
    _worker = Worker(setup)


def _run_job(job: Job) -> JobResult:
    assert _worker is not None
    return _worker.run(job)


def _is_ready() -> bool:
    return _worker is not None


class ProcessBackend:
    """In processes on this machine. A worker that dies or hangs costs its own job only."""

    def __init__(self, setup: WorkerSetup, workers: int, scenario_timeout_s: float) -> None:
        started = time.perf_counter()
        self._workers = workers
        self._timeout_s = scenario_timeout_s
        # Spawned, not forked: compiled code and torch keep threads that do not survive a fork.
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPool(max_workers=workers, initializer=_start_worker, initargs=(setup,), context=context)
        for future in [self._pool.schedule(_is_ready) for _ in range(workers)]:
            future.result()
        self.startup_s = time.perf_counter() - started

    def run(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Keep a bounded number of jobs in flight."""
        waiting = iter(jobs)
        running: dict[Future[JobResult], Job] = {}
        while True:
            for job in _next(waiting, self._workers * IN_FLIGHT_PER_WORKER - len(running)):
                running[self._pool.schedule(_run_job, args=(job,), timeout=self._timeout_s)] = job
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            # In the order of submission, as `wait` gives a set.
            for future in [future for future in running if future in done]:
                yield self._outcome(running.pop(future), future)

    def _outcome(self, job: Job, future: "Future[JobResult]") -> Outcome:
        try:
            return Outcome(job=job, result=future.result())
        except ProcessExpired as death:
            return Outcome(job=job, death=f"The worker process died (exit code {death.exitcode}).")
        except TimeoutError:
            return Outcome(job=job, death=f"The worker was killed after {self._timeout_s:g} s over one scenario.")

    def close(self) -> None:
        """End the workers at once; what is finished has been handed out."""
        self._pool.stop()
        self._pool.join()


def _next(waiting: Iterator[Job], count: int) -> list[Job]:
    return [job for _, job in zip(range(count), waiting, strict=False)]


def make_backend(settings: BenchmarkSettings, setup: WorkerSetup) -> Backend:
    """The backend that the settings name.

    Raises:
        ValueError: When GPUs are asked for without Ray, or the cluster lacks them.
    """
    if settings.gpus_per_worker > 0 and settings.backend != "ray":
        raise ValueError(f"Shares of GPUs are handed out by Ray; --backend is {settings.backend}, use --backend ray.")
    makers: dict[str, Callable[[], Any]] = {
        "serial": lambda: SerialBackend(setup),
        "process": lambda: ProcessBackend(setup, settings.workers, settings.scenario_timeout_s),
        "ray": lambda: _ray_backend(settings, setup),
    }
    backend: Backend = makers[settings.backend]()
    return backend


def _ray_backend(settings: BenchmarkSettings, setup: WorkerSetup) -> Backend:
    from simulation.benchmark.ray_backend import RayBackend

    return RayBackend(settings, setup)
