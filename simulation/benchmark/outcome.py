"""What a backend reports of a batch of jobs."""

from dataclasses import dataclass

from simulation.benchmark.jobs import Job, JobResult


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The results of a batch, or the death of its worker."""

    jobs: tuple[Job, ...]
    results: tuple[JobResult, ...] | None = None
    """One per job, in their order; None when the worker died."""
    death: str = ""
    """How the worker ended, when it did."""
