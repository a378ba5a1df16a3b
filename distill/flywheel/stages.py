"""Stages of a flywheel: each works in a folder of its own, which a marker completes, so that a kill loses little."""

import json
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from pathlib import Path

from simulation.files import write_atomically

DONE = "done.json"

Report = Callable[[str], None]
"""Prints a line."""


def run_stage(folder: Path, work: Callable[[Path], None], report: Report) -> Path:
    """Run the work of a stage unless it is finished, and mark it as finished.

    Args:
        folder: Of the stage, made before the work. What an interrupted stage left in it is there again.
        work: Gets the folder; it must continue or replace what is there.
        report: Receives the name of the stage and its time.

    Returns:
        The folder.

    Raises:
        ChildProcessError: When a worker process died.
    """
    marker, name = folder / DONE, f"{folder.parent.name}/{folder.name}"
    if marker.is_file():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    began_s = time.perf_counter()
    try:
        work(folder)
    except Exception as error:
        if not _is_death(error):
            raise
        raise ChildProcessError(
            f"A worker process ended in the stage {name}, perhaps killed or out of memory. Nothing that was finished"
            " is lost: the same command continues there."
        ) from error
    took_s = time.perf_counter() - began_s
    write_atomically(marker, json.dumps({"seconds": round(took_s, 1)}).encode())
    report(f"{name}: {took_s:.0f} s")
    return folder


def seconds_of(folder: Path) -> float:
    """Time that a finished stage took in its last call [s]."""
    return float(json.loads((folder / DONE).read_text(encoding="utf-8"))["seconds"])


def _is_death(error: BaseException) -> bool:
    """Whether an error means the death of a worker, here or on Ray, rather than an error of its work."""
    is_ray = type(error).__module__.startswith("ray.exceptions")
    return isinstance(error, BrokenExecutor) or is_ray or (error.__cause__ is not None and _is_death(error.__cause__))
