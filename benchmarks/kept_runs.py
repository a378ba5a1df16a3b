"""Drives of planners that benchmarks share: each planner drives a data root once, and the results are reused.

Results of a student are stored under a digest of its checkpoint, so that a retrained checkpoint is driven again.
"""

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from command_line import CommonArguments, progress

from planning.registry import load_planner
from simulation.benchmark.jobs import file_name
from simulation.benchmark.report import Report
from simulation.benchmark.run import Progress, run_benchmark
from simulation.benchmark.scores import Group
from simulation.benchmark.settings import BenchmarkSettings, Traffic

STUDENT = "student:"
_CHECKPOINT_FILES = ("student.json", "vocabulary.npz", "weights.safetensors")


@dataclass(frozen=True, kw_only=True)
class KeptRun:
    """One planner's drives with their commit and folder."""

    data: str
    """Name of the data."""
    group: Group
    commit: str
    folder: Path
    """Results folder, for scripts/view.py and scripts/compare.py."""
    selection_lines: tuple[str, ...]
    """Which scenarios were left out or cut off; empty when none was."""


def drive_kept(
    arguments: CommonArguments,
    *,
    name: str,
    data: Path,
    planner: str,
    traffic: Traffic,
    output: Path,
    workers: int = 1,
    limit: int | None = None,
    allow_short: bool = False,
    without: str | None = None,
) -> KeptRun:
    """Drive the scenarios without results, with a progress bar.

    Args:
        arguments: Verbosity.
        name: Of the data, in folder names and beside the bar.
        data: nuPlan data root.
        planner: As for `load_planner`.
        traffic: Mode of the agents.
        output: Folder of all results; each data, planner and traffic gets a folder below `runs`.
        workers: Processes; 1 means this process.
        limit: Maximum number of scenarios.
        allow_short: Also drive scenarios that the end of their log cuts off, that far.
        without: Part of the student that is turned off, a name of `StudentSettings` or "all".

    Raises:
        ValueError: When the kept results are of other data or settings.
        FileNotFoundError: When the data or the student does not exist.
    """
    few = ("" if limit is None else f"-first{limit}") + ("-short" if allow_short else "")
    driver = f"{file_name(planner)}{checkpoint_digest(planner)}{f'-without-{without}' if without else ''}"
    folder = output / "runs" / f"{file_name(name)}{few}-{driver}-{traffic}"
    settings = BenchmarkSettings(
        data=data,
        output=folder,
        planners=(planner,),
        planner_arguments={planner: (f"without={without}",)} if without else {},
        traffic=(traffic,),
        backend="serial" if workers == 1 else "process",
        workers=workers,
        limit=limit,
        allow_short=allow_short,
        probes=False,
        resume=(folder / "run.json").exists(),
    )
    with progress(arguments) as bar:
        title = f"{planner}{f' without {without}' if without else ''} on {name}, {traffic}"
        task = bar.add_task(title, total=None)

        def show(state: Progress) -> None:
            bar.update(task, completed=state.done, total=state.total)

        report = Report.read(run_benchmark(settings, load_planner, show))
    return KeptRun(
        data=name,
        group=report.groups[0],
        commit=str(report.run["commit"]),
        folder=folder,
        selection_lines=tuple(report.selection_lines),
    )


def is_student(planner: str) -> bool:
    """Whether a planner is a student, which has parts to turn off."""
    return planner == "student" or planner.startswith(STUDENT)


def checkpoint_digest(planner: str) -> str:
    """Digest of a student's checkpoint files; empty for other planners.

    Raises:
        FileNotFoundError: When a file of the checkpoint is missing.
    """
    if planner == "student":
        from planning.neural.planner import SHIPPED

        checkpoint = SHIPPED
    elif planner.startswith(STUDENT):
        checkpoint = Path(planner.removeprefix(STUDENT))
    else:
        return ""
    digest = hashlib.blake2b(digest_size=4)
    for name in _CHECKPOINT_FILES:
        path = checkpoint / name
        if not path.is_file():
            raise FileNotFoundError(
                f"No student at {path.parent}: there is no {name}. Train one by train_planner.py."
            )
        digest.update(path.read_bytes())
    return f"-{digest.hexdigest()}"
