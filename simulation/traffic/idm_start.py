"""First frame of reactive traffic: which vehicles become agents on a lane, and which tracks follow the log."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from driving.agents import AgentKind
from driving.scenario import Scenario
from driving.vehicle import PACIFICA, VehicleParameters
from simulation.geometry.boxes import box_corners, convex_overlap
from simulation.geometry.polygons import any_contains, rows_containing
from simulation.traffic.idm_map import IdmMap, nearest_pose

TARGET_SPEED_MPS = 10.0
"""Target speed on lanes without a speed limit."""
# quirk: no_bicycles (they are neither reactive nor replayed)
REPLAYED_KINDS = (
    AgentKind.PEDESTRIAN,
    AgentKind.BARRIER,
    AgentKind.CZONE_SIGN,
    AgentKind.TRAFFIC_CONE,
    AgentKind.GENERIC_OBJECT,
)
"""Kinds that follow the log, in the order in which nuPlan lists them."""
KIND_ORDER = (AgentKind.VEHICLE, AgentKind.BICYCLE, *REPLAYED_KINDS)
"""All kinds in the order in which tracks that follow the log are listed; the first two in scripted traffic only."""


@dataclass(frozen=True, kw_only=True)
class StartPose:
    """A pose on a lane's baseline."""

    lane_row: int
    progress_m: float
    """Arc length along the baseline."""
    x: float
    y: float
    heading: float


@dataclass(frozen=True, kw_only=True)
class StartingAgent:
    """A vehicle on its lane at the first frame."""

    row: int
    """In the scenario's agents."""
    lane_row: int
    progress_m: float
    """Along the lane's baseline, projected from the logged position."""
    speed_mps: float
    target_speed_mps: float
    length_m: float
    width_m: float
    corners: Float64[np.ndarray, "4 2"]
    """Corners of the box after it is moved onto the baseline."""


def replayed_tracks(scenario: Scenario) -> Bool[np.ndarray, "agents"]:
    """Mask of the scenario's agents that follow the log in nuPlan's reactive traffic."""
    return np.isin(scenario.agents.kinds, REPLAYED_KINDS)


def scripted_tracks(scenario: Scenario, idm_map: IdmMap) -> Bool[np.ndarray, "agents"]:
    """Mask of the scenario's agents that follow the log in scripted traffic.

    These are nuPlan's kinds; the track that the scenario's tag is about, of any kind and from any frame on; bicycles;
    and vehicles that are on no lane at the first frame (they are parked).
    """
    agents, now = scenario.agents, scenario.first_frame
    follows_log = replayed_tracks(scenario) | (agents.kinds == AgentKind.BICYCLE)
    rows = agents.rows_at(now)
    for row in rows[agents.kinds[rows] == AgentKind.VEHICLE].tolist():
        follows_log[row] = start_pose(idm_map, agents.poses[row, now]) is None
    if scenario.about_track is not None:
        follows_log[agents.track_ids.index(scenario.about_track)] = True
    return follows_log


def starting_agents(
    scenario: Scenario,
    idm_map: IdmMap,
    follows_log: Bool[np.ndarray, "agents"],
    vehicle: VehicleParameters = PACIFICA,
) -> list[StartingAgent]:
    """The reactive agents, in the order of the first frame's boxes.

    A vehicle is left out when it follows the log, when it is on no lane (it is parked), and when its box, moved onto
    the lane's baseline, overlaps the ego, a track that follows the log or an earlier agent.

    Source:
        nuPlan devkit, `build_idm_agents_on_map_rails`.
    """
    agents, now = scenario.agents, scenario.first_frame
    rows = agents.rows_at(now)
    ego = scenario.ego.state(now)
    taken = [box_corners(*agents.poses[row, now], *agents.sizes[row, now]) for row in rows[follows_log[rows]]]
    x, y, heading = ego.center_pose(vehicle).tolist()
    taken.append(box_corners(x, y, heading, vehicle.length_m, vehicle.width_m))
    # quirk: inherited_target_speed (a lane without limit gets that of the agent before)
    target_speed = TARGET_SPEED_MPS
    # quirk: only_cars_of_the_first_frame (later ones never appear, and parked ones off the lanes are gone)
    found: list[StartingAgent] = []
    for row in rows[(agents.kinds[rows] == AgentKind.VEHICLE) & ~follows_log[rows]].tolist():
        start, size = start_pose(idm_map, agents.poses[row, now]), agents.sizes[row, now]
        if start is None:
            continue
        corners = box_corners(start.x, start.y, start.heading, *size)
        if any(convex_overlap(corners, other) for other in taken):
            continue
        taken.append(corners)
        velocity = agents.velocities_mps[row, now]
        target_speed = float(idm_map.lanes.speed_limit[start.lane_row]) or target_speed
        found.append(
            StartingAgent(
                row=row,
                lane_row=start.lane_row,
                progress_m=start.progress_m,
                speed_mps=ego.speed_mps if np.isnan(velocity).any() else float(np.hypot(*velocity)),
                target_speed_mps=target_speed,
                length_m=float(size[0]),
                width_m=float(size[1]),
                corners=corners,
            )
        )
    return found


def start_pose(idm_map: IdmMap, pose: Float64[np.ndarray, "3"]) -> StartPose | None:
    """Pose on the baseline of the lane that holds a position; None when the position is on no lane.

    Lanes have priority; connectors count only inside intersections and where no lane holds the position.
    """
    x, y, heading = pose.tolist()
    rows = rows_containing(idm_map.lane_polygons, x, y)
    lane_rows = rows[rows < idm_map.num_lanes]
    if not len(lane_rows):
        if not any_contains(idm_map.intersections, x, y):
            return None
        lane_rows = rows[rows >= idm_map.num_lanes]
    best = None
    best_turn = np.inf
    lanes = idm_map.lanes
    for lane_row in lane_rows.tolist():
        piece = slice(lanes.offsets[lane_row], lanes.offsets[lane_row + 1])
        along, near_x, near_y, direction = nearest_pose(lanes.points[piece], lanes.arc[piece], x, y)
        # quirk: unwrapped_lane_choice (the difference of headings is not wrapped)
        turn = abs(direction - heading)
        if turn < best_turn:
            best_turn = turn
            best = StartPose(lane_row=lane_row, progress_m=along, x=near_x, y=near_y, heading=direction)
    return best
