r"""Drive planners through scenarios in closed loop and write a report that explains every lost point.

    python scripts/benchmark.py --data demo/worlds --planner idm --planner pdm_closed --output results/first
    python scripts/benchmark.py --data ~/nuplan/dataset --filter val14.yaml --planner pdm_closed \
        --traffic reactive --backend ray --workers 16 --output results/val14
    python scripts/benchmark.py --data DIR --planner my_package.my_file:MyPlanner \
        --planner-arg checkpoint=weights.pt --output results/mine
    python scripts/benchmark.py --data DIR --planner my_package.my_file:MyPlanner --cameras nuplan_8 \
        --appearance night --camera-fault CAM_F0:black:2-6 --output results/dark
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

from driving.rig_files import read_rig, rig_named
from driving.rigs import RIGS
from planning.arguments import assign_arguments
from planning.registry import PLANNERS, load_planner, planner_parameters
from simulation.benchmark.camera_options import CameraOptions
from simulation.benchmark.devices import DeviceChoice
from simulation.benchmark.report import Report
from simulation.benchmark.run import Progress, run_benchmark
from simulation.benchmark.settings import BenchmarkSettings, Traffic
from simulation.rendering.faults import parse_fault

EXIT_LEFT_OUT = 3
LONGEST_SIDE_PX = 480
"""Of the images of rigs that are given by name."""


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
    traffic: Annotated[UseAppendAction[tuple[Traffic, ...]], arg(metavar="NAME")] = ()
    """nonreactive: agents as recorded; reactive: as IDM drivers; reactive_scripted: as IDM drivers except those that
    follow the script; learned, mixed: driven by a network, or some of them (docs/learned_traffic.md), with options as
    in learned:aggressiveness=0.5; open_loop: as recorded with the ego on the log. May be repeated. [nonreactive]"""
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
    cameras: str | None = None
    """Give planners rendered images: nuplan_8, nuscenes_6, argoverse2_7, or a JSON file with a rig. Images are
    rendered when a planner reads them. [only for planners with cameras of their own, and these]"""
    camera_size: tuple[int, int] | None = None
    """Width and height of all images [px]. [the longest side is 480 for rigs by name; of the file]"""
    appearance: str | None = None
    """Light and weather: day, overcast, dusk, night, fog, rain, by_seed or by_scenario. [day, or the planner's]"""
    camera_seed: int | None = None
    """Seed of buildings, trees, looks of agents, noise, and of the appearance by_seed. [0, or the planner's]"""
    camera_every_steps: int | None = None
    """Steps of 0.1 s between two images of a camera. [1, or the planner's]"""
    camera_fault: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="CAMERA:KIND")] = ()
    """Fault of a camera, with its seconds: CAM_F0:black:2-6, CAM_F0:missing, CAM_F0:frozen, CAM_F0:late=0.5,
    CAM_F0:nan. May be repeated."""
    camera_calibration: Path | None = None
    """JSON file with the rig that planners get, where it differs from the true one."""
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
        cameras=camera_options(arguments).to_json(),
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


def camera_options(arguments: Arguments) -> CameraOptions:
    """The cameras that the arguments set.

    Raises:
        KeyError: When no rig has the name.
        FileNotFoundError: When a rig file is missing.
        ValueError: When a rig file, a size or a fault is wrong.
    """
    rig = calibration = None
    if arguments.cameras is not None:
        rig = rig_named(arguments.cameras)
        if arguments.camera_size is not None:
            rig = rig.resized(sizes=arguments.camera_size)
        elif arguments.cameras in RIGS:
            rig = rig.resized(scale=LONGEST_SIDE_PX / float(rig.image_sizes.max()))
    elif arguments.camera_size is not None:
        raise ValueError("--camera-size needs a rig: name it by --cameras.")
    if arguments.camera_calibration is not None:
        calibration = read_rig(arguments.camera_calibration)
        if rig is not None and calibration.names == rig.names:
            calibration = calibration.resized(sizes=rig.image_sizes)
    return CameraOptions(
        rig=rig,
        calibration=calibration,
        appearance=arguments.appearance,
        seed=arguments.camera_seed,
        every_steps=arguments.camera_every_steps,
        faults=tuple(parse_fault(text) for text in arguments.camera_fault),
    )


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
