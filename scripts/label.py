r"""Let the teacher label states of scenarios, on the logged drive and beside it.

    python scripts/label.py --data worlds --vocabulary vocabulary_1024.npz --output labels
    python scripts/label.py --data worlds --vocabulary vocabulary_1024.npz --output labels --processes 8
    python scripts/label.py --data worlds --vocabulary vocabulary_1024.npz --output labels_round_1 \
        --driven-by student:checkpoints/first       # the states that a planner really reaches

What is labelled already is kept: an interrupted labelling goes on where it stopped.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from command_line import CommonArguments, console, progress, run

from distill.labelling import LabelJob, label_all
from distill.labels import LabelHeader, LabelStore
from distill.states import StateSettings
from distill.teacher import load_teacher
from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios
from planning.neural.vocabulary import TrajectoryVocabulary


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """What to label."""

    data: Path
    """nuPlan data root."""
    vocabulary: Path
    """Made by scripts/make_vocabulary.py."""
    output: Path
    """Folder of the labels; extended if there."""
    teacher: str = "rules"
    """Name of the teacher."""
    every: int = 15
    """Steps of 0.1 s between labelled states of a scenario."""
    shifted: int = 2
    """Off-path states beside each one on the log."""
    driven_by: str | None = None
    """Label the states that this planner reaches in closed loop, instead of those of the log."""
    limit: int | None = None
    """Only the first so many scenarios."""
    processes: int = 1
    """Local processes."""
    backend: Literal["process", "ray"] = "process"
    """Local processes, or a Ray cluster."""
    seed: int = 0
    """Of the shifts."""


def main(arguments: Arguments) -> None:
    """Label what is not labelled yet."""
    entries = list_scenarios(DataRoot.find(arguments.data))[: arguments.limit]
    if not entries:
        raise ValueError(f"No scenarios in {arguments.data}.")
    teacher = load_teacher(arguments.teacher, TrajectoryVocabulary.load(arguments.vocabulary))
    store = LabelStore(arguments.output, LabelHeader.of(teacher))
    settings = StateSettings(every_steps=arguments.every, shifted=arguments.shifted, seed=arguments.seed)
    jobs = [
        LabelJob(
            entry=entry,
            vocabulary=arguments.vocabulary,
            output=arguments.output,
            teacher=arguments.teacher,
            settings=settings,
            driven_by=arguments.driven_by,
        )
        for entry in entries
        if not store.has(entry.token)
    ]
    started, states = time.perf_counter(), 0
    with progress(arguments) as bar:
        task = bar.add_task("scenarios", total=len(entries), completed=len(entries) - len(jobs))
        for count in label_all(jobs, arguments.processes, arguments.backend == "ray"):
            states += count
            bar.advance(task)
    took_s = time.perf_counter() - started
    console.print(
        f"{states} states of {len(jobs)} scenarios labelled in {took_s:.0f} s"
        f" ({states / max(took_s, 1e-3):.1f} states/s); {len(entries) - len(jobs)} scenarios were there already."
    )


if __name__ == "__main__":
    run(Arguments, main, __doc__)
