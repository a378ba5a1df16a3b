"""Order of planners by score: stand still < constant velocity < IDM < PDM-Closed.

    python benchmarks/planner_order.py --data demo/worlds
    python benchmarks/planner_order.py --data demo/recordings

Prints final scores in non-reactive and reactive traffic, the paired 95 % interval of each difference, and
whether the order holds.
"""

import sys
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from command_line import CommonArguments, console, progress, run

from planning.registry import load_planner
from simulation.benchmark.comparison import compare_groups
from simulation.benchmark.report import Report
from simulation.benchmark.run import Progress, run_benchmark
from simulation.benchmark.settings import BenchmarkSettings, Traffic

ORDER = ("stand_still", "constant_velocity", "idm", "pdm_closed")
TRAFFIC: tuple[Traffic, ...] = ("nonreactive", "reactive")


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Data and planners."""

    data: Path
    """nuPlan data root."""
    limit: int | None = None
    """Maximum number of scenarios, taken from the start of the list."""
    workers: int = 2
    """Local processes."""


def main(arguments: Arguments) -> None:
    """Run and print."""
    with tempfile.TemporaryDirectory() as folder, progress(arguments) as bar:
        task = bar.add_task("runs", total=None)

        def show(state: Progress) -> None:
            bar.update(task, completed=state.done, total=state.total)

        settings = BenchmarkSettings(
            data=arguments.data,
            output=Path(folder) / "results",
            planners=ORDER,
            traffic=TRAFFIC,
            probes=False,
            workers=arguments.workers,
            limit=arguments.limit,
        )
        report = Report.read(run_benchmark(settings, load_planner, show))
    groups = {(group.planner, group.traffic): group for group in report.groups}
    for traffic in TRAFFIC:
        table = Table(title=f"{traffic}, {report.run['scenarios']} scenarios")
        for name in ("planner", "score", "failed", "better than the one before by", "95 % interval"):
            table.add_column(name, justify="right")
        scores = []
        for place, planner in enumerate(ORDER):
            group = groups[planner, traffic]
            scores.append(group.final_score)
            gain, interval = "", ""
            if place and (step := compare_groups(groups[ORDER[place - 1], traffic], group)) is not None:
                gain, interval = f"{step.difference:+.4f}", f"{step.interval[0]:+.4f} … {step.interval[1]:+.4f}"
            table.add_row(planner, f"{group.final_score:.4f}", str(len(group.failed)), gain, interval)
        console.print(table)
        holds = all(low < high for low, high in pairwise(scores))
        console.print(f"The order {'holds' if holds else 'does not hold'} in {traffic} traffic.")


if __name__ == "__main__":
    run(Arguments, main, __doc__)
