r"""Train a bird's-eye-view network on rendered cameras.

    python scripts/make_worlds.py --towns 6 --scenarios 20 --seed 100 --output worlds
    python scripts/train_perception.py --data worlds --output checkpoints/eyes
    torchrun --nproc-per-node 2 scripts/train_perception.py --data worlds --output checkpoints/eyes
    python scripts/train_perception.py --data worlds --rig my_rig.json --output checkpoints/my_car

Only the states of the scenarios are stored; images are rendered when a batch needs them. The same command resumes an
interrupted training. One process per core by torchrun is the fastest way on a CPU.
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
from perception.distributed import join_process_group, leave_process_group
from perception.samples import RenderedSamples, SampleSettings
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
    config = replace(config, steps=arguments.steps or config.steps)
    process = join_process_group(arguments.threads)
    settings = SampleSettings(rig=rig_named(arguments.rig), seed=arguments.seed)
    samples = RenderedSamples(opened(arguments), settings, config.network)
    trainer = Trainer(config, samples, arguments.output, process)
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
