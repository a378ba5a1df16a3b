"""Which jobs form a batch, and which worker gets it: a scenario stays with the worker that has opened it."""

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from driving.nuplan.entries import ScenarioEntry
from simulation.benchmark.jobs import Job


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Jobs of one planner and one kind of traffic that one worker drives in lockstep."""

    jobs: tuple[Job, ...]
    chunk: int
    """Batches of one chunk share scenarios: one worker should drive them all."""


def chunks_of_jobs(
    entries: Sequence[ScenarioEntry],
    batch_sizes: Mapping[str, int],
    arguments: Mapping[str, tuple[str, ...]],
    traffic: Sequence[str],
    seed: int,
) -> list[list[Job]]:
    """All jobs of a run, grouped by scenarios: a chunk holds as many scenarios as the largest batch.

    Scenarios are in the order of their logs, so that a log is opened once. The order changes the time of a run only:
    reports are sorted by planner and scenario.

    Args:
        entries: The scenarios.
        batch_sizes: Largest batch of each planner, in the order of the run.
        arguments: Of planners that have any.
        traffic: Kinds of traffic.
        seed: Of the run.
    """
    by_log = sorted(entries, key=lambda entry: (entry.log_file, entry.token))
    size = max(batch_sizes.values())
    return [
        [
            Job(planner=planner, arguments=arguments.get(planner, ()), traffic=kind, entry=entry, seed=seed)
            for planner in batch_sizes
            for kind in traffic
            for entry in by_log[start : start + size]
        ]
        for start in range(0, len(by_log), size)
    ]


def batches_of(
    chunks: Sequence[Sequence[Job]],
    batch_sizes: Mapping[str, int],
    *,
    finished: Collection[str] = (),
    alone: Collection[str] = (),
) -> list[Batch]:
    """The batches of all jobs that are not finished, in order.

    Args:
        chunks: From `chunks_of_jobs`.
        batch_sizes: Largest batch of each planner.
        finished: Keys of jobs to leave out.
        alone: Keys of jobs that get a batch of their own, as they may end their worker.
    """
    batches = []
    for number, chunk in enumerate(chunks):
        for (planner, _), group in groupby(chunk, key=lambda job: (job.planner, job.traffic)):
            jobs = [job for job in group if job.key not in finished]
            shared = [job for job in jobs if job.key not in alone]
            size = batch_sizes[planner]
            members = [tuple(shared[start : start + size]) for start in range(0, len(shared), size)]
            members += [(job,) for job in jobs if job.key in alone]
            batches += [Batch(jobs=one, chunk=number) for one in members]
    return batches


class WorkQueue:
    """Hands out batches such that a worker stays with its chunk, whose scenarios it has opened, until it is done.

    Once no chunk is left, idle workers take batches from the end of the largest remaining chunk.
    """

    def __init__(self, batches: Iterable[Batch]) -> None:
        self._waiting: dict[int, deque[Batch]] = {}
        for batch in batches:
            self._waiting.setdefault(batch.chunk, deque()).append(batch)
        self._chunk_of: dict[int, int] = {}

    @property
    def is_empty(self) -> bool:
        """Whether all batches are handed out."""
        return not self._waiting

    def next_for(self, worker: int) -> Batch | None:
        """The next batch of a worker; None when all are handed out."""
        if not self._waiting:
            return None
        chunk = self._chunk_of.get(worker)
        if chunk not in self._waiting:
            taken = set(self._chunk_of.values())
            chunk = next((number for number in self._waiting if number not in taken), None)
        if chunk is not None:
            self._chunk_of[worker] = chunk
            batch = self._waiting[chunk].popleft()
        else:
            chunk = max(self._waiting, key=lambda number: len(self._waiting[number]))
            batch = self._waiting[chunk].pop()
        if not self._waiting[chunk]:
            del self._waiting[chunk]
        return batch
