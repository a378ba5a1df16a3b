"""The unit of work: one planner in one scenario with one kind of traffic; and its result."""

import hashlib
import re
from dataclasses import dataclass, field
from typing import Literal

from driving.nuplan.entries import ScenarioEntry


@dataclass(frozen=True, kw_only=True)
class Job:
    """A reference to a scenario, a planner and a kind of traffic; cheap to send to a worker."""

    planner: str
    """As named on the command line."""
    arguments: tuple[str, ...] = ()
    """The planner's arguments as `NAME=VALUE`."""
    traffic: str
    entry: ScenarioEntry
    seed: int

    @property
    def key(self) -> str:
        """Name of the job in the results folder, safe as a file name."""
        return f"{file_name(self._planner_text)}.{file_name(self.traffic)}.{self.entry.token}"

    @property
    def own_seed(self) -> int:
        """A seed that depends on the job only, not on the worker that runs it or on the time."""
        text = f"{self.seed}/{self._planner_text}/{self.traffic}/{self.entry.token}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "little")

    @property
    def _planner_text(self) -> str:
        return "?".join([self.planner, *self.arguments])


def file_name(planner: str) -> str:
    """A name of a planner or of traffic in a file name; a digest distinguishes names that differ elsewhere."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", planner)
    if plain == planner:
        return plain
    digest = hashlib.blake2b(planner.encode("utf-8", "surrogateescape"), digest_size=3).hexdigest()
    return f"{plain[-60:].strip('-')}-{digest}"


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """One row of the results: scores, or the reason of the failure."""

    planner: str
    scenario: str
    log_name: str
    scenario_type: str
    traffic: str
    status: Literal["succeeded", "failed"]
    score: float | None = None
    """Closed-loop or open-loop score; None when failed, which counts as 0."""
    metrics: dict[str, float | None] = field(default_factory=dict)
    """Scores under nuPlan's metric names; None for metrics that only measure."""
    sentences: dict[str, str] = field(default_factory=dict)
    """First violation of each metric that lost a point."""
    violation_times_s: dict[str, float] = field(default_factory=dict)
    """Time of that violation."""
    violation_tracks: dict[str, str] = field(default_factory=dict)
    """Agent of that violation, if any."""
    reason: str = ""
    """Why the scenario failed, in a sentence."""
    traceback: str = ""
    stage_time_s: dict[str, float] = field(default_factory=dict)
    """Seconds in opening, planning, control, traffic, metrics, and in total."""
    worker_pid: int = 0
    """Process that ran the job; 0 when that process died."""
    memory_mib: float = 0.0
    """Resident memory of that process after the job."""
    warnings: tuple[str, ...] = ()
    """About unusable records of the log and the map, from opening the scenario; stored once per run, not per row."""
    log_bytes: bytes | None = None
    """The `SimulationLog` file; the main process writes it, so that workers need no common disk."""


def failed(job: Job, reason: str, traceback: str = "") -> JobResult:
    """The row of a scenario that could not be finished."""
    return JobResult(
        planner=job.planner,
        scenario=job.entry.token,
        log_name=job.entry.log_name,
        scenario_type=job.entry.scenario_type,
        traffic=job.traffic,
        status="failed",
        reason=reason,
        traceback=traceback,
    )
