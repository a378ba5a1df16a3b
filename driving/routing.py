"""Routes on a map: the lanes along them, their gaps, and whether the ego is on them."""

from itertools import pairwise

import numpy as np
from jaxtyping import Float64, Int64
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from driving.geometry import Polyline
from driving.map import MapGraph
from driving.route import Route

MAX_OFF_ROUTE_M = 45.0
"""How far the ego may be from the path of a planner. Below `planner.MAX_DRIVEN_GAP_M` by about the ego's length."""

SIGNAL_RANGE_M = 50.0
"""A signal governs the ego's lane from this distance to its connector on."""


def build_route(
    map_graph: MapGraph,
    roadblock_ids: tuple[int, ...],
    goal_pose: Float64[np.ndarray, "3"] | None,
    start_pose: Float64[np.ndarray, "3"],
) -> Route:
    """A route with the shortest chain of lanes through the roadblocks, from the lane at `start_pose`, as centerline.

    The centerline ends before the last roadblock when no chain of lanes reaches it.
    """
    chain = shortest_lane_chain(map_graph, roadblock_ids, start_pose)
    points = [map_graph.lanes.centerlines[row] for row in chain]
    line = np.concatenate(points) if points else np.zeros((0, 2))
    if len(line):
        moved = np.concatenate([[True], np.hypot(*np.diff(line, axis=0).T) > 1e-6])
        line = line[moved]
    return Route(roadblock_ids=roadblock_ids, goal_pose=goal_pose, centerline=line)


def shortest_lane_chain(
    map_graph: MapGraph, roadblock_ids: tuple[int, ...], start_pose: Float64[np.ndarray, "3"]
) -> list[int]:
    """Rows of the lanes from the start pose to the last roadblock that a chain of lanes reaches."""
    stage_of_row: dict[int, int] = {}
    for stage, roadblock_id in enumerate(roadblock_ids):
        for row in map_graph.lane_rows_of_roadblock(roadblock_id):
            stage_of_row.setdefault(row, stage)
    if not stage_of_row:
        return []
    rows = list(stage_of_row)
    index = {row: i for i, row in enumerate(rows)}
    start = _start_row(map_graph, rows, start_pose)

    sources, targets, weights = [], [], []
    for row in rows:
        for successor in map_graph.lanes.successors[row].tolist():
            if successor in index:
                sources.append(index[row])
                targets.append(index[successor])
                weights.append(max(map_graph.centerline(successor).length_m, 1e-3))
    graph = csr_array((weights, (sources, targets)), shape=(len(rows), len(rows)))
    distance, before = dijkstra(graph, indices=index[start], return_predecessors=True)
    reached = [i for i in range(len(rows)) if np.isfinite(distance[i])]
    last_stage = max(stage_of_row[rows[i]] for i in reached)
    end = min((i for i in reached if stage_of_row[rows[i]] == last_stage), key=lambda i: distance[i])

    chain = [end]
    while chain[-1] != index[start]:
        chain.append(int(before[chain[-1]]))
    return [rows[i] for i in reversed(chain)]


def connectors_ahead(
    map_graph: MapGraph, route: Route, ego_pose: Float64[np.ndarray, "3"], range_m: float = SIGNAL_RANGE_M
) -> Int64[np.ndarray, "connectors"]:
    """Rows of the connectors that follow the ego's lane on its route; their signal governs the ego.

    Args:
        map_graph: The map.
        route: Decides between the connectors of the lane.
        ego_pose: Rear axle, global.
        range_m: Only connectors that begin within this distance.
    """
    lanes, on_route = map_graph.lanes, set(route.roadblock_ids)
    found: dict[int, None] = {}
    for row in map_graph.lane_rows_at(ego_pose[:2]).tolist():
        for after in lanes.successors[row].tolist():
            gap_m = float(np.hypot(*(lanes.centerlines[after][0] - ego_pose[:2])))
            if lanes.is_connector(after) and gap_m <= range_m and int(lanes.roadblock_ids[after]) in on_route:
                found[after] = None
    return np.array(list(found), dtype=np.int64)


def route_gaps(map_graph: MapGraph, roadblock_ids: tuple[int, ...]) -> list[tuple[int, int]]:
    """Pairs of consecutive roadblocks of a route of which the second does not follow the first on the map."""
    pairs = pairwise(roadblock_ids)
    return [(here, there) for here, there in pairs if there not in map_graph.roadblock_successors(here)]


def require_ego_on_route(
    map_graph: MapGraph,
    route: Route,
    rear_axle_pose: Float64[np.ndarray, "3"],
    path: Float64[np.ndarray, "points 2"],
) -> None:
    """Require that the path of a planner along its route passes the ego.

    Args:
        map_graph: The map.
        route: The route of the planner.
        rear_axle_pose: Of the ego.
        path: The line that the planner follows along the route [m, global].

    Raises:
        ValueError: When the ego is more than `MAX_OFF_ROUTE_M` away, for example because the roadblocks of the route
            are out of order.
    """
    position = rear_axle_pose[:2]
    gap_m = abs(float(Polyline(path).project(position[np.newaxis])[0, 1]))
    if gap_m <= MAX_OFF_ROUTE_M:
        return
    ids = route.roadblock_ids
    layers = (map_graph.roadblocks, map_graph.roadblock_connectors)
    under = [int(layer.ids[row]) for layer in layers for row in layer.rows_containing(position)]
    places = [f"{one} (number {ids.index(one) + 1} of {len(ids)} on the route)" for one in under if one in ids]
    gaps = [f"{here} to {there}" for here, there in route_gaps(map_graph, ids)]
    raise ValueError(
        f"The ego is not on its route: at ({position[0]:.1f}, {position[1]:.1f}) it is {gap_m:.0f} m from the path"
        f" along roadblocks {', '.join(map(str, ids))}."
        f" It is in roadblock {' and '.join(places or map(str, under)) or 'none of the map'}."
        + (f" The route is not connected from {', '.join(gaps)}." if gaps else "")
        + " A route names its roadblocks in driving order, from the ego on."
    )


def _start_row(map_graph: MapGraph, rows: list[int], start_pose: Float64[np.ndarray, "3"]) -> int:
    def cost(row: int) -> float:
        line = map_graph.centerline(row)
        along, offset = line.project(start_pose[np.newaxis, :2])[0]
        turn = line.at(np.array([along]))[0, 2] - start_pose[2]
        return abs(offset) + 2.0 * (1.0 - np.cos(turn))

    return min(rows, key=cost)
