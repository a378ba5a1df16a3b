"""Compile the kernels of simulation, planners and towns now, so that the first drive does not wait for it.

    python scripts/compile_kernels.py

Compiled code is kept in the user's cache folder, apart for each state of the sources; a second call only loads it.
"""

import time
from dataclasses import dataclass

from command_line import CommonArguments, console, run

from planning.registry import PLANNERS, load_planner
from simulation.benchmark.worker import BenchmarkWorker, WorkerSetup
from simulation.generation.town.generator import generate_town
from simulation.generation.town.layout import small_town
from simulation.rollout import TRAFFIC


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Common arguments only."""


def main(arguments: Arguments) -> None:
    """Plan, drive and score hand-made scenes, and make a small town."""
    started = time.perf_counter()
    traffic, planners = tuple(TRAFFIC), tuple(PLANNERS)
    BenchmarkWorker(WorkerSetup(load_planner=load_planner, step_timeout_s=600.0, traffic=traffic, planners=planners))
    generate_town(0, small_town())
    if not arguments.quiet:
        console.print(f"Kernels are ready after {time.perf_counter() - started:.0f} s.")


if __name__ == "__main__":
    run(Arguments, main, __doc__)
