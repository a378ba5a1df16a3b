"""Stages of a flywheel: each works in a folder of its own, which a marker completes, so that a kill loses little."""

import json
import pickle
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from simulation.benchmark.mapping import mapped
from simulation.files import write_atomically

DONE = "done.json"
PARTS = "parts"
"""Folder of the results of single jobs in the folder of a stage that is not finished."""
FILES = "files"
"""Key of the number of files in the marker of a stage."""
REPEAT = "Delete the folder of this stage and those of all later stages and rounds, and repeat the command."
MAX_DEATHS = 3
"""Calls of a stage that workers end by dying, after which the flywheel ends."""

JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")
Advance = Callable[[int, int], None]
"""Receives how much of a stage is done, and of how much."""


@runtime_checkable
class Report(Protocol):
    """What shows the progress of a flywheel."""

    def line(self, text: str) -> None:
        """Show a line that remains."""
        ...

    def begin(self, name: str, before_s: float | None) -> None:
        """A stage begins; `before_s` is its time in the round before [s], if there was one."""
        ...

    def advance(self, done: int, total: int) -> None:
        """So much of the stage is done."""
        ...

    def end(self) -> None:
        """The stage has ended, finished or not."""
        ...


def run_stage(folder: Path, work: Callable[[Path], None], report: Report) -> Path:
    """Run the work of a stage unless it is finished, and mark it as finished. It is repeated when a worker died.

    Args:
        folder: Of the stage, made before the work. What an interrupted stage left in it is there again.
        work: Gets the folder; it must continue or replace what is there.
        report: Receives the name of the stage, its time, and deaths of workers.

    Returns:
        The folder.

    Raises:
        ChildProcessError: When worker processes died `MAX_DEATHS` times.
        ValueError: When a finished stage lacks files that it had.
    """
    marker, name = folder / DONE, f"{folder.parent.name}/{folder.name}"
    if marker.is_file():
        require_complete(folder)
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    began_s = time.perf_counter()
    report.begin(name, _seconds_before(folder))
    try:
        _work_until_done(folder, work, name, report)
    finally:
        report.end()
    took_s = time.perf_counter() - began_s
    about = {"seconds": round(took_s, 1), FILES: _num_files(folder)}
    write_atomically(marker, json.dumps(about).encode())
    shutil.rmtree(folder / PARTS, ignore_errors=True)
    report.line(f"{name}: {took_s:.0f} s")
    return folder


def _work_until_done(folder: Path, work: Callable[[Path], None], name: str, report: Report) -> None:
    for death in range(1, MAX_DEATHS + 1):
        try:
            work(folder)
            return
        except ChildProcessError as error:
            if death == MAX_DEATHS:
                raise ChildProcessError(
                    f"Worker processes ended {MAX_DEATHS} times in the stage {name}, perhaps killed or out of memory."
                    " Nothing that was finished is lost: the same command continues there. With less memory per"
                    " process, --workers may be lowered."
                ) from error
            report.line(
                f"{name}: a worker process ended, perhaps killed or out of memory; the stage continues with what was"
                " finished."
            )


def require_complete(folder: Path) -> None:
    """Check that no file of a finished stage was deleted; stages of earlier versions do not say how many they had.

    Raises:
        ValueError: Says how to continue.
    """
    there, had = _num_files(folder), read_json(folder / DONE).get(FILES, 0)
    if there < had:
        raise ValueError(f"{folder} holds {there} of the {had} files of the finished stage. {REPEAT}")


def _num_files(folder: Path) -> int:
    """Without the marker, and without the results of single jobs, which are deleted after it is written."""
    inside = [path for path in folder.rglob("*") if path.is_file() and path.name != DONE]
    return sum(path.relative_to(folder).parts[0] != PARTS for path in inside)


def read_json(path: Path, advice: str = REPEAT) -> Any:
    """The content of a file of a stage.

    Args:
        path: Of the file.
        advice: A sentence for the message: how to continue.

    Raises:
        ValueError: When it is damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}. {advice}") from error


def seconds_of(folder: Path) -> float:
    """Time that a finished stage took in its last call [s]."""
    return float(read_json(folder / DONE)["seconds"])


def _seconds_before(folder: Path) -> float | None:
    """Time of the same stage in the round before [s]."""
    name, _, number = folder.parent.name.partition("_")
    before = folder.parent.with_name(f"{name}_{int(number) - 1}") / folder.name if number.isdigit() else None
    return seconds_of(before) if before is not None and (before / DONE).is_file() else None


@dataclass(frozen=True, kw_only=True)
class _Part:
    """A job whose result is stored."""

    function: Callable[[Any], Any]
    job: Any
    path: Path


def stored_results(
    function: Callable[[JobT], ResultT],
    jobs: Sequence[JobT],
    folder: Path,
    *,
    backend: str,
    workers: int,
    advance: Advance,
) -> list[ResultT]:
    """The result of each job, in the order of the jobs; those of an interrupted call are read from its folder.

    Args:
        function: Of a module, so that workers can import it.
        jobs: The same ones in each call.
        folder: Of the stage; the results are in `parts`.
        backend: Of `simulation.benchmark.mapping`.
        workers: Processes.
        advance: Receives the number of results and of jobs.
    """
    parts = [
        _Part(function=function, job=job, path=folder / PARTS / f"{place:05d}.pickle")
        for place, job in enumerate(jobs)
    ]
    missing = [part for part in parts if not part.path.is_file()]
    advance(len(parts) - len(missing), len(parts))
    for count, _ in enumerate(mapped(_run_part, missing, backend, workers), 1):
        advance(len(parts) - len(missing) + count, len(parts))
    # The folder of the flywheel is the user's own.
    return [pickle.loads(part.path.read_bytes()) for part in parts]  # noqa: S301


def _run_part(part: _Part) -> None:
    # Stored by the worker, as results are taken in the order of the jobs, and those behind a long one would be lost.
    write_atomically(part.path, pickle.dumps(part.function(part.job)))
