"""Labels and training of a round: failures and neighbours, on the log and on-policy, with replay; mixed weights."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from distill.flywheel.config import FlywheelConfig, entries_of, require_none_shared
from distill.flywheel.stages import Advance
from distill.labels import LabelHeader, LabelledStates, LabelStore, joined
from distill.recipes import RECIPES, recipe
from distill.states import StateSettings
from distill.teacher import load_teacher
from driving.nuplan.entries import ScenarioEntry
from planning.neural.encoder import NetworkConfig
from planning.neural.network import VOCABULARY, Student
from planning.neural.vocabulary import TrajectoryVocabulary


class LabelFolders(NamedTuple):
    """Folders of labels that a round trains on."""

    replay: Sequence[Path]
    """States of earlier trainings."""
    learned: Sequence[Path]
    """States of the rounds."""


def require_fitting(config: FlywheelConfig, student: Path) -> None:
    """Check that teacher and recipe exist, and that recipe and labels fit a student, as its training will need it.

    Args:
        config: Recipe, teacher, labels.
        student: Folder of its checkpoint.

    Raises:
        KeyError: When recipe or teacher are unknown; the message holds the nearest one.
        FileNotFoundError: When a folder holds no labels.
        ValueError: When the student is damaged or the recipe is that of another network, or labels are of another
            teacher, vocabulary or features.
    """
    wanted, loaded = recipe(config.recipe), Student.load(student)
    # Dropout has no weights.
    present = replace(loaded.network.config, dropout=wanted.network.dropout)
    if present != wanted.network:
        sizes = {name: replace(make().network, dropout=present.dropout) for name, make in RECIPES.items()}
        fitting = [name for name, size in sizes.items() if size == present]
        advice = f"Name --recipe {fitting[0]}." if fitting else "Name the recipe that the student was trained with."
        raise ValueError(
            f"--recipe {config.recipe} has a network of {_size(wanted.network)}, the student in {student} one of"
            f" {_size(present)}. {advice}"
        )
    if loaded.network.sub_scores != tuple(wanted.losses.teacher):
        raise ValueError(
            f"The student in {student} has heads for {', '.join(loaded.network.sub_scores) or 'no sub-score'}, those"
            f" of --recipe {config.recipe} are for {', '.join(wanted.losses.teacher)}. Name a student of a teacher."
        )
    header = LabelHeader.of(load_teacher(config.teacher, loaded.vocabulary))
    for folder in config.labels:
        LabelStore(folder).header.require(header, folder)


def _size(network: NetworkConfig) -> str:
    return (
        f"width {network.width} with {network.heads} heads, {network.encoder_layers} and {network.decoder_layers}"
        f" layers of {network.feed_forward}"
    )


def require_unlabelled(config: FlywheelConfig) -> None:
    """Check that no evaluation set has a scenario or a map of the labels that are replayed.

    Raises:
        ValueError: Names what both contain, or a label file without the name of its map.
    """
    labelled = [LabelStore(folder).sources() for folder in config.labels]
    for name in ("validate", "test") if labelled else ():
        entries = [entry for root in getattr(config, name) for entry in entries_of(root)]
        ids, maps = {one.token for one in entries}, {one.map_name for one in entries}
        for sources in labelled:
            require_none_shared("scenario", name, ids, "labels", sources.scenario_ids)
            require_none_shared("map", name, maps, "labels", sources.map_names)


def label(
    config: FlywheelConfig,
    number: int,
    entries: Sequence[ScenarioEntry],
    student: Path,
    folder: Path,
    advance: Advance,
    *,
    on_policy: bool = True,
) -> None:
    """Label states of scenarios; those of finished scenarios are kept.

    Args:
        config: Teacher, workers, interval of the states.
        number: Of the round, for the seed of the shifted states.
        entries: Scenarios.
        student: Folder of its checkpoint, which has the vocabulary.
        folder: Of the labels.
        advance: Receives the number of drives that are labelled.
        on_policy: Whether to label the states that the student visits too.
    """
    # Imported here, because it imports all planners.
    from distill.labelling import LabelJob, label_all

    settings = StateSettings(every_steps=config.label_every, shifted=1, seed=config.seed + number)
    drivers = (None, f"student:{student}") if on_policy else (None,)
    jobs = [
        LabelJob(
            entry=entry,
            vocabulary=student / VOCABULARY,
            output=folder,
            teacher=config.teacher,
            settings=settings,
            driven_by=driver,
            name=entry.token if driver is None else f"{entry.token}-driven",
        )
        for driver in drivers
        for entry in entries
    ]
    for count, _ in enumerate(label_all(jobs, config.workers, config.backend == "ray"), 1):
        advance(count, len(jobs))


def train(
    config: FlywheelConfig, number: int, labels: LabelFolders, student: Path, folder: Path, advance: Advance
) -> int:
    """Continue the training of a student on labelled states; an interrupted training continues.

    Args:
        config: Recipe, steps, learning rate, seed.
        number: Of the round, for the seed of the batches.
        labels: What to train on.
        student: Folder of the checkpoint whose weights the training begins with.
        folder: Of the new checkpoint.
        advance: Receives the number of training steps.

    Returns:
        Number of different states.

    Raises:
        ValueError: When the labels are of another teacher or vocabulary, or the recipe has another network.
    """
    from distill.samples import Samples
    from distill.training import Trainer

    vocabulary = TrajectoryVocabulary.load(student / VOCABULARY)
    header = LabelHeader.of(load_teacher(config.teacher, vocabulary))
    replay, learned = (joined([LabelStore(one, header).read() for one in folders]) for folders in labels)
    settings = replace(
        recipe(config.recipe),
        steps=config.steps,
        learning_rate=config.learning_rate,
        warmup_steps=config.steps // 10,
        mirrored_share=config.mirrored,
        seed=config.seed * 1000 + number,
    )
    states = with_share(replay, learned, config.new_share)
    trainer = Trainer(settings, Samples(states, vocabulary), vocabulary, folder)
    if trainer.step == 0:
        trainer.initialize_from(student)
    trainer.run(lambda step, _: advance(step, config.steps))
    return len(replay) + len(learned)


def with_share(replay: LabelledStates, learned: LabelledStates, share: float) -> LabelledStates:
    """Both, with the learned states repeated as a whole until they are at least a share of all states.

    Args:
        replay: States of earlier trainings.
        learned: States of the rounds.
        share: Of `learned` among all, from 0 to below 1.
    """
    times = max(1, math.ceil(share / (1.0 - share) * len(replay) / len(learned)))
    rows = np.concatenate([np.arange(len(replay)), np.tile(len(replay) + np.arange(len(learned)), times)])
    return joined([replay, learned]).take(rows)
