"""Find rare scenarios in which a planner fails although another driver would not.

    python scripts/find_failures.py --planner pdm_closed --data worlds --budget 10m --output failures
    python scripts/find_failures.py --planner student --data worlds --drives 400 --seed 3 --output failures
    python scripts/find_failures.py --planner pdm_closed --data worlds --budget 10m --output failures --resume

The search changes one agent of each scenario (or adds one) so that the planner causes a collision, leaves the road or
makes no progress. OUTPUT/data is a nuPlan data root with the failures that have a certificate: a way out, driven with
all multipliers at 1, is the logged ego. OUTPUT/unproved has the others. docs/adversarial.md describes the search.

A budget such as 90s, 10m or 2h is CPU time of all workers together. With --drives instead, equal seeds give equal
files, with any number of workers, in processes or on Ray. A search that finds nothing ends with exit code 0.
"""

import os

# Before torch starts its threads: idle ones would spin.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from command_line import CommonArguments, console, print_line, progress, require_count, run
from rich.table import Table
from tyro.conf import UseAppendAction, arg

from driving.nuplan.data import DataRoot
from driving.nuplan.entries import ScenarioEntry
from driving.nuplan.scenarios import list_scenarios
from driving.text import printable
from planning.registry import load_planner
from simulation.generation.adversarial.campaign import Budget, CampaignSettings, RunTasks, run_campaign
from simulation.generation.adversarial.output import DATA, UNPROVED, Summary, write_output
from simulation.generation.adversarial.rarity_limit import Rarity
from simulation.generation.adversarial.records import TaskRecord
from simulation.generation.adversarial.results import NUM_POLICIES, Method, SearchSettings
from simulation.generation.adversarial.scene_network import DrawsAgents

DEFAULT_BUDGET = "5m"
_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Planner, data and budget."""

    planner: str
    """Name of a planner, or package.module:Class, as in scripts/benchmark.py."""
    data: Path
    """nuPlan data root with the scenarios to change."""
    output: Path
    """Output folder."""
    planner_arg: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="NAME=VALUE")] = ()
    """Argument of the planner's constructor; may be repeated."""
    budget: str | None = None
    """CPU time of all workers together: 90s, 10m, 2h. [5m, unless --drives is given]"""
    drives: int | None = None
    """Budget in drives of the planner instead of CPU time; the result then depends on nothing but the seed."""
    drives_per_scenario: int = 40
    """Drives of the planner in one scenario, at most."""
    seed: int = 0
    """Seed of all random numbers."""
    workers: int = 1
    """Number of processes."""
    backend: Literal["process", "ray"] = "process"
    """Local processes, or Ray; equal results."""
    ray_address: str | None = None
    """Ray cluster to join, such as auto; its nodes share the folders of data and output. [Ray on this machine]"""
    limit: int | None = None
    """Only the first scenarios of the list."""
    method: Method = "evolution"
    """Evolution strategy, or random changes for comparison."""
    neighbours: Literal["yes", "no"] = "yes"
    """Whether to add generated agents, or to change agents of the scenario only."""
    rarity: bool = True
    """Measure how rare the changed agent is by the likelihood of the scene network; the rarest are not plausible."""
    drawn_neighbours: bool = True
    """Also add neighbours that the scene network draws."""
    learned_policies: bool = False
    """Also search roll-outs of the learned traffic model as the behaviour of the changed agent."""
    until: int | None = None
    """End when this many failures have a certificate."""
    resume: bool = False
    """Continue the search in the output folder."""


def seconds_of(text: str) -> float:
    """The seconds of `90s`, `10m` or `2h`.

    Raises:
        ValueError: For another text.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text.strip())
    if found is None or not float(found[1]):
        raise ValueError(f"A budget is a CPU time such as 90s, 10m or 2h, got {text!r}.")
    return float(found[1]) * _UNITS_S[found[2]]


def budget_of(arguments: Arguments) -> Budget:
    """The budget of the arguments.

    Raises:
        ValueError: When both kinds are given.
    """
    if arguments.budget is not None and arguments.drives is not None:
        raise ValueError("Give --budget or --drives, not both.")
    if arguments.drives is not None:
        return Budget(drives=arguments.drives)
    return Budget(cpu_s=seconds_of(arguments.budget or DEFAULT_BUDGET))


def rarity_among(entries: Sequence[ScenarioEntry]) -> Rarity:
    """Rarity by the shipped scene network, compared with the agents of the unchanged scenarios."""
    # Imports torch, which a search without rarity does not need.
    from simulation.generation.learned.rarity import LearnedRarity

    return LearnedRarity.among(entries)


def scene_network() -> DrawsAgents:
    """The shipped scene network, which draws neighbours."""
    # Imports torch, which a search without drawn neighbours does not need.
    from simulation.generation.learned.further_agents import FurtherAgents

    return FurtherAgents()


def run_on_ray(arguments: Arguments) -> RunTasks:
    """Runs tasks on Ray with the number of workers and the address of the arguments."""
    # The library imports slowly.
    from simulation.benchmark.ray_tasks import RayOptions, ray_results

    return partial(ray_results, settings=RayOptions(workers=arguments.workers, ray_address=arguments.ray_address))


def settings_of(arguments: Arguments) -> CampaignSettings:
    """The campaign of the arguments."""
    require_count("--limit", arguments.limit)
    require_count("--workers", arguments.workers)
    require_count("--drives-per-scenario", arguments.drives_per_scenario)
    sys.path.append(str(Path.cwd()))  # A user's planner is often a file in the current folder.
    make = partial(load_planner, arguments.planner, arguments=arguments.planner_arg)
    make()  # A wrong name is an error of this command, not of its workers.
    entries = list_scenarios(DataRoot.find(arguments.data))[: arguments.limit]
    return CampaignSettings(
        planner=arguments.planner,
        make_planner=make,
        entries=entries,
        rarity=partial(rarity_among, entries) if arguments.rarity else None,
        scenes=scene_network if arguments.drawn_neighbours else None,
        budget=budget_of(arguments),
        output=arguments.output,
        seed=arguments.seed,
        workers=arguments.workers,
        run_tasks=run_on_ray(arguments) if arguments.backend == "ray" else None,
        search=SearchSettings(
            method=arguments.method,
            drives=arguments.drives_per_scenario,
            neighbours=arguments.neighbours == "yes",
            policies=NUM_POLICIES if arguments.learned_policies else 0,
        ),
        resume=arguments.resume,
        until=arguments.until,
    )


def main(arguments: Arguments) -> None:
    """Search, write, and print a table."""
    settings = settings_of(arguments)
    total = settings.budget.cpu_s or settings.budget.drives
    with progress(arguments) as bar:
        task = bar.add_task("CPU seconds" if settings.budget.cpu_s else "drives", total=total)

        def show(record: TaskRecord) -> None:
            bar.advance(task, round(record.cpu_s) if settings.budget.cpu_s else settings.search.drives)

        tasks = run_campaign(settings, show)
    summary = write_output(settings, tasks)
    console.print(table_of(summary))
    for reason, count in summary.skipped.items():
        print_line(f"Not searched: {reason} ({count} scenarios).")
    for reason, count in summary.not_drawn.items():
        print_line(f"Searched without neighbours of the scene network: {reason} ({count} scenarios).")
    if summary.errors:
        first = next(error for one in tasks for error in one.errors)
        print_line(f"The planner raised in {summary.errors} drives, which count as no failure. The first: {first}")
    if summary.found:
        print_line(f"Every failure with its numbers: {settings.output / 'summary.md'}")
    if summary.solvable:
        print_line(f"Scenarios with a way out, a nuPlan data root: {settings.output / DATA}")
        print_line(f"See them in a browser: python scripts/view.py {settings.output / DATA}")
    if summary.found > summary.solvable:
        print_line(f"Scenarios without a proved way out, not to be trained on: {settings.output / UNPROVED}")


def table_of(summary: Summary) -> Table:
    """The numbers of the search; modes of the solved failures in its caption."""
    found_none = "The search found no failure." if not summary.found else ""
    table = Table(title=f"Failures of {summary.planner}", caption=printable(found_none or "; ".join(summary.modes)))
    values = {
        "scenarios": str(summary.scenarios),
        "drives": str(summary.drives),
        "refused": str(summary.too_rare + summary.no_way_out),
        "CPU time": f"{summary.cpu_s:.0f} s",
        "found": str(summary.found),
        "plausible": str(summary.plausible),
        "solvable": str(summary.solvable),
        "distinct modes": str(len(summary.modes)),
        "solved per CPU minute": f"{summary.solved_per_minute:.2f}",
    }
    for name in values:
        table.add_column(name, justify="right")
    table.add_row(*values.values())
    return table


if __name__ == "__main__":
    run(Arguments, main, __doc__)
