"""Map data of reactive agents as flat arrays, once per map: baselines, successors, speed limits and stop lines."""

import weakref
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from driving.map import MapGraph
from simulation.geometry.compiling import njit
from simulation.geometry.polygons import FlatPolygons, flatten_polygons
from simulation.geometry.polylines import interpolate, project
from simulation.metrics.nuplan.flat_map import flat_map

CURVATURE_SPAN_M = 2.0
"""nuPlan takes the curvature at the start of a line from its points at 0, 2 and 4 m."""
HEADING_SPAN_M = 0.5
"""nuPlan takes the heading at a point of a line from the point this far ahead."""


class LaneArrays(NamedTuple):
    """Lanes and lane connectors, in the rows of `MapGraph.lanes`; baselines are concatenated."""

    offsets: Int64[np.ndarray, "lanes+1"]
    """First row of each baseline in `points`."""
    points: Float64[np.ndarray, "points 2"]
    arc: Float64[np.ndarray, "points"]
    """Arc length within its baseline [m]."""
    headings: Float64[np.ndarray, "points"]
    """Direction to the next point; the last repeats the one before."""
    speed_limit: Float64[np.ndarray, "lanes"]
    """[m/s]; 0 where the map has none."""
    has_lights: Bool[np.ndarray, "lanes"]
    entry_curvature: Float64[np.ndarray, "lanes"]
    """Absolute curvature at the start [1/m]."""
    next_offsets: Int64[np.ndarray, "lanes+1"]
    """First row of each lane in `next_rows`."""
    next_rows: Int64[np.ndarray, "successors"]
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
        curvature[row] = entry_curvature(points[start:stop], arc[start:stop])


@njit(cache=True)
def entry_curvature(points: Float64[np.ndarray, "points 2"], arc: Float64[np.ndarray, "points"]) -> float:
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
def nearest_pose(
    points: Float64[np.ndarray, "points 2"], arc: Float64[np.ndarray, "points"], x: float, y: float
) -> tuple[float, float, float, float]:
    """Arc length, position and heading of the line's nearest point; the heading is that to the point 0.5 m ahead.

    Source:
        nuPlan devkit, `NuPlanPolylineMapObject.get_nearest_pose_from_position`.
    """
    along = project(points, arc, x, y)
    near_x, near_y, _ = interpolate(points, arc, along)
    ahead_x, ahead_y, _ = interpolate(points, arc, along + HEADING_SPAN_M)
    if near_x == ahead_x and near_y == ahead_y:
        behind_x, behind_y, _ = interpolate(points, arc, along - HEADING_SPAN_M)
        return along, near_x, near_y, np.arctan2(near_y - behind_y, near_x - behind_x)
    return along, near_x, near_y, np.arctan2(ahead_y - near_y, ahead_x - near_x)


class IdmMap:
    """The arrays of one map, and its stop lines by connector, which are searched on first use."""

    def __init__(self, map_graph: MapGraph) -> None:
        # Weak, because the table below holds this object for as long as the map lives.
        self._map = weakref.ref(map_graph)
        self._stop_rows: dict[int, tuple[int, ...]] = {}
        shared = flat_map(map_graph)
        lines = shared.centerlines
        headings = np.zeros(len(lines.points))
        curvature = np.zeros(len(map_graph.lanes))
        _measure_lines(lines.offsets, lines.points, lines.arc, headings, curvature)
        self.lanes = LaneArrays(
            offsets=lines.offsets,
            points=lines.points,
            arc=lines.arc,
            headings=headings,
            speed_limit=np.nan_to_num(shared.speed_limit_mps, nan=0.0),
            has_lights=np.ascontiguousarray(map_graph.lanes.has_traffic_lights),
            entry_curvature=curvature,
            next_offsets=shared.links.successor_offsets,
            next_rows=shared.links.successors,
            stop_lines=flatten_polygons(map_graph.stop_lines.polygons),
        )
        self.lane_polygons = shared.lanes
        self.intersections = shared.intersections
        self.num_lanes = shared.links.num_lanes

    def stop_rows(self, connector_row: int) -> tuple[int, ...]:
        """Rows of the stop lines that apply when the connector's light is red."""
        rows = self._stop_rows.get(connector_row)
        if rows is None:
            map_graph = self._map()
            assert map_graph is not None, "the map of these arrays no longer exists"
            rows = self._stop_rows[connector_row] = tuple(map_graph.stop_lines_of(connector_row))
        return rows


_IDM_MAPS: weakref.WeakKeyDictionary[MapGraph, IdmMap] = weakref.WeakKeyDictionary()


def idm_map_of(map_graph: MapGraph) -> IdmMap:
    """The arrays of a map, the same object at each call."""
    found = _IDM_MAPS.get(map_graph)
    if found is None:
        found = _IDM_MAPS[map_graph] = IdmMap(map_graph)
    return found
