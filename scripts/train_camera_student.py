r"""Train a student that drives from cameras.

    python scripts/train_camera_student.py --data worlds --data corner_cases --perception checkpoints/eyes \
        --output checkpoints/camera --processes 2
    python scripts/train_camera_student.py ... --rounds 2 --limit 60              # on-policy (DAgger) rounds
    python scripts/train_camera_student.py ... --drives checkpoints/camera/drives_0 --sees visible
                                                      # another teacher on the same drives
    python scripts/train_camera_student.py ... --drives ... --imitation-only    # without the teacher, for comparison

Drives are recorded once, with images rendered and perceived at the rate of the planner, and kept in the output
folder. The same command resumes an interrupted recording or training. Drive the result with --planner camera_student
--planner-arg checkpoint=checkpoints/camera --planner-arg perception=checkpoints/eyes.
"""

import os

# Before torch starts its threads: idle ones would spin.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from command_line import CommonArguments, console, progress, require_count, run
from tyro.conf import UseAppendAction

from distill.camera_recording import PRIVILEGED, RecordingJob, RecordingSettings, record_all
from distill.camera_states import CameraStates, CameraStore, joined_states
from distill.camera_training import (
    CameraSamples,
    CameraTrainer,
    CameraTrainingConfig,
    evaluate_camera_student,
    imitation_twin,
)
from distill.samples import held_back
from driving.nuplan.data import DataRoot
from driving.nuplan.entries import ScenarioEntry
from driving.nuplan.scenarios import list_scenarios
from perception.checkpoint import SHIPPED as SHIPPED_NETWORK
from perception.checkpoint import Checkpoint
from planning.neural.camera_checkpoint import perception_digest
from planning.neural.camera_network import CameraNetworkConfig
from planning.neural.camera_scene import CropWindow
from planning.neural.network import VOCABULARY
from planning.neural.planner import SHIPPED
from planning.neural.vocabulary import TrajectoryVocabulary


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Scenarios, perception network and rounds."""

    data: Annotated[UseAppendAction[tuple[Path, ...]], None] = ()
    """Data root with scenarios to drive in; may be repeated."""
    perception: Path = SHIPPED_NETWORK
    """Folder of the perception network, which stays as it is."""
    vocabulary: Path = SHIPPED / VOCABULARY
    """Trajectories to score; those of the shipped student by default."""
    output: Path
    """Checkpoint folder; recordings and trainings in it are resumed."""
    drives: Annotated[UseAppendAction[tuple[Path, ...]], None] = ()
    """Folder of recorded drives to use instead of recording off-policy ones; may be repeated."""
    sees: Literal["all", "visible"] = "all"
    """Agents of the teacher: all of them, or those that some camera shows."""
    imitation_only: bool = False
    """Train without the teacher's scores."""
    steps: int = 1500
    """Training steps before the first round."""
    rounds: int = 0
    """DAgger rounds after the first training: drive, label the on-policy states, continue training."""
    round_steps: int = 600
    """Training steps of a round."""
    repeats: int = 1
    """Off-policy drives of each scenario, with different noise."""
    limit: int | None = None
    """Maximum number of scenarios of each data root in a round; drawn anew for each round."""
    every_s: float = 0.4
    """Time between two runs of the perception network."""
    validation_share: float = 0.1
    """Of the scenarios; their states are evaluated and not trained on."""
    processes: int = 1
    """Local processes that drive."""
    seed: int = 0
    """Seed of the weights, the batches and the drives."""


def main(arguments: Arguments) -> None:
    """Record, train, evaluate, print."""
    for option, count in (
        ("--limit", arguments.limit),
        ("--repeats", arguments.repeats),
        ("--steps", arguments.steps),
    ):
        require_count(option, count)
    folders = list(arguments.drives)
    if not arguments.data and (arguments.rounds or not folders):
        raise ValueError("Name at least one data root with scenarios to drive in, for example --data worlds.")
    vocabulary = TrajectoryVocabulary.load(arguments.vocabulary)
    network = Checkpoint.load(arguments.perception).network
    config = CameraTrainingConfig(
        network=CameraNetworkConfig(
            grid=CropWindow.of(network.config).feature_grid, bev_channels=network.config.bev_channels
        ),
        sees_all=arguments.sees == "all",
        steps=arguments.steps,
        seed=arguments.seed,
    )
    config = imitation_twin(config) if arguments.imitation_only else config
    digest = perception_digest(network.state_dict())
    if not folders:
        folders.append(arguments.output / "drives_0")
        record(arguments, off_policy_jobs(arguments, folders[0]))
    for number in range(arguments.rounds + 1):
        is_last = number == arguments.rounds
        folder = arguments.output if is_last else arguments.output / f"round_{number}"
        steps = arguments.round_steps if number else arguments.steps
        train(arguments, replace(config, steps=steps), vocabulary, (folders, folder, digest), number)
        if not is_last:
            folders.append(arguments.output / f"drives_{number + 1}")
            record(arguments, on_policy_jobs(arguments, number, folder, folders[-1]))


def train(
    arguments: Arguments,
    config: CameraTrainingConfig,
    vocabulary: TrajectoryVocabulary,
    where: tuple[list[Path], Path, str],
    number: int,
) -> None:
    """One training, from the student of the round before, and its evaluation.

    Args:
        arguments: Of the command.
        config: Of the training.
        vocabulary: The labelled one.
        where: Folders of the drives, of the checkpoint, and the digest of the perception network.
        number: Of the round.
    """
    folders, folder, digest = where
    states = joined_states([CameraStore(each).read() for each in folders])
    kept_back = held_back(states.scenario_ids, arguments.validation_share)
    samples = CameraSamples(states.take(~kept_back), vocabulary, sees_all=config.sees_all)
    trainer = CameraTrainer(config, samples, vocabulary, folder, digest)
    if number and trainer.step == 0:
        trainer.initialize_from(arguments.output / f"round_{number - 1}")
    with progress(arguments) as bar:
        task = bar.add_task("steps", total=config.steps, completed=trainer.step)
        trainer.run(lambda step, means: bar.update(task, completed=step, description=f"loss {means['total']:.3f}"))
    console.print(f"{trainer.step} steps on {len(samples)} states; the checkpoint is in {folder}.")
    show(trainer, states.take(kept_back) if kept_back.any() else None)


def show(trainer: CameraTrainer, validation: CameraStates | None) -> None:
    """Print the evaluation on the states of the held-back scenarios."""
    if validation is None:
        return
    samples = CameraSamples(validation, trainer.vocabulary, sees_all=trainer.config.sees_all)
    found = evaluate_camera_student(trainer.student(), samples)
    console.print(
        f"{len(samples)} validation states: teacher score of the chosen candidates {found.chosen_score:.3f}, of the"
        f" best {found.best_score:.3f}."
    )
    for name, share in found.chosen_positive.items():
        console.print(f"  {name:18s} chosen candidate positive in {share:.1%}")


def record(arguments: Arguments, jobs: list[RecordingJob]) -> None:
    """Record drives; finished ones are skipped."""
    with progress(arguments) as bar:
        for _ in bar.track(record_all(jobs, arguments.processes), total=len(jobs), description="driving"):
            pass


def off_policy_jobs(arguments: Arguments, output: Path) -> list[RecordingJob]:
    """Drives of the privileged student with noise on its plans."""
    entries = [entry for data in arguments.data for entry in list_scenarios(DataRoot.find(data))]
    # Interleaved, so that an early stop leaves drives of all data roots.
    entries = [entries[row] for row in np.random.default_rng(arguments.seed).permutation(len(entries))]
    return [
        job(arguments, entry, (PRIVILEGED, output), arguments.seed + repeat)
        for repeat in range(arguments.repeats)
        for entry in entries
    ]


def on_policy_jobs(arguments: Arguments, number: int, driver: Path, output: Path) -> list[RecordingJob]:
    """Drives of a camera student."""
    rng = np.random.default_rng([arguments.seed, number])
    jobs = []
    for data in arguments.data:
        entries = list_scenarios(DataRoot.find(data))
        rows = rng.permutation(len(entries))[: arguments.limit]
        seed = arguments.seed + 100 * (number + 1)
        jobs += [job(arguments, entries[row], (driver, output), seed) for row in rows]
    return jobs


def job(arguments: Arguments, entry: ScenarioEntry, where: tuple[Path | str, Path], seed: int) -> RecordingJob:
    """One drive."""
    driver, output = where
    return RecordingJob(
        entry=entry,
        perception=arguments.perception,
        vocabulary=arguments.vocabulary,
        output=output,
        driver=driver,
        settings=RecordingSettings(every_s=arguments.every_s, seed=seed),
    )


if __name__ == "__main__":
    run(Arguments, main, __doc__)
