"""The part of a map around a drive, as rings and lines that are clipped and simplified for drawing."""

from dataclasses import dataclass

import numpy as np
import shapely
from jaxtyping import Float64, Int64, Integer
from shapely.geometry.polygon import orient

from driving.map import AreaLayer, MapGraph

MARGIN_M = 120.0
"""Width of the drawn map around a drive."""
TOLERANCE_M = 0.03
"""Largest deviation of a simplified outline; a pixel of the page is rarely smaller."""

Box = tuple[float, float, float, float]


def region_around(points: Float64[np.ndarray, "points 2"], margin_m: float = MARGIN_M) -> Box:
    """The axis-aligned box around points, widened by a margin: minimal x, minimal y, maximal x, maximal y."""
    low, high = np.nanmin(points, axis=0) - margin_m, np.nanmax(points, axis=0) + margin_m
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


@dataclass(frozen=True, kw_only=True)
class Shapes:
    """Lines or rings with a value each. Outlines run counter-clockwise, holes clockwise: fill by winding number."""

    points: tuple[Float64[np.ndarray, "points 2"], ...]
    """Vertices of each ring or line [m, global]."""
    values: tuple[int, ...]
    """Kind or id of each ring or line, as in its map layer."""


def map_shapes(map_graph: MapGraph, region: Box, route: tuple[int, ...]) -> dict[str, Shapes]:
    """The drawn map layers by name.

    Args:
        map_graph: The map.
        region: The drawn part of it.
        route: Ids of the roadblocks of the route.
    """
    lanes = map_graph.lanes
    rows = _rows_in(lanes.areas, region)
    is_lane = rows < lanes.num_lanes
    on_route = {row for roadblock in route for row in map_graph.lane_rows_of_roadblock(roadblock)}
    boundaries = [
        (line, int(row))
        for row in rows[is_lane]
        for line in (lanes.left_boundaries[row], lanes.right_boundaries[row])
    ]
    return {
        "drivable": _polygons(map_graph.drivable_area, region),
        "carparks": _polygons(map_graph.carparks, region),
        "intersections": _polygons(map_graph.intersections, region),
        "walkways": _polygons(map_graph.walkways, region),
        "crosswalks": _polygons(map_graph.crosswalks, region),
        "stop_lines": _polygons(map_graph.stop_lines, region, map_graph.stop_lines.kinds),
        "route": _polygons(_rows_of(lanes.areas, [row for row in rows.tolist() if row in on_route]), region),
        "boundaries": _lines(boundaries),
        "lanes": _lines([(lanes.centerlines[row], int(lanes.ids[row])) for row in rows[is_lane]]),
        "connectors": _lines([(lanes.centerlines[row], int(lanes.ids[row])) for row in rows[~is_lane]]),
    }


def _rows_of(layer: AreaLayer, rows: list[int]) -> AreaLayer:
    return AreaLayer(ids=layer.ids[rows], polygons=layer.polygons[rows])


def _rows_in(layer: AreaLayer, region: Box) -> Int64[np.ndarray, " rows"]:
    if not len(layer):
        return np.zeros(0, dtype=np.int64)
    return np.sort(layer.tree.query(shapely.box(*region), predicate="intersects"))


def _polygons(layer: AreaLayer, region: Box, kinds: Integer[np.ndarray, " areas"] | None = None) -> Shapes:
    points, values = [], []
    rows, window = _rows_in(layer, region), shapely.box(*region)
    shapely.prepare(window)
    areas = shapely.make_valid(layer.polygons[rows])
    # Not `clip_by_rect`, which fails on slivers of recorded maps.
    crossing = ~shapely.covers(window, areas)
    areas[crossing] = shapely.intersection(areas[crossing], window)
    for row, area in zip(rows, areas, strict=True):
        for part in shapely.get_parts(area):
            simple = shapely.simplify(part, TOLERANCE_M)
            if simple.geom_type != "Polygon" or simple.is_empty:
                continue
            simple = orient(simple)
            for ring in (simple.exterior, *simple.interiors):
                points.append(np.asarray(ring.coords)[:, :2])
                values.append(0 if kinds is None else int(kinds[row]))
    return Shapes(points=tuple(points), values=tuple(values))


def _lines(lines: list[tuple[Float64[np.ndarray, "points 2"], int]]) -> Shapes:
    kept = [(line, value) for line, value in lines if len(line) >= 2]
    simple = [np.asarray(shapely.simplify(shapely.LineString(line), TOLERANCE_M).coords) for line, _ in kept]
    return Shapes(points=tuple(simple), values=tuple(value for _, value in kept))
