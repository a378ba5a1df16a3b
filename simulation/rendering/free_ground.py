"""Ground beside the road: obstacles of props, and stations along the kerbs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely
from jaxtyping import Bool, Float64, Int64, Shaped

from driving.map import AreaLayer, MapGraph

Region = tuple[float, float, float, float]
"""x_min, y_min, x_max, y_max, global [m]."""

CLEARANCE_M = 0.5
"""Least distance of a prop from road, crosswalks and walkways."""
STATION_SPACING_M = 7.0
KERB_OFFSETS_M = np.array([2.2, 3.2, 4.4, 6.0, 8.0, 10.5, 13.5])
"""Distances from the centerline of an outer lane at which the edge of the paved ground is searched."""
MEDIAN_OFFSETS = 3
"""The first distances, which are searched on the left of a leftmost lane: oncoming traffic is further left."""
BISECTIONS = 3
MIN_FREE_M = 0.6
"""Width of free ground behind the edge: a narrower gap between road and walkway does not count."""
HALF_LANE_M = 1.75
"""Half the width of a lane that has no polygon."""


def noise(seed: int, count: int, *numbers: Int64[np.ndarray, "items"]) -> Float64[np.ndarray, "count items"]:
    """Independent uniform numbers in [0, 1): `count` for each item, which depend on the seed and its numbers only.

    Source:
        SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
    """
    golden = np.uint64(0x9E3779B97F4A7C15)
    state: np.ndarray = np.full(len(numbers[0]), seed, dtype=np.int64).astype(np.uint64)
    for part in numbers:
        state = _mixed(state + golden) ^ part.astype(np.uint64)
    steps = np.arange(1, count + 1, dtype=np.uint64)[:, np.newaxis] * golden
    return (_mixed(_mixed(state) + steps) >> np.uint64(11)).astype(np.float64) / 2.0**53


def _mixed(state: np.ndarray) -> np.ndarray:
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


_CIRCLE = np.stack([np.cos(np.arange(8) * np.pi / 4), np.sin(np.arange(8) * np.pi / 4)], axis=-1) / np.cos(np.pi / 8)


def octagons(
    centres: Float64[np.ndarray, "shapes 2"], radii_m: float | Float64[np.ndarray, "shapes"]
) -> Shaped[np.ndarray, "shapes"]:
    """Octagons around circles."""
    radii = np.broadcast_to(radii_m, len(centres))
    return shapely.polygons(centres[:, np.newaxis] + radii[:, np.newaxis, np.newaxis] * _CIRCLE)


@dataclass(frozen=True, kw_only=True, eq=False)
class FreeGround:
    """Polygons of a map near a region that props keep away from."""

    road: np.ndarray
    """Drivable areas, lanes and connectors, crosswalks."""
    walkways: np.ndarray
    kept_free: Float64[np.ndarray, "points 2"]
    """Further points that props keep away from, for example positions of agents."""
    kept_free_m: float = 3.0
    """Distance from these points."""

    @classmethod
    def around(cls, graph: MapGraph, bounds: Region, kept_free: Float64[np.ndarray, "points 2"]) -> "FreeGround":
        """The obstacles within bounds."""
        lanes = graph.lanes
        layers = (
            lanes.areas,
            graph.road_segments,
            graph.intersections,
            graph.generic_drivable_areas,
            graph.carparks,
            graph.crosswalks,
        )
        box = shapely.box(*bounds)
        road = [layer.polygons[_rows_within(layer, box)] for layer in layers]
        bare = np.flatnonzero(shapely.is_empty(lanes.areas.polygons))
        lines = [shapely.LineString(lanes.centerlines[row]) for row in bare if len(lanes.centerlines[row]) > 1]
        road.append(np.array([line.buffer(HALF_LANE_M) for line in lines if line.intersects(box)], dtype=object))
        x_min, y_min, x_max, y_max = bounds
        inside = (kept_free >= (x_min, y_min)).all(axis=1) & (kept_free <= (x_max, y_max)).all(axis=1)
        return cls(
            road=np.concatenate(road),
            walkways=graph.walkways.polygons[_rows_within(graph.walkways, box)],
            kept_free=kept_free[inside],
        )

    @cached_property
    def paved(self) -> np.ndarray:
        """Road, then walkways."""
        paved = np.concatenate([self.road, self.walkways])
        shapely.prepare(paved)
        return paved

    def is_free(self, shapes: Sequence[shapely.Geometry] | np.ndarray) -> Bool[np.ndarray, "shapes"]:
        """Whether each shape touches neither road nor walkways, and keeps its distance from kept points."""
        return self.off_road_and_walkways(shapes)[1]

    def off_road_and_walkways(
        self, shapes: Sequence[shapely.Geometry] | np.ndarray
    ) -> tuple[Bool[np.ndarray, "shapes"], Bool[np.ndarray, "shapes"]]:
        """Whether each shape is off the road and off kept points, and whether it is off walkways too."""
        off_road = np.ones(len(shapes), dtype=bool)
        if not len(shapes):
            return off_road, off_road
        # The polygons query the shapes, not the reverse: a polygon is prepared once for all shapes.
        tree = shapely.STRtree(shapes)
        obstacles, touched = tree.query(self.paved, predicate="intersects")
        is_road = obstacles < len(self.road)
        off_road[touched[is_road]] = False
        if len(self.kept_free):
            points = shapely.points(self.kept_free)
            off_road[tree.query(points, predicate="dwithin", distance=self.kept_free_m)[1]] = False
        off_walkways = off_road.copy()
        off_walkways[touched[~is_road]] = False
        return off_road, off_walkways


def _rows_within(layer: AreaLayer, box: shapely.Polygon) -> Int64[np.ndarray, "found"]:
    return np.sort(layer.tree.query(box))


@dataclass(frozen=True, kw_only=True, eq=False)
class KerbStations:
    """Places along the outer edges of streets, every `STATION_SPACING_M` of a lane."""

    points: Float64[np.ndarray, "stations 2"]
    """On the edge of the paved ground, global."""
    outward: Float64[np.ndarray, "stations 2"]
    """Unit vector away from the road."""
    road_ids: Int64[np.ndarray, "stations"]
    """Roadblock."""
    lane_ids: Int64[np.ndarray, "stations"]
    """Lane, negative for its left side."""
    places: Int64[np.ndarray, "stations"]
    """Number of the station along the lane."""

    def __len__(self) -> int:
        return len(self.places)

    @cached_property
    def headings(self) -> Float64[np.ndarray, "stations"]:
        """Of the direction away from the road."""
        return np.arctan2(self.outward[:, 1], self.outward[:, 0])


def kerb_stations(graph: MapGraph, ground: FreeGround, bounds: Region) -> KerbStations:
    """Stations on the right of rightmost lanes and on the left of leftmost lanes, where the paved ground ends.

    The stations of a lane do not depend on the bounds.
    """
    lanes = graph.lanes
    near = np.sort(lanes.areas.tree.query(shapely.box(*bounds)))
    rows, signs = [], []
    for row in near[near < lanes.num_lanes].tolist():
        for neighbor, sign in ((graph.right_neighbor(row), -1.0), (graph.left_neighbor(row), 1.0)):
            if neighbor is None and len(lanes.centerlines[row]) > 1:
                rows.append(row)
                signs.append(sign)
    lines = [lanes.centerlines[row] for row in rows]
    if not lines:
        return KerbStations(
            points=np.zeros((0, 2)),
            outward=np.zeros((0, 2)),
            road_ids=np.zeros(0, dtype=np.int64),
            lane_ids=np.zeros(0, dtype=np.int64),
            places=np.zeros(0, dtype=np.int64),
        )
    middle, ahead, side, places = _along(lines)
    sign = np.array(signs)[side]
    normal = np.stack([-ahead[:, 1], ahead[:, 0]], axis=-1) * sign[:, np.newaxis]
    edge_m = _edge_m(ground, middle, normal, sign)
    found = np.isfinite(edge_m)
    lane_rows = np.array(rows)[side[found]]
    return KerbStations(
        points=middle[found] + edge_m[found, np.newaxis] * normal[found],
        outward=normal[found],
        road_ids=lanes.roadblock_ids[lane_rows],
        lane_ids=(lanes.ids[lane_rows] * -sign[found]).astype(np.int64),
        places=places[found],
    )


def _along(lines: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Points and directions of stations on lines, with the number of the line and of the station on it."""
    points = np.concatenate(lines)
    steps = np.hypot(*np.diff(points, axis=0, prepend=points[:1]).T)
    starts = np.cumsum([0, *map(len, lines)])[:-1]
    # A gap of 1 m between lines: positions on them stay unique.
    steps[starts[1:]] = 1.0
    along = np.cumsum(steps)
    ends = along[np.append(starts[1:], len(points)) - 1]
    lengths = ends - along[starts]
    counts = np.maximum(np.floor((lengths - 1.0) / STATION_SPACING_M + 0.5), 0).astype(np.int64)
    side = np.repeat(np.arange(len(lines)), counts)
    places = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    at = along[starts][side] + (places + 0.5) * STATION_SPACING_M
    x, y = points.T
    before, after = np.maximum(at - 1.0, along[starts][side]), np.minimum(at + 1.0, ends[side])
    ahead = np.stack([np.interp(after, along, axis) - np.interp(before, along, axis) for axis in (x, y)], axis=-1)
    ahead /= np.maximum(np.hypot(*ahead.T), 1e-9)[:, np.newaxis]
    middle = np.stack([np.interp(at, along, x), np.interp(at, along, y)], axis=-1)
    return middle, ahead, side, places


def _edge_m(ground: FreeGround, middle: np.ndarray, normal: np.ndarray, sign: np.ndarray) -> np.ndarray:
    """Distance from the centerline to the edge of the paved ground; inf without any within the offsets."""

    def is_free(offsets_m: np.ndarray, rows: np.ndarray) -> np.ndarray:
        ends = offsets_m[:, np.newaxis] + np.array([0.0, MIN_FREE_M])
        points = middle[rows, np.newaxis] + ends[..., np.newaxis] * normal[rows, np.newaxis]
        return ground.is_free(shapely.linestrings(points))

    # Of each station only the offsets up to the first free one are tested.
    low, high = np.ones(len(middle)), np.full(len(middle), np.inf)
    rows = np.arange(len(middle))
    for number, offset_m in enumerate(KERB_OFFSETS_M.tolist()):
        if number == MEDIAN_OFFSETS:
            rows = rows[sign[rows] <= 0]
        fits = is_free(np.full(len(rows), offset_m), rows)
        high[rows[fits]] = offset_m
        rows = rows[~fits]
        low[rows] = offset_m
    rows = np.flatnonzero(np.isfinite(high))
    for _ in range(BISECTIONS):
        half = (low[rows] + high[rows]) / 2
        fits = is_free(half, rows)
        high[rows], low[rows] = np.where(fits, half, high[rows]), np.where(fits, low[rows], half)
    return high
