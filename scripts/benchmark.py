r"""Drive planners through scenarios in closed loop and write a report that explains every lost point.

    python scripts/benchmark.py --data demo/worlds --planner idm --planner pdm_closed --output results/first
    python scripts/benchmark.py --data ~/nuplan/dataset --filter val14.yaml --planner pdm_closed \
        --traffic reactive --backend ray --workers 16 --output results/val14
    python scripts/benchmark.py --data DIR --planner my_package.my_file:MyPlanner --output results/mine
    python scripts/benchmark.py ... --output results/first --resume      # after an interruption

Planners: a name of the registry (log_future, stand_still, constant_velocity, ignore_agents, simple, idm, pdm_closed),
`package.module:Class` for one of yours, `devkit:package.module:Class` for one written for nuPlan's devkit, or
`recorded:DIR` for plans from files. The output folder holds scores.csv, summary.md and report.html; compare two of
them by scripts/compare.py.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from command_line import CommonArguments, console, progress, run
from rich.table import Table
from tyro.conf import UseAppendAction, arg

from planning.registry import load_planner
from simulation.benchmark.report import Report
from simulation.benchmark.run import Progress, run_benchmark
from simulation.benchmark.settings import BenchmarkSettings, Traffic


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """What to run, on what, and where."""

    data: Path
    """nuPlan data root (with nuplan-v1.1/ and maps/), or a folder of log files together with --maps."""
    output: Path
    """Results folder; made if absent."""
    planner: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="NAME")] = ()
    """Planner to drive; give the option several times for several planners."""
    traffic: Annotated[UseAppendAction[tuple[Traffic, ...]], arg()] = ()
    """How others behave: as recorded, as IDM drivers, as IDM drivers but for those who follow the script (ours, not
    nuPlan's), or as recorded with the ego on the log. May be repeated. [nonreactive]"""
    maps: Path | None = None
    """Maps folder, where it is not beside the data."""
    filter: Path | None = None
    """Scenario filter, a YAML file in the devkit's form (val14, test14-hard, ...)."""
    limit: int | None = None
    """Only the first so many scenarios."""
    backend: Literal["serial", "process", "ray"] = "process"
    """In this process, in local processes, or on Ray; the scores are the same."""
    workers: int = 1
    """Workers; about as many as there are cores."""
    gpus_per_worker: float = 0.0
    """Share of a GPU per worker, for planners with networks; Ray only."""
    ray_address: str | None = None
    """Address of a running Ray cluster; without it Ray is started on this machine."""
    step_timeout: float = 30.0
    """Seconds that a planner may take for one step before its scenario fails."""
    scenario_timeout: float = 900.0
    """Seconds after which a worker is killed over one scenario."""
    seed: int = 0
    """Seed of planners that draw numbers."""
    probes: bool = True
    """Also run stand_still, constant_velocity and ignore_agents, to show what a metric can be gamed by."""
    resume: bool = False
    """Go on with the run in the output folder; what is finished is kept."""
    retry_failed: bool = False
    """On resuming, run failed scenarios again."""


def main(arguments: Arguments) -> None:
    """Run, write the report, print the table."""
    if not arguments.planner:
        raise ValueError("Name at least one planner, for example --planner idm.")
    sys.path.append(str(Path.cwd()))  # A planner of one's own is often a file in the folder one is in.
    settings = BenchmarkSettings(
        data=arguments.data,
        output=arguments.output,
        maps=arguments.maps,
        filter=arguments.filter,
        planners=arguments.planner,
        traffic=arguments.traffic or ("nonreactive",),
        backend=arguments.backend,
        workers=arguments.workers,
        gpus_per_worker=arguments.gpus_per_worker,
        ray_address=arguments.ray_address,
        step_timeout_s=arguments.step_timeout,
        scenario_timeout_s=arguments.scenario_timeout,
        seed=arguments.seed,
        probes=arguments.probes,
        limit=arguments.limit,
        resume=arguments.resume,
        retry_failed=arguments.retry_failed,
    )
    with progress(arguments) as bar:
        task = bar.add_task("scenarios", total=None)

        def show(state: Progress) -> None:
            text = f"scenarios ({state.failed} failed)" if state.failed else "scenarios"
            bar.update(task, completed=state.done, total=state.total, description=text)

        store = run_benchmark(settings, load_planner, show)
    report = Report.read(store)
    report.write(store.folder)
    console.print(score_table(report))
    for group in report.groups:
        for result in group.failed[:5]:
            console.print(
                f"failed: {group.planner} {result.scenario}: {result.reason}", markup=False, highlight=False
            )
    console.print(f"Report: {store.folder / 'report.html'}", highlight=False, soft_wrap=True)


def score_table(report: Report) -> Table:
    """Final scores, one row a planner and kind of traffic."""
    table = Table(title="Final scores (failed scenarios count as 0)")
    for name in ("planner", "traffic", "score", "scenarios", "failed", "seconds per scenario"):
        table.add_column(name, justify="left" if name in ("planner", "traffic") else "right")
    for group in report.groups:
        seconds = group.seconds().get("total")
        table.add_row(
            f"{group.planner} (probe)" if group.is_probe else group.planner,
            group.traffic,
            f"{group.final_score:.4f}",
            str(len(group.results)),
            str(len(group.failed)),
            "" if seconds is None else f"{seconds:.3f}",
        )
    return table


if __name__ == "__main__":
    run(Arguments, main, __doc__)
