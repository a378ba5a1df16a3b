r"""Improve a student on its own failures, in rounds without a person in between.

    python scripts/flywheel.py --student student --data worlds --data corner_cases \
        --validate validation_towns --validate validation_search/data --test test_towns --test test_search/data \
        --rounds 3 --output flywheel --seed 3

A round drives the data and searches for failures, generates neighbours of each failure, proves that they are
solvable, lets the teacher label them, trains with replay, and drives the validation sets. It is kept when the
validation sets have fewer failures and none is more than --max-loss below the first student; otherwise the student of
before remains. The test sets decide nothing. docs/flywheel.md describes the stages.

The same command continues after an interruption at any point. OUTPUT/round_N/page.html shows what failed, what was
generated, what got better and worse, OUTPUT/index.html all rounds.
"""

import os

# Before torch starts its threads: idle ones would spin.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import time
from dataclasses import dataclass, fields
from pathlib import Path

import tyro
from command_line import CommonArguments, errors, print_line, progress, require_count, run
from rich.progress import Progress, TaskID

from distill.flywheel.config import MIX, FlywheelConfig
from distill.flywheel.page import write_index, write_round
from distill.flywheel.results import Round
from distill.flywheel.rounds import run_flywheel


@tyro.conf.configure(tyro.conf.UseAppendAction)
@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments, FlywheelConfig):
    """Student, data, evaluation sets and budgets."""

    # A repeated option is appended to its default.
    mix: tuple[float, ...] = ()
    """Share of the trained weights in those of the new student; the rest are the present student's. May be repeated:
    the shares are tried in this order, and the first with which the round is kept makes the student. [0.7, 0.4]"""


class StageBars:
    """Shows a bar for the stage that works, with the remaining time, and a line for each finished stage.

    Without a terminal there is a line for the beginning instead of the bar.
    """

    def __init__(self, arguments: Arguments) -> None:
        self._arguments = arguments
        self._bar: Progress | None = None
        self._task = TaskID(0)

    def line(self, text: str) -> None:
        """Print a line; above the bar, if there is one."""
        if not self._arguments.quiet:
            print_line(text, None if self._bar is None else errors)

    def begin(self, name: str, before_s: float | None) -> None:
        """Show the bar of a stage."""
        title = name if before_s is None else f"{name} ({before_s:.0f} s in the round before)"
        if not errors.is_terminal:
            self.line(f"{title} begins")
        self._bar = progress(self._arguments)
        self._task = self._bar.add_task(title, total=None)
        self._bar.start()

    def advance(self, done: int, total: int) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total)

    def end(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()
        self._bar = None


def main(arguments: Arguments) -> None:
    """Run the rounds, write the pages, print the result."""
    require_count("--limit", arguments.limit)
    given = {one.name: getattr(arguments, one.name) for one in fields(FlywheelConfig)}
    given["mix"] = arguments.mix or MIX
    # Absolute, so that the command continues from another working directory.
    roots = {name: tuple(root.resolve() for root in given[name]) for name in ("data", "validate", "test", "labels")}
    config = FlywheelConfig(**{**given, **roots, "output": arguments.output.resolve()})
    began_s = time.perf_counter()
    finished: list[Round] = []

    def write_pages(one: Round, folder: Path) -> None:
        finished.append(one)
        write_round(one, folder)
        write_index(config, finished)

    result = run_flywheel(config, StageBars(arguments), write_pages)
    write_index(config, result.rounds, result)
    for before, after in zip(result.before, result.after, strict=True):
        print_line(
            f"{before.name}: {before.num_failures} -> {after.num_failures} failures of {len(before.drives)},"
            f" score {before.score:.4f} -> {after.score:.4f}"
        )
    kept = sum(one.is_kept for one in result.rounds)
    print_line(f"{kept} of {len(result.rounds)} rounds kept, {time.perf_counter() - began_s:.0f} s.")
    print_line(f"Student: {result.student}")
    print_line(f"Report: {config.output / 'index.html'}")


if __name__ == "__main__":
    run(Arguments, main, __doc__)
