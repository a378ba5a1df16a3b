r"""Drives per second of the student on GPUs, by size of a batch and number of workers, and scores beside the CPU's.

    python benchmarks/gpu_workers.py --data demo/worlds
    python benchmarks/gpu_workers.py --data demo/worlds --limit 64 --batch 32 --workers 4

One worker runs in this process, several run in processes of their own and share the GPUs. Start-up and warm-up do not
count. The reference scores come from the CPU, one scenario at a time. Without a GPU the command prints one sentence
and ends.
"""

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tables import TextTable
from tyro.conf import UseAppendAction, arg

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from command_line import CommonArguments, print_line, print_lines, progress, run

from planning.neural.devices import cuda_device_count, cuda_device_name
from planning.registry import load_planner
from simulation.benchmark.devices import DeviceChoice
from simulation.benchmark.provenance import provenance
from simulation.benchmark.run import run_benchmark
from simulation.benchmark.settings import BenchmarkSettings

BATCHES = (1, 8, 32)
WORKERS = (1, 4)
SAME_SCORE = 1e-3
"""Scores that differ by at most this are the same: GPUs round networks differently."""


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Data, student and load."""

    data: Path
    """nuPlan data root."""
    planner: str = "student"
    """The planner; `student:DIR` for a trained student."""
    limit: int = 128
    """Number of scenarios; four workers with batches of 32 need 128."""
    batch: Annotated[UseAppendAction[tuple[int, ...]], arg()] = ()
    """Scenarios in lockstep; may be repeated. [1, 8, 32]"""
    workers: Annotated[UseAppendAction[tuple[int, ...]], arg()] = ()
    """Number of workers; may be repeated. [1, 4]"""


@dataclass(frozen=True, kw_only=True)
class Run:
    """Where and how the planner drives."""

    device: DeviceChoice
    batch: int
    workers: int
    gpus: int = 0
    """GPUs of this machine."""

    @property
    def gpus_per_worker(self) -> float:
        """Equal shares of the GPUs when there are more workers than GPUs; otherwise a whole GPU each."""
        if self.device == "cpu":
            return 0.0
        workers_per_gpu = -(-self.workers // self.gpus)
        return 1.0 / workers_per_gpu


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The result of a run."""

    drives_per_s: float
    scores: Mapping[str, float]
    """Of the scenarios that did not fail."""
    failed: int


def main(arguments: Arguments) -> None:
    """Drive on the CPU, then on the GPUs, and print a table."""
    gpus = cuda_device_count()
    if not gpus:
        print_line("No GPU: torch finds no CUDA device on this machine. Nothing was measured.")
        return
    runs = [
        Run(device="cuda", batch=batch, workers=workers, gpus=gpus)
        for workers in arguments.workers or WORKERS
        for batch in arguments.batch or BATCHES
    ]
    reference = Run(device="cpu", batch=1, workers=max(arguments.workers or WORKERS))
    with progress(arguments) as bar:
        measured = [measure(each, arguments) for each in bar.track([reference, *runs], description="runs")]
    print_lines(run_table([reference, *runs], measured).markdown())
    made = provenance()
    print_line(f"{gpus} × {cuda_device_name()}; {made['hardware']['cpu']}, {made['hardware']['cores']} cores")
    print_line(f"Commit {made['commit']}")


def measure(one: Run, arguments: Arguments) -> Measured:
    """Drive all scenarios.

    Raises:
        FileNotFoundError: When there are no logs or no maps.
        ValueError: When there are no scenarios.
    """
    with tempfile.TemporaryDirectory() as folder:
        settings = BenchmarkSettings(
            data=arguments.data,
            output=Path(folder) / "results",
            planners=(arguments.planner,),
            probes=False,
            limit=arguments.limit,
            backend="serial" if one.workers == 1 else "process",
            workers=one.workers,
            batch=one.batch,
            device=one.device,
            gpus_per_worker=one.gpus_per_worker,
        )
        store = run_benchmark(settings, load_planner, num_gpus=one.gpus)
        (session,), results = store.read_run()["sessions"], store.read_all()
    scores = {result.scenario: result.score for result in results if result.score is not None}
    return Measured(
        drives_per_s=session["jobs"] / session["work_s"], scores=scores, failed=len(results) - len(scores)
    )


def num_same(scores: Mapping[str, float], reference: Mapping[str, float]) -> int:
    """On how many scenarios of the reference the scores are the same; a failed scenario never is."""
    return sum(name in scores and abs(scores[name] - score) <= SAME_SCORE for name, score in reference.items())


def run_table(runs: Sequence[Run], measured: Sequence[Measured]) -> TextTable:
    """One row per run; the first run is the reference."""
    reference = measured[0].scores
    table = TextTable(
        title="Drives per second of the student",
        head=("device", "workers", "batch", "drives per s", "failed", f"score within {SAME_SCORE:g} of the CPU's"),
    )
    for one, found in zip(runs, measured, strict=True):
        same = f"{num_same(found.scores, reference)} of {len(reference) + measured[0].failed}"
        table.add(one.device, str(one.workers), str(one.batch), f"{found.drives_per_s:.2f}", str(found.failed), same)
    return table


if __name__ == "__main__":
    run(Arguments, main, __doc__)
