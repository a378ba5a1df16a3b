"""The route as student and teacher see it: a line of samples ahead, with room to both sides.

Both judge progress along the same line. It starts in the lane under the ego, or in a lane beside it where only that
one leads on.
"""

from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import numpy as np
import shapely
from jaxtyping import Bool, Float64, Int64, UInt8

from driving import EgoState, MapGraph, Route
from planning.rule_based.centerline import dijkstra_lanes, lane_under
from simulation.metrics.pdm.areas import ScoringAreas, scoring_areas
from simulation.metrics.pdm.rules import TUPLAN_RULES

SPACING_M = 2.0
"""Between samples of a lane."""
MAX_ROOM_M = 8.0
"""As far as room to the side is measured."""
ROOM_STEP_M = 0.25
SEARCH_RADIUS_M = 50.0
FALLBACK_SPEED_MPS = 15.0
"""Where the lane has no limit."""
_ANYWHERE = replace(TUPLAN_RULES, radius_m=1e7)
"""The whole map is known."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LaneSamples:
    """Points along one lane or a chain of lanes, every 2 m."""

    poses: Float64[np.ndarray, "samples 3"]
    """x [m], y [m], heading [rad], global."""
    room_m: Float64[np.ndarray, "samples 4"]
    """To the left and right edge of what can be driven on, to the left and right edge of this direction's lanes."""
    limit_mps: Float64[np.ndarray, "samples"]
    rows: Int64[np.ndarray, "samples"]
    """The lane of each point."""
    is_connector: Bool[np.ndarray, "samples"]


_SAMPLES: WeakKeyDictionary[MapGraph, dict[int, LaneSamples]] = WeakKeyDictionary()


def lane_samples(map_graph: MapGraph, row: int) -> LaneSamples:
    """The samples of a lane, made once and kept as long as the map."""
    known = _SAMPLES.setdefault(map_graph, {})
    if row not in known:
        known[row] = _sample_lane(map_graph, row)
    return known[row]


def _sample_lane(map_graph: MapGraph, row: int) -> LaneSamples:
    line = map_graph.centerline(row)
    along_m = np.arange(0.0, max(line.length_m - 1e-6, 1e-3), SPACING_M)
    poses = line.at(along_m)
    aside_m = np.arange(ROOM_STEP_M, MAX_ROOM_M + ROOM_STEP_M / 2, ROOM_STEP_M)
    left = np.stack([-np.sin(poses[:, 2]), np.cos(poses[:, 2])], axis=-1)
    rays = np.stack([1.0, -1.0])[np.newaxis, :, np.newaxis] * aside_m
    points = poses[:, np.newaxis, np.newaxis, :2] + rays[..., np.newaxis] * left[:, np.newaxis, np.newaxis]
    flat = points.reshape(-1, 2)
    drivable = map_graph.lanes.areas.contains(flat) | map_graph.carparks.contains(flat)
    block = int(map_graph.lanes.roadblock_ids[row])
    own = np.zeros(len(flat), dtype=bool)
    if map_graph.has_roadblock(block):
        own = shapely.contains_xy(map_graph.roadblock_polygon(block), flat[:, 0], flat[:, 1])
    room_m = [
        np.logical_and.accumulate(inside.reshape(points.shape[:3]), axis=-1).sum(axis=-1) * ROOM_STEP_M
        for inside in (drivable, own)
    ]
    limit_mps = map_graph.speed_limit_mps(row, FALLBACK_SPEED_MPS)
    return LaneSamples(
        poses=poses,
        room_m=np.concatenate(room_m, axis=-1).astype(np.float64),
        limit_mps=np.full(len(poses), limit_mps, dtype=np.float64),
        rows=np.full(len(poses), row, dtype=np.int64),
        is_connector=np.full(len(poses), map_graph.lanes.is_connector(row)),
    )


class RoadAhead:
    """One map and route, with what is looked up in them again and again."""

    def __init__(self, map_graph: MapGraph, route: Route) -> None:
        """Find the lanes of the route.

        Raises:
            ValueError: When the route names no lane of the map.
        """
        self.map, self.route = map_graph, route
        blocks = dict.fromkeys(route.roadblock_ids)
        rows = [row for block in blocks for row in map_graph.lane_rows_of_roadblock(block)]
        if not rows:
            raise ValueError(
                f"The route names no lane of map {map_graph.name} ({len(route.roadblock_ids)} roadblocks);"
                " student and teacher need a route to follow."
            )
        self.rows: list[int] = list(dict.fromkeys(rows))
        self.on_route: set[int] = set(self.rows)
        self._blocks: list[int] = [block for block in blocks if map_graph.lane_rows_of_roadblock(block)]
        self._chains: dict[int, LaneSamples] = {}
        self.areas: ScoringAreas = scoring_areas(map_graph)
        self.kinds: UInt8[np.ndarray, areas] = self.areas.kinds_near(
            np.zeros(2), self.areas.on_route(self.rows), _ANYWHERE
        )

    def line(self, ego: EgoState) -> LaneSamples:
        """Samples of the lanes ahead, from the start of the one under the ego."""
        start = lane_under(self.map, self.rows, self.on_route, ego, SEARCH_RADIUS_M)
        if start not in self._chains:
            self._chains[start] = self._chain(start)
        return self._chains[start]

    def _chain(self, start: int) -> LaneSamples:
        beside = [start]
        for step in (self.map.left_neighbor, self.map.right_neighbor):
            row = step(start)
            while row is not None and row in self.on_route:
                beside.append(row)
                row = step(row)
        chains = [dijkstra_lanes(self.map, self._blocks, self.on_route, row) for row in beside]
        # The first of those that lead farthest: the ego's own lane where it leads as far as the others.
        best = max(range(len(chains)), key=lambda i: (self._stage(chains[i][-1]), -i))
        parts = [lane_samples(self.map, row) for row in chains[best]]
        return LaneSamples(
            poses=np.concatenate([part.poses for part in parts]),
            room_m=np.concatenate([part.room_m for part in parts]),
            limit_mps=np.concatenate([part.limit_mps for part in parts]),
            rows=np.concatenate([part.rows for part in parts]),
            is_connector=np.concatenate([part.is_connector for part in parts]),
        )

    def _stage(self, row: int) -> int:
        block = int(self.map.lanes.roadblock_ids[row])
        return self._blocks.index(block) if block in self._blocks else -1


class RoadCache:
    """The road ahead of the last few routes; a planner in lockstep has many."""

    def __init__(self, capacity: int = 64) -> None:
        self._capacity = capacity
        self._roads: dict[int, RoadAhead] = {}

    def get(self, map_graph: MapGraph, route: Route) -> RoadAhead:
        """The road of a route, made when first asked for.

        Raises:
            ValueError: When the route names no lane of the map.
        """
        road = self._roads.get(id(route))
        # The kept road holds its route, so that an id is not given to another one meanwhile.
        if road is None or road.route is not route or road.map is not map_graph:
            road = RoadAhead(map_graph, route)
            while len(self._roads) >= self._capacity:
                self._roads.pop(next(iter(self._roads)))
            self._roads[id(route)] = road
        return road
