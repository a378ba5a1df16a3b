"""Collisions: which agents the ego hits, how, and whether the ego is to blame.

The rules for one pair of boxes are those of `simulation.metrics.rules`.

Source:
    nuPlan devkit, `no_ego_at_fault_collisions`, `metrics/utils/collision_utils.py`, `observation/idm/utils.py`.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int8, Int64

from driving.agents import AgentKind, AgentTracks, static_mask
from simulation.geometry.boxes import box_corners, convex_overlap
from simulation.geometry.compiling import njit
from simulation.metrics.nuplan.drive import Drive
from simulation.metrics.nuplan.lanes import is_in_lane
from simulation.metrics.result import MetricResult, Violation
from simulation.metrics.rules import CollisionKind, MovingPoint, collision_kind, is_at_fault

ALLOWED_COLLISIONS = {"VRUs": 0, "vehicles": 0, "objects": 1}
"""At-fault collisions per group that do not yet bring the score to 0."""
_GROUPS = {
    "VRUs": (AgentKind.PEDESTRIAN, AgentKind.BICYCLE),
    "vehicles": (AgentKind.VEHICLE,),
    "objects": (AgentKind.TRAFFIC_CONE, AgentKind.BARRIER, AgentKind.CZONE_SIGN, AgentKind.GENERIC_OBJECT),
}


@njit(cache=True)
def _first_hits(
    rear_poses: np.ndarray,
    centers: np.ndarray,
    ego_corners: np.ndarray,
    ego_speed: np.ndarray,
    ego_radius: float,
    poses: np.ndarray,
    sizes: np.ndarray,
    speeds: np.ndarray,
    valid: np.ndarray,
    in_lane: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    num_motions, num_steps = ego_speed.shape
    num_agents = len(poses)
    steps = np.full((num_motions, num_agents), -1, dtype=np.int64)
    kinds = np.full((num_motions, num_agents), -1, dtype=np.int8)
    impacts = np.full((num_motions, num_agents), np.nan)
    at_fault = np.zeros((num_motions, num_agents), dtype=np.bool_)
    for n in range(num_agents):
        for t in range(num_steps):
            if not valid[n, t]:
                continue
            x, y, heading = poses[n, t, 0], poses[n, t, 1], poses[n, t, 2]
            reach = ego_radius + 0.5 * math.hypot(sizes[n, t, 1], sizes[n, t, 0])
            has_corners = False
            corners = ego_corners[0, 0]
            for m in range(num_motions):
                if steps[m, n] >= 0 or not math.hypot(x - centers[m, t, 0], y - centers[m, t, 1]) < reach:
                    continue
                if not has_corners:
                    corners = box_corners(x, y, heading, sizes[n, t, 0], sizes[n, t, 1])
                    has_corners = True
                if not convex_overlap(ego_corners[m, t], corners):
                    continue
                ego = MovingPoint(rear_poses[m, t, 0], rear_poses[m, t, 1], rear_poses[m, t, 2], ego_speed[m, t])
                agent = MovingPoint(x, y, heading, speeds[n, t])
                steps[m, n] = t
                kinds[m, n] = collision_kind(ego, ego_corners[m, t], agent, corners)
                at_fault[m, n] = is_at_fault(kinds[m, n], in_lane[m, t])
                turned = math.cos(ego.heading - heading)
                impacts[m, n] = 0.5 * math.sqrt(
                    max(0.0, ego.speed**2 + agent.speed**2 - 2 * ego.speed * agent.speed * turned)
                )
    return steps, kinds, impacts, at_fault


@dataclass(frozen=True, kw_only=True, eq=False)
class Collisions:
    """The first contact of each motion with each agent; later contacts with the same agent do not count."""

    steps: Int64[np.ndarray, "motions agents"]
    """Instant of the contact, -1 for none."""
    kinds: Int8[np.ndarray, "motions agents"]
    """`CollisionKind`, -1 for none."""
    impacts_mps: Float64[np.ndarray, "motions agents"]
    """Change of the ego's velocity for equal masses: half the relative speed; NaN for none."""
    at_fault: Bool[np.ndarray, "motions agents"]


def agent_speeds(agents: AgentTracks) -> Float64[np.ndarray, "agents time"]:
    """Speeds as nuPlan's metrics see them: 0 for static objects."""
    speeds = np.hypot(agents.velocities_mps[..., 0], agents.velocities_mps[..., 1])
    speeds[static_mask(agents.kinds)] = 0.0
    return speeds


def collisions(drive: Drive) -> Collisions:
    """All first contacts of a drive."""
    motion, agents = drive.motion, drive.agents
    steps, kinds, impacts, at_fault = _first_hits(
        motion.rear_axle_poses,
        drive.centers,
        drive.corners,
        motion.speed_mps,
        0.5 * math.hypot(drive.vehicle.width_m, drive.vehicle.length_m),
        agents.poses,
        agents.sizes,
        agent_speeds(agents),
        agents.valid,
        drive.fact(is_in_lane),
    )
    return Collisions(steps=steps, kinds=kinds, impacts_mps=impacts, at_fault=at_fault)


def agent_label(agents: AgentTracks, row: int) -> str:
    """For sentences: kind and the first digits of the track id."""
    kind = AgentKind(int(agents.kinds[row])).name.lower().replace("_", " ").replace("czone", "construction")
    return f"{kind} {agents.track_ids[row][:8]}"


_HOW = {
    CollisionKind.STOPPED_EGO: "{agent} ran into the standing ego",
    CollisionKind.STOPPED_TRACK: "hit the standing {agent}",
    CollisionKind.ACTIVE_FRONT: "hit {agent} with the front",
    CollisionKind.ACTIVE_REAR: "was hit from behind by {agent}",
    CollisionKind.ACTIVE_LATERAL: "touched {agent} sideways",
}


def _contact(drive: Drive, found: Collisions, motion: int, agent: int) -> Violation:
    kind, step = CollisionKind(int(found.kinds[motion, agent])), int(found.steps[motion, agent])
    time_s = float(drive.time_s[step])
    what = _HOW[kind].format(agent=agent_label(drive.agents, agent))
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
    found = drive.fact(collisions)
    return [_result(drive, found, motion) for motion in range(drive.num_motions)]


def _result(drive: Drive, found: Collisions, motion: int) -> MetricResult:
    # By kind first: nuPlan lists the objects of a frame in the order of their kinds.
    touched = [int(n) for n in np.flatnonzero(found.steps[motion] >= 0)]
    touched.sort(key=lambda n: (found.steps[motion, n], drive.agents.kinds[n]))
    guilty = [n for n in touched if found.at_fault[motion, n]]
    statistics = {
        "no_ego_at_fault_collisions": float(not guilty),
        "number_of_all_at_fault_collisions": float(len(guilty)),
    }
    impacts: dict[str, list[float]] = {}
    for group, kinds in _GROUPS.items():
        rows = [n for n in guilty if drive.agents.kinds[n] in kinds]
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
        violations=tuple(_contact(drive, found, motion, n) for n in guilty),
        notes=tuple(_contact(drive, found, motion, n) for n in touched if n not in guilty),
    )
