r"""Processor time of a benchmark run beside another checkout: opened scenarios, batches of the student, each stage.

    python benchmarks/workers.py --against ../before
    python benchmarks/workers.py --data demo/worlds --against ../before --repeats 3

Each workload is a run of `scripts/benchmark.py` in a process of its own, in turn in this checkout and in the one of
--against. The first workload drives cheap planners in two kinds of traffic, where opening a scenario once counts.
The others drive one planner in one kind of traffic. The figures are processor time without start-up and warm-up;
the smallest of several repeats counts. They hardly depend on other programs of the machine.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tables import TextTable

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from command_line import CommonArguments, print_line, print_lines, progress, run

from simulation.benchmark.scores import stage_order

CHECKOUT = Path(__file__).resolve().parent.parent
CHEAP_PLANNERS = ("idm", "simple", "ignore_agents")

IN_CPU_TIME = "import runpy, sys, time; time.perf_counter = time.process_time; sys.argv = sys.argv[1:]\n"
IN_CPU_TIME += "sys.path.insert(0, sys.argv[0].rpartition('/')[0]); runpy.run_path(sys.argv[0], run_name='__main__')"
"""Runs a script whose measured times become processor times."""


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Data, and the checkout to compare with."""

    against: Path | None = None
    """Another checkout of this repository, timed in the same run."""
    data: Path | None = None
    """nuPlan data root. [a generated town]"""
    limit: int = 20
    """Number of scenarios."""
    repeats: int = 2
    """Runs of each workload; the smallest time counts."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One command line."""

    name: str
    planners: tuple[str, ...]
    traffic: tuple[str, ...] = ("nonreactive",)
    options: tuple[str, ...] = ()
    """Further options."""

    @property
    def words(self) -> list[str]:
        """Planners, traffic and options on the command line."""
        planners = [word for name in self.planners for word in ("--planner", name)]
        return [*planners, *(word for name in self.traffic for word in ("--traffic", name)), *self.options]


WORKLOADS = (
    Workload(
        name="3 cheap planners × 2 kinds of traffic", planners=CHEAP_PLANNERS, traffic=("nonreactive", "reactive")
    ),
    Workload(name="idm", planners=("idm",)),
    Workload(name="idm, reactive", planners=("idm",), traffic=("reactive",)),
    Workload(name="pdm_closed", planners=("pdm_closed",)),
    Workload(name="student, one at a time", planners=("student",), options=("--batch", "1")),
    Workload(name="student, default batch", planners=("student",)),
)


@dataclass(frozen=True, kw_only=True)
class Times:
    """Processor times of one workload in one checkout."""

    drives: list[float] = field(default_factory=list)
    """Seconds per drive, one per repeat."""
    stages: dict[str, list[float]] = field(default_factory=dict)
    """Median seconds of each stage, one per repeat; of workloads with one planner and one kind of traffic."""

    def add(self, described: dict[str, Any], summary: dict[str, Any]) -> None:
        """Append a run, given its `run.json` and `summary.json`."""
        (session,), groups = described["sessions"], summary["final"]
        self.drives.append(session["work_s"] / session["jobs"])
        if len(groups) == 1:
            for stage, seconds in groups[0]["seconds_per_scenario_by_stage"].items():
                self.stages.setdefault(stage, []).append(seconds)


def main(arguments: Arguments) -> None:
    """Run all workloads in turn and print times and ratios."""
    checkouts = [CHECKOUT] if arguments.against is None else [arguments.against.resolve(), CHECKOUT]
    times = {(workload, checkout): Times() for workload in WORKLOADS for checkout in checkouts}
    jobs = [key for _ in range(arguments.repeats) for key in times]
    described: dict[Path, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder, progress(arguments) as bar:
        data = arguments.data or generated_town(Path(folder) / "worlds", arguments.limit)
        data = data.resolve()
        for number, (workload, checkout) in enumerate(bar.track(jobs, description="runs")):
            output = Path(folder) / str(number)
            described[checkout], summary = measured(workload, checkout, data, arguments.limit, output)
            times[workload, checkout].add(described[checkout], summary)
    for table in (drive_table(times, checkouts), stage_table(times, checkouts)):
        print_lines(table.markdown())
    hardware = described[CHECKOUT]["hardware"]
    print_line(f"{arguments.limit} scenarios; {hardware['cpu']}, {hardware['cores']} cores; commits:")
    for checkout in checkouts:
        print_line(f"- {checkout.name}: {described[checkout]['commit']}")


def generated_town(output: Path, scenarios: int) -> Path:
    """Write one town."""
    script = str(CHECKOUT / "scripts" / "make_worlds.py")
    words = ["--output", str(output), "--towns", "1", "--scenarios", str(scenarios), "--seed", "0", "--quiet"]
    checked_run([sys.executable, script, *words], CHECKOUT)
    return output


def measured(
    workload: Workload, checkout: Path, data: Path, limit: int, output: Path
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run a workload; returns the content of `run.json` and `summary.json`, in processor time.

    Raises:
        ChildProcessError: When the command or a scenario fails.
    """
    script = str(checkout / "scripts" / "benchmark.py")
    words = ["--data", str(data), "--output", str(output), "--limit", str(limit), *workload.words]
    words += ["--no-probes", "--quiet", "--backend", "serial"]
    checked_run([sys.executable, "-c", IN_CPU_TIME, script, *words], checkout)
    described, summary = (json.loads((output / name).read_text()) for name in ("run.json", "summary.json"))
    for group in summary["final"]:
        if group["failed"]:
            raise ChildProcessError(f"{group['failed']} scenarios of {group['planner']} failed in {checkout}.")
    return described, summary


def checked_run(command: list[str], checkout: Path) -> None:
    """Run a command of a checkout on one core.

    Raises:
        ChildProcessError: When it fails.
    """
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(  # noqa: S603
        command, cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ChildProcessError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")


def drive_table(times: dict[tuple[Workload, Path], Times], checkouts: list[Path]) -> TextTable:
    """Processor time per drive, and its ratio in the first checkout to that in the last one."""
    head = ["workload", *(f"{checkout.name} [ms]" for checkout in checkouts), "times as fast"]
    table = TextTable(title="Processor time per drive", head=tuple(head))
    for workload in WORKLOADS:
        seconds = [min(times[workload, checkout].drives) for checkout in checkouts]
        table.add(workload.name, *(f"{1e3 * one:.1f}" for one in seconds), f"{seconds[0] / seconds[-1]:.2f}")
    return table


def stage_table(times: dict[tuple[Workload, Path], Times], checkouts: list[Path]) -> TextTable:
    """Median processor time of each stage of workloads with one planner and one kind of traffic."""
    head = ["workload", "stage", *(f"{checkout.name} [ms]" for checkout in checkouts), "times as fast"]
    table = TextTable(title="Median processor time of a stage", head=tuple(head), num_left=2)
    for workload in WORKLOADS:
        found = [times[workload, checkout].stages for checkout in checkouts]
        shared = [stage for stage in found[0] if stage in found[-1]]
        for stage in sorted(shared, key=stage_order):
            seconds = [min(stages[stage]) for stages in found]
            ratio = f"{seconds[0] / seconds[-1]:.2f}" if seconds[-1] else ""
            table.add(workload.name, stage, *(f"{1e3 * one:.2f}" for one in seconds), ratio)
    return table


if __name__ == "__main__":
    run(Arguments, main, __doc__)
