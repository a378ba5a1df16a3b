"""A nuPlan map from lanes and the connections between them: roadblocks, intersections, areas and limits.

Values that no source measures follow the rules of this module. The metadata of the map states them. See
docs/importing.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from jaxtyping import Float64, Int64

from driving.connectors import connector_links, turn_kind_of
from driving.importers.links import LaneNetwork
from driving.importers.pieces import Piece, largest_part, one_polygon
from driving.importers.places import Place
from driving.map import AreaLayer, IntersectionKind, Lanes, MapGraph, Ragged, TurnKind, polygon_array

MAP_VERSION = "imported-1"
"""Version of all imported maps. It changes with the rules."""

DEFAULT_SPEED_LIMIT_MPS = 50 / 3.6
"""Assumed where the source has no limit: the usual limit in towns."""

TURN_SPEED_LIMIT_MPS = 30 / 3.6
"""Assumed on connectors that turn, where the source has no limit."""

TURN_ANGLE_RAD = np.deg2rad(35.0)
"""Change of heading from which a connector turns left or right."""

INTERSECTION_MARGIN_M = 0.1
"""Margin of intersections around their connectors, which merges connectors that only touch."""

MAX_FILLED_HOLE_M2 = 100.0
"""Area between connectors that is filled (the centre of a crossing); a larger one stays an island."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Areas:
    """Areas of a source besides lanes; polygons [m, global]."""

    drivable: Sequence[shapely.Geometry] = ()
    """Empty where the source has none; the drivable area is then lanes and intersections."""
    crosswalks: Sequence[shapely.Geometry] = ()
    walkways: Sequence[shapely.Geometry] = ()


class _Ids:
    """Ids that are unique over all layers of a map."""

    def __init__(self) -> None:
        self.last = 0

    def take(self, count: int) -> Int64[np.ndarray, "ids"]:
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
    """A map from a lane network and areas.

    Args:
        name: Of the map; letters, digits, `-`, `_` and `.`.
        place: Place of the coordinates.
        network: Lanes and connections [m, global].
        areas: Areas besides lanes.
        metadata: Rules and origins of the importer; the rules of this module are added.
        lane_speed_mps: Limit of lanes without one. Connectors that turn take at most `TURN_SPEED_LIMIT_MPS`.
    """
    ids = _Ids()
    lanes = [lane for group in network.groups for lane in group]
    connectors = [connection.piece for connection in network.connections]
    polygons = parted([lane.polygon for lane in lanes])
    lane_ids, connector_ids = ids.take(len(lanes)), ids.take(len(connectors))

    row_of = {lane.key: row for row, lane in enumerate(lanes)}
    group_rows = [[row_of[lane.key] for lane in group] for group in network.groups]
    roadblocks = _layer(
        ids.take(len(group_rows)), [one_polygon(polygons[row] for row in rows) for rows in group_rows]
    )
    # The lanes are in the order of their groups.
    sizes = [len(rows) for rows in group_rows]
    block_of_lane = np.repeat(roadblocks.ids, sizes)
    index_of_lane = np.concatenate([np.arange(size, dtype=np.int64) for size in sizes])

    ends = np.array(
        [(row_of[connection.start], row_of[connection.end]) for connection in network.connections], dtype=np.int64
    ).reshape(-1, 2)
    pairs, pair_of = np.unique(block_of_lane[ends], axis=0, return_inverse=True)
    pair_of = pair_of.reshape(-1)
    roadblock_connectors = _layer(
        ids.take(len(pairs)),
        [
            one_polygon(connectors[row].polygon for row in np.flatnonzero(pair_of == pair))
            for pair in range(len(pairs))
        ],
    )
    intersections, intersection_of = _intersections(ids, connectors, ends)
    intersection_of_pair = np.zeros(len(pairs), dtype=np.int64)
    intersection_of_pair[pair_of] = intersection_of
    return MapGraph(
        name=name,
        version=MAP_VERSION,
        epsg=place.epsg,
        lanes=_lane_table(
            lanes=lanes,
            connectors=connectors,
            areas=_layer(
                np.concatenate([lane_ids, connector_ids]), [*polygons, *(piece.polygon for piece in connectors)]
            ),
            ends=ends,
            roadblock_ids=np.concatenate([block_of_lane, roadblock_connectors.ids[pair_of]]),
            lane_index=index_of_lane,
            intersection_ids=intersection_of,
            lane_speed_mps=lane_speed_mps,
        ),
        roadblocks=roadblocks,
        roadblock_connectors=roadblock_connectors,
        roadblock_edges=np.concatenate([pairs, intersection_of_pair[:, np.newaxis]], axis=1),
        intersections=intersections,
        crosswalks=_area_layer(ids, areas.crosswalks),
        walkways=_area_layer(ids, areas.walkways),
        road_segments=_layer(ids.take(len(group_rows)), list(roadblocks.polygons)),
        generic_drivable_areas=_area_layer(ids, areas.drivable),
        metadata={**metadata, **_rules(network, lane_speed_mps, lanes, connectors, areas)},
    )


def _lane_table(
    *,
    lanes: Sequence[Piece],
    connectors: Sequence[Piece],
    areas: AreaLayer,
    ends: Int64[np.ndarray, "connectors 2"],
    roadblock_ids: Int64[np.ndarray, "pieces"],
    lane_index: Int64[np.ndarray, "lanes"],
    intersection_ids: Int64[np.ndarray, "connectors"],
    lane_speed_mps: float,
) -> Lanes:
    """The table of lanes, then connectors. No connector has traffic lights or stop lines."""
    pieces = [*lanes, *connectors]
    no_points, no_ids = np.zeros((0, 2)), np.zeros(0, dtype=np.int64)
    successors, predecessors = connector_links(len(lanes), ends)
    return Lanes(
        areas=areas,
        num_lanes=len(lanes),
        roadblock_ids=roadblock_ids,
        lane_index=np.concatenate([lane_index, np.zeros(len(connectors), dtype=np.int64)]),
        speed_limit_mps=_speed_limits(lanes, connectors, lane_speed_mps),
        centerlines=Ragged.from_rows([piece.centerline for piece in pieces], no_points),
        left_boundaries=Ragged.from_rows([piece.left for piece in pieces], no_points),
        right_boundaries=Ragged.from_rows([piece.right for piece in pieces], no_points),
        successors=successors,
        predecessors=predecessors,
        turn_kinds=np.array([0] * len(lanes) + [turn_kind(piece) for piece in connectors], dtype=np.int8),
        intersection_ids=np.concatenate([np.zeros(len(lanes), dtype=np.int64), intersection_ids]),
        has_traffic_lights=np.zeros(len(pieces), dtype=bool),
        stop_line_ids=Ragged.from_rows([no_ids] * len(pieces), no_ids),
        connector_lines=Ragged.from_rows(
            [*[no_points] * len(lanes), *(piece.centerline for piece in connectors)], no_points
        ),
    )


def parted(polygons: Sequence[shapely.Polygon]) -> list[shapely.Polygon]:
    """Polygons without overlap: nuPlan's scores fail on a point in two lanes. The smaller one keeps the overlap."""
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


def _speed_limits(
    lanes: Sequence[Piece], connectors: Sequence[Piece], lane_speed_mps: float
) -> Float64[np.ndarray, "pieces"]:
    assumed = [lane_speed_mps] * len(lanes)
    for piece in connectors:
        is_straight = turn_kind(piece) == TurnKind.STRAIGHT
        assumed.append(lane_speed_mps if is_straight else min(lane_speed_mps, TURN_SPEED_LIMIT_MPS))
    limits = [piece.speed_limit_mps for piece in [*lanes, *connectors]]
    return np.array([rule if limit is None else limit for limit, rule in zip(limits, assumed, strict=True)])


def _intersections(
    ids: _Ids, connectors: Sequence[Piece], ends: Int64[np.ndarray, "connectors 2"]
) -> tuple[AreaLayer, Int64[np.ndarray, "connectors"]]:
    """Clusters of touching connectors, and the id of the cluster of each connector."""
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


def _layer(ids: Int64[np.ndarray, "ids"], polygons: Sequence[shapely.Geometry]) -> AreaLayer:
    return AreaLayer(ids=ids, polygons=polygon_array(polygons))


def _area_layer(ids: _Ids, areas: Sequence[shapely.Geometry]) -> AreaLayer:
    # nuPlan's layers hold polygons, with holes: a multi-polygon becomes several rows.
    parts = [
        part
        for area in areas
        for part in shapely.get_parts(shapely.get_parts(shapely.make_valid(area))).tolist()
        if isinstance(part, shapely.Polygon) and part.area > 0
    ]
    return _layer(ids.take(len(parts)), parts)


def _rules(
    network: LaneNetwork, lane_speed_mps: float, lanes: Sequence[Piece], connectors: Sequence[Piece], areas: Areas
) -> dict[str, str]:
    """The rules of this module as sentences."""
    measured = sum(piece.speed_limit_mps is not None for piece in [*lanes, *connectors])
    rules = {
        "speed_limit": f"{measured} of {len(lanes) + len(connectors)} lanes and connectors have the source's limit;"
        f" else assumed: {lane_speed_mps:.2f} m/s, {min(lane_speed_mps, TURN_SPEED_LIMIT_MPS):.2f} m/s on turns",
        "traffic_lights": "unknown: the source has none; no connector is marked as having lights",
        "stop_lines": "unknown: the source has none",
        "roadblocks": "adjacent lanes of one direction",
        "lane_graph": f"lane connectors are paths through junctions; {network.num_stubs} lanes were cut from junction"
        f" pieces that lead out of the map, {network.num_overlaid} overlapping lanes became connectors",
        "intersections": f"clusters of touching lane connectors, {INTERSECTION_MARGIN_M} m wider",
    }
    if not areas.drivable:
        rules["drivable_area"] = "the source has none: lanes and intersections only"
    return rules
