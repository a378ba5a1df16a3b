"""Failures as records: plain numbers for JSON, and the arrays from which the changed scenario is made again."""

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from driving.agents import AgentKind
from driving.nuplan.entries import ScenarioEntry
from driving.scenario import Scenario
from driving.timing import STEP_S
from simulation.ego.dynamics import motion_of, states_of
from simulation.files import write_atomically
from simulation.generation.adversarial.changes import ChangedMotion, HeldCourse, changed_scenario
from simulation.generation.adversarial.modes import Descriptor
from simulation.generation.adversarial.results import Found

DRIVE_SUFFIX = ".simlog"


@dataclass(frozen=True, kw_only=True)
class FailureRecord:
    """One failure, as it is written to JSON."""

    task: int
    place: int
    """Among the failures of the task."""
    scenario_id: str
    """Of the unchanged scenario."""
    scenario_type: str
    source_log: str
    track_id: str
    neighbour: str
    """Name of the generated neighbour; empty for an agent of the scenario."""
    change: dict[str, Any]
    descriptor: Descriptor
    failed_s: float
    """Time of the failure from iteration 0."""
    sentence: str
    is_plausible: bool
    rarity_percentile: float | None
    """None: not measured."""
    visible_s: float
    """Time at which the surprise is visible."""
    latest_start_s: float | None
    """Latest start of the way out; None without a certificate."""
    way_out_score: float | None

    @property
    def is_solved(self) -> bool:
        """Whether the failure has a certificate."""
        return self.is_plausible and self.latest_start_s is not None

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "FailureRecord":
        """The inverse of `to_json`."""
        return cls(**{**content, "descriptor": Descriptor(**content["descriptor"])})


def record_of(found: Found, source: Scenario, task: int, place: int) -> FailureRecord:
    """The record of a failure.

    Args:
        found: The failure.
        source: The unchanged scenario.
        task: Number of the task.
        place: Among the failures of the task.
    """
    agent, certificate = found.attack.agent, found.certificate
    first = source.first_frame
    return FailureRecord(
        task=task,
        place=place,
        scenario_id=source.scenario_id,
        scenario_type=source.scenario_type,
        source_log=source.log_name,
        track_id=agent.track_id,
        neighbour=agent.name,
        change={name: _rounded(value) for name, value in found.change.numbers().items()},
        descriptor=Descriptor(
            failure=found.failure.kind.value,
            kind=agent.course.kind.name.lower(),
            manoeuvre=found.change.manoeuvre,
            approach=agent.approach.value,
            closing_mps=round(found.failure.closing_mps, 2),
        ),
        failed_s=round(found.failure.step * STEP_S, 1),
        sentence=found.failure.sentence,
        is_plausible=found.is_plausible,
        rarity_percentile=found.rarity_percentile,
        visible_s=round(max(found.motion.visible_step - first, 0) * STEP_S, 1),
        latest_start_s=None if certificate is None else round(certificate.latest_start_s, 1),
        way_out_score=None if certificate is None else round(certificate.score, 4),
    )


def _rounded(value: float | str | None) -> float | str | None:
    return round(value, 4) if isinstance(value, float) else value


# ---------------------------------------------------------------------- files


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """What is searched."""

    planner: str
    """Name of the planner, for the files."""
    entries: Sequence[ScenarioEntry]
    output: Path
    seed: int = 0


def tasks_folder(output: Path) -> Path:
    """Folder of the finished tasks."""
    return output / "tasks"


def arrays_file(output: Path, task: int, place: int) -> Path:
    """File with the arrays of a failure."""
    return tasks_folder(output) / f"{task:05d}-{place}.npz"


def write_arrays(found: Found, path: Path) -> None:
    """Write the changed agent's motion and the logged ego of a failure, and the planner's drive beside them."""
    course, motion = found.attack.agent.course, found.motion
    content = io.BytesIO()
    np.savez(
        content,
        row=course.row,
        kind=int(course.kind),
        size=np.array([course.length_m, course.width_m]),
        first=course.first,
        poses=motion.poses,
        valid=motion.valid,
        visible_step=motion.visible_step,
        ego=states_of(found.scenario.ego),
    )
    write_atomically(path, content.getvalue())
    # Equal searches give equal bytes: no times of this machine.
    log = replace(found.log, planning_time_s=np.zeros_like(found.log.planning_time_s), stage_time_s={})
    write_atomically(path.with_suffix(DRIVE_SUFFIX), log.to_bytes())


def changed_from(path: Path, source: Scenario, track_id: str) -> Scenario:
    """The changed scenario of `write_arrays`, with its logged ego."""
    with np.load(path) as stored:
        motion = ChangedMotion(poses=stored["poses"], valid=stored["valid"], visible_step=int(stored["visible_step"]))
        course = HeldCourse(
            row=int(stored["row"]),
            kind=AgentKind(int(stored["kind"])),
            length_m=float(stored["size"][0]),
            width_m=float(stored["size"][1]),
            first=int(stored["first"]),
        )
        ego = motion_of(source.time_us, stored["ego"])
    return replace(changed_scenario(source, course, motion, track_id), ego=ego)


@dataclass(frozen=True, kw_only=True)
class TaskRecord:
    """A finished task: the search in one scenario."""

    task: int
    scenario_id: str
    scenario_type: str
    source_log: str
    map_name: str
    drives: int
    screened: int
    too_rare: int
    no_way_out: int
    skipped: str
    not_drawn: str
    """Why the scene network drew no neighbours; empty where it did, or was not used."""
    errors: tuple[str, ...]
    failures: tuple[FailureRecord, ...]
    cpu_s: float
    """CPU time; not part of the results, which depend on seed and drives only."""

    def write(self, path: Path) -> None:
        """Write the record, which marks the task as finished."""
        content = {one.name: getattr(self, one.name) for one in fields(self)}
        content["failures"] = [failure.to_json() for failure in self.failures]
        write_atomically(path, json.dumps(content, indent=1).encode())

    @classmethod
    def read(cls, path: Path) -> "TaskRecord":
        """Read a record.

        Raises:
            ValueError: When the file is damaged.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            failures = tuple(FailureRecord.from_json(one) for one in content["failures"])
            return cls(**{**content, "errors": tuple(content["errors"]), "failures": failures})
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path} is damaged ({error}). Delete it and continue the search with --resume."
            ) from error
