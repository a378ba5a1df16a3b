"""A limit on how long a planner may think."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StepTimeoutError(Exception):
    """A planner took longer for one step than it may."""


@contextmanager
def step_limit(seconds: float) -> Iterator[None]:
    """Raise in the middle of the body when it takes longer.

    Rests on the alarm signal, which only reaches a process's main thread and waits for compiled code to
    return; what it cannot stop, the limit per scenario does, by killing the worker.

    Raises:
        StepTimeoutError: When the time is up.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise StepTimeoutError(f"The planner took longer than {seconds:g} s for one step.")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
