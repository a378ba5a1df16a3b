"""What reactive agents need of a map: baselines, successors, limits and stop lines as flat arrays, once per map."""

import weakref
from typing import NamedTuple

import numpy as np

from driving.map import MapGraph
from simulation.geometry.compiling import njit
from simulation.geometry.polygons import FlatPolygons, flatten_polygons
from simulation.geometry.polylines import interpolate, project
from simulation.metrics.nuplan.flat_map import flat_map

CURVATURE_SPAN_M = 2.0
"""nuPlan takes the curvature at the start of a line from its points at 0, 2 and 4 m."""
HEADING_SPAN_M = 0.5
"""nuPlan takes the heading of a place on a line from the place this far on."""


class RoadArrays(NamedTuple):
    """Lanes and lane connectors, L rows as in `MapGraph.lanes`, P points of all baselines one after the other."""

    offsets: np.ndarray
    """(L + 1,) rows of `points`."""
    points: np.ndarray
    """(P, 2)."""
    arc: np.ndarray
    """(P,) arc length within the own baseline [m]."""
    headings: np.ndarray
    """(P,) from each point to the next, the last as the one before."""
    speed_limit: np.ndarray
    """(L,) [m/s]; 0 where the map has none."""
    has_lights: np.ndarray
    """(L,) bool."""
    entry_curvature: np.ndarray
    """(L,) without sign [1/m]."""
    next_offsets: np.ndarray
    """(L + 1,) rows of `next_rows`."""
    next_rows: np.ndarray
    """Successors, in the source's row order."""
    stop_lines: FlatPolygons


@njit(cache=True)
def _measure_lines(
    offsets: np.ndarray, points: np.ndarray, arc: np.ndarray, headings: np.ndarray, curvature: np.ndarray
) -> None:
    """Fill in the headings of points and the curvature at the start of lines."""
    for row in range(len(offsets) - 1):
        start, stop = offsets[row], offsets[row + 1]
        if stop - start < 2:
            continue
        for k in range(start, stop - 1):
            headings[k] = np.arctan2(points[k + 1, 1] - points[k, 1], points[k + 1, 0] - points[k, 0])
        headings[stop - 1] = headings[stop - 2]
        curvature[row] = _entry_curvature(points[start:stop], arc[start:stop])


@njit(cache=True)
def _entry_curvature(points: np.ndarray, arc: np.ndarray) -> float:
    """Inverse radius of the circle through the points at 0, 2 and 4 m, or start, middle and end of a shorter line.

    Source:
        nuPlan devkit, `estimate_curvature_along_path`, `compute_curvature`.
    """
    span = min(CURVATURE_SPAN_M, arc[-1] / 2.0)
    x0, y0, _ = interpolate(points, arc, 0.0)
    x1, y1, _ = interpolate(points, arc, span)
    x2, y2, _ = interpolate(points, arc, 2.0 * span)
    a, b, c = np.hypot(x1 - x0, y1 - y0), np.hypot(x2 - x1, y2 - y1), np.hypot(x0 - x2, y0 - y2)
    squared_area = (a + (b + c)) * (c - (a - b)) * (c + (a - b)) * (a + (b - c))
    if squared_area < 1e-6 or a * b * c <= 1e-8:
        return 0.0
    return np.sqrt(squared_area) / (a * b * c)


@njit(cache=True)
def nearest_pose(points: np.ndarray, arc: np.ndarray, x: float, y: float) -> tuple[float, float, float, float]:
    """Arc length, place and heading of the line's nearest place; the heading is that to the place half a metre on.

    Source:
        nuPlan devkit, `NuPlanPolylineMapObject.get_nearest_pose_from_position`.
    """
    along = project(points, arc, x, y)
    here_x, here_y, _ = interpolate(points, arc, along)
    there_x, there_y, _ = interpolate(points, arc, along + HEADING_SPAN_M)
    if here_x == there_x and here_y == there_y:
        there_x, there_y, _ = interpolate(points, arc, along - HEADING_SPAN_M)
        return along, here_x, here_y, np.arctan2(here_y - there_y, here_x - there_x)
    return along, here_x, here_y, np.arctan2(there_y - here_y, there_x - here_x)


class IdmRoads:
    """The arrays of one map, and its stop lines by connector, looked up when first asked for."""

    def __init__(self, map_graph: MapGraph) -> None:
        # Weak, because the table below holds this object for as long as the map lives.
        self._map = weakref.ref(map_graph)
        self._stop_rows: dict[int, tuple[int, ...]] = {}
        shared = flat_map(map_graph)
        headings = np.zeros(len(shared.centerline_points))
        curvature = np.zeros(len(map_graph.lanes))
        _measure_lines(
            shared.centerline_offsets, shared.centerline_points, shared.centerline_arc, headings, curvature
        )
        self.arrays = RoadArrays(
            offsets=shared.centerline_offsets,
            points=shared.centerline_points,
            arc=shared.centerline_arc,
            headings=headings,
            speed_limit=np.nan_to_num(shared.speed_limit_mps, nan=0.0),
            has_lights=np.ascontiguousarray(map_graph.lanes.has_traffic_lights),
            entry_curvature=curvature,
            next_offsets=shared.successor_offsets,
            next_rows=shared.successors,
            stop_lines=flatten_polygons(map_graph.stop_lines.polygons),
        )
        self.lane_polygons = shared.lanes
        self.intersections = shared.intersections
        self.num_lanes = shared.num_lanes

    def stop_rows(self, connector_row: int) -> tuple[int, ...]:
        """Rows of the stop lines that hold traffic when the connector's light is red."""
        rows = self._stop_rows.get(connector_row)
        if rows is None:
            map_graph = self._map()
            assert map_graph is not None, "asked for the roads of a map that is gone"
            rows = self._stop_rows[connector_row] = tuple(map_graph.stop_lines_of(connector_row))
        return rows


_ROADS: weakref.WeakKeyDictionary[MapGraph, IdmRoads] = weakref.WeakKeyDictionary()


def roads_of(map_graph: MapGraph) -> IdmRoads:
    """The roads of a map, the same object at each call."""
    roads = _ROADS.get(map_graph)
    if roads is None:
        roads = _ROADS[map_graph] = IdmRoads(map_graph)
    return roads
