r"""Drive planners through scenarios in closed loop and write a report that explains every lost point.

    python scripts/benchmark.py --data demo/worlds --planner idm --planner pdm_closed --output results/first
    python scripts/benchmark.py --data ~/nuplan/dataset --filter val14.yaml --planner pdm_closed \
        --traffic reactive --backend ray --workers 16 --output results/val14
    python scripts/benchmark.py --data DIR --planner my_package.my_file:MyPlanner \
        --planner-arg checkpoint=weights.pt --output results/mine
    python scripts/benchmark.py ... --output results/first --resume      # after an interruption

Planners: PLANNER_NAMES, `student:DIR` for a trained student, `package.module:Class` for a class of your own,
`devkit:package.module:Class` for a planner written for nuPlan's devkit, or `recorded:DIR` for plans from files. The
output folder holds scores.csv, summary.md and report.html; scripts/compare.py compares two of them.

Exit code: 0 when everything requested was driven, 1 for an error, 3 when the report is complete but logs or scenarios
were left out, because a log cannot be read or ends within a scenario. The console, summary.md, summary.json and
report.html name them, and the names of a filter that the data lacks. A planner that fails in a scenario gets 0 points
there and does not change the exit code.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from command_line import CommonArguments, console, print_line, progress, run
from rich.markup import escape
from rich.table import Table
from tyro.conf import UseAppendAction, arg

from planning.arguments import assign_arguments
from planning.registry import PLANNERS, load_planner, planner_parameters
from simulation.benchmark.devices import DeviceChoice
from simulation.benchmark.report import Report
from simulation.benchmark.run import Progress, run_benchmark
from simulation.benchmark.settings import BenchmarkSettings, Traffic

EXIT_LEFT_OUT = 3


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Data, planners, traffic, workers and limits of a run."""

    data: Path
    """nuPlan data root (with nuplan-v1.1/ and maps/), or a folder of log files together with --maps."""
    output: Path
    """Results folder; made if absent."""
    planner: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="NAME")] = ()
    """Planner to drive; may be repeated."""
    planner_arg: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="NAME=VALUE")] = ()
    """Argument of the constructors that take it, typed by their annotations; PLANNER.NAME=VALUE sets it for one
    planner only. May be repeated."""
    traffic: Annotated[UseAppendAction[tuple[Traffic, ...]], arg()] = ()
    """Agents as recorded; as IDM drivers; as IDM drivers except those that follow the script (ours, not nuPlan's); or
    as recorded with the ego on the log. May be repeated. [nonreactive]"""
    maps: Path | None = None
    """Maps folder, if it is not beside the data."""
    filter: Path | None = None
    """Scenario filter, a YAML file in the devkit's form (val14, test14-hard, ...)."""
    limit: int | None = None
    """Only this many scenarios, the first of the list."""
    allow_short: bool = False
    """Drive scenarios that the end of their log cuts off at their length, instead of leaving them out."""
    backend: Literal["serial", "process", "ray"] = "process"
    """In this process, in local processes, or on Ray; the scores are the same."""
    workers: int = 1
    """Workers; about as many as there are cores."""
    batch: int | None = None
    """Scenarios that a worker drives in lockstep with one query of the planner per step. [16 for planners with
    plan_batch such as student, 1 for all others]"""
    device: DeviceChoice = "auto"
    """Where networks of planners run; auto uses the GPUs that there are. On Ray, GPUs need --gpus-per-worker."""
    gpus_per_worker: float = 0.0
    """Share of a GPU per worker, e.g. 0.25 for four workers on one GPU. [local processes take the GPUs in turn]"""
    ray_address: str | None = None
    """Address of a running Ray cluster; without it Ray is started on this machine."""
    step_timeout: float = 30.0
    """Time limit of one plan [s]; a planner that exceeds it fails its scenario."""
    scenario_timeout: float = 900.0
    """Time limit of one scenario [s]; a worker that exceeds it is killed. Multiplied by the size of a batch."""
    seed: int = 0
    """Seed of planners that draw random numbers."""
    probes: bool = True
    """Also run stand_still, constant_velocity and ignore_agents, which show how far a metric can be gamed."""
    resume: bool = False
    """Continue the run in the output folder; finished scenarios are kept."""
    retry_failed: bool = False
    """On resuming, run failed scenarios again."""


def main(arguments: Arguments) -> None:
    """Run, write the report, print the table."""
    if not arguments.planner:
        raise ValueError("Name at least one planner, for example --planner idm.")
    sys.path.append(str(Path.cwd()))  # A user's planner is often a file in the current folder.
    parameters = {name: planner_parameters(name) for name in arguments.planner}
    settings = BenchmarkSettings(
        data=arguments.data,
        output=arguments.output,
        maps=arguments.maps,
        filter=arguments.filter,
        planners=arguments.planner,
        planner_arguments=assign_arguments(arguments.planner_arg, parameters),
        traffic=arguments.traffic or ("nonreactive",),
        backend=arguments.backend,
        workers=arguments.workers,
        batch=arguments.batch,
        device=arguments.device,
        gpus_per_worker=arguments.gpus_per_worker,
        ray_address=arguments.ray_address,
        step_timeout_s=arguments.step_timeout,
        scenario_timeout_s=arguments.scenario_timeout,
        seed=arguments.seed,
        probes=arguments.probes,
        limit=arguments.limit,
        allow_short=arguments.allow_short,
        resume=arguments.resume,
        retry_failed=arguments.retry_failed,
    )
    uses_gpus = arguments.device != "cpu" and any("device" in found for found in parameters.values())
    with progress(arguments) as bar:
        task = bar.add_task("scenarios", total=None)

        def show(state: Progress) -> None:
            text = f"scenarios ({state.failed} failed)" if state.failed else "scenarios"
            bar.update(task, completed=state.done, total=state.total, description=text)

        store = run_benchmark(settings, load_planner, show, num_gpus=_count_gpus() if uses_gpus else 0)
    report = Report.read(store)
    report.write(store.folder)
    console.print(score_table(report))
    for line in report.selection_lines:
        print_line(line)
    for group in report.groups:
        for result in group.failed[:5]:
            print_line(f"failed: {group.planner} {result.scenario}: {result.reason}")
    print_line(f"Report: {store.folder / 'report.html'}")
    if report.num_left_out:
        sys.exit(EXIT_LEFT_OUT)


def _count_gpus() -> int:
    from planning.neural.devices import cuda_device_count

    return cuda_device_count()


def score_table(report: Report) -> Table:
    """Final scores, one row per planner and kind of traffic."""
    table = Table(title="Final scores (failed scenarios count as 0)")
    for name in ("planner", "traffic", "score", "scenarios", "failed", "seconds per scenario"):
        table.add_column(name, justify="left" if name in ("planner", "traffic") else "right")
    for group in report.groups:
        seconds = group.seconds().get("total")
        table.add_row(
            escape(f"{group.planner} (probe)" if group.is_probe else group.planner),
            group.traffic,
            f"{group.final_score:.4f}",
            str(len(group.results)),
            str(len(group.failed)),
            "" if seconds is None else f"{seconds:.3f}",
        )
    return table


if __name__ == "__main__":
    run(Arguments, main, (__doc__ or "").replace("PLANNER_NAMES", ", ".join(PLANNERS)))
