"""Write generated towns with traffic as nuPlan data.

    python scripts/make_worlds.py --output worlds
    python scripts/make_worlds.py --output worlds --towns 2 --scenarios 120 --seed 0
    python scripts/make_worlds.py --output worlds --calibrated --recorded-plans
    python scripts/make_worlds.py --output worlds --lane-scales 0.8 1.3

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
from simulation.generation.town.calibrated_traffic import with_calibration
from simulation.generation.town.generator import generate_town, quotas_of_towns, town_settings
from simulation.generation.town.layout import TownSettings, with_style
from simulation.generation.town.recorded import RECORDED, RECORDED_STYLE


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
    calibrated: bool = False
    """Draw sizes, lateral offsets, gaps and speeds as in recorded traffic (docs/realism.md). Without it, a seed gives
    the town of all earlier versions, on which the shipped networks were trained and the published tables measured."""
    recorded_plans: bool = False
    """Draw plans with lane graphs like recorded ones: shorter streets (docs/realism.md)."""
    lane_scales: tuple[float, float] = (1.0, 1.0)
    """Range of a factor of the lane widths, which are 3.4 to 3.6 m; drawn for each street, from 0.8 to 1.3."""
    bystanders: int = 0
    """Groups of people and bicycles in each town that stand beside the road and do not cross. A town with them has a
    third of the walking pedestrians, so that there is room on the walkways."""
    processes: int = 0
    """Number of processes; 0 for one per processor. The files do not depend on it."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One town to generate and write."""

    seed: int
    quotas: dict[str, int]
    output: Path
    settings: TownSettings


_writing: AbstractContextManager = nullcontext()
"""Lock for writing, as all towns add their map to one list."""


def _share(lock: AbstractContextManager) -> None:
    global _writing
    _writing = lock


def write_town(job: Job) -> list[tuple[str, str]]:
    """Generate and write one town. Returns map name and type of each scenario."""
    recordings = generate_town(job.seed, job.settings, job.quotas)
    with _writing:
        write_world(recordings, job.output)
    return [(one.map.name, tag.scenario_type) for one in recordings for tag in one.tags]


def settings_of(arguments: Arguments, number: int, scenarios: int) -> TownSettings:
    """Settings of the n-th town."""
    settings = town_settings(number, is_small=arguments.small)
    settings = replace(settings, scenarios=scenarios, lane_scales=arguments.lane_scales)
    if arguments.bystanders:
        settings = replace(settings, bystanders=arguments.bystanders, pedestrians=settings.pedestrians // 3)
    if arguments.recorded_plans:
        settings = with_style(settings, RECORDED_STYLE)
    return with_calibration(settings, RECORDED) if arguments.calibrated else settings


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
            quotas=quotas,
            output=arguments.output,
            settings=settings_of(arguments, number, sum(quotas.values())),
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
