"""Kinds of a map's polygons in the PDM score: drivable, lane, on the route, intersection."""

from collections.abc import Mapping, Sequence
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt8

from driving.agents import TrafficLights
from driving.map import MapGraph
from simulation.geometry.area_raster import AreaRaster, rasterize
from simulation.geometry.polygons import FlatPolygons, flatten_polygons
from simulation.metrics.pdm.road import DRIVABLE, INTERSECTION, LANE, ON_ROUTE, touching_square
from simulation.metrics.pdm.rules import PdmRules

_REGION_MARGIN_M = 40.0
"""Margin of a raster around the requested region, so that the next steps find it cached."""


class ScoringAreas:
    """A map's polygons in one table: lanes and connectors, car parks, intersections, roadblocks."""

    def __init__(self, map_graph: MapGraph) -> None:
        layers = (map_graph.lanes.areas, map_graph.carparks, map_graph.intersections, map_graph.roadblocks)
        self.flat: FlatPolygons = flatten_polygons(np.concatenate([layer.polygons for layer in layers]))
        self.starts: list[int] = np.cumsum([0, *(len(layer) for layer in layers)]).tolist()
        self.lane_ids: Int64[np.ndarray, " lanes"] = map_graph.lanes.ids
        self.carpark_ids: Int64[np.ndarray, " carparks"] = map_graph.carparks.ids
        blocks, connectors = map_graph.roadblocks, map_graph.roadblock_connectors
        self._blocks: FlatPolygons = flatten_polygons(np.concatenate([blocks.polygons, connectors.polygons]))
        # Lanes without a roadblock in the map have the row after the last.
        self._block_rows = np.full(len(map_graph.lanes), len(blocks) + len(connectors))
        for layer, start in ((blocks, 0), (connectors, len(blocks))):
            for row, block in enumerate(layer.ids.tolist()):
                self._block_rows[map_graph.lane_rows_of_roadblock(block)] = start + row
        self._raster: AreaRaster | None = None

    def near(
        self, center: Float64[np.ndarray, "2"], radius_m: float
    ) -> tuple[Bool[np.ndarray, "lanes"], Bool[np.ndarray, "areas"]]:
        """Lanes of roadblocks that touch the square around a point, and other areas that touch it."""
        x, y = float(center[0]), float(center[1])
        lanes = touching_square(self._blocks, x, y, radius_m, 0)[self._block_rows]
        return lanes, touching_square(self.flat, x, y, radius_m, self.starts[1])[:-1]

    def kinds_near(
        self, center: Float64[np.ndarray, "2"], is_on_route: Bool[np.ndarray, "areas"], rules: PdmRules
    ) -> UInt8[np.ndarray, "areas"]:
        """Kinds of each polygon, as bits, for an ego at `center`; 0 for polygons beyond the radius of the rules.

        Args:
            center: Box centre of the ego.
            is_on_route: Of `on_route`.
            rules: Define which polygons are drivable, and the radius.
        """
        lanes, areas = self.near(center, rules.radius_m)
        kinds = np.zeros(len(self.flat.bounds), dtype=np.uint8)
        first_carpark, first_intersection, first_roadblock = self.starts[1:4]
        if rules.lanes_are_road:
            kinds[:first_carpark][lanes] = LANE | DRIVABLE
            kinds[first_carpark:first_intersection][areas[first_carpark:first_intersection]] = LANE | DRIVABLE
            kinds[is_on_route & (kinds > 0)] |= ON_ROUTE
        else:
            kinds[:first_carpark][lanes] = LANE
            kinds[:first_carpark][is_on_route[:first_carpark] & lanes] |= ON_ROUTE
            kinds[first_carpark:][areas[first_carpark:]] = DRIVABLE
        kinds[first_intersection:first_roadblock] |= INTERSECTION
        return kinds

    def on_route(self, lane_rows: list[int]) -> Bool[np.ndarray, "areas"]:
        """Polygons with the id of one of the lanes. Car parks with such an id count, as PDM compares ids only."""
        is_on_route = np.zeros(len(self.flat.bounds), dtype=bool)
        is_on_route[lane_rows] = True
        is_on_route[self.starts[1] : self.starts[2]] = np.isin(self.carpark_ids, self.lane_ids[lane_rows])
        return is_on_route

    def raster(self, low: Float64[np.ndarray, "2"], high: Float64[np.ndarray, "2"]) -> AreaRaster:
        """A raster that covers a region; the last one if it does."""
        last = self._raster
        if last is not None:
            top = last.origin + last.shape * last.cell_m
            if (low >= last.origin).all() and (high <= top).all():
                return last
        self._raster = rasterize(self.flat, low - _REGION_MARGIN_M, high + _REGION_MARGIN_M)
        return self._raster


def red_rows_by_step(
    lights: TrafficLights, steps: Sequence[int], row_of_connector: Mapping[int, int]
) -> Int64[np.ndarray, "steps red"]:
    """Rows of the connectors that are red at each of `steps`, ascending, padded by -1; none after the last lights."""
    red = [
        np.unique(lights.red_rows(step, row_of_connector)) if step < lights.num_steps else np.zeros(0, dtype=np.int64)
        for step in steps
    ]
    padded = np.full((len(red), max(len(rows) for rows in red)), -1)
    for step, rows in enumerate(red):
        padded[step, : len(rows)] = rows
    return padded


_AREAS: WeakKeyDictionary[MapGraph, ScoringAreas] = WeakKeyDictionary()


def scoring_areas(map_graph: MapGraph) -> ScoringAreas:
    """The polygons of a map for scoring, cached as long as the map exists."""
    areas = _AREAS.get(map_graph)
    if areas is None:
        areas = _AREAS[map_graph] = ScoringAreas(map_graph)
    return areas
