r"""Train a generator of scenes on generated towns, or on the scenarios of nuPlan data roots.

    python scripts/train_generator.py --output checkpoints/scenes
    python scripts/train_generator.py --calibrated --start checkpoints/scenes --steps 600 --output checkpoints/better
    python scripts/train_generator.py --data ~/nuplan/dataset --output checkpoints/recorded
    python scripts/train_generator.py --data RECORDINGS --towns 8 --calibrated --start checkpoints/scenes \
        --steps 400 --folds 2 --held-out 0 --output checkpoints/fold0
    python scripts/train_generator.py --recipe base --towns 200 --output checkpoints/base

Scenes are instants of towns that are generated in memory, from the seed --first-town on, and of recordings. The same
command resumes an interrupted training. `tiny` takes about 17 CPU minutes on one core; `base` is for a GPU.
"""

import os

# Before torch starts its threads: idle ones would spin.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from command_line import CommonArguments, console, progress, require_count, run
from tyro.conf import UseAppendAction

from driving.names import unknown_name
from driving.scenario import Scenario
from learning.processes import join_process_group, leave_process_group
from simulation.generation.learned.checkpoint import Checkpoint
from simulation.generation.learned.data import recorded_scenes, town_scenes
from simulation.generation.learned.scene import Scene
from simulation.generation.learned.training import RECIPES, Trainer, TrainingConfig
from simulation.generation.town.calibrated_traffic import with_calibration
from simulation.generation.town.calibration import Calibration, fitted
from simulation.generation.town.generator import town_settings
from simulation.generation.town.layout import with_style
from simulation.generation.town.recorded import RECORDED, RECORDED_STYLE
from simulation.realism.snapshots import snapshots_of
from simulation.realism.sources import folds_of, scenarios_in
from simulation.realism.vehicles import vehicle_samples


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Scenes and recipe."""

    output: Path
    """Checkpoint folder; a training in it is resumed."""
    data: Annotated[UseAppendAction[tuple[Path, ...]], None] = ()
    """nuPlan data root or folder of recordings that can be imported; may be repeated."""
    folds: int = 0
    """Folds of the recordings, one of which is left out; 0 for none (as in scripts/realism.py)."""
    held_out: int = 0
    """The fold that is left out."""
    recorded_share: float = 0.5
    """Share of recordings among the scenes of a step, with --data and --towns."""
    towns: int | None = None
    """Number of generated towns: 16 by default, none with --data."""
    first_town: int = 1000
    """Seed of the first town; the next ones take the following numbers."""
    calibrated: bool = False
    """Draw sizes, lateral offsets, gaps and speeds of the towns as in recorded traffic (docs/realism.md).
    With --data, sizes and offsets are those of the data."""
    recorded_plans: int = 0
    """Number of these towns, the last ones, with lane graphs like recorded ones (docs/realism.md)."""
    short_pieces: bool = False
    """Cut the lanes of every second town into shorter pieces, as the lanes of recorded maps are."""
    bare_share: float = 0.0
    """Share of scenes whose lights, walkways and car parks are hidden, as most recorded maps have none."""
    egos: int = 24
    """Scenes of each instant of a town, every 5 s."""
    start: Path | None = None
    """Checkpoint whose weights the training begins with; random ones by default."""
    recipe: str = "tiny"
    """tiny or base."""
    steps: int | None = None
    """Training steps; the recipe's by default."""
    stop_at: int | None = None
    """An earlier step to stop at; the rates of learning remain those of --steps."""
    batch_size: int | None = None
    """Scenes of a step; the recipe's by default."""
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
    require_count("--stop-at", arguments.stop_at)
    require_count("--egos", arguments.egos)
    require_count("--batch-size", arguments.batch_size)
    config = configured(arguments)
    started = Checkpoint.load(arguments.start).network if arguments.start else None
    process = join_process_group(arguments.threads)
    scenes = collected(arguments)
    trainer = Trainer(config, scenes, arguments.output, process, start=started)
    with progress(arguments) as bar:
        task = bar.add_task("steps", total=config.steps, completed=trainer.step)
        trainer.run(
            lambda step, means: bar.update(task, completed=step, description=f"loss {means['total']:.3f}"),
            stop_at=arguments.stop_at,
        )
    trainer.save(data=sources(arguments))
    console.print(f"{trainer.step} steps on {len(scenes)} scenes; the checkpoint is in {arguments.output}.")
    leave_process_group()


def configured(arguments: Arguments) -> TrainingConfig:
    """The recipe with the changes of the arguments."""
    if arguments.recipe not in RECIPES:
        raise KeyError(unknown_name("recipe named", arguments.recipe, RECIPES))
    config = RECIPES[arguments.recipe]()
    steps = arguments.steps or config.steps
    return replace(
        config,
        seed=arguments.seed,
        bare_share=arguments.bare_share,
        steps=steps,
        batch_size=arguments.batch_size or config.batch_size,
        warmup_steps=min(config.warmup_steps, steps // 4),
        learning_rate=arguments.learning_rate or config.learning_rate,
    )


def num_towns(arguments: Arguments) -> int:
    """Number of towns that are generated."""
    if arguments.towns is not None:
        return arguments.towns
    return 0 if arguments.data else 16


def sources(arguments: Arguments) -> list[str]:
    """What the scenes are taken from, for the checkpoint's description."""
    found = [str(one) for one in arguments.data]
    if arguments.folds and arguments.data:
        found.append(f"without fold {arguments.held_out} of {arguments.folds}")
    if num_towns(arguments):
        kind = "calibrated towns" if arguments.calibrated else "towns"
        found.append(f"{kind} {arguments.first_town} to {arguments.first_town + num_towns(arguments) - 1}")
    return found


def collected(arguments: Arguments) -> list[Scene]:
    """The scenes of recordings and towns."""
    with progress(arguments) as bar:
        scenarios = [
            scenario
            for root in bar.track(arguments.data, description="recordings")
            for scenario in scenarios_in(root)
        ]
        if arguments.folds and scenarios:
            folds = folds_of(list({scenario.log_name for scenario in scenarios}), arguments.folds)
            left_out = folds[arguments.held_out]
            scenarios = [scenario for scenario in scenarios if scenario.log_name not in left_out]
        recorded = recorded_scenes(scenarios)
        calibration = calibration_of(scenarios) if arguments.calibrated else None
        towns: list[Scene] = []
        for number in bar.track(range(num_towns(arguments)), description="towns"):
            settings = town_settings(number)
            if number >= num_towns(arguments) - arguments.recorded_plans:
                settings = with_style(settings, RECORDED_STYLE)
            if calibration is not None:
                settings = with_calibration(settings, calibration)
            towns += town_scenes(
                arguments.first_town + number,
                settings,
                egos=arguments.egos,
                has_short_pieces=arguments.short_pieces and number % 2 == 1,
            )
    if not (recorded and towns):
        return recorded + towns
    # Recordings are few: they are repeated up to their share.
    wanted = len(towns) * arguments.recorded_share / (1.0 - arguments.recorded_share)
    return recorded * max(1, round(wanted / len(recorded))) + towns


def calibration_of(scenarios: Sequence[Scenario]) -> Calibration:
    """Sizes and offsets of the vehicles of recordings; the numbers that come with the package without any."""
    if not scenarios:
        return RECORDED
    return fitted(*vehicle_samples([one for scenario in scenarios for one in snapshots_of(scenario)]))


if __name__ == "__main__":
    run(Arguments, main, __doc__)
