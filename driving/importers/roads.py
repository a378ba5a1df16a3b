"""From lanes and the connections between them to a whole nuPlan map: roadblocks, intersections, areas, limits.

What no source measures is ruled here and written into the map's metadata, so that nobody takes a default
for a measurement. See docs/importing.md.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from driving.connectors import connector_links, turn_kind_of
from driving.importers.links import LaneNetwork
from driving.importers.pieces import Piece, largest_part, one_polygon
from driving.importers.places import Place
from driving.map import AreaLayer, IntersectionKind, Lanes, MapGraph, Ragged, TurnKind, polygon_array

MAP_VERSION = "imported-1"
"""Version of all imported maps; grows when the rules change."""

DEFAULT_SPEED_LIMIT_MPS = 50 / 3.6
"""Where the source names no limit: the usual one in towns."""

TURN_SPEED_LIMIT_MPS = 30 / 3.6
"""Assumed on connectors that turn left, right or back, where the source names no limit."""

TURN_ANGLE_RAD = np.deg2rad(35.0)
"""Change of heading from which a connector turns left or right."""

INTERSECTION_MARGIN_M = 0.1
"""Intersections reach this far over their connectors, so that neighbours that only touch grow together."""

MAX_FILLED_HOLE_M2 = 100.0
"""What connectors enclose is road where it is smaller (the middle of a crossing), else an island."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Areas:
    """What a source draws besides lanes; polygons [m, global]."""

    drivable: Sequence[shapely.Geometry] = ()
    """Empty where the source has none: then lanes and intersections are all there is."""
    crosswalks: Sequence[shapely.Geometry] = ()
    walkways: Sequence[shapely.Geometry] = ()


class _Ids:
    """Ids that no two objects of a map share, whatever their layer."""

    def __init__(self) -> None:
        self.last = 0

    def take(self, count: int) -> np.ndarray:
        ids = np.arange(self.last + 1, self.last + 1 + count, dtype=np.int64)
        self.last += count
        return ids


def map_of(
    *,
    name: str,
    place: Place,
    network: LaneNetwork,
    areas: Areas,
    metadata: dict[str, str],
    lane_speed_mps: float = DEFAULT_SPEED_LIMIT_MPS,
) -> MapGraph:
    """Put a map together from a lane network and areas.

    Args:
        name: Of the map; letters, digits, `-`, `_` and `.`.
        place: Where the coordinates lie.
        network: Lanes and connections [m, global].
        areas: What else the source draws.
        metadata: Rules and origins that the importer states; those of this module are added.
        lane_speed_mps: Where a lane has no limit of its own; connectors take the lower of this and the turn's.
    """
    ids = _Ids()
    lane_pieces = [lane for group in network.groups for lane in group]
    lane_polygons = parted([lane.polygon for lane in lane_pieces])
    connectors = [connection.piece for connection in network.connections]
    lane_ids, connector_ids = ids.take(len(lane_pieces)), ids.take(len(connectors))

    row_of = {lane.key: row for row, lane in enumerate(lane_pieces)}
    group_rows = [[row_of[lane.key] for lane in group] for group in network.groups]
    roadblock_ids = ids.take(len(group_rows))
    roadblocks = _layer(roadblock_ids, [one_polygon(lane_polygons[row] for row in rows) for rows in group_rows])
    block_of_lane = np.zeros(len(lane_pieces), dtype=np.int64)
    index_of_lane = np.zeros(len(lane_pieces), dtype=np.int64)
    for block, rows in zip(roadblock_ids, group_rows, strict=True):
        block_of_lane[rows] = block
        index_of_lane[rows] = np.arange(len(rows))

    ends = np.array(
        [(row_of[connection.start], row_of[connection.end]) for connection in network.connections], dtype=np.int64
    ).reshape(-1, 2)
    pairs, pair_of = np.unique(block_of_lane[ends], axis=0, return_inverse=True)
    pair_of = pair_of.reshape(-1)
    roadblock_connector_ids = ids.take(len(pairs))
    roadblock_connectors = _layer(
        roadblock_connector_ids,
        [
            one_polygon(connectors[row].polygon for row in np.flatnonzero(pair_of == pair))
            for pair in range(len(pairs))
        ],
    )
    intersections, intersection_of = _intersections(ids, connectors, ends)
    intersection_of_pair = np.zeros(len(pairs), dtype=np.int64)
    intersection_of_pair[pair_of] = intersection_of

    successors, predecessors = connector_links(len(lane_pieces), ends)
    lanes = Lanes(
        areas=_layer(np.concatenate([lane_ids, connector_ids]), [*lane_polygons, *(c.polygon for c in connectors)]),
        num_lanes=len(lane_pieces),
        roadblock_ids=np.concatenate([block_of_lane, roadblock_connector_ids[pair_of]]),
        lane_index=np.concatenate([index_of_lane, np.zeros(len(connectors), dtype=np.int64)]),
        speed_limit_mps=_speed_limits(lane_pieces, connectors, lane_speed_mps),
        centerlines=_lines(piece.centerline for piece in [*lane_pieces, *connectors]),
        left_boundaries=_lines(piece.left for piece in [*lane_pieces, *connectors]),
        right_boundaries=_lines(piece.right for piece in [*lane_pieces, *connectors]),
        successors=successors,
        predecessors=predecessors,
        turn_kinds=np.array([0] * len(lane_pieces) + [turn_kind(piece) for piece in connectors], dtype=np.int8),
        intersection_ids=np.concatenate([np.zeros(len(lane_pieces), dtype=np.int64), intersection_of]),
        has_traffic_lights=np.zeros(len(lane_pieces) + len(connectors), dtype=bool),
        stop_line_ids=Ragged.from_rows(
            [np.zeros(0, dtype=np.int64)] * (len(lane_pieces) + len(connectors)), np.zeros(0, dtype=np.int64)
        ),
        connector_lines=_lines([*[np.zeros((0, 2))] * len(lane_pieces), *(c.centerline for c in connectors)]),
    )
    return MapGraph(
        name=name,
        version=MAP_VERSION,
        epsg=place.epsg,
        lanes=lanes,
        roadblocks=roadblocks,
        roadblock_connectors=roadblock_connectors,
        roadblock_edges=np.concatenate([pairs, intersection_of_pair[:, np.newaxis]], axis=1),
        intersections=intersections,
        crosswalks=_area_layer(ids, areas.crosswalks),
        walkways=_area_layer(ids, areas.walkways),
        road_segments=_layer(ids.take(len(group_rows)), list(roadblocks.polygons)),
        generic_drivable_areas=_area_layer(ids, areas.drivable),
        metadata={**metadata, **_rules(network, lane_speed_mps, lane_pieces, connectors, areas)},
    )


def parted(polygons: Sequence[shapely.Polygon]) -> list[shapely.Polygon]:
    """Polygons that share no area: nuPlan's scores fail on a point in two lanes. The larger one gives way."""
    result = list(polygons)
    first, second = shapely.STRtree(result).query(result, predicate="intersects")
    for i, j in sorted({(min(a, b), max(a, b)) for a, b in zip(first.tolist(), second.tolist(), strict=True)}):
        if i == j:
            continue
        shared = result[i].intersection(result[j])
        if shared.area > 0:
            wide, narrow = (i, j) if result[i].area >= result[j].area else (j, i)
            rest = largest_part(result[wide].difference(result[narrow]))
            if rest is not None:
                result[wide] = rest
    return result


def turn_kind(piece: Piece) -> TurnKind:
    """Turn kind of a connector."""
    return turn_kind_of(piece.centerline, TURN_ANGLE_RAD)


def _speed_limits(lanes: Sequence[Piece], connectors: Sequence[Piece], lane_speed_mps: float) -> np.ndarray:
    assumed = [lane_speed_mps] * len(lanes)
    for piece in connectors:
        is_straight = turn_kind(piece) == TurnKind.STRAIGHT
        assumed.append(lane_speed_mps if is_straight else min(lane_speed_mps, TURN_SPEED_LIMIT_MPS))
    limits = [piece.speed_limit_mps for piece in [*lanes, *connectors]]
    return np.array([rule if limit is None else limit for limit, rule in zip(limits, assumed, strict=True)])


def _intersections(ids: _Ids, connectors: Sequence[Piece], ends: np.ndarray) -> tuple[AreaLayer, np.ndarray]:
    """Clusters of connectors that touch, and the cluster's id per connector."""
    if not connectors:
        return AreaLayer.empty(), np.zeros(0, dtype=np.int64)
    grown = [piece.polygon.buffer(INTERSECTION_MARGIN_M, join_style="mitre") for piece in connectors]
    clusters = [_without_small_holes(part) for part in shapely.get_parts(shapely.union_all(grown)).tolist()]
    inner_points = [piece.polygon.representative_point() for piece in connectors]
    _, cluster_of = shapely.STRtree(clusters).query_nearest(inner_points, all_matches=False)
    kinds = []
    for cluster in range(len(clusters)):
        members = ends[cluster_of == cluster]
        branches = len(np.unique(members[:, 0])) < len(members)
        merges = len(np.unique(members[:, 1])) < len(members)
        turns = any(
            turn_kind(connectors[row]) != TurnKind.STRAIGHT for row in np.flatnonzero(cluster_of == cluster).tolist()
        )
        if turns or (branches and merges):
            kinds.append(IntersectionKind.DEFAULT)
        elif branches:
            kinds.append(IntersectionKind.LANE_BRANCH)
        elif merges:
            kinds.append(IntersectionKind.LANE_MERGE)
        else:
            kinds.append(IntersectionKind.PASS_THROUGH)
    cluster_ids = ids.take(len(clusters))
    layer = AreaLayer(
        ids=cluster_ids,
        polygons=polygon_array(clusters),
        kinds=np.array([int(kind) for kind in kinds], dtype=np.int8),
    )
    return layer, cluster_ids[cluster_of]


def _without_small_holes(polygon: shapely.Polygon) -> shapely.Polygon:
    large = [hole for hole in polygon.interiors if shapely.Polygon(hole).area > MAX_FILLED_HOLE_M2]
    return shapely.Polygon(polygon.exterior, large)


def _layer(ids: np.ndarray, polygons: Sequence[shapely.Geometry]) -> AreaLayer:
    return AreaLayer(ids=ids, polygons=polygon_array(polygons))


def _area_layer(ids: _Ids, areas: Sequence[shapely.Geometry]) -> AreaLayer:
    # nuPlan's layers hold polygons: a multi-polygon becomes several rows. Holes stay.
    parts = [
        part
        for area in areas
        for part in shapely.get_parts(shapely.get_parts(shapely.make_valid(area))).tolist()
        if isinstance(part, shapely.Polygon) and part.area > 0
    ]
    return _layer(ids.take(len(parts)), parts)


def _lines(rows: Iterable[np.ndarray]) -> Ragged:
    return Ragged.from_rows(list(rows), np.zeros((0, 2)))


def _rules(
    network: LaneNetwork, lane_speed_mps: float, lanes: Sequence[Piece], connectors: Sequence[Piece], areas: Areas
) -> dict[str, str]:
    """The assumptions of this module as sentences."""
    measured = sum(piece.speed_limit_mps is not None for piece in [*lanes, *connectors])
    rules = {
        "speed_limit": f"{measured} of {len(lanes) + len(connectors)} lanes and connectors have the source's limit;"
        f" else assumed: {lane_speed_mps:.2f} m/s, {min(lane_speed_mps, TURN_SPEED_LIMIT_MPS):.2f} m/s on turns",
        "traffic_lights": "unknown: the source has none, so that no connector is marked as having lights",
        "stop_lines": "unknown: the source has none",
        "roadblocks": "lanes of one direction beside each other",
        "lane_graph": f"lane connectors are ways through junctions; {network.num_stubs} lanes were cut from junction"
        f" pieces that lead out of the map, {network.num_overlaid} lanes on other lanes became connectors",
        "intersections": f"clusters of touching lane connectors, {INTERSECTION_MARGIN_M} m wider",
    }
    if not areas.drivable:
        rules["drivable_area"] = "the source has none: lanes and intersections only"
    return rules
