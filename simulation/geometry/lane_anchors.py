"""Poses in coordinates of lanes: lane or lane connector, distance along it, lateral offset and heading offset.

One call describes all agents of an instant. The choice of the lane is that of `MapGraph.nearest_lane_row`: the lowest
sum of distance and weighted heading difference, which separates overlapping connectors by direction.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Bool, Float64, Int64

from driving.map import MapGraph
from simulation.geometry.angles import wrap
from simulation.geometry.compiling import njit
from simulation.geometry.polygons import FlatPolygons, any_contains, flatten_polygons, rows_in_bounds
from simulation.geometry.polylines import arc_lengths, interpolate, project

MAX_DISTANCE_M = 50.0
"""Poses farther than this from all centerlines have no lane."""
HEADING_WEIGHT_M = 2.0
"""Cost of one radian of heading difference, as a distance."""
FIRST_RADIUS_M = 6.0
"""The search starts with the lanes this near, and grows by `GROWTH` until the best lane is certain."""
GROWTH = 3.0


class LaneLines(NamedTuple):
    """Polygons and centerlines of lanes, then of lane connectors, in a form that compiled functions take."""

    areas: FlatPolygons
    points: Float64[np.ndarray, "points 2"]
    """Vertices of all centerlines [m, global]."""
    offsets: Int64[np.ndarray, "lanes_and_end"]
    """First vertex of each centerline."""
    arc: Float64[np.ndarray, "points"]
    """Arc length of each vertex within its centerline [m]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LaneAnchors:
    """N poses in coordinates of lanes."""

    rows: Int64[np.ndarray, "poses"]
    """Rows of `MapGraph.lanes`; -1 where no lane is near."""
    along_m: Float64[np.ndarray, "poses"]
    """Arc length of the nearest point of the centerline; NaN without a lane, as the next two."""
    lateral_m: Float64[np.ndarray, "poses"]
    """Offset from the centerline, left positive. Beyond the ends of the line: from its extension."""
    heading_offset_rad: Float64[np.ndarray, "poses"]
    """Heading of the pose less that of the centerline, in [-pi, pi)."""
    is_inside: Bool[np.ndarray, "poses"]
    """Whether the position is strictly inside the polygon of some lane or lane connector."""

    @property
    def has_lane(self) -> Bool[np.ndarray, "poses"]:
        """Whether a lane is near."""
        return self.rows >= 0


_LINES: WeakKeyDictionary[MapGraph, LaneLines] = WeakKeyDictionary()


def lane_lines(map_graph: MapGraph) -> LaneLines:
    """The lanes of a map as flat arrays with a spatial index, cached as long as the map exists."""
    found = _LINES.get(map_graph)
    if found is None:
        lines = map_graph.lanes.centerlines
        arcs = [arc_lengths(np.ascontiguousarray(lines[row], dtype=np.float64)) for row in range(len(lines))]
        found = _LINES[map_graph] = LaneLines(
            areas=flatten_polygons(map_graph.lanes.areas.polygons),
            points=np.ascontiguousarray(lines.values, dtype=np.float64),
            offsets=np.ascontiguousarray(lines.offsets),
            arc=np.concatenate([np.zeros(0), *arcs]),
        )
    return found


def lane_anchors(
    map_graph: MapGraph, poses: Float64[np.ndarray, "poses 3"], max_distance_m: float = MAX_DISTANCE_M
) -> LaneAnchors:
    """Describe poses by the lanes or lane connectors that they follow.

    Args:
        map_graph: Map of the lanes.
        poses: Global poses, for example box centres; NaN poses get no lane.
        max_distance_m: Cost (distance, and `HEADING_WEIGHT_M` per radian) up to which a lane counts as near.
    """
    rows = np.full(len(poses), -1, dtype=np.int64)
    values = np.full((len(poses), 3), np.nan)
    inside = np.zeros(len(poses), dtype=np.bool_)
    _anchor(lane_lines(map_graph), np.ascontiguousarray(poses), max_distance_m, (rows, values, inside))
    return LaneAnchors(
        rows=rows,
        along_m=values[:, 0].copy(),
        lateral_m=values[:, 1].copy(),
        heading_offset_rad=values[:, 2].copy(),
        is_inside=inside,
    )


def lane_lengths(map_graph: MapGraph) -> Float64[np.ndarray, "lanes"]:
    """Length of the centerline of each lane and lane connector [m]."""
    lines = lane_lines(map_graph)
    return lines.arc[lines.offsets[1:] - 1]


def anchored_poses(
    map_graph: MapGraph,
    rows: Int64[np.ndarray, "poses"],
    along_m: Float64[np.ndarray, "poses"],
    lateral_m: Float64[np.ndarray, "poses"],
    heading_offset_rad: Float64[np.ndarray, "poses"],
) -> Float64[np.ndarray, "poses 3"]:
    """Global poses of lane coordinates: the inverse of `lane_anchors` for poses beside a straight piece of the line.

    Arc lengths outside of a line are clamped to its ends.

    Raises:
        IndexError: For rows that the map does not have, -1 included.
    """
    if len(rows) and (rows.min() < 0 or rows.max() >= len(map_graph.lanes)):
        raise IndexError(
            f"Rows must be 0 to {len(map_graph.lanes) - 1} for map {map_graph.name},"
            f" got {rows.min()} to {rows.max()}."
        )
    values = np.stack([along_m, lateral_m, heading_offset_rad], axis=-1)
    return _unanchor(lane_lines(map_graph), np.ascontiguousarray(rows), values)


@njit(cache=True)
def _anchor(
    lines: LaneLines, poses: np.ndarray, max_distance_m: float, out: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> None:
    rows, values, inside = out
    for i in range(len(poses)):
        x, y, heading = poses[i]
        if not (math.isfinite(x) and math.isfinite(y) and math.isfinite(heading)):
            continue
        inside[i] = any_contains(lines.areas, x, y)
        radius = min(FIRST_RADIUS_M, max_distance_m)
        while True:
            best = max_distance_m
            for row in rows_in_bounds(lines.areas, x - radius, y - radius, x + radius, y + radius):
                cost, along, lateral, offset = _relation(lines, row, (x, y), heading)
                if cost < best or (cost == best and rows[i] < 0):
                    best, rows[i] = cost, row
                    values[i, 0], values[i, 1], values[i, 2] = along, lateral, offset
            # No lane outside of the square has a lower cost than its half side.
            if radius >= max_distance_m or (rows[i] >= 0 and best <= radius):
                break
            radius = min(radius * GROWTH, max_distance_m)


@njit(cache=True)
def _relation(
    lines: LaneLines, row: int, point: tuple[float, float], heading: float
) -> tuple[float, float, float, float]:
    """Cost of a lane for a pose, and its coordinates: arc length, lateral offset, heading offset."""
    start, stop = lines.offsets[row], lines.offsets[row + 1]
    points, arc = lines.points[start:stop], lines.arc[start:stop]
    along = project(points, arc, point[0], point[1])
    foot_x, foot_y, tangent = interpolate(points, arc, along)
    dx, dy = point[0] - foot_x, point[1] - foot_y
    offset = wrap(heading - tangent)
    side = math.cos(tangent) * dy - math.sin(tangent) * dx
    distance = math.hypot(dx, dy)
    # At a vertex between two segments the whole distance is lateral; beyond the ends a part of it is not.
    lateral = side if along <= 0.0 or along >= arc[-1] else math.copysign(distance, side)
    return distance + HEADING_WEIGHT_M * abs(offset), along, lateral, offset


@njit(cache=True)
def _unanchor(lines: LaneLines, rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    poses = np.empty((len(rows), 3))
    for i in range(len(rows)):
        start, stop = lines.offsets[rows[i]], lines.offsets[rows[i] + 1]
        x, y, tangent = interpolate(lines.points[start:stop], lines.arc[start:stop], values[i, 0])
        poses[i, 0] = x - values[i, 1] * math.sin(tangent)
        poses[i, 1] = y + values[i, 1] * math.cos(tangent)
        poses[i, 2] = wrap(tangent + values[i, 2])
    return poses
