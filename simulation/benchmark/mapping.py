"""A function applied to jobs: in this process, in local processes, or on Ray. Results come in the order of the jobs.

The function must not depend on the process, so that the results are the same everywhere: seeds belong to the job.
"""

import logging
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

from driving.names import unknown_name
from simulation.process_tasks import WORKER_DIED, deaths_named, end_with_parent

logger = logging.getLogger(__name__)

JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")
BACKENDS = ("serial", "process", "ray")
MAX_DEATHS = 3
"""Deaths of workers on Ray during one job, after which it is given up."""


def mapped(
    function: Callable[[JobT], ResultT], jobs: Sequence[JobT], backend: str = "serial", workers: int = 1
) -> Iterator[ResultT]:
    """Yield the result of each job, in the order of the jobs. An exception of a job is raised here.

    Args:
        function: Of a module, so that workers can import it.
        jobs: What it is applied to; must pickle, as must the results.
        backend: One of `BACKENDS`.
        workers: Processes, or tasks of Ray at a time; not used by `serial`.

    Raises:
        KeyError: For an unknown backend.
        ValueError: For fewer than 1 worker.
        ChildProcessError: When a local worker died, or workers on Ray died during the same job several times.
    """
    if backend not in BACKENDS:
        raise KeyError(unknown_name("backend", backend, BACKENDS))
    if workers < 1:
        raise ValueError(f"Need at least 1 worker, got {workers}.")
    if backend == "serial":
        return map(function, jobs)
    return _in_processes(function, jobs, workers) if backend == "process" else _on_ray(function, jobs, workers)


def _in_processes(function: Callable[[JobT], ResultT], jobs: Sequence[JobT], workers: int) -> Iterator[ResultT]:
    # Spawned: a forked copy of a process with threads can hang.
    context = multiprocessing.get_context("spawn")
    with deaths_named(), ProcessPoolExecutor(workers, context, initializer=end_with_parent) as pool:
        yield from pool.map(function, jobs)


def _on_ray(function: Callable[[JobT], ResultT], jobs: Sequence[JobT], workers: int) -> Iterator[ResultT]:
    import ray

    from simulation.benchmark.ray_backend import init_ray

    owns_ray = not ray.is_initialized()
    if owns_ray:
        init_ray(workers)
    try:
        # Without Ray's own repetition of a task whose worker died, which nothing reports.
        remote: Any = ray.remote(num_cpus=1, max_retries=0)(function)
        waiting: list[tuple[JobT, Any]] = []
        for job in jobs:
            # A job in work and one in waiting for each worker: the results that are kept in memory stay few.
            if len(waiting) == 2 * workers:
                yield _finished(remote, *waiting.pop(0))
            waiting.append((job, remote.remote(job)))
        for job, reference in waiting:
            yield _finished(remote, job, reference)
    finally:
        if owns_ray:
            ray.shutdown()


def _finished(remote: Any, job: Any, reference: Any) -> Any:
    """The result of a job, which is repeated when its worker died."""
    for _ in range(MAX_DEATHS - 1):
        try:
            return ray_result(reference)
        except ChildProcessError:
            logger.warning("A worker on Ray ended, perhaps killed or out of memory; its job is repeated.")
            reference = remote.remote(job)
    return ray_result(reference)


def ray_result(reference: Any) -> Any:
    """The result of a task on Ray; its own exception, and not the one that Ray wraps around it.

    Raises:
        ChildProcessError: When its worker died.
    """
    import ray
    from ray.exceptions import OutOfMemoryError, RayActorError, RayTaskError, WorkerCrashedError

    try:
        return ray.get(reference)
    except RayTaskError as error:
        raise error.cause if error.cause is not None else error from None
    except (WorkerCrashedError, RayActorError, OutOfMemoryError) as error:
        raise ChildProcessError(WORKER_DIED) from error
