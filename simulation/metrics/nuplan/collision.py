"""Collisions: which agents the ego hits, how, and whether the ego is to blame.

The compiled functions judge one pair of boxes and are shared with the scorer of the rule-based planner.

Source:
    nuPlan devkit, `no_ego_at_fault_collisions`, `metrics/utils/collision_utils.py`, `observation/idm/utils.py`.
"""

import math
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from jaxtyping import Bool, Float64, Int8, Int64

from driving.agents import AgentKind, AgentTracks, static_mask
from simulation.geometry.boxes import box_corners, convex_overlap
from simulation.geometry.compiling import njit
from simulation.metrics.nuplan.drive import Drive
from simulation.metrics.nuplan.lanes import is_in_lane
from simulation.metrics.result import MetricResult, Violation

STOPPED_SPEED_MPS = 0.05
"""Up to here an agent or the ego counts as standing."""
AHEAD_RAD = float(np.deg2rad(30))
"""Agents within this angle of the heading are ahead."""
BEHIND_RAD = float(np.deg2rad(150))
"""Agents beyond this angle are behind."""
ALLOWED_COLLISIONS = {"VRUs": 0, "vehicles": 0, "objects": 1}
"""At-fault collisions per group that do not yet bring the score to 0."""
_GROUPS = {
    "VRUs": (AgentKind.PEDESTRIAN, AgentKind.BICYCLE),
    "vehicles": (AgentKind.VEHICLE,),
    "objects": (AgentKind.TRAFFIC_CONE, AgentKind.BARRIER, AgentKind.CZONE_SIGN, AgentKind.GENERIC_OBJECT),
}


class CollisionKind(IntEnum):
    """Who ran into whom, numbered as nuPlan's `CollisionType`."""

    STOPPED_EGO = 0
    STOPPED_TRACK = 1
    ACTIVE_FRONT = 2
    ACTIVE_REAR = 3
    ACTIVE_LATERAL = 4


_STOPPED_EGO, _STOPPED_TRACK, _ACTIVE_FRONT, _ACTIVE_REAR, _ACTIVE_LATERAL = (int(kind) for kind in CollisionKind)


@njit(cache=True)
def angle_off_heading(rear_x: float, rear_y: float, heading: float, x: float, y: float) -> float:
    """Unsigned angle between the ego's heading and the way from its rear axle to a point [rad].

    Quirk: for a point dead ahead, rounding may push the cosine above 1 and the angle is NaN, which is neither
    ahead nor behind; so it is for a point on the axle.
    """
    dx, dy = x - rear_x, y - rear_y
    length = math.sqrt(dx * dx + dy * dy)
    if length == 0.0:
        return np.nan
    return np.arccos(math.cos(heading) * (dx / length) + math.sin(heading) * (dy / length))


@njit(cache=True)
def is_ahead(rear_x: float, rear_y: float, heading: float, x: float, y: float) -> bool:
    """Whether a point is ahead of the rear axle, within 30 degrees."""
    return angle_off_heading(rear_x, rear_y, heading, x, y) < AHEAD_RAD


@njit(cache=True)
def is_behind(rear_x: float, rear_y: float, heading: float, x: float, y: float) -> bool:
    """Whether a point is behind the rear axle, within 30 degrees of straight back."""
    return angle_off_heading(rear_x, rear_y, heading, x, y) > BEHIND_RAD


@njit(cache=True)
def collision_kind(
    ego_speed: float,
    rear_x: float,
    rear_y: float,
    heading: float,
    ego_corners: np.ndarray,
    is_static: bool,
    speed: float,
    x: float,
    y: float,
    corners: np.ndarray,
) -> int:
    """`CollisionKind` of two boxes that overlap: the ego's and that of an agent with its centre at x, y."""
    if ego_speed <= STOPPED_SPEED_MPS:
        return _STOPPED_EGO
    if is_static or speed <= STOPPED_SPEED_MPS:
        return _STOPPED_TRACK
    if is_behind(rear_x, rear_y, heading, x, y):
        return _ACTIVE_REAR
    front = np.empty((2, 2))
    front[0] = ego_corners[0]
    front[1] = ego_corners[3]
    if convex_overlap(front, corners):
        return _ACTIVE_FRONT
    return _ACTIVE_LATERAL


@njit(cache=True)
def is_at_fault(kind: int, in_lane: bool) -> bool:
    """Whether the ego is to blame; for a side collision it is when it was not within one lane."""
    return kind in (_STOPPED_TRACK, _ACTIVE_FRONT) or (kind == _ACTIVE_LATERAL and not in_lane)


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
    is_static: np.ndarray,
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
                rear_x, rear_y, ego_heading = rear_poses[m, t, 0], rear_poses[m, t, 1], rear_poses[m, t, 2]
                ego_v, agent_v = ego_speed[m, t], 0.0 if is_static[n] else speeds[n, t]
                steps[m, n] = t
                kinds[m, n] = collision_kind(
                    ego_v, rear_x, rear_y, ego_heading, ego_corners[m, t], is_static[n], agent_v, x, y, corners
                )
                at_fault[m, n] = is_at_fault(kinds[m, n], in_lane[m, t])
                turned = math.cos(ego_heading - heading)
                impacts[m, n] = 0.5 * math.sqrt(max(0.0, ego_v**2 + agent_v**2 - 2 * ego_v * agent_v * turned))
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
        static_mask(agents.kinds),
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
