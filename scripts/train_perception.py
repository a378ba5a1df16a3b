r"""Train a bird's-eye-view network on rendered cameras.

    python scripts/make_worlds.py --towns 6 --scenarios 20 --seed 100 --output worlds
    python scripts/train_perception.py --data worlds --output checkpoints/eyes
    torchrun --nproc-per-node 2 scripts/train_perception.py --data worlds --output checkpoints/eyes
    python scripts/train_perception.py --data worlds --rig my_rig.json --output checkpoints/my_car
    python scripts/train_perception.py --data worlds --output checkpoints/more \
        --initialize-from checkpoints/eyes --learning-rate 1e-3
    python scripts/train_perception.py --data worlds --output checkpoints/lights \
        --initialize-from checkpoints/more --only-signal

Only the states of the scenarios are stored; images are rendered when a batch needs them. The same command resumes an
interrupted training. One process per core by torchrun is the fastest way on a CPU. Few states have a traffic light
ahead, so a second training of the head for traffic lights alone, a few minutes long, follows.
"""

import os

# Before torch starts its threads: idle ones would spin.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
from command_line import CommonArguments, console, progress, require_count, run
from tyro.conf import UseAppendAction

from driving.names import unknown_name
from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios, open_scenario
from driving.rig_files import rig_named
from driving.scenario import Scenario
from learning.processes import join_process_group, leave_process_group
from perception.samples import RenderedSamples, SampleSettings
from perception.signal_training import SIGNAL_BATCH, SignalSamples, SignalTrainer
from perception.training import RECIPES, Trainer


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Scenarios, rig and recipe."""

    data: Annotated[UseAppendAction[tuple[Path, ...]], None] = ()
    """nuPlan data root with scenarios; may be repeated."""
    output: Path
    """Checkpoint folder; a training in it is resumed."""
    recipe: str = "tiny"
    """tiny, small or base."""
    rig: str = "nuscenes_6"
    """nuplan_8, nuscenes_6, argoverse2_7, or a JSON file."""
    steps: int | None = None
    """Training steps; the recipe's by default."""
    only_signal: bool = False
    """Train the head of the traffic lights alone, on states with as many of each colour."""
    initialize_from: Path | None = None
    """Checkpoint folder whose weights the training begins with; the network must be that of the recipe."""
    learning_rate: float | None = None
    """Highest learning rate; the recipe's by default. Use a lower one with --initialize-from."""
    limit: int | None = None
    """Largest number of scenarios of each data root, drawn at random."""
    seed: int = 0
    """Seed of weights, batches, poses, appearances."""
    threads: int = 1
    """Threads of torch in each process."""


def main(arguments: Arguments) -> None:
    """Train and print where the checkpoint is."""
    require_count("--limit", arguments.limit)
    require_count("--steps", arguments.steps)
    if not arguments.data:
        raise ValueError("Name at least one data root with scenarios, for example --data worlds.")
    if arguments.recipe not in RECIPES:
        raise KeyError(unknown_name("recipe named", arguments.recipe, RECIPES))
    config = replace(RECIPES[arguments.recipe](), seed=arguments.seed)
    config = replace(
        config,
        steps=arguments.steps or config.steps,
        learning_rate=arguments.learning_rate or config.learning_rate,
        batch_size=SIGNAL_BATCH if arguments.only_signal else config.batch_size,
    )
    process = join_process_group(arguments.threads)
    settings = SampleSettings(rig=rig_named(arguments.rig), seed=arguments.seed)
    make_samples, make_trainer = (
        (SignalSamples, SignalTrainer) if arguments.only_signal else (RenderedSamples, Trainer)
    )
    samples = make_samples(opened(arguments), settings, config.network)
    trainer = make_trainer(config, samples, arguments.output, process)
    if arguments.initialize_from is not None and trainer.step == 0:
        trainer.initialize_from(arguments.initialize_from)
    with progress(arguments) as bar:
        task = bar.add_task("steps", total=config.steps, completed=trainer.step)
        trainer.run(lambda step, means: bar.update(task, completed=step, description=f"loss {means['total']:.3f}"))
    if process.is_first:
        console.print(f"{trainer.step} steps on {len(samples)} states; the checkpoint is in {arguments.output}.")
    leave_process_group()


def opened(arguments: Arguments) -> list[Scenario]:
    """The scenarios of all data roots."""
    rng = np.random.default_rng(arguments.seed)
    found = []
    for data in arguments.data:
        entries = list_scenarios(DataRoot.find(data))
        if arguments.limit is not None and len(entries) > arguments.limit:
            entries = [entries[row] for row in np.sort(rng.permutation(len(entries))[: arguments.limit])]
        found += [open_scenario(entry) for entry in entries]
    return found


if __name__ == "__main__":
    run(Arguments, main, __doc__)
