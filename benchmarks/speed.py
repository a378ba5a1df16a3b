"""Seconds per 15 s scenario of each planner and kind of traffic, on one core, compiled code warm.

    python benchmarks/speed.py --data ../shared/golden/world1
    python benchmarks/speed.py --data demo/worlds --limit 20 --planner idm

Every scenario is driven twice by one worker; the second time counts. `driving` is all but opening the log, that is
rollout, planner and metrics; `total` also opens log and map and packs the simulation log.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from rich.table import Table
from tyro.conf import UseAppendAction, arg

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from command_line import CommonArguments, console, progress, run

from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios
from planning.registry import load_planner
from simulation.benchmark.jobs import Job
from simulation.benchmark.worker import BenchmarkWorker, WorkerSetup

DEFAULT_PLANNERS = ("simple", "idm", "pdm_closed")
STAGES = ("opening", "loading", "observation", "planning", "control", "traffic", "metrics", "packing")


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """What to drive."""

    data: Path
    """nuPlan data root."""
    planner: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="NAME")] = ()
    """Planners; by default simple, idm and pdm_closed."""
    limit: int | None = None
    """Only the first so many scenarios."""


def main(arguments: Arguments) -> None:
    """Drive everything twice and print medians."""
    entries = list_scenarios(DataRoot.find(arguments.data))[: arguments.limit]
    planners = arguments.planner or DEFAULT_PLANNERS
    traffics = ("nonreactive", "reactive")
    worker = BenchmarkWorker(
        WorkerSetup(
            load_planner=load_planner,
            step_timeout_s=60.0,
            traffic=traffics,
            planners=planners,
            opened_scenarios=0,
        )
    )
    table = Table(title=f"Median seconds per scenario, {len(entries)} scenarios, one core")
    for name in ("planner", "traffic", "driving", "total", *STAGES):
        table.add_column(name, justify="right")
    with progress(arguments) as bar:
        for planner in bar.track(planners, description="planners"):
            for traffic in traffics:
                table.add_row(planner, traffic, *measured(worker, planner, traffic, entries))
    console.print(table)


def measured(worker: BenchmarkWorker, planner: str, traffic: str, entries: list) -> list[str]:  # type: ignore[type-arg]
    """Medians over the scenarios, as text.

    Raises:
        ValueError: When a scenario fails.
    """
    rows = []
    for entry in entries:
        job = Job(planner=planner, traffic=traffic, entry=entry, seed=0)
        worker.run([job])
        (result,) = worker.run([job])
        if result.status == "failed":
            raise ValueError(f"{planner} failed in {entry.token}: {result.reason}")
        times = result.stage_time_s
        rows.append([times["rollout"] + times["metrics"], times["total"], *(times[stage] for stage in STAGES)])
    return [f"{value:.4f}" for value in np.median(rows, axis=0)]


if __name__ == "__main__":
    run(Arguments, main, __doc__)
