"""Time by number of workers and growth of memory of the benchmark on Ray.

    python benchmarks/ray_scaling.py --data demo/worlds --runs 1000

Repeats the same runs with one worker and with two. Start-up (Ray, its actors, compiled code) is printed separately.
Memory is each worker's resident memory after its 50th run and after its last.
"""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from command_line import CommonArguments, console, progress, run

from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios
from planning.registry import load_planner
from simulation.benchmark.backends import make_backend
from simulation.benchmark.jobs import Job, JobResult
from simulation.benchmark.schedule import Batch
from simulation.benchmark.settings import BenchmarkSettings
from simulation.benchmark.worker import WorkerSetup

SETTLED_AFTER = 50
"""Runs after which a worker has loaded every map and kernel."""


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Data, runs and planner."""

    data: Path
    """nuPlan data root."""
    runs: int = 1000
    """Number of runs; scenarios are repeated with other seeds."""
    planner: str = "idm"
    """Planner."""
    backend: Literal["process", "ray"] = "ray"
    """Backend."""


def main(arguments: Arguments) -> None:
    """Run with one worker and with two, and print ratio and growth."""
    table = Table(title=f"{arguments.runs} runs of {arguments.planner} on {arguments.backend}")
    for name in ("workers", "start-up s", "work s", "runs/s", "failed", "memory growth per worker MiB"):
        table.add_column(name, justify="right")
    seconds = []
    for workers in (1, 2):
        startup_s, work_s, results = run_all(arguments, workers)
        seconds.append(work_s)
        growth = ", ".join(f"{value:+.0f}" for value in memory_growth(results))
        failed = sum(result.status == "failed" for result in results)
        rate = arguments.runs / work_s
        table.add_row(str(workers), f"{startup_s:.1f}", f"{work_s:.1f}", f"{rate:.1f}", str(failed), growth)
    console.print(table)
    console.print(f"Two workers are {seconds[0] / seconds[1]:.2f} times as fast as one.")


def run_all(arguments: Arguments, workers: int) -> tuple[float, float, list[JobResult]]:
    """Start-up seconds, work seconds and results."""
    import time

    entries = list_scenarios(DataRoot.find(arguments.data))
    jobs = [
        Job(planner=arguments.planner, traffic="nonreactive", entry=entries[i % len(entries)], seed=i // len(entries))
        for i in range(arguments.runs)
    ]
    batches = [Batch(jobs=(job,), chunk=number) for number, job in enumerate(jobs)]
    settings = BenchmarkSettings(
        data=arguments.data,
        output=Path(tempfile.gettempdir()),
        planners=(arguments.planner,),
        backend=arguments.backend,
        workers=workers,
    )
    setup = WorkerSetup(
        load_planner=load_planner, step_timeout_s=10.0, traffic=settings.traffic, planners=settings.planners
    )
    backend = make_backend(settings, setup)
    results: list[JobResult] = []
    started = time.perf_counter()
    with progress(arguments) as bar:
        outcomes = bar.track(backend.run(batches), total=len(batches), description=f"{workers} workers")
        results.extend(result for outcome in outcomes for result in outcome.results or ())
    work_s = time.perf_counter() - started
    backend.close()
    return backend.startup_s, work_s, results


def memory_growth(results: list[JobResult]) -> list[float]:
    """Last minus settled resident memory of each worker [MiB]."""
    by_worker: dict[int, list[float]] = {}
    for result in results:
        by_worker.setdefault(result.worker_pid, []).append(result.memory_mib)
    return [values[-1] - values[min(SETTLED_AFTER, len(values) - 1)] for values in by_worker.values()]


if __name__ == "__main__":
    run(Arguments, main, __doc__)
