r"""Labelling rate of the teacher on one core.

    python benchmarks/teacher_speed.py
    python benchmarks/teacher_speed.py --data worlds --size 1024 --states 40

Prints states per second for each size of vocabulary, tracking included, without loading maps. Without --data, a town
is generated first.
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from command_line import CommonArguments, console, run

from distill.contract import logged_future
from distill.motions import generated_motions
from distill.teacher import RuleTeacher
from driving import Scenario
from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios, open_scenario
from planning.neural.vocabulary import TrajectoryVocabulary
from simulation.generation.town.generator import TownGenerator

TARGETS = {1024: 20.0, 8192: 2.0}
"""States per second and core."""


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Data and vocabulary sizes."""

    data: Path | None = None
    """nuPlan data root; without it a town is generated."""
    size: tuple[int, ...] = (1024, 8192)
    """Entries of the vocabularies."""
    states: int = 20
    """States to label."""


def main(arguments: Arguments) -> None:
    """Label and print the rate."""
    scenarios = _scenarios(arguments)
    for size in arguments.size:
        poses = generated_motions(size)
        teacher = RuleTeacher(TrajectoryVocabulary(poses=poses))
        times_s, agents = [], []
        for number in range(-len(scenarios), arguments.states):
            scenario = scenarios[number % len(scenarios)]
            iteration = (number // len(scenarios)) * 10 % 100
            observation, future = scenario.observation_at(iteration), logged_future(scenario, iteration)
            started = time.process_time()
            teacher.label(observation, future)
            # Untimed: the first state of each scenario, which prepares the map.
            if number >= 0:
                times_s.append(time.process_time() - started)
                agents.append(future.agents.num_agents)
        target = f" (target {TARGETS[size]:g})" if size in TARGETS else ""
        console.print(
            f"V = {size}: [bold]{len(times_s) / sum(times_s):.1f} states/s[/] on one core{target}, among"
            f" {np.mean(agents):.0f} agents on average."
        )


def _scenarios(arguments: Arguments) -> list[Scenario]:
    if arguments.data is None:
        return [TownGenerator().generate(0)]
    entries = list_scenarios(DataRoot.find(arguments.data))
    return [open_scenario(entry, with_cameras=False) for entry in entries[:: max(1, len(entries) // 4)][:4]]


if __name__ == "__main__":
    run(Arguments, main, __doc__)
