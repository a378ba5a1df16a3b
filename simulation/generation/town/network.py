"""The tables of a town's lanes for the traffic kernels: successors, conflicts, crosswalks, points."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64, Shaped

from driving.geometry import arc_lengths
from driving.map import TurnKind
from simulation.generation.town.layout import JunctionKind
from simulation.generation.town.paths import curvature
from simulation.generation.town.tables import (
    ALONG,
    HEADING,
    LANE,
    OTHER_BEGIN,
    OTHER_END,
    OWN_BEGIN,
    OWN_END,
    LaneNetwork,
    X,
    Y,
)
from simulation.generation.town.town_map import CROSSWALK_FROM_M, CROSSWALK_TO_M, TownMap
from simulation.geometry.angles import wrap
from simulation.geometry.compiling import njit

CLEARANCE_M = 2.8
"""Connectors whose centerlines come closer than this cannot be driven at the same time."""
ALONG_BELOW_RAD = 0.5
"""Connectors that meet at a smaller angle merge or diverge; at a larger angle they cross."""
STREET_RANK_LIMITS_MPS = (13.0, 16.0)
"""Speed limits that separate the ranks of streets."""


class _Conflicts(NamedTuple):
    offsets: np.ndarray
    other: np.ndarray
    zones: np.ndarray
    along: np.ndarray


class _Crossings(NamedTuple):
    offsets: np.ndarray
    path: np.ndarray
    zones: np.ndarray


def build_network(town: TownMap) -> LaneNetwork:
    """Build the tables of a town's map."""
    lanes = town.map.lanes
    total, num_lanes = len(lanes), lanes.num_lanes
    table = np.zeros(total, dtype=LANE)
    for name in ("from_lane", "to_lane", "light"):
        table[name] = -1
    for row, move in enumerate(town.movements, start=num_lanes):
        assert lanes.ids[row] == move.lane_id
        table["from_lane"][row], table["to_lane"][row] = lanes.predecessors[row][0], lanes.successors[row][0]
        table["rank"][row] = move.rank
        table["must_stop"][row] = town.plan.junctions[move.junction].kind == JunctionKind.ALL_WAY_STOP
    table["rank"][:num_lanes] = np.digitize(lanes.speed_limit_mps[:num_lanes], STREET_RANK_LIMITS_MPS)
    table["limit"] = lanes.speed_limit_mps
    table["left"] = _rows(town.map.left_neighbor(row) for row in range(total))
    table["right"] = _rows(town.map.right_neighbor(row) for row in range(total))
    table["light"][lanes.has_traffic_lights] = np.arange(int(lanes.has_traffic_lights.sum()))
    points = [lane_points(lanes.centerlines[row]) for row in range(total)]
    table["length"] = [line[-1, ALONG] for line in points]
    table["bend"] = [np.abs(curvature(line[:, :2]))[1:-1].max() for line in points]
    table["width"] = [
        np.hypot(*(lanes.left_boundaries[row][0] - lanes.right_boundaries[row][0])) for row in range(total)
    ]
    flat = np.concatenate(points)
    _set_range(table, "point", offsets_of(points))
    conflicts = _conflicts(town, flat, table)
    crossings = _crossings(town, points)
    _set_range(table, "successor", lanes.successors.offsets)
    _set_range(table, "conflict", conflicts.offsets)
    _set_range(table, "walk", crossings.offsets)
    table["gives_way"] = _gives_way(table, conflicts.other)
    return LaneNetwork(
        num_lanes=num_lanes,
        lanes=table,
        successors=np.ascontiguousarray(lanes.successors.values),
        conflict_other=conflicts.other,
        conflict_zones=conflicts.zones,
        conflict_along=conflicts.along,
        walk_path=crossings.path,
        walk_zones=crossings.zones,
        points=flat,
    )


def offsets_of(rows: list) -> Int64[np.ndarray, "rows_plus_one"]:
    """Offsets of rows of different lengths in one flat array."""
    return np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)


def _set_range(table: Shaped[np.ndarray, "lanes"], name: str, offsets: Int64[np.ndarray, "lanes_plus_one"]) -> None:
    table[f"{name}_begin"], table[f"{name}_end"] = offsets[:-1], offsets[1:]


def _rows(found: Iterable[int | None]) -> Int64[np.ndarray, "lanes"]:
    return np.array([-1 if row is None else row for row in found])


def lane_points(points: Float64[np.ndarray, "points 2"]) -> Float64[np.ndarray, "points 4"]:
    """x, y, distance along the line, unwrapped heading at each vertex."""
    along = arc_lengths(points)
    steps = np.diff(points, axis=0)
    heading = np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))
    middle = (along[1:] + along[:-1]) / 2
    # A segment's heading belongs to its middle. At both ends the heading is extrapolated.
    at_vertices = np.interp(along, middle, heading)
    if len(heading) > 1:
        at_vertices[0] = heading[0] - (heading[1] - heading[0]) * 0.5
        at_vertices[-1] = heading[-1] + (heading[-1] - heading[-2]) * 0.5
    return np.stack([points[:, 0], points[:, 1], along, at_vertices], axis=-1)


def _conflicts(
    town: TownMap, points: Float64[np.ndarray, "points 4"], table: Shaped[np.ndarray, "lanes"]
) -> _Conflicts:
    """Pairs of connectors of one junction that share ground."""
    first = town.map.lanes.num_lanes
    of_row: list[list[tuple[int, np.ndarray, bool]]] = [[] for _ in range(len(town.map.lanes))]
    junctions = np.array([move.junction for move in town.movements])
    lines = [points[begin:end] for begin, end in zip(table["point_begin"], table["point_end"], strict=True)]
    for junction in range(len(town.plan.junctions)):
        rows = (first + np.flatnonzero(junctions == junction)).tolist()
        for place, a in enumerate(rows):
            for b in rows[place + 1 :]:
                zone, angle = shared_ground(lines[a], lines[b], CLEARANCE_M)
                if angle >= 0.0:
                    along = angle < ALONG_BELOW_RAD or table["from_lane"][a] == table["from_lane"][b]
                    of_row[a].append((b, zone, along))
                    of_row[b].append((a, zone[[OTHER_BEGIN, OTHER_END, OWN_BEGIN, OWN_END]], along))
    flat = [entry for entries in of_row for entry in entries]
    return _Conflicts(
        offsets=offsets_of(of_row),
        other=np.array([entry[0] for entry in flat], dtype=np.int64),
        zones=np.array([entry[1] for entry in flat]).reshape(-1, 4),
        along=np.array([entry[2] for entry in flat], dtype=np.bool_),
    )


@njit(cache=True)
def shared_ground(
    a: Float64[np.ndarray, "points_a 4"], b: Float64[np.ndarray, "points_b 4"], clearance: float
) -> tuple[Float64[np.ndarray, "4"], float]:
    """The zone in which two connectors are closer than `clearance`, and the angle between them.

    The angle is the smaller one of those at both ends of the zone [rad], or -1 for connectors without shared ground.
    """
    zone = np.array([np.inf, -np.inf, np.inf, -np.inf])
    first_angle, last_angle = 0.0, 0.0
    for i in range(len(a)):
        nearest, distance = -1, clearance
        for j in range(len(b)):
            apart = np.hypot(a[i, X] - b[j, X], a[i, Y] - b[j, Y])
            if apart < clearance:
                zone[OTHER_BEGIN] = min(zone[OTHER_BEGIN], b[j, ALONG])
                zone[OTHER_END] = max(zone[OTHER_END], b[j, ALONG])
            if apart < distance:
                nearest, distance = j, apart
        if nearest >= 0:
            angle = abs(wrap(a[i, HEADING] - b[nearest, HEADING]))
            if zone[OWN_END] < zone[OWN_BEGIN]:
                zone[OWN_BEGIN] = a[i, ALONG]
                first_angle = angle
            zone[OWN_END] = a[i, ALONG]
            last_angle = angle
    if zone[OWN_END] < zone[OWN_BEGIN]:
        return zone, -1.0
    return zone, min(first_angle, last_angle)


def _gives_way(
    table: Shaped[np.ndarray, "lanes"], other: Int64[np.ndarray, "conflicts"]
) -> Bool[np.ndarray, "lanes"]:
    rank = table["rank"]
    ranges = zip(table["conflict_begin"], table["conflict_end"], strict=True)
    return np.array([bool((rank[other[begin:end]] > rank[row]).any()) for row, (begin, end) in enumerate(ranges)])


def _crossings(town: TownMap, points: list[np.ndarray]) -> _Crossings:
    """Crosswalks that each connector crosses: those of the arms before and behind it."""
    crosswalk_of = {
        (path.junction, path.arm): number
        for number, path in enumerate(town.foot_paths)
        if path.crosswalk_id is not None
    }
    half_m = (CROSSWALK_TO_M - CROSSWALK_FROM_M) / 2 + 0.3
    first = town.map.lanes.num_lanes
    of_row: list[list[tuple[int, float, float, float]]] = [[] for _ in points]
    for row, move in enumerate(town.movements, start=first):
        for arm in (move.from_arm, move.to_arm):
            number = crosswalk_of.get((move.junction, arm))
            if number is None or move.turn == TurnKind.UTURN:
                continue
            start, end = town.foot_paths[number].points[[0, -1]] + town.origin
            length = np.hypot(*(end - start))
            relative = points[row][:, :2] - start
            ahead = (end - start) / length
            side = ahead[0] * relative[:, 1] - ahead[1] * relative[:, 0]
            crossing = np.flatnonzero(np.diff(np.sign(side)) != 0)
            if len(crossing):
                k = crossing[0] if arm == move.from_arm else crossing[-1]
                at = points[row][k, ALONG]
                of_row[row].append((number, at - half_m, at + half_m, float(relative[k] @ ahead)))
    flat = [entry for entries in of_row for entry in entries]
    return _Crossings(
        offsets=offsets_of(of_row),
        path=np.array([entry[0] for entry in flat], dtype=np.int64),
        zones=np.array([entry[1:] for entry in flat], dtype=np.float64).reshape(-1, 3),
    )
