"""Drives of the planner under test: ended at the first contact, and what went wrong in them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from driving.geometry import box_corners
from driving.planner import Planner
from driving.scenario import Scenario
from driving.timing import STEP_S
from driving.vehicle import PACIFICA
from simulation.generation.adversarial.results import Failure, FailureKind
from simulation.geometry.boxes import boxes_overlapping
from simulation.log import SimulationLog
from simulation.metrics.nuplan.collision import collisions
from simulation.metrics.nuplan.drive import drive_of
from simulation.metrics.score import compute_metrics
from simulation.rollout import Rollout, camera_settings_of, run_lockstep

COLLISION, AREA = "no_ego_at_fault_collisions", "drivable_area_compliance"
PROGRESS = "ego_is_making_progress"


@dataclass(frozen=True, kw_only=True, eq=False)
class PlannerDrive:
    """A drive up to its end, or up to the first contact."""

    log: SimulationLog | None
    """None where the planner raised at the first step."""
    error: str = ""
    """Sentence of the exception that ended the drive."""
    failure: Failure | None = None
    touched: bool = False
    """Whether a contact ended the drive, at fault or not."""


@dataclass(frozen=True, kw_only=True)
class DriveJob:
    """A scenario to drive."""

    scenario: Scenario
    last_step: int | None = None
    """The drive ends after this step; None drives to the end."""
    enough_m: float = np.inf
    """The drive ends when the ego has driven this far: then it makes progress."""
    judges_progress: bool = False
    """Whether a drive to the end with too little progress is a failure."""


class _Watch:
    """Ends rollouts at the first contact of the ego, after their last step, or when they have driven enough."""

    def __init__(self, jobs: dict[Rollout, DriveJob]) -> None:
        self._jobs = jobs
        self._driven_m = dict.fromkeys(jobs, 0.0)
        self.touched: set[Rollout] = set()

    def __call__(self, rollout: Rollout) -> bool:
        """Whether the rollout continues; one with a contact plans once more, so that its log has the contact."""
        job = self._jobs[rollout]
        if rollout in self.touched or (job.last_step is not None and rollout.iteration > job.last_step):
            return False
        observation = rollout.observation()
        self._driven_m[rollout] += float(observation.ego_now.speed_mps) * STEP_S
        if self._driven_m[rollout] > job.enough_m:
            return False
        agents = observation.agents
        center = observation.ego_now.center_pose()
        corners = box_corners(center, np.array([PACIFICA.length_m, PACIFICA.width_m]))
        poses = np.where(agents.valid[:, -1:], agents.poses[:, -1], np.nan)
        sizes = np.ascontiguousarray(agents.sizes[:, -1])
        if boxes_overlapping(corners, np.ascontiguousarray(poses), sizes).any():
            self.touched.add(rollout)
        return True


def drive_planner(
    jobs: Sequence[DriveJob], planner: Planner, *, step_timeout_s: float = np.inf
) -> list[PlannerDrive]:
    """Drive scenarios, in lockstep where the planner supports it, and judge each drive.

    A planner that raises ends its own drive only; the error is in the result.
    """
    cameras = camera_settings_of(planner)
    rollouts = [Rollout(job.scenario, planner_name=planner.name, cameras=cameras) for job in jobs]
    watch = _Watch(dict(zip(rollouts, jobs, strict=True)))
    errors = run_lockstep(rollouts, planner, step_timeout_s=step_timeout_s, before_step=watch)
    driven = []
    for job, rollout, error in zip(jobs, rollouts, errors, strict=True):
        log = rollout.log() if rollout.iteration else None
        if error is not None or log is None:
            driven.append(PlannerDrive(log=log, error=f"{type(error).__name__}: {error}"))
            continue
        failure = failure_of(log, job.scenario)
        if failure is None and job.judges_progress and rollout.is_finished and rollout not in watch.touched:
            failure = lacks_progress(log, job.scenario)
        driven.append(PlannerDrive(log=log, failure=failure, touched=rollout in watch.touched))
    return driven


def failure_of(log: SimulationLog, scenario: Scenario) -> Failure | None:
    """The first at-fault collision or departure from the drivable area; progress is judged by `lacks_progress`."""
    drive = drive_of(log, scenario)
    results = compute_metrics(drive, (COLLISION, AREA))[0]
    found = []
    for violation in results[COLLISION].violations:
        row = log.agents.track_ids.index(violation.track_id or "")
        closing = 2 * float(drive.cached(collisions).impacts_mps[0, row])
        found.append((FailureKind.COLLISION, violation, closing))
    found += [(FailureKind.OFF_ROAD, violation, 0.0) for violation in results[AREA].violations]
    if results[COLLISION].score == 1.0 and results[AREA].score == 1.0:
        return None
    kind, first, closing = min(found, key=lambda one: one[1].time_s)
    return Failure(
        kind=kind,
        step=int(np.argmin(np.abs(drive.time_s - first.time_s))),
        sentence=first.sentence,
        track_id=first.track_id,
        closing_mps=closing,
    )


def lacks_progress(log: SimulationLog, scenario: Scenario) -> Failure | None:
    """The failure of a whole drive that makes too little of the logged ego's progress."""
    result = compute_metrics(drive_of(log, scenario), (PROGRESS,))[0][PROGRESS]
    if result.score:
        return None
    return Failure(kind=FailureKind.NO_PROGRESS, step=log.ego.num_steps - 1, sentence=result.violations[0].sentence)
