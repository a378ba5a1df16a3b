"""Output of a campaign: a data root with the solved failures, the unproved ones apart, and the numbers.

OUTPUT/data/          nuPlan data root: changed scenarios whose logged ego is the way out; notes and the failed drives
OUTPUT/unproved/      the same without a certificate; not to be trained on
OUTPUT/failures.json  every failure with its numbers
OUTPUT/summary.md     found, plausible, solvable, modes
"""

import json
import re
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from driving.nuplan.entries import ScenarioEntry
from driving.nuplan.scenarios import open_scenario
from driving.nuplan.writer import write_scenarios
from driving.recording import frame_token
from driving.scenario import Scenario
from driving.timing import STEP_S
from driving.trajectory import Trajectory
from simulation.files import write_atomically
from simulation.generation.adversarial.modes import elites
from simulation.generation.adversarial.records import (
    DRIVE_SUFFIX,
    Campaign,
    FailureRecord,
    TaskRecord,
    arrays_file,
    changed_from,
)
from simulation.log import SimulationLog
from simulation.scenario_notes import NOTES_FOLDER, ScenarioNotes

DATA, UNPROVED = "data", "unproved"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The numbers of a campaign."""

    planner: str
    scenarios: int
    """Scenarios that were searched."""
    skipped: dict[str, int]
    """Scenarios that were not, by reason."""
    not_drawn: dict[str, int]
    """Searched scenarios without neighbours of the scene network, by reason."""
    drives: int
    too_rare: int
    """Changes that were refused before a drive because the agent is too rare."""
    no_way_out: int
    """Changes that were refused before a drive because they leave no likely way out."""
    errors: int
    """Drives in which the planner raised."""
    found: int
    """Failures in distinct scenarios or modes."""
    plausible: int
    solvable: int
    modes: tuple[str, ...]
    """Of the solved failures."""
    solved_scenarios: int
    cpu_s: float

    @property
    def solved_per_minute(self) -> float:
        """Solved failures per minute of CPU time."""
        return 60.0 * self.solvable / self.cpu_s if self.cpu_s else 0.0

    def to_json(self) -> dict[str, Any]:
        """Without times, which differ between equal searches."""
        return {
            "planner": self.planner,
            "scenarios": self.scenarios,
            "skipped": self.skipped,
            "without_drawn_neighbours": self.not_drawn,
            "drives": self.drives,
            "refused_as_too_rare": self.too_rare,
            "refused_without_way_out": self.no_way_out,
            "drives_with_errors": self.errors,
            "found": self.found,
            "plausible": self.plausible,
            "solvable": self.solvable,
            "modes": list(self.modes),
            "solved_scenarios": self.solved_scenarios,
        }


def distinct(records: Sequence[FailureRecord]) -> list[FailureRecord]:
    """One failure for each scenario and mode: a solved one, if there is one, with the latest start.

    Repeated failures of one mode in one scenario, often of the same agent, count once.
    """
    best: dict[tuple[str, str], FailureRecord] = {}
    for record in records:
        key = (record.scenario_id, record.descriptor.mode)
        if key not in best or _rank(record) > _rank(best[key]):
            best[key] = record
    return list(best.values())


def _rank(record: FailureRecord) -> tuple[bool, bool, float]:
    slack = (record.latest_start_s or 0.0) - record.visible_s
    return record.is_solved, record.is_plausible, slack if record.is_solved else 0.0


def summary_of(planner: str, tasks: Sequence[TaskRecord]) -> Summary:
    """The numbers of finished tasks."""
    records = distinct([failure for task in tasks for failure in task.failures])
    solved = [record for record in records if record.is_solved]
    first = {task.scenario_id: task for task in reversed(tasks)}
    skipped = Counter(task.skipped for task in first.values() if task.skipped)
    not_drawn = Counter(task.not_drawn for task in first.values() if task.not_drawn)
    return Summary(
        planner=planner,
        scenarios=sum(not task.skipped for task in first.values()),
        skipped=dict(sorted(skipped.items())),
        not_drawn=dict(sorted(not_drawn.items())),
        drives=sum(task.drives for task in tasks),
        too_rare=sum(task.too_rare for task in tasks),
        no_way_out=sum(task.no_way_out for task in tasks),
        errors=sum(len(task.errors) for task in tasks),
        found=len(records),
        plausible=sum(record.is_plausible for record in records),
        solvable=len(solved),
        modes=tuple(sorted({record.descriptor.mode for record in solved})),
        solved_scenarios=len({record.scenario_id for record in solved}),
        cpu_s=sum(task.cpu_s for task in tasks),
    )


def log_name_of(planner: str, seed: int, record: FailureRecord) -> str:
    """The log name of a changed scenario."""
    word = re.sub(r"[^A-Za-z0-9_.]+", "_", planner).strip("_")
    kind, manoeuvre = record.descriptor.kind, record.descriptor.manoeuvre
    return f"adversarial-{word}-{kind}-{manoeuvre}-s{seed}-t{record.task:05d}-{record.place}"


def write_output(campaign: Campaign, tasks: Sequence[TaskRecord]) -> Summary:
    """Write the data roots and the numbers; equal tasks give equal bytes."""
    summary = summary_of(campaign.planner, tasks)
    records = distinct([failure for task in tasks for failure in task.failures])
    solved = [record for record in records if record.is_solved]
    unproved = [record for record in records if not record.is_solved]
    for name, chosen in ((DATA, solved), (UNPROVED, unproved)):
        _write_root(campaign, name, chosen)
    slack = [(record.latest_start_s or 0.0) - record.visible_s for record in solved]
    best = {id(solved[number]) for number in elites([record.descriptor for record in solved], slack)}
    rows = [
        {
            "log_name": log_name_of(campaign.planner, campaign.seed, record),
            "folder": DATA if record.is_solved else UNPROVED,
            "mode": record.descriptor.mode,
            "is_elite": id(record) in best,
            **record.to_json(),
        }
        for record in records
    ]
    content = {**summary.to_json(), "seed": campaign.seed, "failures": rows}
    write_atomically(campaign.output / "failures.json", json.dumps(content, indent=1).encode())
    write_atomically(campaign.output / "summary.md", markdown(summary, records).encode())
    return summary


def _write_root(campaign: Campaign, name: str, records: list[FailureRecord]) -> None:
    """Write a data root under another name, then rename it."""
    target = campaign.output / name
    partial = campaign.output / f"{name}.partial"
    for folder in (partial, target):
        if folder.exists():
            shutil.rmtree(folder)
    if not records:
        return
    by_token = {entry.token: entry for entry in campaign.entries}
    scenarios = [_scenario(campaign, record, by_token[record.scenario_id]) for record in records]
    write_scenarios(scenarios, partial)
    for record, scenario in zip(records, scenarios, strict=True):
        planner = _write_drive(campaign, record, scenario, partial)
        source = open_scenario(by_token[record.scenario_id], with_cameras=False)
        notes_of(record, scenario, source, planner=planner, seed=campaign.seed).save(partial / NOTES_FOLDER)
    partial.rename(target)


def _write_drive(campaign: Campaign, record: FailureRecord, scenario: Scenario, root: Path) -> str:
    """Write the planner's failed drive where the viewer finds it; returns the planner's name in it."""
    path = arrays_file(campaign.output, record.task, record.place).with_suffix(DRIVE_SUFFIX)
    log = replace(SimulationLog.load(path), scenario_id=scenario.scenario_id, log_name=scenario.log_name)
    planner = re.sub(r"[^A-Za-z0-9_-]+", "_", log.planner_name)
    folder = root / "logs"
    folder.mkdir(exist_ok=True)
    write_atomically(folder / f"{planner}.{log.traffic}.{scenario.scenario_id}.simlog", log.to_bytes())
    return log.planner_name


def notes_of(
    record: FailureRecord, scenario: Scenario, source: Scenario, *, planner: str, seed: int
) -> ScenarioNotes:
    """What the viewer displays: failure, way out, its latest start, and the agent without the change."""
    times_s = np.arange(scenario.num_frames) * STEP_S
    unchanged = None
    if record.track_id in source.agents.track_ids:
        row = source.agents.track_ids.index(record.track_id)
        valid = source.agents.valid[row, source.frames]
        last = scenario.num_frames if valid.all() else int(np.argmin(valid))
        if last > 1:
            unchanged = Trajectory(time_s=times_s[:last], poses=source.agents.poses[row, source.frames][:last])
    way_out = Trajectory(time_s=times_s, poses=scenario.ego.rear_axle_poses[0, scenario.frames])
    percentile = record.rarity_percentile
    return ScenarioNotes(
        scenario_id=scenario.scenario_id,
        mode=record.descriptor.mode,
        planner=planner,
        failure=record.sentence,
        failure_s=record.failed_s,
        is_solvable=record.is_solved,
        seed=seed,
        rarity={} if percentile is None else {record.track_id: percentile / 100.0},
        track_id=record.track_id,
        unchanged=unchanged,
        way_out=way_out if record.is_solved else None,
        surprise_visible_s=record.visible_s,
        latest_start_s=record.latest_start_s if record.is_solved else None,
    )


def _scenario(campaign: Campaign, record: FailureRecord, entry: ScenarioEntry) -> Scenario:
    source = open_scenario(entry, with_cameras=False)
    path = arrays_file(campaign.output, record.task, record.place)
    changed = changed_from(path, source, record.track_id)
    latest = "none found" if record.latest_start_s is None else f"{record.latest_start_s:.1f} s"
    return renamed(
        changed,
        log_name_of(campaign.planner, campaign.seed, record),
        origin=f"generated: adversarial search against {campaign.planner}",
        unchanged_scenario=record.scenario_id,
        adversary=record.track_id,
        manoeuvre=record.descriptor.manoeuvre,
        surprise_visible=f"{record.visible_s:.1f} s",
        latest_start_of_way_out=latest,
    )


def markdown(summary: Summary, records: Sequence[FailureRecord]) -> str:
    """The summary for people, without times."""
    share = f"{summary.solvable / summary.found:.2f}" if summary.found else "-"
    lines = [
        f"# Failures of {summary.planner}",
        "",
        f"{summary.scenarios} scenarios searched with {summary.drives} drives; refused before a drive:"
        f" {summary.too_rare} changes as too rare, {summary.no_way_out} without a likely way out."
        + ("" if summary.found else " **The search found no failure.**"),
        "",
        "| found | plausible | solvable | solvable of found | distinct modes | scenarios with a solved failure |",
        "|---|---|---|---|---|---|",
        f"| {summary.found} | {summary.plausible} | {summary.solvable} | {share} | {len(summary.modes)} |"
        f" {summary.solved_scenarios} |",
        "",
    ]
    lines += [f"Not searched: {reason} ({count})." for reason, count in summary.skipped.items()]
    lines += [
        f"Without neighbours of the scene network: {reason} ({count})." for reason, count in summary.not_drawn.items()
    ]
    if summary.errors:
        lines.append(f"In {summary.errors} drives the planner raised; they count as no failure.")
    if records:
        lines += ["", "| scenario | mode | what happened | visible | latest start | way out | rarity |"]
        lines.append("|---|---|---|---|---|---|---|")
    for record in records:
        latest = "-" if record.latest_start_s is None else f"{record.latest_start_s:.1f} s"
        score = "not proved" if record.way_out_score is None else f"{record.way_out_score:.3f}"
        rarity = "not measured" if record.rarity_percentile is None else f"{record.rarity_percentile:.1f}"
        lines.append(
            f"| {record.scenario_id} | {record.descriptor.mode} | {record.sentence} | {record.visible_s:.1f} s |"
            f" {latest} | {score} | {rarity} |"
        )
    return "\n".join(lines) + "\n"


def renamed(scenario: Scenario, log_name: str, **metadata: str) -> Scenario:
    """The scenario under another log name, with the token that belongs to it."""
    token = frame_token(log_name, int(scenario.time_us[scenario.anchor_frame]))
    return replace(scenario, log_name=log_name, scenario_id=token).with_metadata(**metadata)
