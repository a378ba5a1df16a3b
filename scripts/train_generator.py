r"""Train a generator of scenes on generated towns, or on the scenarios of nuPlan data roots.

    python scripts/train_generator.py --output checkpoints/scenes
    python scripts/train_generator.py --towns 24 --seed 1 --output checkpoints/more
    python scripts/train_generator.py --data ~/nuplan/dataset --output checkpoints/recorded
    python scripts/train_generator.py --recipe base --towns 200 --output checkpoints/base

Without --data the scenes are instants of towns that are generated in memory, from the seed --first-town on. The same
command resumes an interrupted training. `tiny` takes about 17 CPU minutes on one core; `base` is for a GPU.
"""

import os

# Before torch starts its threads: idle ones would spin.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from command_line import CommonArguments, console, progress, require_count, run
from tyro.conf import UseAppendAction

from driving.names import unknown_name
from learning.processes import join_process_group, leave_process_group
from simulation.generation.learned.data import recorded_scenes, town_scenes
from simulation.generation.learned.scene import Scene
from simulation.generation.learned.training import RECIPES, Trainer, TrainingConfig
from simulation.generation.town.generator import town_settings


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Scenes and recipe."""

    output: Path
    """Checkpoint folder; a training in it is resumed."""
    data: Annotated[UseAppendAction[tuple[Path, ...]], None] = ()
    """nuPlan data root with scenarios, instead of towns; may be repeated."""
    towns: int = 16
    """Number of generated towns."""
    first_town: int = 1000
    """Seed of the first town; the next ones take the following numbers."""
    egos: int = 24
    """Scenes of each instant of a town, every 5 s."""
    recipe: str = "tiny"
    """tiny or base."""
    steps: int | None = None
    """Training steps; the recipe's by default."""
    learning_rate: float | None = None
    """Highest learning rate; the recipe's by default."""
    seed: int = 0
    """Seed of weights and batches."""
    threads: int = 1
    """Threads of torch."""


def main(arguments: Arguments) -> None:
    """Collect scenes, train, and print where the checkpoint is."""
    require_count("--towns", arguments.towns)
    require_count("--steps", arguments.steps)
    require_count("--egos", arguments.egos)
    config = configured(arguments)
    process = join_process_group(arguments.threads)
    scenes = collected(arguments)
    trainer = Trainer(config, scenes, arguments.output, process)
    with progress(arguments) as bar:
        task = bar.add_task("steps", total=config.steps, completed=trainer.step)
        trainer.run(lambda step, means: bar.update(task, completed=step, description=f"loss {means['total']:.3f}"))
    source = [str(one) for one in arguments.data] or f"towns {arguments.first_town} to {last_town(arguments)}"
    trainer.save(data=source)
    console.print(f"{trainer.step} steps on {len(scenes)} scenes; the checkpoint is in {arguments.output}.")
    leave_process_group()


def configured(arguments: Arguments) -> TrainingConfig:
    """The recipe with the changes of the arguments."""
    if arguments.recipe not in RECIPES:
        raise KeyError(unknown_name("recipe named", arguments.recipe, RECIPES))
    config = RECIPES[arguments.recipe]()
    return replace(
        config,
        seed=arguments.seed,
        steps=arguments.steps or config.steps,
        learning_rate=arguments.learning_rate or config.learning_rate,
    )


def last_town(arguments: Arguments) -> int:
    """Seed of the last town."""
    return arguments.first_town + arguments.towns - 1


def collected(arguments: Arguments) -> list[Scene]:
    """The scenes of the data roots, or of the towns."""
    found: list[Scene] = []
    with progress(arguments) as bar:
        if arguments.data:
            for root in bar.track(arguments.data, description="data roots"):
                found += recorded_scenes(root)
            return found
        for number in bar.track(range(arguments.towns), description="towns"):
            found += town_scenes(arguments.first_town + number, town_settings(number), egos=arguments.egos)
    return found


if __name__ == "__main__":
    run(Arguments, main, __doc__)
