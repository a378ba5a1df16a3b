"""Short benchmark runs for tests."""

from pathlib import Path
from typing import Any

from planning.registry import load_planner
from simulation.benchmark.report import Report
from simulation.benchmark.run import run_benchmark
from simulation.benchmark.settings import BenchmarkSettings

STRAIGHT = "odd_planners:Straight"
STRAIGHT_BATCHED = "odd_planners:StraightBatched"


def settings(world: Path, output: Path, *planners: str, **changes: Any) -> BenchmarkSettings:
    """Serial, without probes."""
    defaults = {"backend": "serial", "probes": False, "planners": planners or (STRAIGHT,)}
    return BenchmarkSettings(data=world, output=output, **{**defaults, **changes})


def run(world: Path, output: Path, *planners: str, **changes: Any) -> Report:
    """Run and write the report."""
    store = run_benchmark(settings(world, output, *planners, **changes), load_planner)
    report = Report.read(store)
    report.write(store.folder)
    return report
