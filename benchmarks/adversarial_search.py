"""Failures found per CPU minute: the adversarial search, random search, and parametric corner cases at equal budget.

    python benchmarks/adversarial_search.py --data worlds --planner pdm_closed --budget 2m
    python benchmarks/adversarial_search.py --data worlds --planner student --budget 3m --seeds 3

Each method has the same CPU time, without the time to start processes. `evolution` and `random` are
scripts/find_failures.py with and without screen and evolution strategy. `corner cases` draws parametric corner cases
(docs/corner_cases.md) on maps of their own, each with a solution, and drives the planner through them: failures are
at-fault collisions, departures from the drivable area and lack of progress, as in the search, modes are kinds of
corner cases, and the rarity is that of the agent that the case is about, where it names one.

With --confirm, the planner and the log are driven again through the written scenarios.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

from rich.table import Table
from tyro.conf import UseAppendAction, arg

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from command_line import CommonArguments, console, print_line, run
from find_failures import rarity_among, scene_network, seconds_of

from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios, open_scenario
from driving.planner import Planner
from planning.registry import load_planner
from simulation.generation.adversarial.campaign import Budget, CampaignSettings, run_campaign
from simulation.generation.adversarial.drives import DriveJob, drive_planner
from simulation.generation.adversarial.output import DATA, write_output
from simulation.generation.adversarial.rarity_limit import is_too_rare
from simulation.generation.adversarial.results import NUM_POLICIES, Method, SearchSettings
from simulation.generation.corner_cases.generator import make_corner_case
from simulation.generation.corner_cases.kinds import CORNER_KINDS
from simulation.generation.corner_cases.sites import NoSiteError
from simulation.generation.ways_out.verification import verified_score

METHODS = ("evolution", "random", "corner cases")


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Data, planner, budget and methods."""

    data: Path
    """nuPlan data root with the scenarios to change."""
    planner: str = "pdm_closed"
    """Planner to test."""
    budget: str = "2m"
    """CPU time of each method and seed: 90s, 10m."""
    seeds: int = 1
    """Number of seeds."""
    first_seed: int = 0
    """The first seed."""
    output: Path = Path("results/adversarial")
    """Folder for the searches; existing ones are continued."""
    method: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="NAME")] = ()
    """Methods to compare; may be repeated. [evolution, random and corner cases]"""
    rarity: bool = True
    """Measure the rarity of the changed agent, as scripts/find_failures.py; the rarest are not plausible."""
    drawn_neighbours: bool = True
    """Also add neighbours that the scene network draws, as scripts/find_failures.py."""
    learned_policies: bool = False
    """Also search roll-outs of the learned traffic model, as scripts/find_failures.py."""
    confirm: bool = False
    """Drive the written scenarios again: the planner must fail in each, and the log pass."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """The result of a method with a seed."""

    method: str
    seed: int
    drives: int
    cpu_s: float
    found: int
    plausible: int
    solved: int
    modes: frozenset[str]
    scenarios: int
    """With a solved failure."""


def main(arguments: Arguments) -> None:
    """Search with each method and seed, and print a table."""
    methods = arguments.method or METHODS
    unknown = sorted(set(methods) - set(METHODS))
    if unknown:
        raise ValueError(f"No method named {unknown[0]!r}. Known: {', '.join(METHODS)}.")
    rows = []
    for method in methods:
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
            if method == "corner cases":
                rows.append(corner_cases(arguments, seed))
            else:
                rows.append(search(arguments, "random" if method == "random" else "evolution", seed))
            if not arguments.quiet:
                print_line(str(rows[-1]))
    console.print(table_of(rows, arguments))


def search(arguments: Arguments, method: Method, seed: int) -> Row:
    """The search in the scenarios of the data root."""
    output = arguments.output / f"{arguments.planner.replace('/', '_')}-{method}-{seed}"
    entries = list_scenarios(DataRoot.find(arguments.data))
    settings = CampaignSettings(
        planner=arguments.planner,
        make_planner=partial(load_planner, arguments.planner),
        entries=entries,
        rarity=partial(rarity_among, entries) if arguments.rarity else None,
        scenes=scene_network if arguments.drawn_neighbours else None,
        budget=Budget(cpu_s=seconds_of(arguments.budget)),
        output=output,
        seed=seed,
        search=SearchSettings(method=method, policies=NUM_POLICIES if arguments.learned_policies else 0),
        resume=True,
    )
    summary = write_output(settings, run_campaign(settings))
    if arguments.confirm and summary.solvable:
        confirm(output / DATA, load_planner(arguments.planner))
    return Row(
        method=method,
        seed=seed,
        drives=summary.drives,
        cpu_s=summary.cpu_s,
        found=summary.found,
        plausible=summary.plausible,
        solved=summary.solvable,
        modes=frozenset(summary.modes),
        scenarios=summary.solved_scenarios,
    )


def confirm(data: Path, planner: Planner) -> None:
    """Drive the written scenarios with the planner, and their logs in closed loop."""
    entries = list_scenarios(DataRoot.find(data))
    scenarios = [open_scenario(entry) for entry in entries]
    driven = [
        drive_planner([DriveJob(scenario=scenario, judges_progress=True)], planner)[0] for scenario in scenarios
    ]
    failing = sum(drive.failure is not None for drive in driven)
    passing = sum(verified_score(scenario) is not None for scenario in scenarios)
    print_line(f"{data}: the planner fails in {failing} of {len(scenarios)}, the log passes in {passing}.")


def corner_cases(arguments: Arguments, seed: int) -> Row:
    """Corner cases that are drawn, solved and driven until the budget is used up."""
    planner = load_planner(arguments.planner)
    rarity = rarity_among(list_scenarios(DataRoot.find(arguments.data))) if arguments.rarity else None
    limit_s = seconds_of(arguments.budget)
    began = time.process_time()
    drives, failed, plausible = 0, [], []
    for kind, number in _draws():
        if time.process_time() - began >= limit_s:
            break
        try:
            recording = make_corner_case(kind, 5000 + seed, number=number)
        except (NoSiteError, ValueError):
            continue
        scenario = recording.scenario(recording.tags[0])
        (drive,) = drive_planner([DriveJob(scenario=scenario, judges_progress=True)], planner)
        drives += 1
        if drive.failure is not None:
            failed.append(kind)
            about = scenario.about_track
            if rarity is None or about is None or not is_too_rare(rarity.percentile(scenario, about)):
                plausible.append(kind)
    return Row(
        method="corner cases",
        seed=seed,
        drives=drives,
        cpu_s=time.process_time() - began,
        found=len(failed),
        plausible=len(plausible),
        solved=len(plausible),
        modes=frozenset(plausible),
        scenarios=len(plausible),
    )


def _draws() -> Iterator[tuple[str, int]]:
    for number in range(10_000):
        for kind in CORNER_KINDS:
            yield kind, number


def table_of(rows: list[Row], arguments: Arguments) -> Table:
    """One row per method, over all seeds."""
    table = Table(title=f"Failures of {arguments.planner}, {arguments.budget} of CPU time, {arguments.seeds} seeds")
    names = (
        "method",
        "drives",
        "CPU s",
        "found",
        "plausible",
        "solved",
        "solved/found",
        "modes",
        "scenarios",
        "solved per CPU minute",
    )
    for name in names:
        table.add_column(name, justify="left" if name == "method" else "right")
    for method in dict.fromkeys(row.method for row in rows):
        of = [row for row in rows if row.method == method]
        found, plausible, solved, cpu_s = (
            sum(getattr(row, name) for row in of) for name in ("found", "plausible", "solved", "cpu_s")
        )
        modes = frozenset().union(*(row.modes for row in of))
        table.add_row(
            method,
            str(sum(row.drives for row in of)),
            f"{cpu_s:.0f}",
            str(found),
            str(plausible),
            str(solved),
            f"{solved / found:.2f}" if found else "-",
            str(len(modes)),
            str(sum(row.scenarios for row in of)),
            f"{60 * solved / cpu_s:.2f}",
        )
    return table


if __name__ == "__main__":
    run(Arguments, main, __doc__)
