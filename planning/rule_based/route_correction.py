"""Correction of routes: a start at the ego, no gaps, no loops. Roadblocks out of order are not sorted.

Source:
    tuPlan garage, `route_utils.py`, `BreadthFirstSearchRoadBlock`.
"""

import itertools

import numpy as np
import shapely

from driving.ego import EgoState
from driving.geometry import Polyline, wrap_angle
from driving.map import MapGraph

SEARCH_RADIUS_M = 1.0
MAX_HEADING_ERROR_RAD = np.pi / 4
MAX_DISPLACEMENT_M = 3.0
BACKWARD_DEPTH = 15
FORWARD_DEPTH = 30
LOOP_AREA_M2 = 1.0


def corrected_route(map_graph: MapGraph, roadblock_ids: tuple[int, ...], ego: EgoState) -> list[int]:
    """Roadblock ids from the ego on, with gaps filled, cut before the route crosses itself.

    Raises:
        ValueError: When the map has no roadblock of the route.
    """
    route = [block for block in dict.fromkeys(roadblock_ids) if map_graph.has_roadblock(block)]
    if not route:
        raise ValueError(f"Map {map_graph.name} has no roadblock of the route {roadblock_ids}.")
    route = _with_start(map_graph, route, ego)
    route = _with_links(map_graph, route)
    return _without_loops(map_graph, route)


def _with_start(map_graph: MapGraph, route: list[int], ego: EgoState) -> list[int]:
    start, candidates = _current_roadblock(map_graph, set(route), ego)
    if start is None or start in route:
        return route
    path = roadblock_path(map_graph, route[0], set(candidates), BACKWARD_DEPTH, forward=False)
    if path is not None:
        return path[::-1][:-1] + route
    path = roadblock_path(map_graph, start, set(route[:3]), FORWARD_DEPTH)
    if path is not None:
        return path + route[route.index(path[-1]) + 1 :]
    return route


def _current_roadblock(map_graph: MapGraph, on_route: set[int], ego: EgoState) -> tuple[int | None, list[int]]:
    """The most likely roadblock of the ego, and all possible ones."""
    pose = ego.rear_axle_pose
    layers = (map_graph.roadblocks, map_graph.roadblock_connectors)
    near = [int(layer.ids[row]) for layer in layers for row in layer.rows_near(pose[:2], SEARCH_RADIUS_M)]
    if not near:
        near = [int(layer.ids[layer.nearest(pose[:2])[0]]) for layer in layers if len(layer)]
    fitting: list[tuple[int, float]] = []
    closest: list[float] = []
    for block in near:
        best_m = float(np.inf)
        for row in map_graph.lane_rows_of_roadblock(block):
            line = map_graph.centerline(row)
            displacement_m, heading = _nearest_vertex(line, pose)
            best_m = min(best_m, displacement_m)
            if (
                abs(float(wrap_angle(heading - pose[2]))) < MAX_HEADING_ERROR_RAD
                and displacement_m < MAX_DISPLACEMENT_M
            ):
                fitting.append((block, displacement_m))
        closest.append(best_m)
    for candidates in ([c for c in fitting if c[0] in on_route], [c for c in fitting if c[0] not in on_route]):
        if candidates:
            return min(candidates, key=lambda candidate: candidate[1])[0], [block for block, _ in candidates]
    if not near:
        return None, []
    return near[int(np.argmin(closest))], near


def _nearest_vertex(line: Polyline, pose: np.ndarray) -> tuple[float, float]:
    distances_m = np.hypot(*(line.points - pose[:2]).T)
    nearest = int(np.argmin(distances_m))
    return float(distances_m[nearest]), float(line.headings[nearest])


def roadblock_path(
    map_graph: MapGraph, start: int, targets: set[int], max_depth: int, forward: bool = True
) -> list[int] | None:
    """Shortest chain of roadblocks from `start` to one of the targets, both included; None when there is none.

    Of several parents at one depth the last one counts. tuPlan garage queues a roadblock once per path that leads to
    it; only its first and its last position in the queue matter, and only these are kept.
    """
    following = map_graph.roadblock_successors if forward else map_graph.roadblock_predecessors
    parents: list[dict[int, int]] = []
    by_first, by_last = [start], [start]
    for _ in range(max_depth):
        reached = next((block for block in by_first if block in targets), None)
        if reached is not None:
            path = [reached]
            for parent in reversed(parents):
                path.append(parent[path[-1]])
            return path[::-1]
        by_first = list(dict.fromkeys(after for block in by_first for after in following(block)))
        parent = {after: block for block in by_last for after in following(block)}
        order = [after for block in by_last for after in following(block)]
        by_last = list(reversed(dict.fromkeys(reversed(order))))
        parents.append(parent)
        if not by_first:
            return None
    return None


def _with_links(map_graph: MapGraph, route: list[int]) -> list[int]:
    linked = route[:1]
    for before, after in itertools.pairwise(route):
        if before not in map_graph.roadblock_predecessors(after):
            path = roadblock_path(map_graph, before, {after}, FORWARD_DEPTH)
            if path is not None:
                linked.extend(path[1:-1])
        linked.append(after)
    return linked


def _without_loops(map_graph: MapGraph, route: list[int]) -> list[int]:
    """Cut the route at the first roadblock connector that overlaps an earlier one."""
    crossed: list[shapely.Polygon] = []
    for place, block in enumerate(route):
        if map_graph.roadblocks.row(block) is not None:
            continue
        polygon = map_graph.roadblock_polygon(block)
        if any(shapely.area(shapely.intersection(other, polygon)) > LOOP_AREA_M2 for other in crossed):
            return route[:place]
        crossed.append(polygon)
    return route
