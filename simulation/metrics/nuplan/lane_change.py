"""Lane changes, unscored: number, durations, share of failed ones.

Source:
    nuPlan devkit, `ego_lane_change`.
"""

from dataclasses import dataclass

import numpy as np

from simulation.metrics.nuplan.drive import Drive
from simulation.metrics.nuplan.lanes import common_lanes
from simulation.metrics.result import MetricResult

MAX_FAIL_RATE = 0.3


@dataclass(frozen=True, kw_only=True)
class LaneChange:
    """From the first instant with corners on different lanes until they share a lane again."""

    start: int
    stop: int
    succeeded: bool
    """False when the ego returned, left the lanes, or the drive ended before."""


def lane_changes(drive: Drive) -> list[list[LaneChange]]:
    """Lane changes of each motion, in order of time."""
    return [_changes_of(drive, motion) for motion in range(drive.num_motions)]


def _changes_of(drive: Drive, motion: int) -> list[LaneChange]:
    lanes = drive.cached(common_lanes)
    counts, successors = lanes.counts[motion], drive.map.lanes.successors
    found, start = [], None
    for step in range(1, drive.num_steps):
        if start is None:
            if counts[step] < 0 < counts[step - 1]:
                start = step
        elif counts[step] >= 0:
            before = set(lanes.at(motion, start - 1))
            before |= {int(row) for lane in before for row in successors[lane]}
            after = set(lanes.at(motion, step))
            found.append(LaneChange(start=start, stop=step, succeeded=bool(after) and not before & after))
            start = None
    if start is not None:
        found.append(LaneChange(start=start, stop=drive.num_steps - 1, succeeded=False))
    return found


def ego_lane_change(drive: Drive) -> list[MetricResult]:
    """Number and durations of lane changes, and whether at most 30 % of them failed."""
    return [_result(drive, changes) for changes in drive.cached(lane_changes)]


def _result(drive: Drive, changes: list[LaneChange]) -> MetricResult:
    statistics = {"number_of_ego_lane_change": float(len(changes))}
    failed, notes = 0.0, []
    if changes:
        time_us = drive.motion.time_us
        durations_s = [float(time_us[change.stop] - time_us[change.start]) * 1e-6 for change in changes]
        failed = sum(not change.succeeded for change in changes) / len(changes)
        statistics["max_ego_lane_change_duration"] = max(durations_s)
        statistics["avg_ego_lane_change_duration"] = float(np.mean(durations_s))
        statistics["ratio_of_failed_ego_lane_change"] = failed
        for change, duration_s in zip(changes, durations_s, strict=True):
            start_s = drive.time_s[change.start]
            how = "changed lanes" if change.succeeded else "did not complete a lane change"
            notes.append(drive.violation(change.start, f"{how} at {start_s:.1f} s for {duration_s:.1f} s"))
    statistics["ego_lane_change_fail_rate_below_threshold"] = float(failed <= MAX_FAIL_RATE)
    return MetricResult(name="ego_lane_change", score=None, statistics=statistics, notes=tuple(notes))
