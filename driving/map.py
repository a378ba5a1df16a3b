"""The map as a graph of lanes and roadblocks, with areas and the queries of planners and metrics.

Ids are the integers of nuPlan's `fid` columns. Lanes and lane connectors share one table, so that a path is a list of
rows. Traffic lights belong to the scenario and not to the map. Everything is immutable; indices are built lazily.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from enum import IntEnum
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
import shapely
from jaxtyping import Bool, Float64, Int8, Int64

from driving.geometry import Polyline, wrap_angle

Row = int | np.integer
"""Index of a row of a table."""


class StopLineKind(IntEnum):
    """Reason to stop at a stop line, numbered as nuPlan's `StopLineType`."""

    PED_CROSSING = 0
    STOP_SIGN = 1
    TRAFFIC_LIGHT = 2
    TURN_STOP = 3
    YIELD = 4
    UNKNOWN = 5


class IntersectionKind(IntEnum):
    """Right of way at an intersection, numbered as nuPlan's `IntersectionType`."""

    DEFAULT = 0
    TRAFFIC_LIGHT = 1
    STOP_SIGN = 2
    LANE_BRANCH = 3
    LANE_MERGE = 4
    PASS_THROUGH = 5


class TurnKind(IntEnum):
    """Direction of a lane connector, numbered as nuPlan's `LaneConnectorType`."""

    STRAIGHT = 0
    LEFT = 1
    RIGHT = 2
    UTURN = 3
    UNKNOWN = 4


@dataclass(frozen=True, eq=False)
class Ragged:
    """Rows of different lengths in one flat array."""

    values: np.ndarray
    """(total, ...) all rows, concatenated."""
    offsets: Int64[np.ndarray, "rows_plus_one"]
    """Row i is `values[offsets[i]:offsets[i + 1]]`."""

    @classmethod
    def from_rows(cls, rows: Sequence[np.ndarray], empty: np.ndarray) -> "Ragged":
        """Concatenate rows; `empty` has the dtype and trailing shape, for example `np.zeros((0, 2))`."""
        offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)]).astype(np.int64)
        return cls(np.concatenate([empty, *rows]).astype(empty.dtype, copy=False), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: Row) -> np.ndarray:
        return self.values[self.offsets[row] : self.offsets[row + 1]]


@dataclass(frozen=True, kw_only=True, eq=False)
class AreaLayer:
    """Polygons with ids, in the row order of the source, which is the order of results in nuPlan's queries."""

    ids: Int64[np.ndarray, "areas"]
    polygons: np.ndarray
    """(areas,) shapely polygons or multi-polygons [m, global]."""
    kinds: Int8[np.ndarray, "areas"] = field(default=None)  # type: ignore[assignment, arg-type]
    """`StopLineKind` or `IntersectionKind` where the layer has one, else 0."""

    def __post_init__(self) -> None:
        if len(self.ids) != len(self.polygons):
            raise ValueError(f"Need one id per polygon, got {len(self.ids)} for {len(self.polygons)}.")
        if self.kinds is None:
            object.__setattr__(self, "kinds", np.zeros(len(self.ids), dtype=np.int8))

    @classmethod
    def empty(cls) -> "AreaLayer":
        """A layer without any area."""
        return cls(ids=np.zeros(0, dtype=np.int64), polygons=np.zeros(0, dtype=object))

    def __len__(self) -> int:
        return len(self.ids)

    def __getstate__(self) -> dict[str, Any]:
        # Rebuilding trees and look-up tables takes less time than sending them.
        return {"ids": self.ids, "polygons": self.polygons, "kinds": self.kinds}

    @cached_property
    def tree(self) -> shapely.STRtree:
        """Spatial index over the polygons."""
        return shapely.STRtree(self.polygons)

    @cached_property
    def row_of_id(self) -> dict[int, int]:
        """Row by id."""
        return {int(area_id): row for row, area_id in enumerate(self.ids)}

    def row(self, area_id: int) -> int | None:
        """Row of an id; None when the layer has no such id."""
        return self.row_of_id.get(area_id)

    def rows_containing(self, point: Float64[np.ndarray, "2"]) -> Int64[np.ndarray, "found"]:
        """Rows of the polygons with the point strictly inside (nuPlan's `contains`), in row order."""
        return np.sort(self.tree.query(shapely.Point(point[0], point[1]), predicate="within"))

    def rows_near(self, point: Float64[np.ndarray, "2"], radius_m: float) -> Int64[np.ndarray, "found"]:
        """Rows of the polygons that touch the axis-aligned square of half side `radius_m`, in row order.

        Source:
            nuPlan devkit, `get_proximal_map_objects`.
        """
        x, y = float(point[0]), float(point[1])
        patch = shapely.box(x - radius_m, y - radius_m, x + radius_m, y + radius_m)
        return np.sort(self.tree.query(patch, predicate="intersects"))

    def contains(self, points: Float64[np.ndarray, "points 2"]) -> Bool[np.ndarray, "points"]:
        """Whether each point is strictly inside some polygon."""
        inside = np.zeros(len(points), dtype=bool)
        if len(self) and len(points):
            inside[self.tree.query(shapely.points(points), predicate="within")[0]] = True
        return inside

    def nearest(self, point: Float64[np.ndarray, "2"]) -> tuple[int, float]:
        """Row of the nearest polygon and its distance [m], 0 inside.

        Raises:
            ValueError: When the layer is empty.
        """
        if not len(self):
            raise ValueError("The layer is empty and has no nearest area.")
        # The first row of ties, as in nuPlan's linear scan.
        found = self.tree.query_nearest(shapely.Point(point[0], point[1]), all_matches=True)
        row = int(np.min(found))
        return row, float(shapely.distance(self.polygons[row], shapely.Point(point[0], point[1])))


@dataclass(frozen=True, kw_only=True, eq=False)
class Lanes:
    """L lanes and lane connectors: first the lanes, then the connectors, each in the row order of the source."""

    areas: AreaLayer
    """Ids and polygons."""
    num_lanes: int
    """Rows below this number are lanes, further rows are lane connectors."""
    roadblock_ids: Int64[np.ndarray, "lanes"]
    """The roadblock of a lane, the roadblock connector of a connector."""
    lane_index: Int64[np.ndarray, "lanes"]
    """Index among the lanes of the roadblock, 0 = leftmost; 0 for connectors."""
    speed_limit_mps: Float64[np.ndarray, "lanes"]
    """NaN where the map has none."""
    centerlines: Ragged
    """(points, 2) baseline paths [m, global]."""
    left_boundaries: Ragged
    """(points, 2) [m, global], in driving direction; empty where the map has none."""
    right_boundaries: Ragged
    successors: Ragged
    """Rows of the next lanes or connectors, in the row order of the source."""
    predecessors: Ragged
    turn_kinds: Int8[np.ndarray, "lanes"]
    """`TurnKind`; STRAIGHT for lanes."""
    intersection_ids: Int64[np.ndarray, "lanes"]
    """Intersection of a connector; 0 for lanes and where unknown."""
    has_traffic_lights: Bool[np.ndarray, "lanes"]
    stop_line_ids: Ragged
    """Ids of the stop lines that the source names for a connector's traffic lights."""
    connector_lines: Ragged
    """(points, 2) line of a connector in nuPlan's proximity queries [m, global]; empty for lanes."""

    def __len__(self) -> int:
        return len(self.areas)

    @property
    def ids(self) -> Int64[np.ndarray, "lanes"]:
        """Ids of lanes and connectors."""
        return self.areas.ids

    def is_connector(self, row: Row) -> bool:
        """Whether the row is a lane connector."""
        return bool(row >= self.num_lanes)


@runtime_checkable
class MapSource(Protocol):
    """Reference to a map on disk, which is sent to workers instead of the map."""

    def open(self) -> "MapGraph":
        """The map, opened once in each process."""
        ...


def _open_source(source: MapSource) -> "MapGraph":
    return source.open()


@dataclass(frozen=True, kw_only=True, eq=False)
class MapGraph:
    """Map of a location. Points are global [m]: projected coordinates of the UTM zone."""

    name: str
    """Location, for example `us-nv-las-vegas-strip`."""
    version: str
    epsg: int
    """Projected coordinate reference system, for example 32611."""
    lanes: Lanes
    roadblocks: AreaLayer
    roadblock_connectors: AreaLayer
    roadblock_edges: Int64[np.ndarray, "connectors 3"]
    """Per roadblock connector: ids of the previous roadblock, of the next roadblock, of the intersection."""
    intersections: AreaLayer = field(default_factory=AreaLayer.empty)
    stop_lines: AreaLayer = field(default_factory=AreaLayer.empty)
    crosswalks: AreaLayer = field(default_factory=AreaLayer.empty)
    walkways: AreaLayer = field(default_factory=AreaLayer.empty)
    carparks: AreaLayer = field(default_factory=AreaLayer.empty)
    road_segments: AreaLayer = field(default_factory=AreaLayer.empty)
    generic_drivable_areas: AreaLayer = field(default_factory=AreaLayer.empty)
    metadata: dict[str, str] = field(default_factory=dict)
    """Assumed values, for example `speed_limit: default 13.89 m/s, source has none`, and notes of the reader."""
    source: MapSource | None = None
    """Set for maps on disk; sent to workers in place of the map."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        if self.source is not None:
            return _open_source, (self.source,)
        return _map_from_fields, ({item.name: getattr(self, item.name) for item in fields(self)},)

    @property
    def area_layers(self) -> dict[str, AreaLayer]:
        """All layers of areas except lanes, by field name."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, AreaLayer)}

    # ------------------------------------------------------------------ ids and rows

    def lane_row(self, lane_id: int) -> int:
        """Row of a lane or lane connector.

        Raises:
            KeyError: When the map has no such id.
        """
        row = self.lanes.areas.row(lane_id)
        if row is None:
            raise KeyError(f"Map {self.name} has no lane or lane connector {lane_id}.")
        return row

    def connector_rows(self, lane_rows: list[int]) -> dict[int, int]:
        """Row by id of the lane connectors among `lane_rows`."""
        return {int(self.lanes.ids[row]): row for row in lane_rows if self.lanes.is_connector(row)}

    def roadblock_polygon(self, roadblock_id: int) -> shapely.Polygon:
        """Polygon of a roadblock or roadblock connector; of an id in both layers, as in nuPlan, the roadblock.

        Raises:
            KeyError: When the map has no such id.
        """
        for layer in (self.roadblocks, self.roadblock_connectors):
            row = layer.row(roadblock_id)
            if row is not None:
                return layer.polygons[row]
        raise KeyError(f"Map {self.name} has no roadblock or roadblock connector {roadblock_id}.")

    def has_roadblock(self, roadblock_id: int) -> bool:
        """Whether the id is a roadblock or a roadblock connector."""
        return (
            self.roadblocks.row(roadblock_id) is not None or self.roadblock_connectors.row(roadblock_id) is not None
        )

    @cached_property
    def _rows_of_roadblock(self) -> dict[int, list[int]]:
        rows: dict[int, list[int]] = {}
        for row, roadblock_id in enumerate(self.lanes.roadblock_ids):
            rows.setdefault(int(roadblock_id), []).append(row)
        return rows

    def lane_rows_of_roadblock(self, roadblock_id: int) -> list[int]:
        """Rows of the lanes of a roadblock, or of the connectors of a roadblock connector, in row order."""
        rows = self._rows_of_roadblock.get(roadblock_id, [])
        # An id in both layers means the roadblock.
        if self.roadblocks.row(roadblock_id) is not None:
            return [row for row in rows if row < self.lanes.num_lanes]
        return [row for row in rows if row >= self.lanes.num_lanes]

    # ------------------------------------------------------------------ the graph

    @cached_property
    def _centerlines(self) -> dict[int, Polyline]:
        return {}

    def centerline(self, row: Row) -> Polyline:
        """Baseline of a lane or connector."""
        line = self._centerlines.get(int(row))
        if line is None:
            line = self._centerlines[int(row)] = Polyline(self.lanes.centerlines[row])
        return line

    @cached_property
    def _neighbors(self) -> dict[tuple[int, int], int]:
        lanes = self.lanes
        return {(int(lanes.roadblock_ids[row]), int(lanes.lane_index[row])): row for row in range(lanes.num_lanes)}

    def left_neighbor(self, row: Row) -> int | None:
        """Row of the left neighbour in the same roadblock; None at the edge and for connectors."""
        return self._neighbor(row, -1)

    def right_neighbor(self, row: Row) -> int | None:
        """Row of the right neighbour in the same roadblock; None at the edge and for connectors."""
        return self._neighbor(row, +1)

    def _neighbor(self, row: Row, step: int) -> int | None:
        if self.lanes.is_connector(row):
            return None
        key = (int(self.lanes.roadblock_ids[row]), int(self.lanes.lane_index[row]) + step)
        return self._neighbors.get(key)

    @cached_property
    def _roadblock_graph(self) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
        after: dict[int, list[int]] = {}
        before: dict[int, list[int]] = {}
        for connector, (start, end, _) in zip(
            self.roadblock_connectors.ids.tolist(), self.roadblock_edges.tolist(), strict=True
        ):
            after.setdefault(start, []).append(connector)
            after.setdefault(connector, []).append(end)
            before.setdefault(end, []).append(connector)
            before.setdefault(connector, []).append(start)
        return after, before

    def roadblock_successors(self, roadblock_id: int) -> list[int]:
        """Next ids: connectors after a roadblock, the one roadblock after a connector."""
        return self._roadblock_graph[0].get(roadblock_id, [])

    def roadblock_predecessors(self, roadblock_id: int) -> list[int]:
        """Previous ids."""
        return self._roadblock_graph[1].get(roadblock_id, [])

    # ------------------------------------------------------------------ places

    def lane_rows_at(self, point: Float64[np.ndarray, "2"]) -> Int64[np.ndarray, "found"]:
        """Rows of the lanes, without connectors, that contain the point."""
        rows = self.lanes.areas.rows_containing(point)
        return rows[rows < self.lanes.num_lanes]

    def connector_rows_at(self, point: Float64[np.ndarray, "2"]) -> Int64[np.ndarray, "found"]:
        """Rows of the lane connectors with a polygon that contains the point."""
        rows = self.lanes.areas.rows_containing(point)
        return rows[rows >= self.lanes.num_lanes]

    def lane_rows_near(self, point: Float64[np.ndarray, "2"], radius_m: float) -> Int64[np.ndarray, "found"]:
        """Rows of lanes and connectors with a polygon that touches the square of half side `radius_m`."""
        return self.lanes.areas.rows_near(point, radius_m)

    def nearest_lane_row(
        self, pose: Float64[np.ndarray, "3"], max_distance_m: float = 50.0, heading_weight_m: float = 2.0
    ) -> int | None:
        """Row of the lane or connector with the lowest cost within `max_distance_m`; None without one.

        The cost is the distance [m] plus `heading_weight_m` per radian of heading difference, which selects among
        overlapping connectors by direction.
        """
        best, best_cost = None, np.inf
        for row in self.lane_rows_near(pose[:2], max_distance_m):
            line = self.centerline(int(row))
            (along, offset) = line.project(pose[np.newaxis, :2])[0]
            heading = line.at(np.array([along]))[0, 2]
            cost = abs(offset) + heading_weight_m * abs(float(wrap_angle(heading - pose[2])))
            if cost < best_cost:
                best, best_cost = int(row), cost
        return best

    @cached_property
    def drivable_area(self) -> AreaLayer:
        """Road segments, intersections, generic drivable areas and car parks, concatenated.

        Ids may repeat between the parts, as in nuPlan's own DRIVABLE_AREA layer.
        """
        parts = (self.road_segments, self.intersections, self.generic_drivable_areas, self.carparks)
        return AreaLayer(
            ids=np.concatenate([part.ids for part in parts]),
            polygons=np.concatenate([part.polygons for part in parts]),
        )

    def stop_lines_of(self, connector_row: Row) -> list[int]:
        """Rows (in `stop_lines`) of the stop lines of a connector with traffic lights.

        Of the stop lines that the map names: those that touch the connector's baseline, or, if none does, the nearest
        to its first point.

        Source:
            nuPlan devkit, `NuPlanLaneConnector.stop_lines`.
        """
        named = [self.stop_lines.row(int(line_id)) for line_id in self.lanes.stop_line_ids[connector_row]]
        rows = [row for row in named if row is not None]
        if not rows:
            return []
        baseline = shapely.LineString(self.lanes.centerlines[connector_row])
        touching = [row for row in rows if shapely.intersects(self.stop_lines.polygons[row], baseline)]
        if touching:
            return touching
        start = shapely.Point(self.lanes.centerlines[connector_row][0])
        return [min(rows, key=lambda row: float(shapely.distance(self.stop_lines.polygons[row], start)))]

    def speed_limit_mps(self, row: Row, default: float | None = None) -> float | None:
        """Speed limit of a lane or connector, `default` where the map has none."""
        limit = float(self.lanes.speed_limit_mps[row])
        return default if np.isnan(limit) else limit


def _map_from_fields(values: dict[str, Any]) -> MapGraph:
    return MapGraph(**values)


def polygon_array(polygons: Iterable[Any]) -> np.ndarray:
    """An object array of shapely geometries, multi-polygons included."""
    items = list(polygons)
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array
