"""A limit on the time that a call may take."""

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StepTimeoutError(TimeoutError):
    """A planner exceeded its time limit."""


@contextmanager
def time_limit(seconds: float, subject: str) -> Iterator[None]:
    """Raise when the body takes longer: during the body where that is possible, otherwise at its end.

    The alarm signal interrupts Python code in a process's main thread. Compiled code returns first, and other threads
    are not interrupted: for them the time is checked at the end. A body that never returns is stopped only by the end
    of its process.

    Args:
        seconds: Infinite for no limit.
        subject: For the message, for example `The plan of step 3`.

    Raises:
        StepTimeoutError: When the time is up.
    """
    if math.isinf(seconds):
        yield
        return

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise StepTimeoutError(f"{subject} took longer than {seconds:g} s.")

    started = time.perf_counter()
    # A timer of 0 s would be none.
    has_alarm = seconds > 0.0 and threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGALRM, stop) if has_alarm else None
    if has_alarm:
        signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        if has_alarm:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, before)
    if time.perf_counter() - started > seconds:
        raise StepTimeoutError(f"{subject} took longer than {seconds:g} s.")
