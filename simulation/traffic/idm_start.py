"""Who becomes a reactive agent, vehicles of the first frame that can be put on a lane; and who follows the log."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from driving.agents import AgentKind
from driving.scenario import Scenario
from driving.vehicle import PACIFICA, VehicleParameters
from simulation.geometry.boxes import box_corners, convex_overlap
from simulation.geometry.polygons import any_contains, rows_containing
from simulation.traffic.idm_roads import IdmRoads, nearest_pose

TARGET_SPEED_MPS = 10.0
"""Where the map has no speed limit."""
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
"""All kinds in the order in which those that follow the log are listed; the first two do so where scripted only."""


@dataclass(frozen=True, kw_only=True)
class StartingAgent:
    """A vehicle on its lane at the first frame."""

    row: int
    """In the scenario's agents."""
    lane_row: int
    progress_m: float
    """Along the lane's baseline, of the logged place."""
    speed_mps: float
    target_speed_mps: float
    length_m: float
    width_m: float
    corners: np.ndarray
    """(4, 2) of the box put on the baseline."""


def replayed_tracks(scenario: Scenario) -> Bool[np.ndarray, "agents"]:
    """Which of the scenario's agents follow the log in nuPlan's reactive traffic."""
    return np.isin(scenario.agents.kinds, REPLAYED_KINDS)


def scripted_tracks(scenario: Scenario, roads: IdmRoads) -> Bool[np.ndarray, "agents"]:
    """Which of the scenario's agents follow the log where it is a script: more than in nuPlan's reactive traffic.

    Besides nuPlan's kinds these are the agent that the scenario's tag is about, of whatever kind and whenever it
    appears; bicycles; and vehicles that are on no lane at the first frame (they are parked).
    """
    agents, now = scenario.agents, scenario.first_frame
    follows_log = replayed_tracks(scenario) | (agents.kinds == AgentKind.BICYCLE)
    rows = agents.rows_at(now)
    for row in rows[agents.kinds[rows] == AgentKind.VEHICLE].tolist():
        follows_log[row] = starting_place(roads, agents.poses[row, now]) is None
    if scenario.about_track is not None:
        follows_log[agents.track_ids.index(scenario.about_track)] = True
    return follows_log


def starting_agents(
    scenario: Scenario,
    roads: IdmRoads,
    follows_log: Bool[np.ndarray, "agents"],
    vehicle: VehicleParameters = PACIFICA,
) -> list[StartingAgent]:
    """The reactive agents, in the order of the first frame's boxes.

    A vehicle is left out when it follows the log, when it is on no lane (it is parked), and when its box, put on the
    lane's baseline, would touch the ego, somebody who follows the log or a vehicle before it.

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
        pose, size = agents.poses[row, now], agents.sizes[row, now]
        place = starting_place(roads, pose)
        if place is None:
            continue
        lane_row, along, snapped = place
        corners = box_corners(*snapped, *size)
        if any(convex_overlap(corners, other) for other in taken):
            continue
        taken.append(corners)
        velocity = agents.velocities_mps[row, now]
        target_speed = float(roads.arrays.speed_limit[lane_row]) or target_speed
        found.append(
            StartingAgent(
                row=row,
                lane_row=lane_row,
                progress_m=along,
                speed_mps=ego.speed_mps if np.isnan(velocity).any() else float(np.hypot(*velocity)),
                target_speed_mps=target_speed,
                length_m=float(size[0]),
                width_m=float(size[1]),
                corners=corners,
            )
        )
    return found


def starting_place(roads: IdmRoads, pose: np.ndarray) -> tuple[int, float, tuple[float, float, float]] | None:
    """Lane row, arc length on its baseline and pose there; None when the place is on no lane.

    Lanes are looked at first; connectors only inside intersections that no lane reaches into.
    """
    x, y, heading = pose.tolist()
    rows = rows_containing(roads.lane_polygons, x, y)
    lane_rows = rows[rows < roads.num_lanes]
    if not len(lane_rows):
        if not any_contains(roads.intersections, x, y):
            return None
        lane_rows = rows[rows >= roads.num_lanes]
    best = None
    best_turn = np.inf
    arrays = roads.arrays
    for lane_row in lane_rows.tolist():
        piece = slice(arrays.offsets[lane_row], arrays.offsets[lane_row + 1])
        along, px, py, direction = nearest_pose(arrays.points[piece], arrays.arc[piece], x, y)
        # quirk: unwrapped_lane_choice (a full turn apart counts as far apart)
        turn = abs(direction - heading)
        if turn < best_turn:
            best, best_turn = (lane_row, along, (px, py, direction)), turn
    return best
