"""The unit of work: one planner in one scenario with one kind of traffic; and what comes back from it."""

import hashlib
import re
from dataclasses import dataclass, field
from typing import Literal

from driving.nuplan.entries import ScenarioEntry


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a worker is handed: a reference to a scenario, not the scenario."""

    planner: str
    """As named on the command line."""
    traffic: str
    entry: ScenarioEntry
    seed: int

    @property
    def key(self) -> str:
        """Name of the job in the results folder, safe as a file name."""
        return f"{file_name(self.planner)}.{self.traffic}.{self.entry.token}"

    @property
    def own_seed(self) -> int:
        """A seed that depends on what is run, not on which worker runs it or when."""
        text = f"{self.seed}/{self.planner}/{self.traffic}/{self.entry.token}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "little")


def file_name(planner: str) -> str:
    """A planner's name as part of a file name; a digest keeps apart what the characters do not."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", planner)
    if plain == planner:
        return plain
    return f"{plain[-60:].strip('-')}-{hashlib.blake2b(planner.encode(), digest_size=3).hexdigest()}"


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """One row of the results: scores, or why there are none."""

    planner: str
    scenario: str
    log_name: str
    scenario_type: str
    traffic: str
    status: Literal["succeeded", "failed"]
    score: float | None = None
    """Closed-loop or open-loop score; None when failed, and then it counts as 0."""
    metrics: dict[str, float | None] = field(default_factory=dict)
    """Scores under nuPlan's metric names; None where a metric only measures."""
    sentences: dict[str, str] = field(default_factory=dict)
    """Why a point was lost, per metric that lost one."""
    violation_times_s: dict[str, float] = field(default_factory=dict)
    """When it was first lost."""
    violation_tracks: dict[str, str] = field(default_factory=dict)
    """Which agent it was first lost to, where one was."""
    reason: str = ""
    """Why the scenario failed, in a sentence."""
    traceback: str = ""
    stage_time_s: dict[str, float] = field(default_factory=dict)
    """Seconds in opening, planning, control, traffic, metrics, and in whole."""
    worker_pid: int = 0
    """Process that ran it; 0 when that process died."""
    memory_mib: float = 0.0
    """Resident memory of that process when it was done."""
    log_bytes: bytes | None = None
    """The `SimulationLog` file; the driver writes it, so that workers need no common disk."""


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
