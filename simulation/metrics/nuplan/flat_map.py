"""A map as flat arrays for compiled code: lanes with their links, and areas."""

from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Float64, Int64

from driving.map import MapGraph
from simulation.geometry.compiling import njit
from simulation.geometry.polygons import FlatPolygons, contains_point, flatten_polygons
from simulation.geometry.polylines import arc_lengths, project


class LaneLinks(NamedTuple):
    """Which lanes follow each other."""

    num_lanes: int
    """Rows below this number are lanes."""
    successors: Int64[np.ndarray, "links"]
    successor_offsets: Int64[np.ndarray, "lanes_and_end"]
    predecessors: Int64[np.ndarray, "links"]
    predecessor_offsets: Int64[np.ndarray, "lanes_and_end"]


class Centerlines(NamedTuple):
    """The centerlines of lanes, one behind the other."""

    points: Float64[np.ndarray, "points 2"]
    offsets: Int64[np.ndarray, "lanes_and_end"]
    arc: Float64[np.ndarray, "points"]
    """Arc length of each point within its own centerline [m]."""


class Roadblocks(NamedTuple):
    """The roadblocks of lanes."""

    num_lanes: int
    blocks: FlatPolygons
    connectors: FlatPolygons
    rows: Int64[np.ndarray, "lanes"]
    """Row of a lane in `blocks`, of a lane connector in `connectors`; -1 if the map lacks it."""


class FlatMap(NamedTuple):
    """The rows of `MapGraph.lanes`: lanes first, then lane connectors.

    Kernels take only the parts that they need: each array of an argument takes time in compilation and in each call.
    """

    lanes: FlatPolygons
    links: LaneLinks
    centerlines: Centerlines
    speed_limit_mps: Float64[np.ndarray, "lanes"]
    """NaN if unknown."""
    roadblocks: Roadblocks
    roadblock_ids: Int64[np.ndarray, "lanes"]
    intersections: FlatPolygons
    drivable: FlatPolygons


_FLAT_MAPS: WeakKeyDictionary[MapGraph, FlatMap] = WeakKeyDictionary()


def flat_map(map_graph: MapGraph) -> FlatMap:
    """The flat arrays of a map, cached as long as the map exists."""
    found = _FLAT_MAPS.get(map_graph)
    if found is None:
        found = _FLAT_MAPS[map_graph] = _build(map_graph)
    return found


def _build(map_graph: MapGraph) -> FlatMap:
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
    return FlatMap(
        lanes=flatten_polygons(lanes.areas.polygons),
        links=LaneLinks(
            num_lanes=int(lanes.num_lanes),
            successors=np.ascontiguousarray(lanes.successors.values, dtype=np.int64),
            successor_offsets=np.ascontiguousarray(lanes.successors.offsets),
            predecessors=np.ascontiguousarray(lanes.predecessors.values, dtype=np.int64),
            predecessor_offsets=np.ascontiguousarray(lanes.predecessors.offsets),
        ),
        centerlines=Centerlines(
            points=np.ascontiguousarray(lines.values, dtype=np.float64),
            offsets=np.ascontiguousarray(lines.offsets),
            arc=np.concatenate([np.zeros(0), *arcs]),
        ),
        speed_limit_mps=np.ascontiguousarray(lanes.speed_limit_mps, dtype=np.float64),
        roadblocks=Roadblocks(
            num_lanes=int(lanes.num_lanes),
            blocks=flatten_polygons(blocks.polygons),
            connectors=flatten_polygons(connectors.polygons),
            rows=block_rows,
        ),
        roadblock_ids=np.ascontiguousarray(lanes.roadblock_ids),
        intersections=flatten_polygons(map_graph.intersections.polygons),
        drivable=flatten_polygons(map_graph.drivable_area.polygons),
    )


@njit(cache=True)
def along_centerline(lines: Centerlines, row: int, x: float, y: float) -> float:
    """Arc length of the point on a lane's centerline nearest to a point [m]."""
    start, stop = lines.offsets[row], lines.offsets[row + 1]
    return project(lines.points[start:stop], lines.arc[start:stop], x, y)


@njit(cache=True)
def centerline_length(lines: Centerlines, row: int) -> float:
    """Length of a lane's centerline [m]."""
    return lines.arc[lines.offsets[row + 1] - 1]


@njit(cache=True)
def is_in_roadblock_of(road: Roadblocks, row: int, x: float, y: float) -> bool:
    """Whether a point is inside the roadblock of a lane, or the roadblock connector of a lane connector."""
    if row < road.num_lanes:
        return contains_point(road.blocks, road.rows[row], x, y)
    return contains_point(road.connectors, road.rows[row], x, y)
