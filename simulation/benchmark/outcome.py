"""What a backend reports of a job."""

from dataclasses import dataclass

from simulation.benchmark.jobs import Job, JobResult


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a job: a result, or the death of its worker."""

    job: Job
    result: JobResult | None = None
    death: str = ""
    """How the worker ended, when it did."""
