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


def killed_sentence(timeout_s: float, num_jobs: int) -> str:
    """Why a worker was killed that exceeded the time limit of its batch."""
    subject = "one scenario" if num_jobs == 1 else f"{num_jobs} scenarios in lockstep"
    return f"The worker was killed after {timeout_s * num_jobs:g} s over {subject}."
