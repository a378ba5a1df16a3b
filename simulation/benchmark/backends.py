"""Where batches of jobs run: in this process, in local processes, or on Ray. All give the same results.

A backend yields one outcome per batch, in the order of completion. It reports when a worker died or was killed;
`simulation.benchmark.run` decides on a second attempt.
"""

import multiprocessing
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import replace
from typing import Protocol

from pebble import ProcessExpired, ProcessPool

from simulation.benchmark.devices import worker_devices
from simulation.benchmark.jobs import Job, JobResult
from simulation.benchmark.outcome import Outcome, killed_sentence
from simulation.benchmark.schedule import Batch, WorkQueue
from simulation.benchmark.settings import BenchmarkSettings
from simulation.benchmark.worker import BenchmarkWorker, WorkerSetup
from simulation.process_tasks import WORKER_DIED, end_with_parent

JOBS_IN_FLIGHT = 2
"""Per worker, a job in work and one in waiting, so that a worker never idles between short jobs."""


class Backend(Protocol):
    """Runs batches of jobs."""

    startup_s: float
    """Time until the workers were ready for their first job; not part of the work."""

    def run(self, batches: Iterable[Batch]) -> Iterator[Outcome]:
        """Run the batches and yield their outcomes in the order of completion."""
        ...

    def close(self) -> None:
        """End the workers."""
        ...


class SerialBackend:
    """In this process: for debugging, and for machines with one core."""

    def __init__(self, setup: WorkerSetup) -> None:
        started = time.perf_counter()
        self._worker = BenchmarkWorker(setup)
        self.startup_s = time.perf_counter() - started

    def run(self, batches: Iterable[Batch]) -> Iterator[Outcome]:
        """Run one batch after the other."""
        for batch in batches:
            yield Outcome(jobs=batch.jobs, results=self._worker.run(batch.jobs))

    def close(self) -> None:
        """Nothing to end."""


_worker: BenchmarkWorker | None = None


def _start_worker(setup: WorkerSetup) -> None:
    global _worker
    end_with_parent()
    _worker = BenchmarkWorker(setup)


def _run_jobs(jobs: tuple[Job, ...]) -> tuple[JobResult, ...]:
    assert _worker is not None
    return _worker.run(jobs)


def _is_ready() -> bool:
    return _worker is not None


class ProcessBackend:
    """In processes on this machine. A worker that dies or hangs costs its own batch only."""

    def __init__(self, setups: Sequence[WorkerSetup], scenario_timeout_s: float) -> None:
        """Start one process per setup; each process is a pool of its own, so that batches can be sent to it.

        Raises:
            ChildProcessError: When a process dies while it starts.
        """
        started = time.perf_counter()
        self._timeout_s = scenario_timeout_s
        # Spawned, not forked: compiled code and torch keep threads that do not survive a fork.
        context = multiprocessing.get_context("spawn")
        self._pools = [
            ProcessPool(max_workers=1, initializer=_start_worker, initargs=(setup,), context=context)
            for setup in setups
        ]
        try:
            for future in [pool.schedule(_is_ready) for pool in self._pools]:
                future.result()
        except (ProcessExpired, BrokenExecutor) as death:
            # The latter when it had not taken its first task.
            self.close()
            raise ChildProcessError(WORKER_DIED) from death
        self.startup_s = time.perf_counter() - started

    def run(self, batches: Iterable[Batch]) -> Iterator[Outcome]:
        """Keep a bounded number of jobs in flight per worker.

        Raises:
            ChildProcessError: When a process dies between two batches or while it is replaced.
        """
        queue = WorkQueue(batches)
        running: dict[Future[tuple[JobResult, ...]], tuple[Batch, int]] = {}
        in_flight: Counter[int] = Counter()
        while True:
            for worker, pool in enumerate(self._pools):
                while in_flight[worker] < JOBS_IN_FLIGHT and (batch := queue.next_for(worker)) is not None:
                    timeout_s = self._timeout_s * len(batch.jobs)
                    try:
                        scheduled = pool.schedule(_run_jobs, args=(batch.jobs,), timeout=timeout_s)
                    except RuntimeError as death:
                        # A pool whose process died without a task takes no further one.
                        raise ChildProcessError(WORKER_DIED) from death
                    running[scheduled] = (batch, worker)
                    in_flight[worker] += len(batch.jobs)
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            # In the order of submission, as `wait` gives a set.
            for future in [future for future in running if future in done]:
                batch, worker = running.pop(future)
                in_flight[worker] -= len(batch.jobs)
                yield self._outcome(batch, future)

    def _outcome(self, batch: Batch, future: "Future[tuple[JobResult, ...]]") -> Outcome:
        try:
            return Outcome(jobs=batch.jobs, results=future.result())
        except ProcessExpired as death:
            return Outcome(jobs=batch.jobs, death=f"The worker process died (exit code {death.exitcode}).")
        except TimeoutError:
            return Outcome(jobs=batch.jobs, death=killed_sentence(self._timeout_s, len(batch.jobs)))
        except BrokenExecutor as death:
            raise ChildProcessError(WORKER_DIED) from death

    def close(self) -> None:
        """End the workers at once; finished results have been yielded."""
        for pool in self._pools:
            pool.stop()
        for pool in self._pools:
            pool.join()


def make_backend(settings: BenchmarkSettings, setup: WorkerSetup, num_gpus: int = 0) -> Backend:
    """The backend that the settings name.

    Args:
        settings: Of the run.
        setup: Of all workers; the device is set here.
        num_gpus: GPUs of this machine that the planners can use. Ray counts those of its cluster.

    Raises:
        ValueError: When the GPUs do not suffice, or device and share of a GPU contradict each other.
    """
    if settings.gpus_per_worker and settings.device == "cpu":
        raise ValueError(f"--gpus-per-worker {settings.gpus_per_worker:g} contradicts --device cpu; drop one option.")
    if settings.backend == "ray":
        if settings.device == "cuda" and not settings.gpus_per_worker:
            raise ValueError("On Ray, --device cuda needs a share of a GPU per worker: --gpus-per-worker 0.25.")
        from simulation.benchmark.ray_backend import RayBackend

        return RayBackend(settings, setup)
    workers = 1 if settings.backend == "serial" else settings.workers
    devices = worker_devices(settings.device, workers, settings.gpus_per_worker, num_gpus)
    setups = [replace(setup, device=device) for device in devices]
    if settings.backend == "serial":
        return SerialBackend(setups[0])
    return ProcessBackend(setups, settings.scenario_timeout_s)
