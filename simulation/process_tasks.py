"""Independent tasks in this process or in several, with equal results."""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from typing import Any, Protocol, TypeVar

Task = TypeVar("Task", contravariant=True)
Result = TypeVar("Result", covariant=True)
OneTask = TypeVar("OneTask")
OneResult = TypeVar("OneResult")


class TaskWorker(Protocol[Task, Result]):
    """Runs tasks one after the other."""

    def run(self, task: Task, /) -> Result:
        """The result of a task."""
        ...


def task_results(
    make: Callable[[], TaskWorker[OneTask, OneResult]], tasks: Iterator[OneTask], workers: int
) -> Iterator[OneResult]:
    """Results in the order of completion; a task is taken when a worker is free.

    Args:
        make: Makes the worker of a process; must pickle.
        tasks: May end early, for example when a budget is used up by the results until then.
        workers: Processes; 1 is this process.

    Raises:
        ChildProcessError: When a process died.
    """
    if workers == 1:
        yield from map(make().run, tasks)
        return
    # Spawned, as a forked process with threads may hang.
    context = get_context("spawn")
    with deaths_named(), ProcessPoolExecutor(workers, context, initializer=_start, initargs=(make,)) as pool:
        # Dicts keep the order of submission.
        waiting: dict[Future[OneResult], None] = {}
        while True:
            while len(waiting) < workers and (task := next(tasks, None)) is not None:
                waiting[pool.submit(_run, task)] = None
            if not waiting:
                return
            finished, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in [one for one in waiting if one in finished]:
                del waiting[future]
                yield future.result()


WORKER_DIED = "A worker process ended, perhaps killed or out of memory. Finished work is kept: repeat the command."


@contextmanager
def deaths_named() -> Iterator[None]:
    """Raise `ChildProcessError` with a sentence when a pool of local processes breaks."""
    try:
        yield
    except BrokenExecutor as error:
        raise ChildProcessError(WORKER_DIED) from error


def end_with_parent() -> None:
    """Let this worker process end when its parent is gone; to be called first in the worker.

    A parent that is killed cannot end its workers. They hold both ends of their queue, so that they would wait for
    tasks forever.
    """
    parent = parent_process()
    assert parent is not None, "only a worker process has a parent"

    def wait_and_end() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait_and_end, daemon=True).start()


_worker: Any = None


def _start(make: Callable[[], Any]) -> None:
    global _worker
    end_with_parent()
    _worker = make()


def _run(task: Any) -> Any:
    return _worker.run(task)
