"""Tables of a nuPlan map package from a map graph, with geometry in the map's projected coordinates.

The id of a row is its row number: readers get rows in the order of their ids.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
from jaxtyping import Int64

from driving.map import AreaLayer, Lanes, MapGraph, Ragged, StopLineKind, polygon_array
from driving.nuplan.geopackage import NOT_THERE

CREATOR = "camber"


@dataclass(frozen=True, kw_only=True)
class MapTable:
    """One layer of the package."""

    name: str
    geometry_type: str
    fids: list[int]
    geometries: np.ndarray
    """(rows,) shapely geometries [m, global]."""
    columns: dict[str, tuple[str, Sequence[Any]]] = field(default_factory=dict)
    """SQL type and values of each further column, in order."""


class _FreshIds:
    """Ids of boundaries, baselines and nodes, which have none in a map graph."""

    def __init__(self, map_graph: MapGraph) -> None:
        layers = (map_graph.lanes.areas, *map_graph.area_layers.values())
        self._next = 1 + max((int(layer.ids.max()) for layer in layers if len(layer)), default=0)

    def take(self, count: int) -> list[int]:
        self._next += count
        return list(range(self._next - count, self._next))


def map_tables(map_graph: MapGraph) -> list[MapTable]:
    """All 16 layers of the package, ordered by name."""
    fresh = _FreshIds(map_graph)
    boundaries, left_fids, right_fids = _boundaries(map_graph, fresh)
    nodes, node_fids = _dubins_nodes(map_graph, fresh)
    baseline_fids = fresh.take(len(map_graph.lanes))
    tables = [
        boundaries,
        nodes,
        _baseline_paths(map_graph, baseline_fids, node_fids),
        _lanes(map_graph, left_fids, right_fids),
        _lane_connectors(map_graph),
        _lane_connector_polygons(map_graph, fresh, baseline_fids, left_fids, right_fids),
        _roadblocks(map_graph, left_fids, right_fids),
        _roadblock_connectors(map_graph),
        _intersections(map_graph),
        _stop_lines(map_graph),
        _crosswalks(map_graph),
        _traffic_lights(map_graph, fresh),
        _road_segments(map_graph),
        _areas("walkways", map_graph.walkways),
        _areas("generic_drivable_areas", map_graph.generic_drivable_areas),
        _areas("carpark_areas", map_graph.carparks, heading=("REAL", [0.0] * len(map_graph.carparks))),
    ]
    return sorted(tables, key=lambda table: table.name)


# ---------------------------------------------------------------------- lines and points


def _boundaries(map_graph: MapGraph, fresh: _FreshIds) -> tuple[MapTable, list[int], list[int]]:
    """Boundary table and the left and right boundary of each lane; equal lines are one row."""
    lanes = map_graph.lanes
    index_of: dict[bytes, int] = {}
    lines: list[np.ndarray] = []

    def indices(boundaries: Ragged) -> list[int]:
        found = []
        for row in range(len(boundaries)):
            line = boundaries[row]
            if not len(line):
                found.append(NOT_THERE)
                continue
            key = line.tobytes()
            if key not in index_of:
                index_of[key] = len(lines)
                lines.append(line)
            found.append(index_of[key])
        return found

    left, right = indices(lanes.left_boundaries), indices(lanes.right_boundaries)
    fids = fresh.take(len(lines))
    table = MapTable(
        name="boundaries",
        geometry_type="LINESTRING",
        fids=fids,
        geometries=_lines(lines),
        columns={
            "boundary_segment_fids": ("TEXT(256)", [str(fid) for fid in fids]),
            "has_reflectors": ("BOOLEAN", [0] * len(fids)),
            "boundary_type_fid": ("INTEGER", [0] * len(fids)),
            "creator_id": ("TEXT(256)", [CREATOR] * len(fids)),
        },
    )
    left_fids, right_fids = ([fids[index] if index >= 0 else NOT_THERE for index in side] for side in (left, right))
    return table, left_fids, right_fids


def _dubins_nodes(map_graph: MapGraph, fresh: _FreshIds) -> tuple[MapTable, list[str]]:
    """Both ends of each baseline."""
    lanes = map_graph.lanes
    ends = [lanes.centerlines[row][[0, -1]] for row in range(len(lanes))]
    fids = fresh.take(2 * len(lanes))
    table = MapTable(
        name="dubins_nodes",
        geometry_type="POINT",
        fids=fids,
        geometries=shapely.points(np.concatenate([np.zeros((0, 2)), *ends])),
        columns={
            "radius": ("REAL", [None] * len(fids)),
            "heading": ("REAL", [None] * len(fids)),
            "creator_id": ("TEXT(256)", [CREATOR] * len(fids)),
        },
    )
    return table, [f"{start},{end}" for start, end in zip(fids[::2], fids[1::2], strict=True)]


def _baseline_paths(map_graph: MapGraph, fids: list[int], node_fids: list[str]) -> MapTable:
    lanes = map_graph.lanes
    ids = lanes.ids.tolist()
    connectors = len(lanes) - lanes.num_lanes
    return MapTable(
        name="baseline_paths",
        geometry_type="LINESTRING",
        fids=fids,
        geometries=_lines([lanes.centerlines[row] for row in range(len(lanes))]),
        columns={
            "path_type_fid": ("INTEGER", [0] * len(ids)),
            "creator_id": ("TEXT(256)", [CREATOR] * len(ids)),
            "lane_fid": ("INTEGER", ids[: lanes.num_lanes] + [None] * connectors),
            "lane_connector_fid": ("INTEGER", [None] * lanes.num_lanes + ids[lanes.num_lanes :]),
            "dubins_node_fids": ("TEXT(256)", node_fids),
        },
    )


def _traffic_lights(map_graph: MapGraph, fresh: _FreshIds) -> MapTable:
    """One traffic light at the centroid of each stop line with traffic lights."""
    lines = map_graph.stop_lines
    points = shapely.centroid(lines.polygons[lines.kinds == StopLineKind.TRAFFIC_LIGHT])
    return MapTable(
        name="traffic_lights",
        geometry_type="POINT",
        fids=fresh.take(len(points)),
        geometries=polygon_array(points),
        columns={
            "ori_mean_yaw": ("REAL", [0.0] * len(points)),
            "ori_mean_pitch": ("REAL", [0.0] * len(points)),
            "creator_id": ("TEXT(256)", [CREATOR] * len(points)),
        },
    )


# ---------------------------------------------------------------------- lanes and roadblocks


def _lanes(map_graph: MapGraph, left_fids: list[int], right_fids: list[int]) -> MapTable:
    lanes = map_graph.lanes
    count = lanes.num_lanes
    ids = lanes.ids[:count].tolist()
    limits = _limits(map_graph)[:count]
    zeros = [0] * count
    return MapTable(
        name="lanes_polygons",
        geometry_type=_polygon_type(lanes.areas.polygons[:count]),
        fids=ids,
        geometries=lanes.areas.polygons[:count],
        columns={
            "lane_group_fid": ("INTEGER", lanes.roadblock_ids[:count].tolist()),
            "lane_fid": ("INTEGER", ids),
            "lane_index": ("MEDIUMINT", lanes.lane_index[:count].tolist()),
            "creator_id": ("TEXT(256)", [CREATOR] * count),
            "name": ("TEXT(256)", [""] * count),
            "road_type_fid": ("INTEGER", zeros),
            "lane_type_fid": ("INTEGER", zeros),
            "width": ("MEDIUMINT", [None] * count),
            "left_offset": ("REAL", [0.0] * count),
            "right_offset": ("REAL", [0.0] * count),
            "min_speed": ("REAL", [0.0] * count),
            "max_speed": ("REAL", limits),
            "stops": ("MEDIUMINT", zeros),
            "left_boundary_fid": ("INTEGER", left_fids[:count]),
            "right_boundary_fid": ("INTEGER", right_fids[:count]),
            "speed_limit_mps": ("REAL", limits),
            "left_has_reflectors": ("BOOLEAN", zeros),
            "right_has_reflectors": ("BOOLEAN", zeros),
            "from_edge_fid": ("INTEGER", [None] * count),
            "to_edge_fid": ("INTEGER", [None] * count),
        },
    )


def _lane_connectors(map_graph: MapGraph) -> MapTable:
    lanes = map_graph.lanes
    rows = range(lanes.num_lanes, len(lanes))
    exits, exit_groups = _ends(lanes, [lanes.predecessors[row] for row in rows])
    entries, entry_groups = _ends(lanes, [lanes.successors[row] for row in rows])
    zeros = [0] * len(rows)
    return MapTable(
        name="lane_connectors",
        geometry_type="LINESTRING",
        fids=[int(lanes.ids[row]) for row in rows],
        geometries=_lines([lanes.connector_lines[row] for row in rows]),
        columns={
            # "Exit" is the previous lane, which traffic exits; "entry" is the next lane.
            "exit_lane_group_fid": ("INTEGER", exit_groups),
            "exit_lane_fid": ("INTEGER", exits),
            "entry_lane_group_fid": ("INTEGER", entry_groups),
            "lane_group_connector_fid": ("INTEGER", [int(lanes.roadblock_ids[row]) for row in rows]),
            "entry_lane_fid": ("INTEGER", entries),
            "intersection_fid": ("INTEGER", [int(lanes.intersection_ids[row]) for row in rows]),
            "turn_type_fid": ("INTEGER", [int(lanes.turn_kinds[row]) for row in rows]),
            "bulb_fids": ("TEXT(256)", [""] * len(rows)),
            "traffic_light_stop_line_fids": ("TEXT(256)", [_joined(lanes.stop_line_ids[row]) for row in rows]),
            "overlap": ("MEDIUMINT", zeros),
            "creator_id": ("TEXT(256)", [CREATOR] * len(rows)),
            "reflector_side_fid": ("INTEGER", [None] * len(rows)),
            "left_has_reflectors": ("BOOLEAN", zeros),
            "right_has_reflectors": ("BOOLEAN", zeros),
            "speed_limit_mps": ("REAL", _limits(map_graph)[lanes.num_lanes :]),
        },
    )


def _ends(lanes: Lanes, neighbors: list[np.ndarray]) -> tuple[list[int], list[int]]:
    """Ids and roadblocks of the first neighbour of each connector."""
    ids = [int(lanes.ids[rows[0]]) if len(rows) else NOT_THERE for rows in neighbors]
    return ids, [int(lanes.roadblock_ids[rows[0]]) if len(rows) else NOT_THERE for rows in neighbors]


def _lane_connector_polygons(
    map_graph: MapGraph, fresh: _FreshIds, baseline_fids: list[int], left_fids: list[int], right_fids: list[int]
) -> MapTable:
    lanes = map_graph.lanes
    first, count = lanes.num_lanes, len(lanes) - lanes.num_lanes
    return MapTable(
        name="gen_lane_connectors_scaled_width_polygons",
        geometry_type=_polygon_type(lanes.areas.polygons[first:]),
        fids=fresh.take(count),
        geometries=lanes.areas.polygons[first:],
        columns={
            "baseline_path_fid": ("INTEGER", baseline_fids[first:]),
            "lane_connector_fid": ("INTEGER", lanes.ids[first:].tolist()),
            "from_edge_fid": ("INTEGER", [None] * count),
            "to_edge_fid": ("INTEGER", [None] * count),
            "left_boundary_fid": ("INTEGER", left_fids[first:]),
            "right_boundary_fid": ("INTEGER", right_fids[first:]),
        },
    )


def _roadblocks(map_graph: MapGraph, left_fids: list[int], right_fids: list[int]) -> MapTable:
    lanes, layer = map_graph.lanes, map_graph.roadblocks
    outermost: list[tuple[int | None, int | None]] = []
    for roadblock_id in layer.ids.tolist():
        rows = sorted(map_graph.lane_rows_of_roadblock(roadblock_id), key=lambda row: int(lanes.lane_index[row]))
        outermost.append((left_fids[rows[0]], right_fids[rows[-1]]) if rows else (None, None))
    return _areas(
        "lane_groups_polygons",
        layer,
        left_boundary_fid=("INTEGER", [left for left, _ in outermost]),
        right_boundary_fid=("INTEGER", [right for _, right in outermost]),
        from_edge_fid=("INTEGER", [None] * len(layer)),
        to_edge_fid=("INTEGER", [None] * len(layer)),
    )


def _roadblock_connectors(map_graph: MapGraph) -> MapTable:
    layer, edges = map_graph.roadblock_connectors, map_graph.roadblock_edges
    nothing = ("INTEGER", [None] * len(layer))
    return MapTable(
        name="lane_group_connectors",
        geometry_type=_polygon_type(layer.polygons),
        fids=layer.ids.tolist(),
        geometries=layer.polygons,
        columns={
            "intersection_fid": ("INTEGER", edges[:, 2].tolist()),
            "from_lane_group_fid": ("INTEGER", edges[:, 0].tolist()),
            "to_lane_group_fid": ("INTEGER", edges[:, 1].tolist()),
            "creator_id": ("TEXT(256)", [CREATOR] * len(layer)),
            "from_edge_fid": nothing,
            "to_edge_fid": nothing,
            "left_boundary_fid": nothing,
            "right_boundary_fid": nothing,
        },
    )


# ---------------------------------------------------------------------- areas


def _areas(name: str, layer: AreaLayer, **columns: tuple[str, Sequence[Any]]) -> MapTable:
    return MapTable(
        name=name,
        geometry_type=_polygon_type(layer.polygons),
        fids=layer.ids.tolist(),
        geometries=layer.polygons,
        columns={"creator_id": ("TEXT(256)", [CREATOR] * len(layer)), **columns},
    )


def _intersections(map_graph: MapGraph) -> MapTable:
    layer = map_graph.intersections
    return _areas(
        "intersections",
        layer,
        intersection_type_fid=("INTEGER", layer.kinds.tolist()),
        is_mini=("BOOLEAN", [0] * len(layer)),
    )


def _stop_lines(map_graph: MapGraph) -> MapTable:
    layer, lanes = map_graph.stop_lines, map_graph.lanes
    connectors_of: dict[int, list[int]] = {}
    for row in range(lanes.num_lanes, len(lanes)):
        for line_id in lanes.stop_line_ids[row].tolist():
            connectors_of.setdefault(line_id, []).append(row)
    connectors = [connectors_of.get(line_id, []) for line_id in layer.ids.tolist()]
    before = [sorted({int(one) for row in rows for one in lanes.predecessors[row]}) for rows in connectors]
    texts = [""] * len(layer)
    return _areas(
        "stop_polygons",
        layer,
        stop_polygon_type_fid=("INTEGER", layer.kinds.tolist()),
        lane_group_fid=("INTEGER", [int(lanes.roadblock_ids[rows[0]]) if rows else None for rows in before]),
        lane_fids=("TEXT(256)", [_joined(lanes.ids[rows]) for rows in before]),
        lane_connector_fids=("TEXT(256)", [_joined(lanes.ids[rows]) for rows in connectors]),
        traffic_light_fids=("TEXT(256)", texts),
        crosswalk_fids=("TEXT(256)", texts),
        precedence_area_fids=("TEXT(256)", texts),
    )


def _crosswalks(map_graph: MapGraph) -> MapTable:
    layer = map_graph.crosswalks
    return _areas(
        "crosswalks",
        layer,
        intersection_fids=("TEXT(256)", _touching(layer.polygons, map_graph.intersections)),
        lane_fids=("TEXT(256)", [""] * len(layer)),
        is_marked=("BOOLEAN", [1] * len(layer)),
    )


def _road_segments(map_graph: MapGraph) -> MapTable:
    layer = map_graph.road_segments
    inside: list[list[int]] = [[] for _ in range(len(layer))]
    points = shapely.point_on_surface(map_graph.roadblocks.polygons)
    for roadblock, segment in layer.tree.query(points, predicate="within").T.tolist():
        inside[segment].append(int(map_graph.roadblocks.ids[roadblock]))
    return MapTable(
        name="road_segments",
        geometry_type=_polygon_type(layer.polygons),
        fids=layer.ids.tolist(),
        geometries=layer.polygons,
        columns={"lane_group_fids": ("TEXT(256)", [_joined(sorted(ids)) for ids in inside])},
    )


def _touching(polygons: np.ndarray, layer: AreaLayer) -> list[str]:
    found: list[list[int]] = [[] for _ in polygons]
    for polygon, row in layer.tree.query(polygons, predicate="intersects").T.tolist():
        found[polygon].append(int(layer.ids[row]))
    return [_joined(sorted(ids)) for ids in found]


def _polygon_type(polygons: np.ndarray) -> str:
    is_polygon = shapely.get_type_id(polygons) == shapely.GeometryType.POLYGON
    return "POLYGON" if np.all(is_polygon) else "GEOMETRY"


def _lines(lines: Sequence[np.ndarray]) -> np.ndarray:
    counts = [len(line) for line in lines]
    points = np.concatenate([np.zeros((0, 2)), *lines])
    return shapely.linestrings(points, indices=np.repeat(np.arange(len(lines)), counts))


def _limits(map_graph: MapGraph) -> list[float | None]:
    limits = map_graph.lanes.speed_limit_mps
    return [None if np.isnan(limit) else limit for limit in limits.tolist()]


def _joined(ids: Iterable[int] | Int64[np.ndarray, "ids"]) -> str:
    return ",".join(str(int(one)) for one in ids)
