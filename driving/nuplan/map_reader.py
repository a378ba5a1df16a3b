"""From the layers of a nuPlan GeoPackage to a `MapGraph`, without any cache.

Rows without a usable geometry are repaired from the rest of the map where that is possible, and ignored otherwise.
`MapGraph.metadata` names them.

    baseline path     the connector's own line, else the middle of the two boundaries, else the map is refused
    lane polygon      3.5 m around the lane's line
    roadblock         union of the lanes' polygons, else ignored
    any other area    ignored
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from jaxtyping import Bool, Float64, Int64

from driving.geometry import Polyline
from driving.map import AreaLayer, IntersectionKind, Lanes, MapGraph, Ragged, StopLineKind, TurnKind
from driving.nuplan.database import reading
from driving.nuplan.geopackage import (
    REFERENCE,
    Column,
    Effect,
    Layer,
    LayerReader,
    Shape,
)

NO_LANE_INDEX = -1000
"""Index of a lane without an index: no lane is its neighbour."""
HALF_WIDTH_M = 1.75
"""Of a lane that has no polygon."""
MIDLINE_STEP_M = 1.0
"""About the distance between the vertices of a line in the middle of two boundaries."""

_TECHNICAL_KEYS = ("projectedCoordSystem", "geographicCoordSystem", "creator")
"""Entries of a map's `meta` table without information on the origin of its content."""

_SPEED_LIMIT = Column(missing=float("nan"), is_nullable=True, is_positive=True)
_BOUNDARIES = {"left_boundary_fid": REFERENCE, "right_boundary_fid": REFERENCE}
_LANES = {
    "lane_group_fid": REFERENCE,
    "lane_index": Column(missing=NO_LANE_INDEX),
    "speed_limit_mps": _SPEED_LIMIT,
    **_BOUNDARIES,
}
_CONNECTORS = {
    "exit_lane_fid": REFERENCE,
    "entry_lane_fid": REFERENCE,
    "lane_group_connector_fid": REFERENCE,
    "traffic_light_stop_line_fids": Column(missing=""),
    "speed_limit_mps": _SPEED_LIMIT,
    "intersection_fid": Column(missing=0, is_optional=True),
    "turn_type_fid": Column(missing=int(TurnKind.UNKNOWN), is_optional=True, choices=TurnKind),
}
_ROADBLOCK_CONNECTORS = {
    "from_lane_group_fid": Column(missing=0),
    "to_lane_group_fid": Column(missing=0),
    "intersection_fid": Column(missing=0),
}
_INTERSECTION_KIND = Column(missing=int(IntersectionKind.DEFAULT), is_optional=True, choices=IntersectionKind)
_STOP_LINE_KIND = Column(missing=int(StopLineKind.UNKNOWN), choices=StopLineKind)
_NO_POINTS = np.zeros((0, 2))
_NO_IDS = np.zeros(0, dtype=np.int64)


def read_map(path: Path, name: str, version: str) -> MapGraph:
    """Read and project a map from its GeoPackage.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When the file is damaged, lacks a layer, or a lane has no line and none can be made.
    """
    with reading(path) as connection:
        reader = LayerReader(connection, path)
        lane_layers = _lane_layers(reader)
        lanes = _lanes(reader, lane_layers)
        roadblocks = reader.read("lane_groups_polygons", Shape.AREA)
        connectors = reader.read("lane_group_connectors", Shape.AREA, _ROADBLOCK_CONNECTORS)
        reader.note_dangling(lane_layers.lanes, "lane_group_fid", roadblocks.ids)
        reader.note_dangling(lane_layers.connectors, "lane_group_connector_fid", connectors.ids)
        is_connector = np.arange(len(lanes)) >= lanes.num_lanes
        edges = np.column_stack([connectors.columns[column] for column in _ROADBLOCK_CONNECTORS])
        _repair_roadblocks(reader, roadblocks, lanes, ~is_connector)
        _repair_roadblocks(reader, connectors, lanes, is_connector)
        return MapGraph(
            name=name,
            version=version,
            epsg=reader.epsg,
            lanes=lanes,
            roadblocks=_usable_areas(roadblocks),
            roadblock_connectors=_usable_areas(connectors),
            roadblock_edges=edges[connectors.has_geometry],
            intersections=_areas(reader, "intersections", intersection_type_fid=_INTERSECTION_KIND),
            stop_lines=_areas(reader, "stop_polygons", stop_polygon_type_fid=_STOP_LINE_KIND),
            crosswalks=_areas(reader, "crosswalks"),
            walkways=_areas(reader, "walkways"),
            carparks=_areas(reader, "carpark_areas"),
            road_segments=_areas(reader, "road_segments"),
            generic_drivable_areas=_areas(reader, "generic_drivable_areas"),
            metadata={key: text for key, text in reader.meta.items() if key not in _TECHNICAL_KEYS} | reader.notes,
        )


def _areas(reader: LayerReader, name: str, **kind: Column) -> AreaLayer:
    """The usable areas of a layer, with the column of their kind where it has one."""
    layer = reader.read(name, Shape.AREA, kind)
    reader.note(Effect.IGNORED, name, layer.ids[~layer.has_geometry], "no usable polygon")
    kinds = next(iter(layer.columns.values()), np.zeros(len(layer.ids)))
    return _usable_areas(layer, kinds.astype(np.int8))


def _usable_areas(layer: Layer, kinds: np.ndarray | None = None) -> AreaLayer:
    rows = layer.has_geometry
    return AreaLayer(
        ids=layer.ids[rows], polygons=layer.geometries[rows], **({} if kinds is None else {"kinds": kinds[rows]})
    )


def _repair_roadblocks(reader: LayerReader, layer: Layer, lanes: Lanes, is_member: Bool[np.ndarray, "lanes"]) -> None:
    """Set missing polygons of roadblocks or roadblock connectors in place, from those of the lanes in `is_member`."""
    repaired = []
    for row in np.flatnonzero(~layer.has_geometry).tolist():
        members = lanes.areas.polygons[is_member & (lanes.roadblock_ids == layer.ids[row])]
        if len(members):
            layer.geometries[row] = shapely.union_all(members)
            repaired.append(int(layer.ids[row]))
    reader.note(Effect.REPAIRED, layer.name, repaired, "polygons made from the lanes")
    ignored = layer.ids[~layer.has_geometry]
    reader.note(Effect.IGNORED, layer.name, ignored, "no usable polygon and no lanes")


# ---------------------------------------------------------------------- lanes


@dataclass(frozen=True, kw_only=True, eq=False)
class _LaneLayers:
    """The layers that make up lanes and lane connectors."""

    lanes: Layer
    connectors: Layer
    shapes: Layer
    """Polygons and boundaries of connectors."""
    shape_of_connector: Int64[np.ndarray, "connectors"]
    """Row in `shapes`, -1 for none."""

    @property
    def ids(self) -> Int64[np.ndarray, "lanes"]:
        """Of lanes, then of connectors."""
        return np.concatenate([self.lanes.ids, self.connectors.ids])

    def boundary_fids(self, side: str) -> Int64[np.ndarray, "lanes"]:
        """Boundary of lanes and connectors on a side, `left` or `right`; 0 for none."""
        column = f"{side}_boundary_fid"
        of_shapes = np.append(self.shapes.columns[column], 0)
        return np.concatenate([self.lanes.columns[column], of_shapes[self.shape_of_connector]])


def _lane_layers(reader: LayerReader) -> _LaneLayers:
    lanes = reader.read("lanes_polygons", Shape.AREA, _LANES)
    connectors = reader.read("lane_connectors", Shape.LINE, _CONNECTORS)
    shapes = reader.read(
        "gen_lane_connectors_scaled_width_polygons", Shape.AREA, {"lane_connector_fid": REFERENCE, **_BOUNDARIES}
    )
    for column in ("exit_lane_fid", "entry_lane_fid"):
        reader.note_dangling(connectors, column, lanes.ids)
    reader.note_dangling(shapes, "lane_connector_fid", connectors.ids)
    return _LaneLayers(
        lanes=lanes,
        connectors=connectors,
        shapes=shapes,
        shape_of_connector=_first_rows(shapes.columns["lane_connector_fid"], connectors.ids),
    )


def _lanes(reader: LayerReader, layers: _LaneLayers) -> Lanes:
    lanes, connectors = layers.lanes, layers.connectors
    boundaries = reader.read("boundaries", Shape.LINE)
    for layer in (lanes, layers.shapes):
        for column in _BOUNDARIES:
            reader.note_dangling(layer, column, boundaries.ids)
    reader.note(Effect.IGNORED, "boundaries", boundaries.ids[~boundaries.has_geometry], "no usable line")
    boundary_lines = boundaries.lines()
    left, right = (_first_rows(boundaries.ids, layers.boundary_fids(side)) for side in ("left", "right"))
    centerlines = _centerlines(reader, layers, _rows(boundary_lines, left), _rows(boundary_lines, right))
    connector_lines = _connector_lines(reader, layers, centerlines)
    successors, predecessors = _links(lanes, connectors)
    lights = connectors.columns["traffic_light_stop_line_fids"]
    count = len(lanes.ids)
    zeros = np.zeros(count, dtype=np.int64)
    straight = np.full(count, int(TurnKind.STRAIGHT))
    return Lanes(
        areas=AreaLayer(ids=layers.ids, polygons=_polygons(reader, layers, centerlines, connector_lines)),
        num_lanes=count,
        roadblock_ids=np.concatenate(
            [lanes.columns["lane_group_fid"], connectors.columns["lane_group_connector_fid"]]
        ),
        lane_index=np.concatenate([lanes.columns["lane_index"], np.zeros(len(connectors.ids), dtype=np.int64)]),
        speed_limit_mps=np.concatenate([lanes.columns["speed_limit_mps"], connectors.columns["speed_limit_mps"]]),
        centerlines=centerlines,
        left_boundaries=_boundaries(boundary_lines, left, centerlines),
        right_boundaries=_boundaries(boundary_lines, right, centerlines),
        successors=successors,
        predecessors=predecessors,
        turn_kinds=np.concatenate([straight, connectors.columns["turn_type_fid"]]).astype(np.int8),
        intersection_ids=np.concatenate([zeros, connectors.columns["intersection_fid"]]),
        has_traffic_lights=np.concatenate(
            [zeros.astype(bool), np.array([bool(text) for text in lights], dtype=bool)]
        ),
        stop_line_ids=Ragged.from_rows([*([_NO_IDS] * count), *(_numbers(text) for text in lights)], _NO_IDS),
        connector_lines=Ragged.from_rows([*([_NO_POINTS] * count), *connector_lines], _NO_POINTS),
    )


def _numbers(text: str) -> Int64[np.ndarray, "numbers"]:
    return np.array([int(number) for number in re.findall(r"[0-9]{1,18}", text)], dtype=np.int64)


def _rows(ragged: Ragged, rows: Int64[np.ndarray, "rows"] | None = None) -> list[np.ndarray]:
    """Rows as a list; no points for row -1."""
    wanted = range(len(ragged)) if rows is None else rows.tolist()
    return [ragged[row] if row >= 0 else _NO_POINTS for row in wanted]


def _first_rows(keys: Int64[np.ndarray, "rows"], wanted: Int64[np.ndarray, "wanted"]) -> Int64[np.ndarray, "wanted"]:
    """For each wanted key the first row that has it, or -1."""
    first: dict[int, int] = {}
    for row, key in enumerate(keys.tolist()):
        first.setdefault(key, row)
    return np.array([first.get(key, -1) for key in wanted.tolist()], dtype=np.int64)


# ---------------------------------------------------------------------- lines and polygons of lanes


def _centerlines(reader: LayerReader, layers: _LaneLayers, left: list[np.ndarray], right: list[np.ndarray]) -> Ragged:
    """Baseline paths of lanes, then of connectors, repaired where they are missing.

    Raises:
        ValueError: When a lane has no path, no own line and no pair of boundaries.
    """
    paths = reader.read("baseline_paths", Shape.LINE, {"lane_fid": REFERENCE, "lane_connector_fid": REFERENCE})
    points = paths.lines()
    # A row without a line is used only by a lane that has no other row.
    usable = np.argsort(~paths.has_geometry, kind="stable")
    of_lanes = _first_rows(paths.columns["lane_fid"][usable], layers.lanes.ids)
    of_connectors = _first_rows(paths.columns["lane_connector_fid"][usable], layers.connectors.ids)
    rows = np.append(usable, -1)[np.concatenate([of_lanes, of_connectors])]
    of_nothing = ~(paths.columns["lane_fid"].astype(bool) | paths.columns["lane_connector_fid"].astype(bool))
    reader.note(Effect.IGNORED, paths.name, paths.ids[of_nothing], "no lane and no lane connector")
    lines = _rows(points, rows)
    ids = layers.ids
    own_lines = [*([_NO_POINTS] * len(layers.lanes.ids)), *_rows(layers.connectors.lines())]
    repaired: dict[str, list[int]] = {"line": [], "boundaries": []}
    for row, line in enumerate(lines):
        if not len(line):
            lines[row] = own_lines[row] if len(own_lines[row]) else _midline(left[row], right[row])
            repaired["line" if len(own_lines[row]) else "boundaries"].append(int(ids[row]))
    reader.note(Effect.REPAIRED, paths.name, repaired["line"], "paths made from the line", "lane connector")
    reader.note(Effect.REPAIRED, paths.name, repaired["boundaries"], "paths made from the boundaries", "lane")
    missing = np.array([not len(line) for line in lines], dtype=bool)
    if missing.any():
        raise ValueError(
            f"{reader.path}: layer `baseline_paths` has no path for {missing.sum()} lanes, for example"
            f" {ids[missing][:5].tolist()}, and their boundaries give none. The map is incomplete: get it again."
        )
    return Ragged.from_rows(lines, _NO_POINTS)


def _midline(
    left: Float64[np.ndarray, "left 2"], right: Float64[np.ndarray, "right 2"]
) -> Float64[np.ndarray, "points 2"]:
    """The line in the middle of two boundaries, with the left one to its left; empty when one has no points."""
    if len(left) < 2 or len(right) < 2:
        return _NO_POINTS
    if np.abs(left[0] - right[0]).sum() > np.abs(left[0] - right[-1]).sum():
        right = right[::-1]
    lines = Polyline(left), Polyline(right)
    count = 1 + max(1, round(max(line.length_m for line in lines) / MIDLINE_STEP_M))
    first, second = (line.at(np.linspace(0.0, line.length_m, count))[:, :2] for line in lines)
    middle, to_left = (first + second) / 2, first - second
    along = np.diff(middle, axis=0)
    is_reversed = (along[:, 0] * to_left[:-1, 1] - along[:, 1] * to_left[:-1, 0]).sum() < 0
    return middle[::-1] if is_reversed else middle


def _connector_lines(reader: LayerReader, layers: _LaneLayers, centerlines: Ragged) -> list[np.ndarray]:
    """The connectors' own lines; their baseline path where a line is missing."""
    connectors = layers.connectors
    missing = connectors.ids[~connectors.has_geometry]
    reader.note(Effect.REPAIRED, connectors.name, missing, "lines made from the baseline path")
    num_lanes = len(layers.lanes.ids)
    return [line if len(line) else centerlines[num_lanes + row] for row, line in enumerate(_rows(connectors.lines()))]


def _polygons(
    reader: LayerReader, layers: _LaneLayers, centerlines: Ragged, connector_lines: list[np.ndarray]
) -> np.ndarray:
    """Polygons of lanes and connectors; the area around their line where a polygon is missing."""
    of_connectors = np.append(layers.shapes.geometries, [None])[layers.shape_of_connector]
    polygons = np.concatenate([layers.lanes.geometries, of_connectors])
    missing = shapely.is_missing(polygons)
    num_lanes = len(layers.lanes.ids)
    for row in np.flatnonzero(missing).tolist():
        line = centerlines[row] if row < num_lanes else connector_lines[row - num_lanes]
        polygons[row] = shapely.buffer(shapely.LineString(line), HALF_WIDTH_M, cap_style="flat")
    sentence = f"polygons made {2 * HALF_WIDTH_M} m wide"
    reader.note(Effect.REPAIRED, layers.lanes.name, layers.lanes.ids[missing[:num_lanes]], sentence)
    connectors = layers.connectors.ids[missing[num_lanes:]]
    reader.note(Effect.REPAIRED, layers.shapes.name, connectors, sentence, "lane connector")
    return polygons


def _boundaries(lines: Ragged, rows: Int64[np.ndarray, "lanes"], centerlines: Ragged) -> Ragged:
    """The boundary of each lane, turned to its driving direction; empty where the map names none."""
    has_points = np.append(np.diff(lines.offsets) > 0, False)
    lanes = np.flatnonzero(has_points[rows])
    starts, ends = _ends(lines, rows[lanes])
    lane_starts, lane_ends = _ends(centerlines, lanes)
    same = np.abs(starts - lane_starts).sum(axis=1) + np.abs(ends - lane_ends).sum(axis=1)
    opposite = np.abs(starts - lane_ends).sum(axis=1) + np.abs(ends - lane_starts).sum(axis=1)
    turned = [_NO_POINTS] * len(rows)
    for lane, is_turned in zip(lanes.tolist(), (opposite < same).tolist(), strict=True):
        line = lines[rows[lane]]
        turned[lane] = line[::-1] if is_turned else line
    return Ragged.from_rows(turned, _NO_POINTS)


def _ends(lines: Ragged, rows: Int64[np.ndarray, "rows"]) -> tuple[np.ndarray, np.ndarray]:
    """First and last points of lines, none of which is empty."""
    return lines.values[lines.offsets[rows]], lines.values[lines.offsets[rows + 1] - 1]


def _links(lanes: Layer, connectors: Layer) -> tuple[Ragged, Ragged]:
    """Rows of successors and predecessors: connectors of lanes, lanes of connectors."""
    num_lanes = len(lanes.ids)
    exits = _first_rows(lanes.ids, connectors.columns["exit_lane_fid"]).tolist()
    entries = _first_rows(lanes.ids, connectors.columns["entry_lane_fid"]).tolist()
    after: list[list[int]] = [[] for _ in range(num_lanes + len(connectors.ids))]
    before: list[list[int]] = [[] for _ in range(num_lanes + len(connectors.ids))]
    for i, (start, end) in enumerate(zip(exits, entries, strict=True)):
        connector = num_lanes + i
        if start >= 0:
            after[start].append(connector)
            before[connector].append(start)
        if end >= 0:
            before[end].append(connector)
            after[connector].append(end)
    successors, predecessors = (
        Ragged.from_rows([np.array(row, dtype=np.int64) for row in rows], _NO_IDS) for rows in (after, before)
    )
    return successors, predecessors
