"""Time to collision: how soon the ego would hit somebody if all went straight on at constant speed.

Source:
    nuPlan devkit, `time_to_collision_within_bound`.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from driving.timing import STEP_S
from simulation.geometry.boxes import box_corners, convex_overlap
from simulation.geometry.compiling import njit
from simulation.geometry.polygons import any_contains
from simulation.metrics.nuplan.collision import agent_label, agent_speeds, collisions
from simulation.metrics.nuplan.drive import Drive
from simulation.metrics.nuplan.lanes import is_in_lane
from simulation.metrics.nuplan.road import Road
from simulation.metrics.result import MetricResult, Violation, stretches
from simulation.metrics.rules import (
    TTC_BOUND_S,
    TTC_HORIZON_S,
    TTC_STOPPED_SPEED_MPS,
    MovingPoint,
    counts_for_ttc,
    relative_position,
)


@njit(cache=True)
def _moved_overlap(
    ego: np.ndarray,
    ego_shift_x: float,
    ego_shift_y: float,
    length: float,
    width: float,
    pose: np.ndarray,
    shift_x: float,
    shift_y: float,
    agent_length: float,
    agent_width: float,
    stretch: bool,
) -> bool:
    """Whether the boxes overlap after both have moved; with `stretch`, anywhere between now and twice the shift."""
    if stretch:
        length += 2 * math.hypot(ego_shift_x, ego_shift_y)
        agent_length += 2 * math.hypot(shift_x, shift_y)
    ex, ey = ego[0] + ego_shift_x, ego[1] + ego_shift_y
    x, y = pose[0] + shift_x, pose[1] + shift_y
    reach = 0.5 * (math.hypot(width, length) + math.hypot(agent_width, agent_length))
    if not math.hypot(ex - x, ey - y) < reach:
        return False
    ego_corners = box_corners(ex, ey, ego[2], length, width)
    return convex_overlap(ego_corners, box_corners(x, y, pose[2], agent_length, agent_width))


@njit(cache=True)
def straight_time_to_hit(
    ego: np.ndarray,
    ego_speed: float,
    length: float,
    width: float,
    pose: np.ndarray,
    speed: float,
    agent_length: float,
    agent_width: float,
    num_steps: int,
) -> int:
    """First of the coming 0.1 s steps (1, 2, ...) at which two boxes overlap that move along their headings.

    Args:
        ego: Pose of the ego's box centre.
        ego_speed: [m/s]
        length: Of the ego's box [m].
        width: Of the ego's box [m].
        pose: Of the agent's box centre; it moves along its box heading, whichever way its velocity points.
        speed: Of the agent [m/s].
        agent_length: [m]
        agent_width: [m]
        num_steps: Steps to look ahead.

    Returns:
        The step, 0 when there is none.
    """
    ego_dx, ego_dy = math.cos(ego[2]) * ego_speed * STEP_S, math.sin(ego[2]) * ego_speed * STEP_S
    dx, dy = math.cos(pose[2]) * speed * STEP_S, math.sin(pose[2]) * speed * STEP_S
    half = 0.5 * (num_steps + 1)
    if not _moved_overlap(
        ego, half * ego_dx, half * ego_dy, length, width, pose, half * dx, half * dy, agent_length, agent_width, True
    ):
        return 0
    # Summed up step by step, as nuPlan does: products would round differently.
    ego_x, ego_y, x, y = 0.0, 0.0, 0.0, 0.0
    for step in range(1, num_steps + 1):
        ego_x, ego_y, x, y = ego_x + ego_dx, ego_y + ego_dy, x + dx, y + dy
        if _moved_overlap(ego, ego_x, ego_y, length, width, pose, x, y, agent_length, agent_width, False):
            return step
    return 0


@njit(cache=True)
def _times(
    road: Road,
    rear_poses: np.ndarray,
    centers: np.ndarray,
    ego_speed: np.ndarray,
    length: float,
    width: float,
    in_lane: np.ndarray,
    hit_steps: np.ndarray,
    at_fault: np.ndarray,
    poses: np.ndarray,
    sizes: np.ndarray,
    speeds: np.ndarray,
    valid: np.ndarray,
    seconds: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    num_motions, num_steps = ego_speed.shape
    times = np.full((num_motions, num_steps), np.inf)
    agents = np.full((num_motions, num_steps), -1, dtype=np.int64)
    for m in range(num_motions):
        for t in range(num_steps):
            for n in range(len(poses)):
                if at_fault[m, n] and hit_steps[m, n] == t:
                    times[m, t] = 0.0
                    agents[m, t] = n
                    break
            if agents[m, t] >= 0 or ego_speed[m, t] <= TTC_STOPPED_SPEED_MPS:
                continue
            ego = MovingPoint(rear_poses[m, t, 0], rear_poses[m, t, 1], rear_poses[m, t, 2], ego_speed[m, t])
            sides_count = not in_lane[m, t] or any_contains(road.intersections, ego.x, ego.y)
            best = len(seconds) + 1
            for n in range(len(poses)):
                if not valid[n, t] or 0 <= hit_steps[m, n] <= t:
                    continue
                if not counts_for_ttc(relative_position(ego, poses[n, t, 0], poses[n, t, 1]), sides_count):
                    continue
                step = straight_time_to_hit(
                    centers[m, t],
                    ego_speed[m, t],
                    length,
                    width,
                    poses[n, t],
                    speeds[n, t],
                    sizes[n, t, 0],
                    sizes[n, t, 1],
                    len(seconds),
                )
                if 0 < step < best:
                    best = step
                    times[m, t] = seconds[step - 1]
                    agents[m, t] = n
    return times, agents


@dataclass(frozen=True, kw_only=True, eq=False)
class TimesToCollision:
    """The soonest straight-on collision at each instant."""

    times_s: Float64[np.ndarray, "motions time"]
    """Infinite without a collision within the horizon; 0 where an at-fault collision begins."""
    agents: Int64[np.ndarray, "motions time"]
    """Row of the agent, -1 for none."""


def times_to_collision(drive: Drive) -> TimesToCollision:
    """Within 3 s."""
    return find_times_to_collision(drive, TTC_HORIZON_S)


def find_times_to_collision(drive: Drive, horizon_s: float) -> TimesToCollision:
    """Of agents ahead; also of those beside when the ego is not within one lane or in an intersection."""
    found = drive.fact(collisions)
    agents = drive.agents
    times, rows = _times(
        drive.road,
        drive.motion.rear_axle_poses,
        drive.centers,
        drive.motion.speed_mps,
        drive.vehicle.length_m,
        drive.vehicle.width_m,
        drive.fact(is_in_lane),
        found.steps,
        found.at_fault,
        agents.poses,
        agents.sizes,
        agent_speeds(agents),
        agents.valid,
        np.arange(STEP_S, horizon_s, STEP_S),
    )
    return TimesToCollision(times_s=times, agents=rows)


def time_to_collision_within_bound(drive: Drive) -> list[MetricResult]:
    """1 when the time to collision stays above 0.95 s throughout, else 0."""
    found = drive.fact(times_to_collision)
    return [_result(drive, found.times_s[m], found.agents[m]) for m in range(drive.num_motions)]


def _result(drive: Drive, times_s: Float64[np.ndarray, "time"], agents: Int64[np.ndarray, "time"]) -> MetricResult:
    is_fine = times_s > TTC_BOUND_S
    violations = []
    for start, stop in stretches(~is_fine):
        worst = start + int(np.argmin(times_s[start : stop + 1]))
        agent = agent_label(drive.agents, int(agents[worst]))
        when = f"at {drive.time_s[start]:.1f} s"
        if stop > start:
            when += f" to {drive.time_s[stop]:.1f} s"
        if times_s[worst] > 0:
            sentence = f"down to {times_s[worst]:.1f} s from a collision with {agent} {when}"
        else:
            sentence = f"in an at-fault collision with {agent} {when}"
        violations.append(
            Violation(
                time_s=float(drive.time_s[start]),
                sentence=sentence,
                track_id=drive.agents.track_ids[int(agents[start])],
            )
        )
    score = float(is_fine.all())
    return MetricResult(
        name="time_to_collision_within_bound",
        score=score,
        statistics={"min_time_to_collision": float(times_s.min()), "time_to_collision_within_bound": score},
        series=times_s,
        series_unit="s",
        time_s=drive.time_s,
        valid=np.ones(len(times_s), dtype=bool),
        violations=tuple(violations),
    )
