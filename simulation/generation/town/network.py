"""The town's lanes as flat arrays for the traffic kernels: what follows what, who crosses whom, where people walk."""

from typing import NamedTuple

import numpy as np

from driving.geometry import arc_lengths
from driving.map import TurnKind
from simulation.generation.town.junctions import CROSSWALK_FROM_M, CROSSWALK_TO_M
from simulation.generation.town.layout import JunctionKind
from simulation.generation.town.paths import curvature
from simulation.generation.town.roads import TownRoads
from simulation.geometry.angles import wrap
from simulation.geometry.compiling import njit

CLEARANCE_M = 2.8
"""Connectors whose centerlines come closer than this cannot be driven side by side."""
ALONG_BELOW_RAD = 0.5
"""Connectors that meet at a smaller angle join or part; the others cross."""


LANE = np.dtype(
    [
        ("length", np.float64),
        ("limit", np.float64),  # Speed limit [m/s].
        ("bend", np.float64),  # Sharpest curvature [1/m].
        ("width", np.float64),
        ("rank", np.int64),  # Of connectors: who goes first. Of lanes: the rank of their street.
        ("from_lane", np.int64),
        ("to_lane", np.int64),
        ("left", np.int64),
        ("right", np.int64),
        ("must_stop", np.bool_),  # Whether one stops before the connector in any case.
        ("gives_way", np.bool_),  # Whether another connector that is crossed goes first.
        ("light", np.int64),  # Row of the connector in the table of lights.
        ("successor_begin", np.int64),
        ("successor_end", np.int64),
        ("conflict_begin", np.int64),
        ("conflict_end", np.int64),
        ("walk_begin", np.int64),
        ("walk_end", np.int64),
        ("point_begin", np.int64),
        ("point_end", np.int64),
    ]
)
"""A lane or lane connector, in the row order of the map; −1 stands for none."""


class Network(NamedTuple):
    """The lanes, and the tables that they point into."""

    num_lanes: int
    """Rows below are lanes, the others connectors."""
    lanes: np.ndarray
    """Records of `LANE`."""
    successors: np.ndarray
    conflict_other: np.ndarray
    """Connector that is crossed or joined."""
    conflict_zones: np.ndarray
    """(conflicts, 4) where the shared ground begins and ends on this connector and on the other [m]."""
    conflict_along: np.ndarray
    """Whether both go the same way there."""
    walk_path: np.ndarray
    """Foot path (a crosswalk) that a connector crosses."""
    walk_zones: np.ndarray
    """(crossings, 3) where the crosswalk begins and ends on the connector, and the place on the foot path [m]."""
    points: np.ndarray
    """(points, 4) x, y, distance along the lane, unwrapped heading."""


def build_network(roads: TownRoads) -> Network:
    """Flatten the map for the kernels."""
    lanes = roads.map.lanes
    total, num_lanes = len(lanes), lanes.num_lanes
    table = np.zeros(total, dtype=LANE)
    for name in ("from_lane", "to_lane", "light"):
        table[name] = -1
    for row, move in enumerate(roads.movements, start=num_lanes):
        assert lanes.ids[row] == move.lane_id
        table["from_lane"][row], table["to_lane"][row] = lanes.predecessors[row][0], lanes.successors[row][0]
        table["rank"][row] = move.rank
        table["must_stop"][row] = roads.plan.junctions[move.junction].kind == JunctionKind.ALL_WAY_STOP
    table["rank"][:num_lanes] = _street_ranks(roads)
    table["limit"] = lanes.speed_limit_mps
    table["left"], table["right"] = _neighbors(roads, -1), _neighbors(roads, +1)
    table["light"][lanes.has_traffic_lights] = np.arange(int(lanes.has_traffic_lights.sum()))
    points = [_with_arcs(lanes.centerlines[row]) for row in range(total)]
    table["length"] = [line[-1, 2] for line in points]
    table["bend"] = [np.abs(curvature(line[:, :2]))[1:-1].max() for line in points]
    table["width"] = [
        np.hypot(*(lanes.left_boundaries[row][0] - lanes.right_boundaries[row][0])) for row in range(total)
    ]
    flat = np.concatenate(points)
    _point_into(table, "point", np.concatenate([[0], np.cumsum([len(line) for line in points])]))
    conflicts = _conflicts(roads, flat, table)
    walks = _walks(roads, points)
    _point_into(table, "successor", lanes.successors.offsets)
    _point_into(table, "conflict", conflicts[0])
    _point_into(table, "walk", walks[0])
    table["gives_way"] = _gives_way(table, conflicts[1])
    return Network(
        num_lanes=num_lanes,
        lanes=table,
        successors=np.ascontiguousarray(lanes.successors.values),
        conflict_other=conflicts[1],
        conflict_zones=conflicts[2],
        conflict_along=conflicts[3],
        walk_path=walks[1],
        walk_zones=walks[2],
        points=flat,
    )


def _point_into(table: np.ndarray, name: str, offsets: np.ndarray) -> None:
    table[f"{name}_begin"], table[f"{name}_end"] = offsets[:-1], offsets[1:]


def _with_arcs(points: np.ndarray) -> np.ndarray:
    along = arc_lengths(points)
    steps = np.diff(points, axis=0)
    heading = np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))
    middle = (along[1:] + along[:-1]) / 2
    # Directions belong to the middles of the segments; at the ends they go on as they bend.
    at_vertices = np.interp(along, middle, heading)
    if len(heading) > 1:
        at_vertices[0] = heading[0] - (heading[1] - heading[0]) * 0.5
        at_vertices[-1] = heading[-1] + (heading[-1] - heading[-2]) * 0.5
    return np.stack([points[:, 0], points[:, 1], along, at_vertices], axis=-1)


def _street_ranks(roads: TownRoads) -> np.ndarray:
    limits = roads.map.lanes.speed_limit_mps[: roads.map.lanes.num_lanes]
    return np.digitize(limits, [13.0, 16.0])


def _neighbors(roads: TownRoads, step: int) -> np.ndarray:
    graph = roads.map
    side = graph.left_neighbor if step < 0 else graph.right_neighbor
    found = [side(row) for row in range(len(graph.lanes))]
    return np.array([-1 if row is None else row for row in found])


def _conflicts(
    roads: TownRoads, points: np.ndarray, table: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    first = roads.map.lanes.num_lanes
    of_row: list[list[tuple[int, np.ndarray, bool]]] = [[] for _ in range(len(roads.map.lanes))]
    junctions = np.array([move.junction for move in roads.movements])
    lines = [points[begin:end] for begin, end in zip(table["point_begin"], table["point_end"], strict=True)]
    for junction in range(len(roads.plan.junctions)):
        rows = (first + np.flatnonzero(junctions == junction)).tolist()
        for place, a in enumerate(rows):
            for b in rows[place + 1 :]:
                zone, angle = _shared_ground(lines[a], lines[b], CLEARANCE_M)
                if angle >= 0.0:
                    along = angle < ALONG_BELOW_RAD or table["from_lane"][a] == table["from_lane"][b]
                    of_row[a].append((b, zone, along))
                    of_row[b].append((a, zone[[2, 3, 0, 1]], along))
    flat = [entry for entries in of_row for entry in entries]
    return (
        np.concatenate([[0], np.cumsum([len(entries) for entries in of_row])]),
        np.array([entry[0] for entry in flat], dtype=np.int64),
        np.array([entry[1] for entry in flat]).reshape(-1, 4),
        np.array([entry[2] for entry in flat], dtype=np.bool_),
    )


@njit(cache=True)
def _shared_ground(a: np.ndarray, b: np.ndarray, clearance: float) -> tuple[np.ndarray, float]:
    """Where two connectors come too close, and the smaller of the angles at both ends of it; −1 for never."""
    zone = np.array([np.inf, -np.inf, np.inf, -np.inf])
    first_angle, last_angle = 0.0, 0.0
    for i in range(len(a)):
        nearest, distance = -1, clearance
        for j in range(len(b)):
            apart = np.hypot(a[i, 0] - b[j, 0], a[i, 1] - b[j, 1])
            if apart < clearance:
                zone[2] = min(zone[2], b[j, 2])
                zone[3] = max(zone[3], b[j, 2])
            if apart < distance:
                nearest, distance = j, apart
        if nearest >= 0:
            angle = abs(wrap(a[i, 3] - b[nearest, 3]))
            if zone[1] < zone[0]:
                zone[0] = a[i, 2]
                first_angle = angle
            zone[1] = a[i, 2]
            last_angle = angle
    if zone[1] < zone[0]:
        return zone, -1.0
    return zone, min(first_angle, last_angle)


def _gives_way(table: np.ndarray, other: np.ndarray) -> np.ndarray:
    rank = table["rank"]
    pieces = zip(table["conflict_begin"], table["conflict_end"], strict=True)
    return np.array([bool((rank[other[begin:end]] > rank[row]).any()) for row, (begin, end) in enumerate(pieces)])


def _walks(roads: TownRoads, points: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Crosswalks that each connector crosses: of the arm it comes from and of the arm it goes to."""
    crosswalk_of = {
        (path.junction, path.arm): number
        for number, path in enumerate(roads.foot_paths)
        if path.crosswalk_id is not None
    }
    half_m = (CROSSWALK_TO_M - CROSSWALK_FROM_M) / 2 + 0.3
    first = roads.map.lanes.num_lanes
    of_row: list[list[tuple[int, float, float, float]]] = [[] for _ in points]
    for row, move in enumerate(roads.movements, start=first):
        for arm in (move.from_arm, move.to_arm):
            number = crosswalk_of.get((move.junction, arm))
            if number is None or move.turn == TurnKind.UTURN:
                continue
            start, end = roads.foot_paths[number].points[[0, -1]] + roads.origin
            length = np.hypot(*(end - start))
            relative = points[row][:, :2] - start
            ahead = (end - start) / length
            side = ahead[0] * relative[:, 1] - ahead[1] * relative[:, 0]
            crossing = np.flatnonzero(np.diff(np.sign(side)) != 0)
            if len(crossing):
                k = crossing[0] if arm == move.from_arm else crossing[-1]
                at = points[row][k, 2]
                of_row[row].append((number, at - half_m, at + half_m, float(relative[k] @ ahead)))
    flat = [entry for entries in of_row for entry in entries]
    return (
        np.concatenate([[0], np.cumsum([len(entries) for entries in of_row])]),
        np.array([entry[0] for entry in flat], dtype=np.int64),
        np.array([entry[1:] for entry in flat], dtype=np.float64).reshape(-1, 3),
    )
