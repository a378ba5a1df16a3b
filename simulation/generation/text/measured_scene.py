"""Measuring of what surrounds the events: density, signal, road, the ego's speed and manoeuvre."""

import numpy as np
import shapely
from jaxtyping import Int64

from driving.agents import AgentKind, LightStatus
from driving.importers.tagging import TURN_RAD
from simulation.generation.condition import SIGNALS
from simulation.generation.text.relative_agents import RelativeAgents
from simulation.generation.text.vocabulary import EgoManoeuvre, RoadType
from simulation.geometry.lane_anchors import lane_anchors

AROUND_M = 60.0
"""Distance from the ego up to which vehicles count for the density of traffic."""
DENSITY_BANDS = {"low": (0.0, 4.0), "medium": (2.5, 10.0), "high": (8.0, np.inf)}
"""Mean numbers of vehicles on lanes around the ego, averaged over the frames; both ends included."""
LANE_CHANGE_M = 2.4
STRAIGHT_RAD = 0.35
"""Largest change of heading of an ego that goes straight."""
ROAD_AHEAD_M = 20.0
"""Length of the route behind the driven part that belongs to the measured road."""
JOIN_M = 20.0
"""Distance before the join of two connectors at which their sides are compared."""
FRAMES_BETWEEN = 10


def vehicles_around(view: RelativeAgents) -> float:
    """Mean number of vehicles on lanes within `AROUND_M` of the ego."""
    counts = []
    vehicles = view.scenario.agents.kinds == AgentKind.VEHICLE
    for step in range(0, len(view.ego), FRAMES_BETWEEN):
        gap_m = np.hypot(*(view.poses[:, step, :2] - view.ego[step, :2]).T)
        rows = np.flatnonzero(vehicles & view.valid[:, step] & (gap_m < AROUND_M))
        counts.append(int(lane_anchors(view.scenario.map, view.poses[rows, step]).is_inside.sum()))
    return float(np.mean(counts))


def next_signal(view: RelativeAgents) -> str | None:
    """Phase of the next traffic light on the ego's route at iteration 0; None without one."""
    scenario = view.scenario
    lanes = scenario.map.lanes
    ids, statuses = scenario.traffic_lights.at(scenario.first_frame)
    best: tuple[float, str] | None = None
    for light, status in zip(ids.tolist(), statuses.tolist(), strict=True):
        row = scenario.map.lane_row(light)
        if int(lanes.roadblock_ids[row]) not in scenario.route.roadblock_ids:
            continue
        along_m = float(view.line.project(lanes.centerlines[row][:1])[0, 0])
        names = [name for name, one in SIGNALS.items() if one == LightStatus(status)]
        if along_m > view.ego_along[0, 0] and names and (best is None or along_m < best[0]):
            best = (along_m, names[0])
    return None if best is None else best[1]


def rows_of_route(view: RelativeAgents) -> Int64[np.ndarray, "rows"]:
    """Lanes and connectors under the driven part of the route and the next metres, in order."""
    begin_m, end_m = view.ego_along[0, 0], view.ego_along[-1, 0] + ROAD_AHEAD_M
    poses = view.line.at(np.arange(begin_m, end_m, 2.0))
    rows = lane_anchors(view.scenario.map, poses).rows
    rows = rows[rows >= 0]
    return rows[np.concatenate([[True], rows[1:] != rows[:-1]])]


def junction_rows_of_route(view: RelativeAgents) -> list[int]:
    """Connectors of the route that another movement of the same intersection crosses."""
    lanes = view.scenario.map.lanes
    found = []
    for row in rows_of_route(view).tolist():
        if not lanes.is_connector(row) or int(lanes.intersection_ids[row]) == 0:
            continue
        members = np.flatnonzero(lanes.intersection_ids == lanes.intersection_ids[row])
        own = shapely.LineString(lanes.centerlines[row])
        heading = view.scenario.map.centerline(row).headings[0]
        for member in members.tolist():
            apart = view.scenario.map.centerline(member).headings[0] - heading
            if (
                member != row
                and abs(np.sin(apart)) > 0.7
                and own.intersects(shapely.LineString(lanes.centerlines[member]))
            ):
                found.append(row)
                break
    return found


def has_signal(view: RelativeAgents) -> bool:
    """Whether the driven part of the route has a traffic light."""
    flags = view.scenario.map.lanes.has_traffic_lights
    return bool(flags[rows_of_route(view)].any())


def is_on_road(view: RelativeAgents, road: RoadType) -> bool:
    """Whether the driven part of the route is a kind of road."""
    map_graph = view.scenario.map
    is_junction = bool(junction_rows_of_route(view))
    if road == RoadType.JUNCTION:
        return is_junction
    if road == RoadType.CROSSWALK:
        begin_m, end_m = view.ego_along[0, 0], view.ego_along[-1, 0] + ROAD_AHEAD_M
        points = view.line.at(np.arange(begin_m, end_m, 0.5))[:, :2]
        return bool(len(map_graph.crosswalks) and map_graph.crosswalks.contains(points).any())
    if road == RoadType.RAMP:
        return _passes_join(view, from_right=None)
    rows = [int(row) for row in rows_of_route(view) if row < map_graph.lanes.num_lanes]
    has_beside = [
        map_graph.left_neighbor(row) is not None or map_graph.right_neighbor(row) is not None for row in rows
    ]
    if road == RoadType.STRAIGHT:
        heading = view.ego[:, 2]
        return not is_junction and float(np.ptp(np.unwrap(heading))) < STRAIGHT_RAD
    return all(has_beside) if road == RoadType.MULTI_LANE else not is_junction and not any(has_beside)


def does(view: RelativeAgents, manoeuvre: EgoManoeuvre) -> bool:
    """Whether the logged ego does a manoeuvre."""
    change = np.unwrap(view.ego[:, 2]) - view.ego[0, 2]
    if manoeuvre == EgoManoeuvre.TURN_LEFT:
        return float(change.max()) > TURN_RAD
    if manoeuvre == EgoManoeuvre.TURN_RIGHT:
        return float(change.min()) < -TURN_RAD
    if manoeuvre == EgoManoeuvre.CHANGE_LANE:
        return float(np.abs(view.ego_along[:, 1] - view.ego_along[0, 1]).max()) > LANE_CHANGE_M or _changes_lane(view)
    if manoeuvre == EgoManoeuvre.MERGE:
        return _passes_join(view, from_right=True)
    return float(np.abs(change).max()) < STRAIGHT_RAD


def _changes_lane(view: RelativeAgents) -> bool:
    """Whether the ego passes from a lane to its neighbour in the same roadblock."""
    lanes = view.scenario.map.lanes
    rows = lane_anchors(view.scenario.map, view.ego).rows
    blocks, is_lane = lanes.roadblock_ids[rows], rows < lanes.num_lanes
    same = (blocks[1:] == blocks[:-1]) & (rows[1:] != rows[:-1]) & is_lane[1:] & is_lane[:-1]
    return bool(same.any())


def _passes_join(view: RelativeAgents, *, from_right: bool | None) -> bool:
    """Whether the ego passes a place where two roads become one; from the right one, or from either."""
    map_graph = view.scenario.map
    lanes = map_graph.lanes
    rows = [row for row in rows_of_route(view).tolist() if lanes.is_connector(row)]
    for row in rows:
        target = int(lanes.successors[row][0])
        for other in lanes.predecessors[target].tolist():
            if other == row:
                continue
            blocks = [int(lanes.roadblock_ids[lanes.predecessors[one][0]]) for one in (row, other)]
            own, theirs = map_graph.centerline(row), map_graph.centerline(other)
            apart = abs(float(own.headings[0] - theirs.headings[0]))
            if blocks[0] == blocks[1] or apart > 0.7:
                continue
            place = theirs.at(np.array([max(theirs.length_m - JOIN_M, 0.0)]))
            is_left = own.project(place[:, :2])[0, 1] > 0
            if from_right is None or is_left == from_right:
                return True
    return False


def ego_speed_mps(view: RelativeAgents) -> float:
    """Speed of the ego at iteration 0."""
    return float(view.scenario.ego.speed_mps[0, view.scenario.first_frame])
