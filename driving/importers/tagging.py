"""nuPlan's scenario type of a recorded frame, from the motion of the ego and of the agents around it.

Only types that follow from motion are used. For example, a source without traffic lights does not show whether the
ego stops for one. Thresholds that nuPlan does not publish are ours.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from driving.agents import AgentKind, AgentTracks
from driving.ego import EgoMotion
from driving.geometry import arc_lengths, poses_in_frame_of, wrap_angle
from driving.vehicle import PACIFICA

STANDING_MPS, SLOW_MPS, FAST_MPS = 0.1, 1.5, 9.0
"""Bounds of our own for a standing ego and for nuPlan's low and high `magnitude_speed`."""

TURN_RAD, UTURN_RAD = np.deg2rad(55.0), np.deg2rad(150.0)
"""Change of heading within 10 s of a turn and of a U-turn; through roads in junctions bend by less."""

TURN_START_RAD = np.deg2rad(5.0)
"""Change of heading within 5 s at the start of a turn."""

LATERAL_MPS2 = 1.5
"""nuPlan's `high_lateral_acceleration`: 1.5 to 3 m/s2."""

LEAD_REACH_M, QUEUE_REACH_M, LONG_M = 40.0, 15.0, 8.0
"""Largest gap to a lead, largest gap to a lead in a queue, and smallest length of a long vehicle."""

NEAR_M, NEAR_COUNT = 8.0, 6
"""nuPlan's `near_multiple_vehicles`: more than 6 moving vehicles nearer than 8 m."""


@dataclass(frozen=True, kw_only=True)
class Lead:
    """The vehicle ahead in the ego's corridor."""

    row: int
    gap_m: float
    speed_mps: float
    length_m: float


def scenario_type_at(frame: int, ego: EgoMotion, agents: AgentTracks, changes_lane: bool) -> str:
    """The most specific of nuPlan's types that hold at a frame.

    Args:
        frame: The tagged frame.
        ego: The recorded ego, M = 1.
        agents: Agents at the same steps.
        changes_lane: Whether the ego changes to a neighbouring lane around the frame.
    """
    speed_mps = ego.speed_mps[0]
    headings = ego.rear_axle_poses[0, :, 2]
    ahead = headings[frame : frame + 101] - headings[frame]
    lead = lead_at(frame, ego, agents)
    soon_mps = speed_mps[frame : frame + 31]

    if speed_mps[frame] < STANDING_MPS and soon_mps.max() < 5 * STANDING_MPS:
        return _standing(frame, ego, agents, lead)
    turn = _turn(ahead)
    if turn is not None:
        return turn
    if changes_lane:
        return "changing_lane"
    lateral_mps2 = float(np.abs(speed_mps[frame] * _yaw_rate(headings, frame)))
    if lateral_mps2 > LATERAL_MPS2:
        return "high_lateral_acceleration"
    later_mps = speed_mps[frame : frame + 51].min()
    if lead is not None and speed_mps[frame] > SLOW_MPS and later_mps < STANDING_MPS:
        return "stopping_with_lead"
    if lead is not None and lead.length_m > LONG_M and lead.gap_m < LEAD_REACH_M / 2:
        return "behind_long_vehicle"
    if lead is not None and speed_mps[frame] > SLOW_MPS and lead.speed_mps > SLOW_MPS:
        return "following_lane_with_lead"
    if len(_moving_vehicles_near(frame, ego, agents)) > NEAR_COUNT:
        return "near_multiple_vehicles"
    if speed_mps[frame] > FAST_MPS:
        return "high_magnitude_speed"
    if speed_mps[frame] < SLOW_MPS:
        return "low_magnitude_speed"
    return "medium_magnitude_speed"


def lead_at(frame: int, ego: EgoMotion, agents: AgentTracks) -> Lead | None:
    """The nearest vehicle with its centre in the corridor of the ego's future path."""
    rows = np.flatnonzero(agents.valid[:, frame] & (agents.kinds == AgentKind.VEHICLE))
    if not len(rows):
        return None
    path = _path_ahead(frame, ego)
    centers = agents.poses[rows, frame, :2]
    gaps_m = np.hypot(*np.moveaxis(centers[:, np.newaxis] - path[np.newaxis, :, :2], -1, 0))
    nearest = gaps_m.argmin(axis=1)
    along_m = arc_lengths(path[:, :2])[nearest]
    beside_m = gaps_m.min(axis=1)
    lengths_m = agents.sizes[rows, frame, 0]
    aligned = np.abs(wrap_angle(agents.poses[rows, frame, 2] - path[nearest, 2])) < np.pi / 4
    # Agents nearest to the last point of the path are beyond it and not in the corridor.
    in_corridor = (beside_m < PACIFICA.width_m / 2 + 0.3) & (nearest > 0) & (nearest < len(path) - 1) & aligned
    gap_m = along_m - PACIFICA.length_m / 2 - lengths_m / 2
    found = np.flatnonzero(in_corridor & (gap_m > -1.0) & (gap_m < LEAD_REACH_M))
    if not len(found):
        return None
    best = found[np.argmin(gap_m[found])]
    return Lead(
        row=int(rows[best]),
        gap_m=float(gap_m[best]),
        speed_mps=float(np.hypot(*agents.velocities_mps[rows[best], frame])),
        length_m=float(lengths_m[best]),
    )


def _path_ahead(frame: int, ego: EgoMotion) -> Float64[np.ndarray, "points 3"]:
    """Future box centres, extended by a straight line of 60 m with a point every half metre."""
    centers = ego.center_poses()[0, frame:]
    moved = np.concatenate([[True], np.hypot(*np.diff(centers[:, :2], axis=0).T) > 0.02])
    driven = centers[moved]
    reach_m = np.arange(0.5, LEAD_REACH_M + 20.0, 0.5)
    last = driven[-1]
    straight = np.column_stack(
        [last[0] + reach_m * np.cos(last[2]), last[1] + reach_m * np.sin(last[2]), np.full(len(reach_m), last[2])]
    )
    return np.concatenate([driven, straight])


def _standing(frame: int, ego: EgoMotion, agents: AgentTracks, lead: Lead | None) -> str:
    if _crossing_pedestrians(frame, ego, agents).any():
        return "waiting_for_pedestrian_to_cross"
    if lead is not None and lead.gap_m < QUEUE_REACH_M:
        return "stationary_in_traffic"
    return "stationary"


def _crossing_pedestrians(frame: int, ego: EgoMotion, agents: AgentTracks) -> Bool[np.ndarray, "observed"]:
    """Mask of the pedestrians ahead that walk across the ego's heading."""
    rows = np.flatnonzero(agents.valid[:, frame] & (agents.kinds == AgentKind.PEDESTRIAN))
    center = ego.center_poses()[0, frame]
    relative = poses_in_frame_of(agents.poses[rows, frame], center)
    velocity = agents.velocities_mps[rows, frame]
    across_mps = np.abs(np.cos(center[2]) * velocity[:, 1] - np.sin(center[2]) * velocity[:, 0])
    is_ahead = (relative[:, 0] > PACIFICA.length_m / 2) & (relative[:, 0] < QUEUE_REACH_M)
    return is_ahead & (np.abs(relative[:, 1]) < 4.0) & (across_mps > 0.5)


def _turn(ahead: Float64[np.ndarray, "steps"]) -> str | None:
    change = float(ahead[np.argmax(np.abs(ahead))])
    if abs(change) < TURN_RAD or np.abs(ahead[:51]).max() < TURN_START_RAD:
        return None
    if abs(change) > UTURN_RAD:
        return "starting_u_turn"
    return "starting_left_turn" if change > 0 else "starting_right_turn"


def _yaw_rate(headings: Float64[np.ndarray, "steps"], frame: int) -> float:
    first, last = max(frame - 5, 0), min(frame + 5, len(headings) - 1)
    return float((headings[last] - headings[first]) / (0.1 * (last - first)))


def _moving_vehicles_near(frame: int, ego: EgoMotion, agents: AgentTracks) -> Int64[np.ndarray, "found"]:
    gap_m = np.hypot(*(agents.poses[:, frame, :2] - ego.center_poses()[0, frame, :2]).T)
    is_moving = np.hypot(*agents.velocities_mps[:, frame].T) > 0.5
    return np.flatnonzero(agents.valid[:, frame] & (agents.kinds == AgentKind.VEHICLE) & is_moving & (gap_m < NEAR_M))
