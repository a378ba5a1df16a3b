"""The map as flat arrays, for compiled metrics: lanes with their links, and the areas that are asked for."""

from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from driving.map import MapGraph
from simulation.geometry.compiling import njit
from simulation.geometry.polygons import FlatPolygons, contains_point, flatten_polygons
from simulation.geometry.polylines import arc_lengths, project


class Road(NamedTuple):
    """Lanes come first and lane connectors behind them, in the rows of `MapGraph.lanes`."""

    lanes: FlatPolygons
    num_lanes: int
    """Rows below are lanes, the others lane connectors."""
    successors: np.ndarray
    successor_offsets: np.ndarray
    predecessors: np.ndarray
    predecessor_offsets: np.ndarray
    centerline_points: np.ndarray
    """(P, 2)"""
    centerline_offsets: np.ndarray
    centerline_arc: np.ndarray
    """(P,) arc length of each point within its own centerline."""
    speed_limit_mps: np.ndarray
    """(L,) NaN where unknown."""
    roadblocks: FlatPolygons
    roadblock_connectors: FlatPolygons
    roadblock_rows: np.ndarray
    """(L,) row of a lane in `roadblocks`, of a connector in `roadblock_connectors`; -1 where the map lacks it."""
    roadblock_ids: np.ndarray
    """(L,)"""
    intersections: FlatPolygons
    drivable: FlatPolygons


_ROADS: WeakKeyDictionary[MapGraph, Road] = WeakKeyDictionary()


def road_of(map_graph: MapGraph) -> Road:
    """The flat arrays of a map, built once and kept as long as the map."""
    road = _ROADS.get(map_graph)
    if road is None:
        road = _ROADS[map_graph] = _build_road(map_graph)
    return road


def _build_road(map_graph: MapGraph) -> Road:
    lanes = map_graph.lanes
    lines = lanes.centerlines
    arcs = [arc_lengths(np.ascontiguousarray(lines[row])) for row in range(len(lanes))]
    blocks, connectors = map_graph.roadblocks, map_graph.roadblock_connectors
    block_rows = np.full(len(lanes), -1, dtype=np.int64)
    for row in range(len(lanes)):
        is_connector = lanes.is_connector(row)
        found = (connectors if is_connector else blocks).row(int(lanes.roadblock_ids[row]))
        if found is not None:
            block_rows[row] = found
    return Road(
        lanes=flatten_polygons(lanes.areas.polygons),
        num_lanes=int(lanes.num_lanes),
        successors=np.ascontiguousarray(lanes.successors.values, dtype=np.int64),
        successor_offsets=np.ascontiguousarray(lanes.successors.offsets),
        predecessors=np.ascontiguousarray(lanes.predecessors.values, dtype=np.int64),
        predecessor_offsets=np.ascontiguousarray(lanes.predecessors.offsets),
        centerline_points=np.ascontiguousarray(lines.values, dtype=np.float64),
        centerline_offsets=np.ascontiguousarray(lines.offsets),
        centerline_arc=np.concatenate([np.zeros(0), *arcs]),
        speed_limit_mps=np.ascontiguousarray(lanes.speed_limit_mps, dtype=np.float64),
        roadblocks=flatten_polygons(blocks.polygons),
        roadblock_connectors=flatten_polygons(connectors.polygons),
        roadblock_rows=block_rows,
        roadblock_ids=np.ascontiguousarray(lanes.roadblock_ids),
        intersections=flatten_polygons(map_graph.intersections.polygons),
        drivable=flatten_polygons(map_graph.drivable_area.polygons),
    )


@njit(cache=True)
def along_centerline(road: Road, row: int, x: float, y: float) -> float:
    """Arc length of the place on a lane's centerline that is nearest to a point [m]."""
    start, stop = road.centerline_offsets[row], road.centerline_offsets[row + 1]
    return project(road.centerline_points[start:stop], road.centerline_arc[start:stop], x, y)


@njit(cache=True)
def centerline_length(road: Road, row: int) -> float:
    """Length of a lane's centerline [m]."""
    return road.centerline_arc[road.centerline_offsets[row + 1] - 1]


@njit(cache=True)
def is_in_roadblock_of(road: Road, row: int, x: float, y: float) -> bool:
    """Whether a point is inside the roadblock of a lane, or the roadblock connector of a connector."""
    if row < road.num_lanes:
        return contains_point(road.roadblocks, road.roadblock_rows[row], x, y)
    return contains_point(road.roadblock_connectors, road.roadblock_rows[row], x, y)
