"""nuPlan's breadth-first search for a chain of lanes along the route."""

import numpy as np
import shapely
from jaxtyping import Float64

from driving.ego import EgoState
from driving.geometry import box_corners
from driving.map import MapGraph
from driving.vehicle import PACIFICA


def starting_lane(map_graph: MapGraph, rows: list[int], ego: EgoState) -> int:
    """The first lane that contains the centre of the ego box, else the lane nearest to the box.

    Args:
        map_graph: The map.
        rows: Lanes and connectors to choose from, at least one.
        ego: State of the ego.

    Source:
        nuPlan devkit, `IDMPlanner._get_starting_edge`.
    """
    center = ego.center_pose()
    point = shapely.Point(center[0], center[1])
    box = shapely.Polygon(box_corners(center, np.array([PACIFICA.length_m, PACIFICA.width_m])))
    nearest, nearest_m = rows[0], np.inf
    for row in rows:
        polygon = map_graph.lanes.areas.polygons[row]
        if shapely.contains(polygon, point):
            return row
        distance_m = float(shapely.distance(polygon, box))
        if distance_m < nearest_m:
            nearest, nearest_m = row, distance_m
    return nearest


def breadth_first_lanes(map_graph: MapGraph, roadblock_ids: tuple[int, ...], start: int) -> list[int]:
    """Rows of the lanes from `start` to the last roadblock, one lane per roadblock.

    Without such a chain, the result ends at the lane that the search visits last. If several lanes of one depth lead
    to a lane, the last of them is its parent. The devkit queues a lane once per path that leads to it, exponentially
    many in the length of the route; only the first and the last position in its queue matter, and these are kept.

    Source:
        nuPlan devkit, `BreadthFirstSearch` and `IDMPlanner._breadth_first_search`.
    """
    allowed = {row for block in roadblock_ids for row in map_graph.lane_rows_of_roadblock(block)}
    starts_in_second = (
        len(roadblock_ids) > 1
        and map_graph.lanes.roadblock_ids[start] == roadblock_ids[1]
        and start in map_graph.lane_rows_of_roadblock(roadblock_ids[1])
    )
    depth_wanted = len(roadblock_ids) - int(starts_in_second)
    parents: list[dict[int, int]] = [{}]
    by_first, by_last = [start], [start]
    goals = set(map_graph.lane_rows_of_roadblock(roadblock_ids[-1]))
    end = start
    for depth in range(1, depth_wanted + 1):
        if depth == depth_wanted:
            reached = [row for row in by_first if row in goals]
            if reached:
                return _chain(parents, reached[0])
        by_first = list(dict.fromkeys(_followers(map_graph, by_first, allowed)))
        parent: dict[int, int] = {}
        order: list[int] = []
        for row in by_last:
            for follower in _followers(map_graph, [row], allowed):
                parent[follower] = row
                order.append(follower)
        if not order:
            break
        by_last = list(reversed(dict.fromkeys(reversed(order))))
        parents.append(parent)
        end = by_last[-1]
    return _chain(parents, end)


def _followers(map_graph: MapGraph, rows: list[int], allowed: set[int]) -> list[int]:
    return [s for row in rows for s in map_graph.lanes.successors[row].tolist() if s in allowed]


def _chain(parents: list[dict[int, int]], end: int) -> list[int]:
    depth = next(d for d in range(len(parents) - 1, -1, -1) if d == 0 or end in parents[d])
    chain = [end]
    for level in range(depth, 0, -1):
        chain.append(parents[level][chain[-1]])
    return chain[::-1]


def joined_centerlines(
    map_graph: MapGraph, rows: list[int]
) -> tuple[Float64[np.ndarray, "points 2"], Float64[np.ndarray, "points"]]:
    """Vertices of the lanes' centerlines, one lane after the other, and the headings of each lane there [rad]."""
    lines = [map_graph.centerline(row) for row in rows]
    points = np.concatenate([line.points for line in lines])
    return np.ascontiguousarray(points), np.concatenate([line.headings for line in lines])
