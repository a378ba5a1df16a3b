r"""Train a student planner from labels.

    python scripts/train_planner.py --labels labels --vocabulary vocabulary_1024.npz --output checkpoints/first
    python scripts/train_planner.py ... --imitation-only             # without the teacher, for comparison
    python scripts/train_planner.py ... --initialize-from checkpoints/first --learning-rate 7e-4 --steps 1500
    python scripts/train_planner.py ... --rounds 2 --data worlds --data corner_cases --processes 2
                                                     # on-policy (DAgger) rounds
    torchrun --nproc-per-node 8 scripts/train_planner.py ... --recipe base

The same command resumes an interrupted training. Drive the result with --planner student:checkpoints/first.
"""

import os

# Before torch starts its threads: idle ones would spin.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
from command_line import CommonArguments, console, progress, require_count, run
from tyro.conf import UseAppendAction, arg

from distill.contract import Teacher
from distill.evaluation import Evaluation, evaluate
from distill.labelling import LabelJob, label_all
from distill.labels import LabelHeader, LabelStore, joined
from distill.mixing import mix
from distill.recipes import TrainingConfig, imitation_only, recipe
from distill.samples import Samples, held_back
from distill.states import SHIFTED, StateSettings
from distill.teacher import load_teacher
from distill.training import Trainer
from driving.nuplan.data import DataRoot
from driving.nuplan.entries import ScenarioEntry
from driving.nuplan.scenarios import list_scenarios
from learning.processes import TrainingProcess, join_process_group, leave_process_group, wait_for_all
from planning.neural.vocabulary import TrajectoryVocabulary


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Labels, recipe and rounds of a training."""

    labels: Annotated[UseAppendAction[tuple[Path, ...]], None] = ()
    """Folder of scripts/label.py; may be repeated."""
    vocabulary: Path
    """The labelled vocabulary."""
    output: Path
    """Checkpoint folder; a training in it is resumed."""
    teacher: str = "rules"
    """Name of the teacher of the labels and of the rounds."""
    recipe: str = "tiny"
    """tiny, small or base."""
    steps: int | None = None
    """Training steps; the recipe's by default."""
    learning_rate: float | None = None
    """Highest learning rate; the recipe's by default. Use a lower one with --initialize-from."""
    seed: int = 0
    """Seed of the weights and of the batches."""
    initialize_from: Path | None = None
    """Another student of the same recipe whose weights the training begins with; random ones by default."""
    mix: float | None = None
    """With --initialize-from: also write OUTPUT/mixed, with this share of the trained weights and the rest of those
    that the training began with (WiSE-FT). A student that was trained on few states is better elsewhere then."""
    imitation_only: bool = False
    """Train without the teacher's scores."""
    no_augmentation: bool = False
    """Train without off-path states."""
    leave_out: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="VARIATION")] = ()
    """Train without the scenarios that label.py labelled with this variation: unlit, empty, short_sight, followed or
    unlimited, to measure its effect; may be repeated."""
    mirrored: float = 0.0
    """Share of the batches in which left and right are exchanged, for traffic on either side of the road."""
    rounds: int = 0
    """DAgger rounds after the first training: drive, label the on-policy states, continue training."""
    round_steps: int | None = None
    """Training steps of a round; half of the first training's by default."""
    data: Annotated[UseAppendAction[tuple[Path, ...]], None] = ()
    """Data root with scenarios to drive in the rounds; may be repeated."""
    limit: int | None = None
    """Maximum number of scenarios of each data root in a round; drawn anew for each round."""
    processes: int = 1
    """Local processes for driving and labelling in the rounds."""
    threads: int = 1
    """Threads of torch."""


def main(arguments: Arguments) -> None:
    """Train, evaluate, print."""
    require_count("--limit", arguments.limit)
    if not arguments.labels:
        raise ValueError("Name at least one folder of labels, for example --labels labels.")
    if arguments.rounds and not arguments.data:
        raise ValueError("DAgger rounds need scenarios to drive: name a data root with --data.")
    if arguments.mix is not None and arguments.initialize_from is None:
        raise ValueError("--mix needs the weights that the training begins with: name them with --initialize-from.")
    if arguments.mix is not None and not 0.0 < arguments.mix < 1.0:
        raise ValueError(f"--mix is a share above 0 and below 1, got {arguments.mix:g}.")
    teacher = load_teacher(arguments.teacher, TrajectoryVocabulary.load(arguments.vocabulary))
    config = recipe(arguments.recipe)
    config = replace(
        config,
        seed=arguments.seed,
        with_shifted=not arguments.no_augmentation,
        leave_out=arguments.leave_out,
        mirrored_share=arguments.mirrored,
        steps=arguments.steps or config.steps,
        learning_rate=arguments.learning_rate or config.learning_rate,
    )
    config = imitation_only(config) if arguments.imitation_only else config
    process = join_process_group(arguments.threads)
    folders = list(arguments.labels)
    for number in range(arguments.rounds + 1):
        folder = arguments.output if number == arguments.rounds else arguments.output / f"round_{number}"
        steps = (arguments.round_steps or config.steps // 2) if number else config.steps
        trainer, validation = prepare(replace(config, steps=steps), folders, teacher, folder, process)
        before = arguments.output / f"round_{number - 1}" if number else arguments.initialize_from
        if before is not None and trainer.step == 0:
            trainer.initialize_from(before)
        train(arguments, trainer)
        if process.is_first and validation is not None:
            show(evaluate(trainer.student(), validation), validation)
        if process.is_first and number == arguments.rounds and arguments.mix is not None:
            assert arguments.initialize_from is not None
            mix(arguments.mix, arguments.initialize_from, folder, folder / "mixed")
            console.print(f"The mixed student is in {folder / 'mixed'}.")
        if number < arguments.rounds:
            folders.append(arguments.output / f"labels_round_{number + 1}")
            if process.is_first:
                label_on_policy_states(arguments, number, folder, folders[-1])
            wait_for_all()
    leave_process_group()


def prepare(
    config: TrainingConfig, folders: list[Path], teacher: Teacher, output: Path, process: TrainingProcess
) -> tuple[Trainer, Samples | None]:
    """The trainer and its validation samples."""
    vocabulary, needed = teacher.vocabulary, LabelHeader.of(teacher)
    stores = [LabelStore(folder) for folder in folders]
    for store in stores:
        store.header.require(needed, store.folder)
    states = joined([store.read(config.leave_out) for store in stores])
    kept_back = held_back(states.scenario_ids, config.validation_share)
    if not config.with_shifted:
        states = states.take(np.array([kind != SHIFTED for kind in states.kinds]))
        kept_back = held_back(states.scenario_ids, config.validation_share)
    validation = Samples(states.take(kept_back), vocabulary) if kept_back.any() else None
    return Trainer(config, Samples(states.take(~kept_back), vocabulary), vocabulary, output, process), validation


def train(arguments: Arguments, trainer: Trainer) -> None:
    """Train with a progress bar."""
    with progress(arguments) as bar:
        task = bar.add_task("steps", total=trainer.config.steps, completed=trainer.step)
        trainer.run(reporter(lambda step, text: bar.update(task, completed=step, description=text)))


def reporter(update: Callable[[int, str], None]) -> Callable[[int, dict[str, float]], None]:
    """A callback that shows the loss beside the bar."""
    return lambda step, means: update(step, f"loss {means['total']:.3f}")


def label_on_policy_states(arguments: Arguments, number: int, student: Path, output: Path) -> None:
    """Drive the student and label its on-policy states."""
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
    """The scenarios of a data root for a round."""
    entries = list_scenarios(DataRoot.find(data))
    if arguments.limit is None or arguments.limit >= len(entries):
        return entries
    rows = np.random.default_rng([arguments.seed, number]).choice(len(entries), arguments.limit, replace=False)
    return [entries[row] for row in np.sort(rows)]


def show(found: Evaluation, validation: Samples) -> None:
    """Print the evaluation on the validation states."""
    console.print(
        f"{len(validation)} validation states: teacher score of the chosen candidates {found.chosen_score:.3f}, of"
        f" the best {found.best_score:.3f}; {found.imitation_gap_m:.2f} m from the logged trajectory."
    )
    for name, area in found.auc.items():
        console.print(f"  {name:18s} AUC {area:.3f}, chosen candidate positive in {found.chosen_positive[name]:.1%}")


if __name__ == "__main__":
    run(Arguments, main, __doc__)
