"""Collisions of the ego with agents: first contacts, their kinds, and whether the ego is at fault.

The rules for one pair of boxes are those of `simulation.metrics.rules`.

Source:
    nuPlan devkit, `no_ego_at_fault_collisions`, `metrics/utils/collision_utils.py`, `observation/idm/utils.py`.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int8, Int64

from driving.agents import AgentKind, AgentTracks
from simulation.ego.box import half_diagonal
from simulation.geometry.boxes import box_corners, convex_overlap
from simulation.geometry.compiling import njit
from simulation.metrics.nuplan.drive import AgentArrays, Drive, EgoArrays
from simulation.metrics.nuplan.lanes import is_in_lane
from simulation.metrics.result import MetricResult, Violation
from simulation.metrics.rules import CollisionKind, MovingPoint, collision_kind, is_at_fault

ALLOWED_COLLISIONS = {"VRUs": 0, "vehicles": 0, "objects": 1}
"""At-fault collisions per group that keep the score above 0."""
_GROUPS = {
    "VRUs": (AgentKind.PEDESTRIAN, AgentKind.BICYCLE),
    "vehicles": (AgentKind.VEHICLE,),
    "objects": (AgentKind.TRAFFIC_CONE, AgentKind.BARRIER, AgentKind.CZONE_SIGN, AgentKind.GENERIC_OBJECT),
}


class Collisions(NamedTuple):
    """The first contact of each motion with each agent. Later contacts with the same agent do not count."""

    steps: Int64[np.ndarray, "motions agents"]
    """Instant of the contact, -1 for none."""
    kinds: Int8[np.ndarray, "motions agents"]
    """`CollisionKind`, -1 for none."""
    impacts_mps: Float64[np.ndarray, "motions agents"]
    """Change of the ego's velocity for equal masses: half the relative speed; NaN for none."""
    at_fault: Bool[np.ndarray, "motions agents"]


@njit(cache=True)
def _first_contacts(ego: EgoArrays, agents: AgentArrays, in_lane: np.ndarray) -> Collisions:
    num_motions, num_steps = ego.speeds.shape
    num_agents = len(agents.poses)
    poses, sizes = agents.poses, agents.sizes
    ego_reach = half_diagonal(ego.box)
    steps = np.full((num_motions, num_agents), -1, dtype=np.int64)
    kinds = np.full((num_motions, num_agents), -1, dtype=np.int8)
    impacts = np.full((num_motions, num_agents), np.nan)
    at_fault = np.zeros((num_motions, num_agents), dtype=np.bool_)
    for n in range(num_agents):
        for t in range(num_steps):
            if not agents.valid[n, t]:
                continue
            x, y, heading = poses[n, t, 0], poses[n, t, 1], poses[n, t, 2]
            reach = ego_reach + 0.5 * math.hypot(sizes[n, t, 1], sizes[n, t, 0])
            has_corners = False
            corners = ego.corners[0, 0]
            for m in range(num_motions):
                if steps[m, n] >= 0:
                    continue
                if not math.hypot(x - ego.centers[m, t, 0], y - ego.centers[m, t, 1]) < reach:
                    continue
                if not has_corners:
                    corners = box_corners(x, y, heading, sizes[n, t, 0], sizes[n, t, 1])
                    has_corners = True
                if not convex_overlap(ego.corners[m, t], corners):
                    continue
                rear_x, rear_y, ego_heading = ego.rear_poses[m, t]
                ego_speed, speed = ego.speeds[m, t], agents.speeds[n, t]
                steps[m, n] = t
                kinds[m, n] = collision_kind(
                    MovingPoint(rear_x, rear_y, ego_heading, ego_speed),
                    ego.corners[m, t],
                    MovingPoint(x, y, heading, speed),
                    corners,
                )
                at_fault[m, n] = is_at_fault(kinds[m, n], in_lane[m, t])
                turned = math.cos(ego_heading - heading)
                impacts[m, n] = 0.5 * math.sqrt(max(0.0, ego_speed**2 + speed**2 - 2 * ego_speed * speed * turned))
    return Collisions(steps, kinds, impacts, at_fault)


def collisions(drive: Drive) -> Collisions:
    """All first contacts of a drive."""
    return _first_contacts(drive.ego_arrays, drive.agent_arrays, drive.cached(is_in_lane))


def agent_label(agents: AgentTracks, row: int) -> str:
    """Kind and first digits of the track id, for sentences."""
    kind = AgentKind(int(agents.kinds[row])).name.lower().replace("_", " ").replace("czone", "construction")
    return f"{kind} {agents.track_ids[row][:8]}"


_SENTENCES = {
    CollisionKind.STOPPED_EGO: "{agent} ran into the standing ego",
    CollisionKind.STOPPED_TRACK: "hit the standing {agent}",
    CollisionKind.ACTIVE_FRONT: "hit {agent} with the front",
    CollisionKind.ACTIVE_REAR: "was hit from behind by {agent}",
    CollisionKind.ACTIVE_LATERAL: "touched {agent} sideways",
}


def _contact(drive: Drive, found: Collisions, motion: int, agent: int) -> Violation:
    kind, step = CollisionKind(int(found.kinds[motion, agent])), int(found.steps[motion, agent])
    time_s = float(drive.time_s[step])
    what = _SENTENCES[kind].format(agent=agent_label(drive.agents, agent))
    if kind == CollisionKind.ACTIVE_LATERAL and found.at_fault[motion, agent]:
        what += " while not within one lane"
    relative_mps = 2 * float(found.impacts_mps[motion, agent])
    return Violation(
        time_s=time_s,
        track_id=drive.agents.track_ids[agent],
        sentence=f"{what} at {time_s:.1f} s, relative speed {relative_mps:.1f} m/s",
    )


def no_ego_at_fault_collisions(drive: Drive) -> list[MetricResult]:
    """Product over pedestrians and bicycles, vehicles, and static objects of 1, 1/2 (one static object) or 0."""
    found = drive.cached(collisions)
    return [_result(drive, found, motion) for motion in range(drive.num_motions)]


def _result(drive: Drive, found: Collisions, motion: int) -> MetricResult:
    # nuPlan lists the objects of a frame in the order of their kinds.
    touched = [int(n) for n in np.flatnonzero(found.steps[motion] >= 0)]
    touched.sort(key=lambda n: (found.steps[motion, n], drive.agents.kinds[n]))
    at_fault = [n for n in touched if found.at_fault[motion, n]]
    statistics = {
        "no_ego_at_fault_collisions": float(not at_fault),
        "number_of_all_at_fault_collisions": float(len(at_fault)),
    }
    impacts: dict[str, list[float]] = {}
    for group, kinds in _GROUPS.items():
        rows = [n for n in at_fault if drive.agents.kinds[n] in kinds]
        impacts[group] = [float(found.impacts_mps[motion, n]) for n in rows]
        statistics[f"number_of_at_fault_collisions_with_{group}"] = float(len(rows))
    score = 1.0
    for group, values in impacts.items():
        score *= max(0.0, 1.0 - len(values) / (ALLOWED_COLLISIONS[group] + 1))
        if values:
            statistics[f"max_collision_energy_with_{group}"] = max(values)
            statistics[f"min_collision_energy_with_{group}"] = min(values)
            statistics[f"mean_collision_energy_with_{group}"] = float(np.mean(values))
    return MetricResult(
        name="no_ego_at_fault_collisions",
        score=score,
        statistics=statistics,
        violations=tuple(_contact(drive, found, motion, n) for n in at_fault),
        notes=tuple(_contact(drive, found, motion, n) for n in touched if n not in at_fault),
    )
