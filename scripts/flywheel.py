r"""Improve a student on its own failures, in rounds without a person in between.

    python scripts/flywheel.py --student student --data worlds --data corner_cases \
        --validate validation_towns --validate validation_search/data --test test_towns --test test_search/data \
        --rounds 3 --output flywheel --seed 3

A round drives the data and searches for failures, generates neighbours of each failure, proves that they are
solvable, lets the teacher label them, trains with replay, and drives the validation sets. It is kept when the
validation sets have fewer failures and none lost more than --max-loss; otherwise the student of before remains. The
test sets decide nothing. docs/flywheel.md describes the stages.

The same command continues after an interruption at any point. OUTPUT/round_N/page.html shows what failed, what was
generated, what got better and worse, OUTPUT/index.html all rounds.
"""

import os

# Before torch starts its threads: idle ones would spin.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

from command_line import CommonArguments, print_line, require_count, run
from tyro.conf import UseAppendAction

from distill.flywheel.config import FlywheelConfig
from distill.flywheel.page import write_index, write_round
from distill.flywheel.rounds import run_flywheel


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Student, data, evaluation sets and budgets."""

    student: str = "student"
    """`student` for the shipped one, or the folder of a checkpoint."""
    data: Annotated[UseAppendAction[tuple[Path, ...]], None] = ()
    """Data root to drive, search and train on; may be repeated."""
    validate: Annotated[UseAppendAction[tuple[Path, ...]], None] = ()
    """Data root that decides whether a round is kept, of other maps; may be repeated."""
    test: Annotated[UseAppendAction[tuple[Path, ...]], None] = ()
    """Data root that decides nothing, of other maps; may be repeated."""
    output: Path
    """Folder of the flywheel; one in it is continued."""
    rounds: int = 3
    """Rounds in all; a finished flywheel continues with a larger number."""
    seed: int = 0
    """Seed of all random numbers."""
    recipe: str = "tiny"
    """tiny, small or base: that of the student."""
    limit: int | None = None
    """Scenarios of each data root that a round drives and searches, at most; drawn anew for each round."""
    search_drives: int = 400
    """Drives of the student in the search of a round; 0 for no search."""
    drives_per_scenario: int = 12
    """Drives of the search in one scenario, at most."""
    rarity: bool = True
    """Refuse adversarial agents that the scene network finds too rare."""
    failures: int = 60
    """Failures that a round learns from, at most."""
    neighbours: int = 2
    """Neighbours of each failure and way of generating them, at most."""
    replay: int = 240
    """Scenarios of the data roots with labels that every round replays."""
    label_every: int = 10
    """Steps of 0.1 s between labelled states."""
    steps: int = 600
    """Training steps of a round."""
    learning_rate: float = 3e-4
    """The highest of a round."""
    mix: float = 0.5
    """Share of the trained weights in those of the new student; the rest are the present student's."""
    max_loss: float = 0.005
    """Score that a validation set may lose in a round that is kept."""
    backend: Literal["process", "ray"] = "process"
    """Local processes, or Ray; equal results."""
    workers: int = 1
    """Number of processes."""


def main(arguments: Arguments) -> None:
    """Run the rounds, write the pages, print the result."""
    require_count("--limit", arguments.limit)
    given = {name: value for name, value in asdict(arguments).items() if name not in ("quiet", "verbose")}
    # Absolute, so that the command continues from another working directory.
    roots = {name: tuple(root.resolve() for root in given[name]) for name in ("data", "validate", "test")}
    config = FlywheelConfig(**{**given, **roots, "output": arguments.output.resolve()})
    began_s = time.perf_counter()
    result = run_flywheel(config, (lambda _: None) if arguments.quiet else print_line, write_round)
    write_index(result, config.output)
    for before, after in zip(result.before, result.after, strict=True):
        print_line(
            f"{before.name}: {before.num_failures} -> {after.num_failures} failures of {len(before.drives)},"
            f" score {before.score:.4f} -> {after.score:.4f}"
        )
    print_line(f"{time.perf_counter() - began_s:.0f} s. Student: {result.student}")
    print_line(f"Report: {config.output / 'index.html'}")


if __name__ == "__main__":
    run(Arguments, main, __doc__)
