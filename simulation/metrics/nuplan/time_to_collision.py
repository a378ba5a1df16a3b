"""Time to collision of the ego with agents, if all move straight at constant speed.

Source:
    nuPlan devkit, `time_to_collision_within_bound`.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from driving.timing import STEP_S
from simulation.geometry.boxes import box_corners, convex_overlap
from simulation.geometry.compiling import njit
from simulation.geometry.polygons import FlatPolygons, any_contains
from simulation.metrics.nuplan.collision import Collisions, agent_label, collisions
from simulation.metrics.nuplan.drive import AgentArrays, Drive, EgoArrays
from simulation.metrics.nuplan.flat_map import flat_map
from simulation.metrics.nuplan.lanes import is_in_lane
from simulation.metrics.result import MetricResult, stretches
from simulation.metrics.rules import (
    TTC_BOUND_S,
    TTC_HORIZON_S,
    TTC_STOPPED_SPEED_MPS,
    MovingPoint,
    counts_for_ttc,
    relative_position,
)


class MovingBox(NamedTuple):
    """A box that moves along its heading at constant speed."""

    x: float
    y: float
    heading: float
    length: float
    width: float
    speed: float


@njit(cache=True)
def _moved(box: MovingBox, dx: float, dy: float, elongation: float) -> MovingBox:
    return MovingBox(box.x + dx, box.y + dy, box.heading, box.length + elongation, box.width, box.speed)


@njit(cache=True)
def _overlap(a: MovingBox, b: MovingBox) -> bool:
    reach = 0.5 * (math.hypot(a.width, a.length) + math.hypot(b.width, b.length))
    if not math.hypot(a.x - b.x, a.y - b.y) < reach:
        return False
    return convex_overlap(
        box_corners(a.x, a.y, a.heading, a.length, a.width), box_corners(b.x, b.y, b.heading, b.length, b.width)
    )


@njit(cache=True)
def first_straight_overlap(ego: MovingBox, agent: MovingBox, num_steps: int) -> int:
    """First of the next 0.1 s steps (1, 2, ... `num_steps`) at which two boxes overlap, 0 for none.

    Both move along their box headings; the direction of an agent's velocity does not count.
    """
    ego_dx, ego_dy = math.cos(ego.heading) * ego.speed * STEP_S, math.sin(ego.heading) * ego.speed * STEP_S
    dx, dy = math.cos(agent.heading) * agent.speed * STEP_S, math.sin(agent.heading) * agent.speed * STEP_S
    # Boxes elongated over the whole horizon.
    half = 0.5 * (num_steps + 1)
    if not _overlap(
        _moved(ego, half * ego_dx, half * ego_dy, 2 * math.hypot(half * ego_dx, half * ego_dy)),
        _moved(agent, half * dx, half * dy, 2 * math.hypot(half * dx, half * dy)),
    ):
        return 0
    # Summed step by step, as in nuPlan: products would round differently.
    ego_x, ego_y, x, y = 0.0, 0.0, 0.0, 0.0
    for step in range(1, num_steps + 1):
        ego_x, ego_y, x, y = ego_x + ego_dx, ego_y + ego_dy, x + dx, y + dy
        if _overlap(_moved(ego, ego_x, ego_y, 0.0), _moved(agent, x, y, 0.0)):
            return step
    return 0


@njit(cache=True)
def _sides_count(intersections: FlatPolygons, rear_poses: np.ndarray, in_lane: np.ndarray) -> np.ndarray:
    """Whether agents beside the ego count (motions, time), by `counts_for_ttc`."""
    counts = ~in_lane
    for m, t in np.ndindex(counts.shape):
        counts[m, t] = counts[m, t] or any_contains(intersections, rear_poses[m, t, 0], rear_poses[m, t, 1])
    return counts


@njit(cache=True)
def _times(
    ego: EgoArrays, agents: AgentArrays, contacts: Collisions, sides_count: np.ndarray, seconds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    contact_steps, at_fault = contacts.steps, contacts.at_fault
    num_motions, num_steps = ego.speeds.shape
    times = np.full((num_motions, num_steps), np.inf)
    rows = np.full((num_motions, num_steps), -1, dtype=np.int64)
    poses, sizes = agents.poses, agents.sizes
    for m in range(num_motions):
        for t in range(num_steps):
            for n in range(len(poses)):
                if at_fault[m, n] and contact_steps[m, n] == t:
                    times[m, t] = 0.0
                    rows[m, t] = n
                    break
            speed = ego.speeds[m, t]
            if rows[m, t] >= 0 or speed <= TTC_STOPPED_SPEED_MPS:
                continue
            rear_x, rear_y, rear_heading = ego.rear_poses[m, t]
            rear = MovingPoint(rear_x, rear_y, rear_heading, speed)
            x, y, heading = ego.centers[m, t]
            ego_now = MovingBox(x, y, heading, ego.box.length, ego.box.width, speed)
            best = len(seconds) + 1
            for n in range(len(poses)):
                if not agents.valid[n, t] or 0 <= contact_steps[m, n] <= t:
                    continue
                x, y, heading = poses[n, t]
                if not counts_for_ttc(relative_position(rear, x, y), sides_count[m, t]):
                    continue
                agent = MovingBox(x, y, heading, sizes[n, t, 0], sizes[n, t, 1], agents.speeds[n, t])
                step = first_straight_overlap(ego_now, agent, len(seconds))
                if 0 < step < best:
                    best = step
                    times[m, t] = seconds[step - 1]
                    rows[m, t] = n
    return times, rows


@dataclass(frozen=True, kw_only=True, eq=False)
class TimesToCollision:
    """The soonest straight-on collision at each instant."""

    times_s: Float64[np.ndarray, "motions time"]
    """Infinite without a collision within the horizon; 0 at the first instant of an at-fault collision."""
    agents: Int64[np.ndarray, "motions time"]
    """Row of the agent, -1 for none."""


def times_to_collision(drive: Drive) -> TimesToCollision:
    """Times to collision within 3 s."""
    return find_times_to_collision(drive, TTC_HORIZON_S)


def find_times_to_collision(drive: Drive, horizon_s: float) -> TimesToCollision:
    """Times to collision within a horizon, with the agents of `counts_for_ttc`."""
    ego, agents = drive.ego_arrays, drive.agent_arrays
    sides_count = _sides_count(flat_map(drive.map).intersections, ego.rear_poses, drive.cached(is_in_lane))
    seconds = np.arange(STEP_S, horizon_s, STEP_S)
    times, rows = _times(ego, agents, drive.cached(collisions), sides_count, seconds)
    return TimesToCollision(times_s=times, agents=rows)


def time_to_collision_within_bound(drive: Drive) -> list[MetricResult]:
    """1 when the time to collision stays above 0.95 s throughout, else 0."""
    found = drive.cached(times_to_collision)
    return [_result(drive, found.times_s[m], found.agents[m]) for m in range(drive.num_motions)]


def _result(drive: Drive, times_s: Float64[np.ndarray, "time"], agents: Int64[np.ndarray, "time"]) -> MetricResult:
    is_within = times_s > TTC_BOUND_S
    violations = []
    for start, stop in stretches(~is_within):
        worst = start + int(np.argmin(times_s[start : stop + 1]))
        agent = agent_label(drive.agents, int(agents[worst]))
        when = f"at {drive.time_s[start]:.1f} s"
        if stop > start:
            when += f" to {drive.time_s[stop]:.1f} s"
        if times_s[worst] > 0:
            sentence = f"down to {times_s[worst]:.1f} s from a collision with {agent} {when}"
        else:
            sentence = f"in an at-fault collision with {agent} {when}"
        violations.append(drive.violation(start, sentence, drive.agents.track_ids[int(agents[start])]))
    score = float(is_within.all())
    statistics = {"min_time_to_collision": float(times_s.min()), "time_to_collision_within_bound": score}
    return drive.result(
        "time_to_collision_within_bound", statistics, times_s, "s", score=score, violations=violations
    )
