"""The lane under the ego and the lanes along the route.

Source:
    tuPlan garage, `AbstractPDMPlanner`, `Dijkstra`.
"""

import numpy as np
import shapely
from jaxtyping import Float64

from driving.ego import EgoState
from driving.geometry import wrap_angle
from driving.map import MapGraph
from planning.lane_search import starting_lane

MAX_ROADBLOCKS = 30


def lane_under(map_graph: MapGraph, route_rows: list[int], on_route: set[int], ego: EgoState, radius_m: float) -> int:
    """The lane of the route under the rear axle that best fits its heading, else the nearest lane of the route.

    Args:
        map_graph: The map.
        route_rows: Lanes of the route, in order.
        on_route: The same as a set.
        ego: State of the ego.
        radius_m: Half side of the square around the box centre in which roadblocks are searched.
    """
    pose = ego.rear_axle_pose
    under = [row for row in _lanes_at(map_graph, ego, radius_m) if row in on_route]
    if not under:
        return starting_lane(map_graph, route_rows, ego)
    turned = [abs(float(wrap_angle(_heading_near(map_graph, row, pose) - pose[2]))) for row in under]
    return under[int(np.argmin(turned))]


def _heading_near(map_graph: MapGraph, row: int, pose: Float64[np.ndarray, "3"]) -> float:
    line = map_graph.centerline(row)
    away = line.points - pose[:2]
    return float(line.headings[int(np.argmin((away * away).sum(axis=1)))])


def _lanes_at(map_graph: MapGraph, ego: EgoState, radius_m: float) -> list[int]:
    """Lanes that contain the rear axle, in the order in which PDM-Closed finds them.

    The order decides between connectors that leave a lane in exactly the same direction.
    """
    position = ego.rear_axle_pose[:2]
    found = map_graph.lanes.areas.tree.query(shapely.Point(position[0], position[1]), predicate="intersects")
    if len(found) < 2:
        return found.tolist()
    center = ego.center_pose()[:2]
    rows: list[int] = []
    for layer in (map_graph.roadblocks, map_graph.roadblock_connectors):
        for block in layer.rows_near(center, radius_m):
            rows.extend(map_graph.lane_rows_of_roadblock(int(layer.ids[block])))
    polygons = [map_graph.lanes.areas.polygons[row] for row in rows]
    polygons.extend(map_graph.carparks.polygons[row] for row in map_graph.carparks.rows_near(center, radius_m))
    tree = shapely.STRtree(polygons, 10)
    order = tree.query(shapely.Point(position[0], position[1]), predicate="intersects").tolist()
    return [rows[index] for index in order if index < len(rows)]


def dijkstra_lanes(map_graph: MapGraph, roadblock_ids: list[int], route_rows: set[int], start: int) -> list[int]:
    """Shortest chain of route lanes from `start` to the last of at most 30 roadblocks.

    Without one, the chain to the nearest of the lanes with the largest depth.
    """
    own_block = int(map_graph.lanes.roadblock_ids[start])
    first = roadblock_ids.index(own_block) if own_block in roadblock_ids else 0
    goal = roadblock_ids[first : first + MAX_ROADBLOCKS][-1]
    parents: dict[int, int] = {}
    frontier: dict[int, tuple[float, int]] = {start: (1.0, 1)}
    expanded: dict[int, tuple[float, int]] = {}
    while frontier:
        # Among equal costs the first that was found.
        row = min(frontier, key=lambda candidate: frontier[candidate][0])
        cost, depth = frontier.pop(row)
        if map_graph.lanes.roadblock_ids[row] == goal:
            return _chain(parents, row)
        expanded[row] = (cost, depth)
        for after in map_graph.lanes.successors[row].tolist():
            if after not in route_rows or after in expanded:
                continue
            new_cost = cost + map_graph.centerline(after).length_m
            if after not in frontier or new_cost < frontier[after][0]:
                parents[after] = row
                frontier[after] = (new_cost, depth + 1)
    deepest = max(depth for _, depth in expanded.values())
    ends = {row: cost for row, (cost, depth) in expanded.items() if depth == deepest}
    return _chain(parents, min(ends, key=lambda row: ends[row]))


def _chain(parents: dict[int, int], end: int) -> list[int]:
    chain = [end]
    while chain[-1] in parents:
        chain.append(parents[chain[-1]])
    return chain[::-1]
