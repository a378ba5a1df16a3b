"""Paths of agents: the logged path while it lasts, then along the lane graph.

A path holds poses by arc length, so that an agent that drives along it keeps the logged headings and lateral offsets.
Beside the poses it holds speed limits and gates: places where a lane connector begins, with its right of way.
"""

import weakref
from typing import NamedTuple

import numpy as np
import shapely
from jaxtyping import Bool, Float64, Int8, Int64

from driving.agents import AgentKind
from driving.map import MapGraph, StopLineKind
from driving.scenario import Scenario
from simulation.geometry.compiling import njit
from simulation.geometry.lane_anchors import LaneLines, lane_anchors, lane_lines

X, Y, HEADING, ARC, LIMIT = range(5)
"""Columns of a path's vertices."""
LIGHT, STOP, YIELD, FREE = range(4)
"""Kinds of gates: traffic light, stop line, yield line, junction without either."""
VERTEX_SPACING_M = 0.5
"""Least distance between logged vertices: a standing agent's jitter makes no path."""
MIN_PATH_AHEAD_M = 300.0
"""Distance along the lane graph that is appended to a logged path: 15 s at 20 m/s."""
DEFAULT_LIMIT_MPS = 13.9
"""Speed limit of lanes without one."""
MAX_LANE_OFFSET_M, MAX_LANE_HEADING_RAD = 2.0, 0.6
"""An agent beyond one of these does not follow its nearest lane."""
OFFSET_DECAY_M = 20.0
"""The offset of the logged path's end from its lane decays by 1/e over this distance."""
MAX_STOP_LINE_GAP_M = 4.0
"""Farthest stop line that belongs to the start of a connector."""


class Paths(NamedTuple):
    """Paths of A agents on flat arrays; agents without a path have no vertices."""

    offsets: Int64[np.ndarray, "agents_and_end"]
    vertices: Float64[np.ndarray, "vertices 5"]
    """x, y, unwrapped heading of the box centre, arc length [m], speed limit [m/s]."""
    gate_offsets: Int64[np.ndarray, "agents_and_end"]
    gate_arc: Float64[np.ndarray, "gates"]
    """Arc length at which the box centre reaches the connector."""
    gate_rows: Int64[np.ndarray, "gates"]
    """Row of the connector in `MapGraph.lanes`."""
    gate_kinds: Int8[np.ndarray, "gates"]
    is_open: Bool[np.ndarray, "agents"]
    """Whether the agent leaves the scene at the end of its path; else it stops there."""


class _Path(NamedTuple):
    vertices: np.ndarray
    rows: np.ndarray
    """Lane row of each vertex, -1 beside lanes."""
    is_open: bool


class PathBuilder:
    """Builds the paths of one scenario's agents."""

    def __init__(self, scenario: Scenario, seed: int = 0) -> None:
        """Prepare the map.

        Args:
            scenario: Its log gives the paths.
            seed: Of the choice between successors of a lane, where the log says nothing.
        """
        self._scenario = scenario
        self._seed = seed
        self._lines = lane_lines(scenario.map)
        ids = np.unique(scenario.traffic_lights.lane_connector_ids).tolist()
        rows = [scenario.map.lanes.areas.row(lane_id) for lane_id in ids]
        self._lit = {row for row in rows if row is not None}

    def build(self, rows: Int64[np.ndarray, "rows"]) -> Paths:
        """Paths of the agents in some rows; the other agents have none."""
        agents = self._scenario.agents
        empty = _Path(np.zeros((0, 5)), np.zeros(0, dtype=np.int64), False)
        found = [empty] * agents.num_agents
        for row in rows.tolist():
            found[row] = self._path(row)
        gates = [self._gates(path) for path in found]
        counts = [0, *(len(path.vertices) for path in found)]
        return Paths(
            offsets=np.cumsum(counts).astype(np.int64),
            vertices=np.concatenate([np.zeros((0, 5)), *(path.vertices for path in found)]),
            gate_offsets=np.cumsum([0, *(len(each) for each in gates)]).astype(np.int64),
            gate_arc=np.array([gate[0] for each in gates for gate in each], dtype=np.float64),
            gate_rows=np.array([gate[1] for each in gates for gate in each], dtype=np.int64),
            gate_kinds=np.array([gate[2] for each in gates for gate in each], dtype=np.int8),
            is_open=np.array([path.is_open for path in found], dtype=bool),
        )

    def _path(self, row: int) -> _Path:
        agents, lanes = self._scenario.agents, self._scenario.map.lanes
        steps = np.flatnonzero(agents.valid[row])
        logged = agents.poses[row, steps]
        kept = logged[_spaced(logged, VERTEX_SPACING_M)]
        anchors = lane_anchors(self._scenario.map, kept)
        near = anchors.has_lane & (np.abs(anchors.lateral_m) < 2 * MAX_LANE_OFFSET_M)
        lane_rows = _through_junctions(np.where(near, anchors.rows, -1), self._scenario.map)
        ahead, ahead_rows, is_dead_end = self._along_lanes(row, kept[-1])
        poses = np.concatenate([kept, ahead])
        lane_rows = np.concatenate([lane_rows, ahead_rows])
        if len(poses) == 1:  # It stands, and on no lane: a path of no use but for its pose.
            x, y, heading = kept[0]
            poses = np.stack([kept[0], [x + np.cos(heading), y + np.sin(heading), heading]])
            lane_rows = np.repeat(lane_rows, 2)
        limit = np.full(len(poses), np.nan)
        limit[lane_rows >= 0] = lanes.speed_limit_mps[lane_rows[lane_rows >= 0]]
        vertices = np.empty((len(poses), 5))
        vertices[:, :2] = poses[:, :2]
        vertices[:, HEADING] = np.unwrap(poses[:, 2])
        vertices[:, ARC] = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(poses[:, :2], axis=0).T))])
        vertices[:, LIMIT] = np.where(np.isnan(limit), DEFAULT_LIMIT_MPS, limit)
        ends_early = steps[-1] < len(self._scenario.time_us) - 1
        return _Path(vertices, lane_rows, is_dead_end if len(ahead) else bool(ends_early))

    def _along_lanes(self, agent: int, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
        """Poses along the lane graph from a pose on, their lane rows, and whether the lanes end there."""
        map_graph = self._scenario.map
        anchors = lane_anchors(map_graph, pose[np.newaxis])
        row = int(anchors.rows[0])
        lateral_m, turn = float(anchors.lateral_m[0]), float(anchors.heading_offset_rad[0])
        if row < 0 or not is_on_lane(lateral_m, turn):
            return np.zeros((0, 3)), np.zeros(0, dtype=np.int64), False
        rng = np.random.default_rng([self._seed, agent])
        begin_m = float(anchors.along_m[0]) + 1.0
        pieces, rows, distance_m, is_dead_end = [], [], 0.0, False
        while distance_m < MIN_PATH_AHEAD_M:
            piece = _lane_from(self._lines, row, begin_m)
            if len(piece):
                pieces.append(piece)
                rows.append(np.full(len(piece), row, dtype=np.int64))
                distance_m += 1.0 + float(np.hypot(*np.diff(piece[:, :2], axis=0).T).sum())
            following = map_graph.lanes.successors[row]
            if not len(following):
                is_dead_end = True
                break
            # A successor begins where its lane ends.
            row, begin_m = int(following[int(rng.integers(len(following)))]), 0.5
        if not pieces:
            return np.zeros((0, 3)), np.zeros(0, dtype=np.int64), False
        poses = np.concatenate(pieces)
        along_m = 1.0 + np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(poses[:, :2], axis=0).T))])
        fading = np.exp(-along_m / OFFSET_DECAY_M)
        offset_m = lateral_m * fading
        poses[:, 0] -= offset_m * np.sin(poses[:, 2])
        poses[:, 1] += offset_m * np.cos(poses[:, 2])
        poses[:, 2] += turn * np.exp(-along_m / (OFFSET_DECAY_M / 4))
        return poses, np.concatenate(rows), is_dead_end

    def _gates(self, path: _Path) -> list[tuple[float, int, int]]:
        """Arc length, connector row and kind of each entry into a junction."""
        num_lanes = self._scenario.map.lanes.num_lanes
        found = []
        for k in range(1, len(path.rows)):
            row = int(path.rows[k])
            if row >= num_lanes and path.rows[k - 1] != row and path.rows[k - 1] < num_lanes:
                kind = LIGHT if row in self._lit else gate_kind(self._scenario.map, row)
                found.append((float(path.vertices[k, ARC]), row, kind))
        return found


def is_on_lane(lateral_m: float, heading_offset_rad: float) -> bool:
    """Whether a pose with these lane coordinates can follow the lane."""
    return abs(lateral_m) <= MAX_LANE_OFFSET_M and abs(heading_offset_rad) <= MAX_LANE_HEADING_RAD


def standing_off_lane(scenario: Scenario) -> Bool[np.ndarray, "agents"]:
    """Mask of the vehicles and bicycles that are parked: they never move in the log, and follow no lane."""
    agents = scenario.agents
    parked = np.zeros(agents.num_agents, dtype=bool)
    for row in np.flatnonzero(np.isin(agents.kinds, (AgentKind.VEHICLE, AgentKind.BICYCLE))).tolist():
        places = agents.poses[row, agents.valid[row], :2]
        parked[row] = bool((np.ptp(places, axis=0) < 1.0).all())
    rows = np.flatnonzero(parked)
    poses = np.array([agents.poses[row, int(agents.valid[row].argmax())] for row in rows.tolist()]).reshape(-1, 3)
    anchors = lane_anchors(scenario.map, poses)
    for place, row in enumerate(rows.tolist()):
        follows = anchors.is_inside[place] and is_on_lane(
            2 * float(anchors.lateral_m[place]), float(anchors.heading_offset_rad[place])
        )
        parked[row] = not follows or agents.kinds[row] == AgentKind.BICYCLE
    return parked


_GATE_KINDS: weakref.WeakKeyDictionary[MapGraph, dict[int, int]] = weakref.WeakKeyDictionary()


def gate_kind(map_graph: MapGraph, row: int) -> int:
    """Right of way at the start of a connector: `LIGHT`, `STOP`, `YIELD` or `FREE`."""
    known = _GATE_KINDS.setdefault(map_graph, {})
    if row not in known:
        known[row] = LIGHT if map_graph.lanes.has_traffic_lights[row] else _kind_of_line(map_graph, row)
    return known[row]


def _kind_of_line(map_graph: MapGraph, row: int) -> int:
    lines = map_graph.stop_lines
    start = map_graph.lanes.centerlines[row][0]
    near = lines.rows_near(start, MAX_STOP_LINE_GAP_M) if len(lines) else np.zeros(0, dtype=np.int64)
    if not len(near):
        return FREE
    point = shapely.Point(start)
    nearest = min(near.tolist(), key=lambda one: float(shapely.distance(lines.polygons[one], point)))
    kind = int(lines.kinds[nearest])
    return (
        STOP
        if kind == StopLineKind.STOP_SIGN
        else YIELD
        if kind in (StopLineKind.YIELD, StopLineKind.TURN_STOP)
        else FREE
    )


def _through_junctions(rows: np.ndarray, map_graph: MapGraph) -> np.ndarray:
    """Lane rows with one connector for each crossing of a junction: that between the lanes before and behind it."""
    lanes, rows = map_graph.lanes, rows.copy()
    is_connector = rows >= lanes.num_lanes
    edges = np.flatnonzero(np.diff(is_connector.astype(np.int8), prepend=0, append=0))
    for start, stop in edges.reshape(-1, 2).tolist():
        values, counts = np.unique(rows[start:stop], return_counts=True)
        best = int(values[counts.argmax()])
        if start > 0 and stop < len(rows) and rows[start - 1] >= 0 and rows[stop] >= 0:
            before, behind = int(rows[start - 1]), int(rows[stop])
            between = [row for row in lanes.successors[before].tolist() if behind in lanes.successors[row].tolist()]
            best = int(between[0]) if between else best
        rows[start:stop] = best
    return rows


@njit(cache=True)
def _spaced(poses: Float64[np.ndarray, "steps 3"], spacing_m: float) -> Int64[np.ndarray, "kept"]:
    """The first step, and each later one that is far enough from the one kept before."""
    kept = np.zeros(len(poses), dtype=np.int64)
    count = 1
    for k in range(1, len(poses)):
        last = kept[count - 1]
        if np.hypot(poses[k, 0] - poses[last, 0], poses[k, 1] - poses[last, 1]) >= spacing_m:
            kept[count] = k
            count += 1
    return kept[:count].copy()


def _lane_from(lines: LaneLines, row: int, begin_m: float) -> Float64[np.ndarray, "points 3"]:
    """Centerline of a lane from an arc length on, with headings."""
    start, stop = lines.offsets[row], lines.offsets[row + 1]
    arc = lines.arc[start:stop]
    if begin_m >= arc[-1]:
        return np.zeros((0, 3))
    at = np.arange(begin_m, arc[-1], 1.0)
    points = lines.points[start:stop]
    x, y = np.interp(at, arc, points[:, 0]), np.interp(at, arc, points[:, 1])
    step = np.diff(points, axis=0)
    heading = np.unwrap(np.arctan2(step[:, 1], step[:, 0]))
    middle = (arc[1:] + arc[:-1]) / 2
    return np.stack([x, y, np.interp(at, middle, heading)], axis=-1)


@njit(cache=True)
def pose_at(paths: Paths, agent: int, arc_m: float) -> tuple[float, float, float]:
    """Pose on an agent's path at an arc length; beyond its ends the path leads straight on."""
    start, stop = paths.offsets[agent], paths.offsets[agent + 1]
    vertices = paths.vertices
    low, high = start, stop - 1
    while high - low > 1:
        middle = (low + high) // 2
        if vertices[middle, ARC] <= arc_m:
            low = middle
        else:
            high = middle
    span = vertices[high, ARC] - vertices[low, ARC]
    share = (arc_m - vertices[low, ARC]) / span if span > 0.0 else 0.0
    turn = min(max(share, 0.0), 1.0)
    return (
        vertices[low, X] + share * (vertices[high, X] - vertices[low, X]),
        vertices[low, Y] + share * (vertices[high, Y] - vertices[low, Y]),
        vertices[low, HEADING] + turn * (vertices[high, HEADING] - vertices[low, HEADING]),
    )


@njit(cache=True)
def limit_at(paths: Paths, agent: int, arc_m: float) -> float:
    """Speed limit on an agent's path at an arc length [m/s]."""
    start, stop = paths.offsets[agent], paths.offsets[agent + 1]
    k = start + int(np.searchsorted(paths.vertices[start:stop, ARC], arc_m, side="right")) - 1
    return paths.vertices[min(max(k, start), stop - 1), LIMIT]


@njit(cache=True)
def path_length(paths: Paths, agent: int) -> float:
    """Length of an agent's path [m]."""
    return paths.vertices[paths.offsets[agent + 1] - 1, ARC]


@njit(cache=True)
def arc_of(paths: Paths, agent: int, point: tuple[float, float], from_arc_m: float) -> float:
    """Arc length of the path's nearest point, from 8 m behind to 30 m ahead of an arc length; NaN without a path."""
    start, stop = paths.offsets[agent], paths.offsets[agent + 1]
    if stop - start < 2:
        return np.nan
    best, best_arc = np.inf, 0.0
    vertices = paths.vertices
    for k in range(start, stop - 1):
        if vertices[k + 1, ARC] < from_arc_m - 8.0 or vertices[k, ARC] > from_arc_m + 30.0:
            continue
        ax, ay = vertices[k, X], vertices[k, Y]
        dx, dy = vertices[k + 1, X] - ax, vertices[k + 1, Y] - ay
        squared = dx * dx + dy * dy
        share = 0.0
        if squared > 0.0:
            share = min(1.0, max(0.0, ((point[0] - ax) * dx + (point[1] - ay) * dy) / squared))
        gap = (ax + share * dx - point[0]) ** 2 + (ay + share * dy - point[1]) ** 2
        if gap < best:
            best, best_arc = gap, vertices[k, ARC] + share * (vertices[k + 1, ARC] - vertices[k, ARC])
    return best_arc
