"""The line of the route ahead, sampled every 2 m, with distances to the edges of the road on both sides.

Student and teacher measure progress along this line. It starts on the lane under the ego, or on a parallel lane if
only that one leads on along the route.
"""

from dataclasses import dataclass, fields, replace
from weakref import WeakKeyDictionary

import numpy as np
import shapely
from jaxtyping import Bool, Float64, Int64, UInt8

from driving.ego import EgoState
from driving.map import MapGraph
from driving.route import Route
from planning.lane_sampling import FALLBACK_SPEED_MPS, sample_lane
from planning.rule_based.centerline import dijkstra_lanes, lane_under
from simulation.geometry.polygons import FlatPolygons, any_contains_each, flatten_polygons
from simulation.metrics.pdm.areas import ScoringAreas, scoring_areas
from simulation.metrics.pdm.rules import TUPLAN_RULES

MAX_EDGE_M = 8.0
"""Distances to the edges of the road are measured up to here."""
EDGE_STEP_M = 0.25
SEARCH_RADIUS_M = 50.0
_WHOLE_MAP = replace(TUPLAN_RULES, radius_m=1e7)


@dataclass(frozen=True, kw_only=True, eq=False)
class LaneSamples:
    """Samples of one lane or of a chain of lanes, every 2 m."""

    poses: Float64[np.ndarray, "samples 3"]
    """x [m], y [m], heading [rad], global."""
    edges_m: Float64[np.ndarray, "samples 4"]
    """Distance to the left and right edge of lanes and car parks, and of the lanes of this direction [m]."""
    limit_mps: Float64[np.ndarray, "samples"]
    rows: Int64[np.ndarray, "samples"]
    """Lane of each sample."""
    is_connector: Bool[np.ndarray, "samples"]

    @classmethod
    def joined(cls, parts: list["LaneSamples"]) -> "LaneSamples":
        """One after the other."""
        names = [field.name for field in fields(cls)]
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


_SAMPLES: WeakKeyDictionary[MapGraph, dict[int, LaneSamples]] = WeakKeyDictionary()
_ROADS: WeakKeyDictionary[MapGraph, FlatPolygons] = WeakKeyDictionary()


def lane_samples(map_graph: MapGraph, row: int) -> LaneSamples:
    """Samples of a lane, computed once per map."""
    known = _SAMPLES.setdefault(map_graph, {})
    if row not in known:
        known[row] = _samples_of(map_graph, row)
    return known[row]


def _road(map_graph: MapGraph) -> FlatPolygons:
    """Lanes, connectors and car parks, flattened once per map."""
    if map_graph not in _ROADS:
        layers = (map_graph.lanes.areas, map_graph.carparks)
        _ROADS[map_graph] = flatten_polygons(np.concatenate([layer.polygons for layer in layers]))
    return _ROADS[map_graph]


def _samples_of(map_graph: MapGraph, row: int) -> LaneSamples:
    poses = sample_lane(map_graph, row)
    lateral_m = np.arange(EDGE_STEP_M, MAX_EDGE_M + EDGE_STEP_M / 2, EDGE_STEP_M)
    left = np.stack([-np.sin(poses[:, 2]), np.cos(poses[:, 2])], axis=-1)
    rays = np.stack([1.0, -1.0])[np.newaxis, :, np.newaxis] * lateral_m
    points = poses[:, np.newaxis, np.newaxis, :2] + rays[..., np.newaxis] * left[:, np.newaxis, np.newaxis]
    flat = points.reshape(-1, 2)
    drivable = any_contains_each(_road(map_graph), flat)
    block = int(map_graph.lanes.roadblock_ids[row])
    own = np.zeros(len(flat), dtype=bool)
    if map_graph.has_roadblock(block):
        own = shapely.contains_xy(map_graph.roadblock_polygon(block), flat[:, 0], flat[:, 1])
    edges_m = [
        np.logical_and.accumulate(inside.reshape(points.shape[:3]), axis=-1).sum(axis=-1) * EDGE_STEP_M
        for inside in (drivable, own)
    ]
    limit_mps = map_graph.speed_limit_mps(row, FALLBACK_SPEED_MPS)
    return LaneSamples(
        poses=poses,
        edges_m=np.concatenate(edges_m, axis=-1).astype(np.float64),
        limit_mps=np.full(len(poses), limit_mps, dtype=np.float64),
        rows=np.full(len(poses), row, dtype=np.int64),
        is_connector=np.full(len(poses), map_graph.lanes.is_connector(row)),
    )


class RouteContext:
    """One map and route, with the lanes of the route, the areas of the map and the lines found so far."""

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
        self._lines: dict[int, LaneSamples] = {}
        self.areas: ScoringAreas = scoring_areas(map_graph)
        self.kinds: UInt8[np.ndarray, areas] = self.areas.kinds_near(
            np.zeros(2), self.areas.on_route(self.rows), _WHOLE_MAP
        )

    def line(self, ego: EgoState) -> LaneSamples:
        """Samples of the lanes ahead, from the start of the lane under the ego."""
        start = lane_under(self.map, self.rows, self.on_route, ego, SEARCH_RADIUS_M)
        if start not in self._lines:
            rows = self._lanes_from(start)
            self._lines[start] = LaneSamples.joined([lane_samples(self.map, row) for row in rows])
        return self._lines[start]

    def _lanes_from(self, start: int) -> list[int]:
        starts = [start]
        for step in (self.map.left_neighbor, self.map.right_neighbor):
            row = step(start)
            while row is not None and row in self.on_route:
                starts.append(row)
                row = step(row)
        chains = [dijkstra_lanes(self.map, self._blocks, self.on_route, row) for row in starts]
        # Of the chains that lead farthest the first, so that the ego keeps its lane if possible.
        best = max(range(len(chains)), key=lambda i: (self._block_index(chains[i][-1]), -i))
        return chains[best]

    def _block_index(self, row: int) -> int:
        block = int(self.map.lanes.roadblock_ids[row])
        return self._blocks.index(block) if block in self._blocks else -1


class RouteContextCache:
    """Contexts of the last routes; a planner that drives scenarios in lockstep has many."""

    def __init__(self, capacity: int = 64) -> None:
        self._capacity = capacity
        self._contexts: dict[int, RouteContext] = {}

    def get(self, map_graph: MapGraph, route: Route) -> RouteContext:
        """The context of a route, made on first use.

        Raises:
            ValueError: When the route names no lane of the map.
        """
        context = self._contexts.get(id(route))
        # A kept context holds its route, so that its id is not given to another one meanwhile.
        if context is None or context.route is not route or context.map is not map_graph:
            context = RouteContext(map_graph, route)
            while len(self._contexts) >= self._capacity:
                self._contexts.pop(next(iter(self._contexts)))
            self._contexts[id(route)] = context
        return context
