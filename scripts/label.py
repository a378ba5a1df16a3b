r"""Let the teacher label states of scenarios, on the logged drive and beside it.

    python scripts/label.py --data worlds --vocabulary vocabulary_1024.npz --output labels
    python scripts/label.py --data worlds --vocabulary vocabulary_1024.npz --output labels --processes 8
    python scripts/label.py --data worlds --vocabulary vocabulary_1024.npz --output labels_round_1 \
        --driven-by student:checkpoints/first       # on-policy states (DAgger)

Finished scenarios are skipped, so the same command resumes an interrupted labelling. A folder with labels of the
same scenarios that were made with other settings is refused.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from command_line import CommonArguments, console, progress, require_count, run

from distill.labelling import LabelJob, label_all
from distill.labels import LabelHeader, LabelStore
from distill.states import StateSettings
from distill.teacher import load_teacher
from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios
from planning.neural.vocabulary import TrajectoryVocabulary


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Scenarios, vocabulary and states to label."""

    data: Path
    """nuPlan data root."""
    vocabulary: Path
    """Vocabulary of scripts/make_vocabulary.py."""
    output: Path
    """Folder of the labels; an existing one is extended."""
    teacher: str = "rules"
    """Name of the teacher."""
    every: int = 15
    """Steps of 0.1 s between labelled states of a scenario."""
    shifted: int = 2
    """Off-path states beside each state on the log."""
    unlit: float = 0.0
    """Share of the scenarios that are labelled without states of traffic lights."""
    empty: float = 0.0
    """Share of the scenarios that are labelled without agents."""
    short_sight: float = 0.0
    """Share of the scenarios that are labelled with agents near the ego only; the teacher scores with all agents."""
    followed: float = 0.0
    """Share of the scenarios that are labelled with a vehicle behind the ego, where there is room for one."""
    unlimited: float = 0.0
    """Share of the scenarios that are labelled without speed limits of the map."""
    driven_by: str | None = None
    """Label on-policy states of this planner in closed loop instead of states of the log."""
    limit: int | None = None
    """Maximum number of scenarios, taken from the start of the list."""
    processes: int = 1
    """Local processes, or tasks of Ray at a time."""
    backend: Literal["process", "ray"] = "process"
    """Local processes, or a Ray cluster."""
    seed: int = 0
    """Seed of the off-path states."""


def main(arguments: Arguments) -> None:
    """Label the scenarios that have no labels yet."""
    require_count("--limit", arguments.limit)
    entries = list_scenarios(DataRoot.find(arguments.data))[: arguments.limit]
    if not entries:
        raise ValueError(f"No scenarios in {arguments.data}.")
    teacher = load_teacher(arguments.teacher, TrajectoryVocabulary.load(arguments.vocabulary))
    store = LabelStore(arguments.output, LabelHeader.of(teacher))
    settings = StateSettings(
        every_steps=arguments.every,
        shifted=arguments.shifted,
        unlit_share=arguments.unlit,
        empty_share=arguments.empty,
        short_sight_share=arguments.short_sight,
        followed_share=arguments.followed,
        unlimited_share=arguments.unlimited,
        seed=arguments.seed,
    )
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
    ]
    jobs = [job for job in jobs if not store.has(job.part, job.state_settings)]
    started, states = time.perf_counter(), 0
    with progress(arguments) as bar:
        task = bar.add_task("scenarios", total=len(entries), completed=len(entries) - len(jobs))
        for count in label_all(jobs, arguments.processes, arguments.backend == "ray"):
            states += count
            bar.advance(task)
    took_s = time.perf_counter() - started
    console.print(
        f"{states} states of {len(jobs)} scenarios labelled in {took_s:.0f} s"
        f" ({states / max(took_s, 1e-3):.1f} states/s); {len(entries) - len(jobs)} scenarios had labels already."
    )


if __name__ == "__main__":
    run(Arguments, main, __doc__)
