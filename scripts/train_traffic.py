r"""Train learned traffic on towns and on recordings in nuPlan's files.

    python scripts/train_traffic.py --towns 10 --output checkpoints/traffic
    python scripts/train_traffic.py --towns 10 --data ~/nuplan/dataset --limit 500 --output checkpoints/mine
    python scripts/train_traffic.py --towns 0 --data worlds/av2 --output checkpoints/tuned \
        --initialize-from simulation/traffic/learned/checkpoints/tiny --learning-rate 3e-4 --steps 1500
    python scripts/train_traffic.py --towns 6 --closed-loop --initialize-from checkpoints/traffic \
        --learning-rate 5e-4 --steps 1500 --output checkpoints/closed_loop
    python scripts/benchmark.py ... --traffic learned:checkpoint=checkpoints/traffic

Towns are made in memory, from seeds --first-town on. The same command resumes an interrupted training. The folder
holds weights.safetensors, traffic.json and curves.csv. The last lines are the negative log-likelihoods on
validation towns, whose seeds are apart from those of training.
"""

import os

# Before torch starts its threads: idle ones would spin.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
from command_line import CommonArguments, console, progress, require_count, run
from tyro.conf import UseAppendAction

from driving.names import unknown_name
from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios, open_scenario
from driving.recording import Recording, Tag
from driving.scenario import Scenario
from learning.processes import join_process_group
from simulation.generation.town.generator import generate_town, town_settings
from simulation.traffic.learned.checkpoint import TrafficModel
from simulation.traffic.learned.closed_loop import closed_loop_samples
from simulation.traffic.learned.samples import Samples, gathered, samples_of
from simulation.traffic.learned.training import RECIPES, Trainer, TrainingConfig

VALIDATION_TOWNS = 990_000
"""First seed of the towns on which trainings are compared."""
SCENARIO_FRAMES = 250
"""Distance of the scenarios that are cut from a town's recordings; one of them has 253 steps with its future."""
SCENARIOS_PER_TOWN = 40
CLOSED_LOOP_STEPS = 150


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Data and recipe."""

    output: Path
    """Checkpoint folder; a training in it is resumed."""
    towns: int = 10
    """Towns to make in memory."""
    first_town: int = 1000
    """Seed of the first town."""
    data: Annotated[UseAppendAction[tuple[Path, ...]], None] = ()
    """nuPlan data root with scenarios; may be repeated."""
    limit: int | None = None
    """Largest number of scenarios of each data root, drawn at random."""
    recipe: str = "tiny"
    """tiny or base."""
    steps: int | None = None
    """Training steps; the recipe's by default."""
    learning_rate: float | None = None
    """Highest learning rate; the recipe's by default. Use a lower one with --initialize-from."""
    initialize_from: Path | None = None
    """Checkpoint folder whose weights and vocabulary the training begins with."""
    closed_loop: bool = False
    """Add states that the traffic of --initialize-from reaches, with choices that bring agents back to the log."""
    validation_towns: int = 1
    """Towns for validation."""
    seed: int = 0
    """Seed of weights, vocabulary and batches."""
    threads: int = 1
    """Threads of torch."""


def main(arguments: Arguments) -> None:
    """Gather, train and print the likelihoods on validation towns."""
    require_count("--limit", arguments.limit)
    require_count("--steps", arguments.steps)
    if arguments.towns < 1 and not arguments.data:
        raise ValueError("Name data to learn from: --towns N, or --data DIR, or both.")
    if arguments.recipe not in RECIPES:
        raise KeyError(unknown_name("recipe named", arguments.recipe, RECIPES))
    join_process_group(arguments.threads)
    config = config_of(arguments)
    initial = None if arguments.initialize_from is None else TrafficModel.load(arguments.initialize_from)
    with progress(arguments) as bar:
        task = bar.add_task("decisions", total=None)
        samples = samples_from(arguments, lambda count: bar.update(task, completed=count))
        trainer = Trainer(config, samples, arguments.output, initial=initial)
        task = bar.add_task("steps", total=config.steps, completed=trainer.step)
        trainer.run(lambda step, means: bar.update(task, completed=step, description=f"loss {means['total']:.3f}"))
    found = validate(trainer, arguments)
    trainer.save({"command": command_of(arguments), "validation": found})
    for name, value in found.items():
        console.print(f"negative log-likelihood of {name} on validation towns: {value:.3f}", highlight=False)
    console.print(f"{trainer.step} steps on {len(samples)} decisions; the checkpoint is in {arguments.output}.")


def samples_from(arguments: Arguments, report: Callable[[int], None]) -> Samples:
    """Decisions of the log, and with --closed-loop as many of the traffic's own states."""
    if arguments.closed_loop and arguments.initialize_from is None:
        raise ValueError("--closed-loop needs traffic to roll out: name its folder by --initialize-from.")
    parts: list[Samples] = []
    for scenario in scenarios_of(arguments):
        found = samples_of(scenario)
        if len(found):
            parts.append(found)
            if arguments.closed_loop and arguments.initialize_from is not None:
                parts.append(closed_loop_samples(scenario, arguments.initialize_from, steps=CLOSED_LOOP_STEPS))
        report(sum(len(part) for part in parts))
    return Samples.joined(parts)


def config_of(arguments: Arguments) -> TrainingConfig:
    """The recipe with the arguments' changes."""
    config = RECIPES[arguments.recipe]()
    return replace(
        config,
        seed=arguments.seed,
        steps=arguments.steps or config.steps,
        learning_rate=arguments.learning_rate or config.learning_rate,
    )


def scenarios_of(arguments: Arguments) -> Iterator[Scenario]:
    """The scenarios of towns, then of data roots."""
    for number in range(arguments.towns):
        yield from town_scenarios(arguments.first_town + number)
    rng = np.random.default_rng(arguments.seed)
    for data in arguments.data:
        entries = list_scenarios(DataRoot.find(data))
        if arguments.limit is not None and len(entries) > arguments.limit:
            entries = [entries[row] for row in np.sort(rng.permutation(len(entries))[: arguments.limit])]
        for entry in entries:
            yield open_scenario(entry)


def town_scenarios(seed: int) -> Iterator[Scenario]:
    """Scenarios of one town, which cover its recordings without overlap."""
    for recording in generate_town(seed, replace(town_settings(seed), scenarios=SCENARIOS_PER_TOWN)):
        yield from covering(recording)


def covering(recording: Recording) -> Iterator[Scenario]:
    """Scenarios that follow each other in a recording."""
    for frame in range(52, len(recording.time_us) - 150, SCENARIO_FRAMES):
        yield recording.scenario(Tag(frame=frame, scenario_type="unknown"))


def validate(trainer: Trainer, arguments: Arguments) -> dict[str, float]:
    """Negative log-likelihoods on towns that no training uses."""
    if arguments.validation_towns < 1:
        return {}
    seeds = range(VALIDATION_TOWNS, VALIDATION_TOWNS + arguments.validation_towns)
    samples: Samples = gathered(scenario for seed in seeds for scenario in town_scenarios(seed))
    return trainer.evaluate(samples)


def command_of(arguments: Arguments) -> str:
    """The command that makes the checkpoint, without its folders."""
    parts = [f"--towns {arguments.towns} --first-town {arguments.first_town} --recipe {arguments.recipe}"]
    if arguments.steps is not None:
        parts.append(f"--steps {arguments.steps}")
    if arguments.learning_rate is not None:
        parts.append(f"--learning-rate {arguments.learning_rate:g}")
    parts += ["--data DIR"] * len(arguments.data)
    parts += ["--closed-loop"] * arguments.closed_loop
    parts += ["--initialize-from DIR"] * (arguments.initialize_from is not None)
    return f"scripts/train_traffic.py {' '.join(parts)} --seed {arguments.seed}"


if __name__ == "__main__":
    run(Arguments, main, __doc__)
