"""Independent tasks on Ray, on this machine or on a cluster: one actor per worker, one task at a time each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import ray

from simulation.benchmark.mapping import ray_result
from simulation.benchmark.ray_backend import RaySettings, start_ray
from simulation.process_tasks import OneResult, OneTask, TaskWorker


@dataclass(frozen=True, kw_only=True)
class RayOptions:
    """Actors, and where they are."""

    workers: int
    ray_address: str | None = None
    """Of a cluster; None starts Ray on this machine."""


@ray.remote(num_cpus=1, max_restarts=0)
class _TaskActor:
    def __init__(self, make_worker: Callable[[], Any]) -> None:
        self._worker = make_worker()

    def run(self, task: Any) -> Any:
        return self._worker.run(task)


def ray_results(
    make_worker: Callable[[], TaskWorker[OneTask, OneResult]], tasks: Iterator[OneTask], settings: RaySettings
) -> Iterator[OneResult]:
    """Yield results in the order of completion; a task is taken when an actor is free.

    Args:
        make_worker: Makes the worker in its actor; must pickle, as tasks and results.
        tasks: May end early, for example when a budget is used up by the results until then.
        settings: Number of actors and address of the cluster.

    Raises:
        ChildProcessError: When an actor dies.
    """
    owns_ray = not ray.is_initialized()
    if owns_ray:
        start_ray(settings)
    actors: list[Any] = []
    try:
        actors = [_TaskActor.remote(make_worker) for _ in range(settings.workers)]  # type: ignore[attr-defined]
        free, running = list(actors), {}
        while True:
            while free and (task := next(tasks, None)) is not None:
                actor = free.pop(0)
                running[actor.run.remote(task)] = actor
            if not running:
                return
            (done,), _ = ray.wait(list(running), num_returns=1)
            free.append(running.pop(done))
            yield ray_result(done)
    finally:
        for actor in actors:
            ray.kill(actor)
        if owns_ray:
            ray.shutdown()
