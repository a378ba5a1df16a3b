"""The tables of town traffic for a part of any map, so that generated scenes continue with the drivers of towns.

Town traffic needs lanes that end in connectors. Where lanes follow lanes directly, or end, short connectors are
added; behind an end lies a straight sink on which vehicles leave the scene.
"""

from dataclasses import dataclass
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Bool, Float64, Int64

from driving.map import IntersectionKind, MapGraph, TurnKind
from simulation.generation.learned.pieces import DEFAULT_LIMIT_MPS
from simulation.generation.town.network import (
    ALONG_BELOW_RAD,
    CLEARANCE_M,
    STREET_RANK_LIMITS_MPS,
    lane_points,
    offsets_of,
    shared_ground,
)
from simulation.generation.town.paths import curvature
from simulation.generation.town.tables import (
    ALONG,
    FOOT_PATH,
    HEADING,
    LANE,
    OTHER_BEGIN,
    OTHER_END,
    OWN_BEGIN,
    OWN_END,
    FootNetwork,
    LaneNetwork,
)

REACH_M = 400.0
"""Lanes that come this near to the scene are part of the network."""
SINK_M = 3000.0
LINK_M = 0.5
"""Length of an added connector."""
MAX_BEND = 0.25
"""Curvature of a vertex is limited to this [1/m]: recorded centerlines have kinks."""
_BY_TURN = {TurnKind.STRAIGHT: 2, TurnKind.RIGHT: 1}
_WITHOUT_RANK = (IntersectionKind.STOP_SIGN, IntersectionKind.PASS_THROUGH)


class _Line(NamedTuple):
    """A lane or connector of the network."""

    points: Float64[np.ndarray, "points 2"]
    map_row: int
    """Row of the map; -1 for added ones."""
    from_line: int
    to_line: int
    """Lines before and behind a connector; -1 for lanes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class DrivingNetwork:
    """The network around a place of a map."""

    net: LaneNetwork
    map_rows: Int64[np.ndarray, "lines"]
    """Row of the map for each row of the network; -1 for added ones."""
    row_of: dict[int, int]
    """Row of the network by row of the map."""
    light_ids: Int64[np.ndarray, "lights"]
    """Lane connector ids of the rows of a light table."""
    is_sink: Bool[np.ndarray, "lines"]


_NETWORKS: WeakKeyDictionary[MapGraph, dict[tuple[int, int], DrivingNetwork]] = WeakKeyDictionary()


def driving_network(map_graph: MapGraph, center: Float64[np.ndarray, "2"]) -> DrivingNetwork:
    """The network of the lanes around a place, cached by squares of a quarter of `REACH_M`."""
    cell_m = REACH_M / 4
    cell = (int(np.floor(center[0] / cell_m)), int(np.floor(center[1] / cell_m)))
    known = _NETWORKS.setdefault(map_graph, {})
    if cell not in known:
        known[cell] = _build(map_graph, (np.array(cell) + 0.5) * cell_m)
    return known[cell]


def no_foot_network() -> FootNetwork:
    """No foot paths: pedestrians of generated scenes do not walk on a network."""
    none = np.zeros(0, dtype=np.int64)
    return FootNetwork(
        paths=np.zeros(0, dtype=FOOT_PATH),
        points=np.zeros((0, 3)),
        ends=np.zeros((0, 2), dtype=np.int64),
        corner_offsets=np.zeros(1, dtype=np.int64),
        corner_paths=none,
        crossed_by=none,
        crossed_zone=none,
        lights=none,
    )


def _build(map_graph: MapGraph, center: Float64[np.ndarray, "2"]) -> DrivingNetwork:
    lines, num_lanes = _lines(map_graph, center)
    lanes = map_graph.lanes
    map_rows = np.array([line.map_row for line in lines])
    points = [lane_points(line.points) for line in lines]
    table = np.zeros(len(lines), dtype=LANE)
    known = np.maximum(map_rows, 0)
    limits = lanes.speed_limit_mps[known]
    table["limit"] = np.where(np.isnan(limits) | (map_rows < 0), DEFAULT_LIMIT_MPS, limits)
    table["length"] = [line[-1, ALONG] for line in points]
    table["bend"] = [_bend(line) for line in points]
    table["width"] = 3.5
    for name in ("left", "right"):
        table[name] = -1
    table["from_lane"] = [line.from_line for line in lines]
    table["to_lane"] = [line.to_line for line in lines]
    kinds = _intersection_kinds(map_graph, map_rows)
    is_lit = (map_rows >= 0) & lanes.has_traffic_lights[known] & (np.arange(len(lines)) >= num_lanes)
    table["light"] = np.where(is_lit, np.cumsum(is_lit) - 1, -1)
    table["must_stop"] = kinds == IntersectionKind.STOP_SIGN
    table["rank"] = _ranks(map_graph, lines, kinds, table["limit"])
    successors = _successors(lines, num_lanes)
    conflicts = _conflicts(map_graph, lines, points, num_lanes)
    for name, rows in (("successor", successors), ("conflict", conflicts), ("point", points)):
        offsets = offsets_of(rows)
        table[f"{name}_begin"], table[f"{name}_end"] = offsets[:-1], offsets[1:]
    flat = [entry for entries in conflicts for entry in entries]
    other = np.array([entry[0] for entry in flat], dtype=np.int64)
    ranges = zip(table["conflict_begin"], table["conflict_end"], strict=True)
    rank = table["rank"]
    table["gives_way"] = [bool((rank[other[a:b]] > rank[row]).any()) for row, (a, b) in enumerate(ranges)]
    sinks = np.array([line.map_row < 0 and line.from_line < 0 for line in lines])
    return DrivingNetwork(
        net=LaneNetwork(
            num_lanes=num_lanes,
            lanes=table,
            successors=np.concatenate([np.array(rows, dtype=np.int64) for rows in successors]),
            conflict_other=other,
            conflict_zones=np.array([entry[1] for entry in flat]).reshape(-1, 4),
            conflict_along=np.array([entry[2] for entry in flat], dtype=np.bool_),
            walk_path=np.zeros(0, dtype=np.int64),
            walk_zones=np.zeros((0, 3)),
            points=np.concatenate(points),
        ),
        map_rows=map_rows,
        row_of={int(row): place for place, row in enumerate(map_rows.tolist()) if row >= 0},
        light_ids=lanes.ids[map_rows[is_lit]],
        is_sink=sinks,
    )


def _lines(map_graph: MapGraph, center: Float64[np.ndarray, "2"]) -> tuple[list[_Line], int]:
    """Lanes, then connectors: those of the map, added ones, and sinks at the ends."""
    lanes = map_graph.lanes
    rows = map_graph.lane_rows_near(center, REACH_M)
    lane_rows = rows[rows < lanes.num_lanes].tolist()
    place_of = {row: place for place, row in enumerate(lane_rows)}
    lane_lines = [_Line(_clean(lanes.centerlines[row]), row, -1, -1) for row in lane_rows]
    connectors: list[tuple[np.ndarray, int, int, int]] = []
    has_next = dict.fromkeys(lane_rows, False)
    for row in rows[rows >= lanes.num_lanes].tolist():
        before, after = lanes.predecessors[row], lanes.successors[row]
        if len(before) and len(after) and int(before[0]) in place_of and int(after[0]) in place_of:
            line = _clean(lanes.centerlines[row])
            connectors.append((line, row, place_of[int(before[0])], place_of[int(after[0])]))
            has_next[int(before[0])] = True
    for row in lane_rows:
        for after in lanes.successors[row].tolist():
            if after in place_of:
                ends = np.stack([lanes.centerlines[row][-1], lanes.centerlines[after][0]])
                if np.hypot(*(ends[1] - ends[0])) < LINK_M:
                    ends = _straight_on(lane_lines[place_of[row]].points, LINK_M)
                connectors.append((ends, -1, place_of[row], place_of[after]))
                has_next[row] = True
    for row, continues in has_next.items():
        if not continues:
            own = lane_lines[place_of[row]].points
            link = _straight_on(own, LINK_M)
            connectors.append((link, -1, place_of[row], len(lane_lines)))
            lane_lines.append(_Line(_straight_on(np.stack([own[-1], link[-1]]), SINK_M), -1, -1, -1))
    return [*lane_lines, *(_Line(*entry) for entry in connectors)], len(lane_lines)


def _clean(points: Float64[np.ndarray, "points 2"]) -> Float64[np.ndarray, "kept 2"]:
    """The line without repeated points."""
    moved = np.concatenate([[True], np.hypot(*np.diff(points, axis=0).T) > 1e-3])
    kept = points[moved]
    return kept if len(kept) > 1 else _straight_on(np.stack([points[0], points[0] + [LINK_M, 0.0]]), LINK_M)


def _straight_on(points: Float64[np.ndarray, "points 2"], length_m: float) -> Float64[np.ndarray, "3 2"]:
    """A straight line from the end of a line on."""
    step = points[-1] - points[-2]
    ahead = step / np.hypot(*step)
    return points[-1] + ahead * np.array([[0.0], [0.5], [1.0]]) * length_m


def _bend(line: Float64[np.ndarray, "points 4"]) -> float:
    if len(line) < 3:
        return 0.0
    return float(min(np.abs(curvature(line[:, :2]))[1:-1].max(), MAX_BEND))


def _intersection_kinds(map_graph: MapGraph, map_rows: Int64[np.ndarray, "lines"]) -> Int64[np.ndarray, "lines"]:
    """`IntersectionKind` of connectors; -1 for lanes and where unknown."""
    lanes, layer = map_graph.lanes, map_graph.intersections
    places = [layer.row(int(lanes.intersection_ids[row])) if row >= lanes.num_lanes else None for row in map_rows]
    return np.array([-1 if place is None else int(layer.kinds[place]) for place in places])


def _ranks(
    map_graph: MapGraph,
    lines: list[_Line],
    kinds: Int64[np.ndarray, "lines"],
    limits: Float64[np.ndarray, "lines"],
) -> Int64[np.ndarray, "lines"]:
    """Right of way of connectors: by the street where there is no light, and by the turn."""
    streets = np.digitize(limits, STREET_RANK_LIMITS_MPS)
    found = streets.copy()
    for place, line in enumerate(lines):
        if line.from_line < 0:
            continue
        turn = TurnKind(int(map_graph.lanes.turn_kinds[line.map_row])) if line.map_row >= 0 else TurnKind.STRAIGHT
        by_turn = _BY_TURN.get(turn, 0)
        if kinds[place] in _WITHOUT_RANK:
            found[place] = 0
        elif kinds[place] == IntersectionKind.TRAFFIC_LIGHT:
            found[place] = by_turn
        else:
            found[place] = 10 * streets[line.from_line] + by_turn
    return found


def _successors(lines: list[_Line], num_lanes: int) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in lines]
    for place, line in enumerate(lines[num_lanes:], start=num_lanes):
        found[line.from_line].append(place)
        found[place].append(line.to_line)
    return found


def _conflicts(
    map_graph: MapGraph, lines: list[_Line], points: list[np.ndarray], num_lanes: int
) -> list[list[tuple[int, np.ndarray, bool]]]:
    """Per line, the connectors that share ground with it: those of the same intersection or the same place."""
    found: list[list[tuple[int, np.ndarray, bool]]] = [[] for _ in lines]
    boxes = np.array([[*line[:, :2].min(axis=0), *line[:, :2].max(axis=0)] for line in points]).reshape(-1, 4)
    for a in range(num_lanes, len(lines)):
        rest = np.arange(a + 1, len(lines))
        near = (boxes[rest, :2] < boxes[a, 2:] + CLEARANCE_M).all(axis=1)
        near &= (boxes[rest, 2:] > boxes[a, :2] - CLEARANCE_M).all(axis=1)
        for b in rest[near].tolist():
            zone, angle = shared_ground(points[a], points[b], CLEARANCE_M)
            if angle < 0.0 or lines[a].to_line == lines[b].from_line or lines[b].to_line == lines[a].from_line:
                continue
            along = angle < ALONG_BELOW_RAD or lines[a].from_line == lines[b].from_line
            found[a].append((b, zone, along))
            found[b].append((a, zone[[OTHER_BEGIN, OTHER_END, OWN_BEGIN, OWN_END]], along))
    return found


def pose_along(net: LaneNetwork, row: int, along_m: Float64[np.ndarray, "steps"]) -> Float64[np.ndarray, "steps 3"]:
    """Poses on a line of the network."""
    begin, end = net.lanes["point_begin"][row], net.lanes["point_end"][row]
    line = net.points[begin:end]
    return np.stack([np.interp(along_m, line[:, ALONG], line[:, column]) for column in (0, 1, HEADING)], axis=-1)
