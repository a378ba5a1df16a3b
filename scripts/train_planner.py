r"""Train a student planner from labels.

    python scripts/train_planner.py --labels labels --vocabulary vocabulary_1024.npz --output checkpoints/first
    python scripts/train_planner.py ... --imitation-only             # without the teacher, for comparison
    python scripts/train_planner.py ... --rounds 2 --data worlds --data corner_cases --processes 2
                                                     # drive, label what is reached, train on
    torchrun --nproc-per-node 8 scripts/train_planner.py ... --recipe base

A training that was stopped goes on with the same command. Drive the result by --planner student:checkpoints/first.
"""

import os

# Before torch starts its threads: idle ones would spin.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
from command_line import CommonArguments, console, progress, run
from tyro.conf import UseAppendAction

from distill.evaluation import Evaluation, evaluate
from distill.labelling import LabelJob, label_all
from distill.labels import LabelHeader, LabelStore, joined
from distill.recipes import TrainingConfig, imitation_only, recipe
from distill.samples import Samples, held_back
from distill.states import SHIFTED, StateSettings
from distill.teacher import Teacher, load_teacher
from distill.training import Trainer, Worker, join_workers, leave_workers, wait_for_all
from driving.nuplan.data import DataRoot
from driving.nuplan.entries import ScenarioEntry
from driving.nuplan.scenarios import list_scenarios
from planning.neural.vocabulary import TrajectoryVocabulary


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """What to learn from, and how."""

    labels: Annotated[UseAppendAction[tuple[Path, ...]], None] = ()
    """Folder of scripts/label.py; may be repeated."""
    vocabulary: Path
    """The vocabulary that was labelled."""
    output: Path
    """Checkpoint folder; a training in it goes on."""
    teacher: str = "rules"
    """Name of the teacher that labelled, and that labels in the rounds."""
    recipe: str = "tiny"
    """tiny, small or base."""
    steps: int | None = None
    """Training steps, where the recipe's do not suit."""
    seed: int = 0
    """Of weights and order."""
    imitation_only: bool = False
    """Learn from the logged driver alone."""
    no_augmentation: bool = False
    """Leave the off-path states out."""
    rounds: int = 0
    """Closed-loop rounds after the first training: drive, label the states reached, train on."""
    round_steps: int | None = None
    """Training steps of a round; half of the first training's where left out."""
    data: Annotated[UseAppendAction[tuple[Path, ...]], None] = ()
    """Scenarios to drive in the rounds; may be repeated."""
    limit: int | None = None
    """Only so many scenarios of each data root a round, other ones in each."""
    processes: int = 1
    """Local processes that drive and label in the rounds."""
    threads: int = 1
    """Threads of torch."""


def main(arguments: Arguments) -> None:
    """Train, evaluate, print."""
    if not arguments.labels:
        raise ValueError("Name at least one folder of labels, for example --labels labels.")
    if arguments.rounds and not arguments.data:
        raise ValueError("Closed-loop rounds need scenarios to drive: name them by --data.")
    teacher = load_teacher(arguments.teacher, TrajectoryVocabulary.load(arguments.vocabulary))
    config = replace(recipe(arguments.recipe), seed=arguments.seed, with_shifted=not arguments.no_augmentation)
    config = replace(config, steps=arguments.steps or config.steps)
    config = imitation_only(config) if arguments.imitation_only else config
    worker = join_workers(arguments.threads)
    folders = list(arguments.labels)
    for number in range(arguments.rounds + 1):
        folder = arguments.output if number == arguments.rounds else arguments.output / f"round_{number}"
        steps = (arguments.round_steps or config.steps // 2) if number else config.steps
        trainer, validation = prepare(replace(config, steps=steps), folders, teacher, folder, worker)
        if number and trainer.step == 0:
            trainer.start_from(arguments.output / f"round_{number - 1}")
        train(arguments, trainer)
        if worker.is_first and validation is not None:
            show(evaluate(trainer.student(), validation), validation)
        if number < arguments.rounds:
            folders.append(arguments.output / f"labels_round_{number + 1}")
            if worker.is_first:
                label_reached(arguments, number, folder, folders[-1])
            wait_for_all()
    leave_workers()


def prepare(
    config: TrainingConfig, folders: list[Path], teacher: Teacher, output: Path, worker: Worker
) -> tuple[Trainer, Samples | None]:
    """The trainer, and what it is judged by."""
    vocabulary, needed = teacher.vocabulary, LabelHeader.of(teacher)
    stores = [LabelStore(folder) for folder in folders]
    for store in stores:
        store.header.require(needed, store.folder)
    states = joined([store.read() for store in stores])
    kept_back = held_back(states, config.validation_share)
    if not config.with_shifted:
        states = states.take(np.array([kind != SHIFTED for kind in states.kinds]))
        kept_back = held_back(states, config.validation_share)
    validation = Samples(states.take(kept_back), vocabulary) if kept_back.any() else None
    return Trainer(config, Samples(states.take(~kept_back), vocabulary), vocabulary, output, worker), validation


def train(arguments: Arguments, trainer: Trainer) -> None:
    """Train with a progress bar."""
    with progress(arguments) as bar:
        task = bar.add_task("steps", total=trainer.config.steps, completed=trainer.step)
        trainer.run(reporter(lambda step, text: bar.update(task, completed=step, description=text)))


def reporter(update: Callable[[int, str], None]) -> Callable[[int, dict[str, float]], None]:
    """Show the loss beside the bar."""
    return lambda step, means: update(step, f"loss {means['total']:.3f}")


def label_reached(arguments: Arguments, number: int, student: Path, output: Path) -> None:
    """Let the student drive, and label the states that it reaches."""
    entries = [entry for data in arguments.data for entry in chosen(arguments, number, data)]
    jobs = [
        LabelJob(
            entry=entry,
            vocabulary=arguments.vocabulary,
            output=output,
            teacher=arguments.teacher,
            settings=StateSettings(every_steps=10),
            driven_by=f"student:{student}",
        )
        for entry in entries
    ]
    with progress(arguments) as bar:
        for _ in bar.track(label_all(jobs, arguments.processes), total=len(jobs), description="driving"):
            pass


def chosen(arguments: Arguments, number: int, data: Path) -> list[ScenarioEntry]:
    """The scenarios of a data root that a round drives."""
    entries = list_scenarios(DataRoot.find(data))
    if arguments.limit is None or arguments.limit >= len(entries):
        return entries
    rows = np.random.default_rng([arguments.seed, number]).choice(len(entries), arguments.limit, replace=False)
    return [entries[row] for row in np.sort(rows)]


def show(found: Evaluation, validation: Samples) -> None:
    """Print what the heads know of states that were held back."""
    console.print(
        f"{len(validation)} states held back: the teacher gives the chosen entries {found.chosen_score:.3f} of"
        f" {found.best_score:.3f} possible; {found.example_gap_m:.2f} m from the logged drive."
    )
    for name, area in found.auc.items():
        console.print(f"  {name:18s} AUC {area:.3f}, chosen entry fine in {found.chosen_fine[name]:.1%}")


if __name__ == "__main__":
    run(Arguments, main, __doc__)
