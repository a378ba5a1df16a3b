"""Write generated towns with traffic as nuPlan data.

    python scripts/make_worlds.py --output worlds
    python scripts/make_worlds.py --output worlds --towns 2 --scenarios 120 --seed 0

The folder is a nuPlan data root: maps/ and nuplan-v1.1/splits/mini/. With 14 or more scenarios, all 14 scenario types
of nuPlan's challenge occur. Equal arguments give equal files.
"""

import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

from command_line import CommonArguments, console, progress, run
from rich.table import Table

from driving.nuplan.writer import write_world
from simulation.generation.town.generator import generate_town, quotas_of_towns, town_settings


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Number and kind of the towns."""

    output: Path
    """Output folder. A data root in it is extended."""
    towns: int = 2
    """Number of towns, each with its own map."""
    scenarios: int = 120
    """Number of tagged scenarios over all towns."""
    seed: int = 0
    """Seed of the first town; the next towns take the following numbers."""
    small: bool = False
    """Towns of a quarter of the size for a few scenarios each, generated in about one second."""
    processes: int = 0
    """Number of processes; 0 for one per processor. The files do not depend on it."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One town to generate and write."""

    seed: int
    number: int
    quotas: dict[str, int]
    output: Path
    is_small: bool


_writing: AbstractContextManager = nullcontext()
"""Lock for writing, as all towns add their map to one list."""


def _share(lock: AbstractContextManager) -> None:
    global _writing
    _writing = lock


def write_town(job: Job) -> list[tuple[str, str]]:
    """Generate and write one town. Returns map name and type of each scenario."""
    settings = replace(town_settings(job.number, is_small=job.is_small), scenarios=sum(job.quotas.values()))
    recordings = generate_town(job.seed, settings, job.quotas)
    with _writing:
        write_world(recordings, job.output)
    return [(one.map.name, tag.scenario_type) for one in recordings for tag in one.tags]


def main(arguments: Arguments) -> None:
    """Write the towns in parallel, and print a table of their scenario types."""
    if arguments.towns < 1 or arguments.scenarios < arguments.towns:
        raise ValueError(
            f"Need at least one town and one scenario per town, got --towns {arguments.towns}"
            f" --scenarios {arguments.scenarios}."
        )
    jobs = [
        Job(
            seed=arguments.seed + number,
            number=number,
            quotas=quotas,
            output=arguments.output,
            is_small=arguments.small,
        )
        for number, quotas in enumerate(quotas_of_towns(arguments.scenarios, arguments.towns))
    ]
    processes = min(arguments.processes or os.cpu_count() or 1, len(jobs))
    found: list[tuple[str, str]] = []
    with progress(arguments) as bar:
        task = bar.add_task("Towns", total=len(jobs))
        if processes == 1:
            for job in jobs:
                found += write_town(job)
                bar.advance(task)
        else:
            # Spawned, as a forked process with threads may hang.
            context = get_context("spawn")
            with ProcessPoolExecutor(processes, context, initializer=_share, initargs=(context.Lock(),)) as pool:
                for tags in pool.map(write_town, jobs):
                    found += tags
                    bar.advance(task)
    console.print(_table(found))


def _table(found: list[tuple[str, str]]) -> Table:
    towns = list(dict.fromkeys(town for town, _ in found))
    counts = Counter(found)
    table = Table(title=f"{len(found)} scenarios")
    table.add_column("scenario type")
    for town in towns:
        table.add_column(town, justify="right")
    for name in sorted({scenario_type for _, scenario_type in found}):
        table.add_row(name, *[str(counts[town, name]) for town in towns])
    return table


if __name__ == "__main__":
    run(Arguments, main, __doc__)
