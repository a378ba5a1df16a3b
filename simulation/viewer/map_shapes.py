"""The piece of a map that a page draws: rings and lines around a drive, cut and thinned."""

from dataclasses import dataclass

import numpy as np
import shapely
from jaxtyping import Float64
from shapely.geometry.polygon import orient

from driving.map import AreaLayer, MapGraph
from simulation.viewer.packing import CENTIMETRE, Message

MARGIN_M = 120.0
"""How far around the drive the map is shown."""
THINNING_M = 0.03
"""Vertices that move an outline by less are left out; a pixel is seldom finer."""

Box = tuple[float, float, float, float]


def region_around(points: Float64[np.ndarray, "points 2"], margin_m: float = MARGIN_M) -> Box:
    """The axis-aligned box around points, widened: least x, least y, largest x, largest y."""
    low, high = np.nanmin(points, axis=0) - margin_m, np.nanmax(points, axis=0) + margin_m
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


@dataclass(frozen=True, kw_only=True)
class Shapes:
    """Lines or rings with a value each. Outlines run against the clock and holes with it: fill by winding number."""

    points: tuple[np.ndarray, ...]
    """(points, 2) each [m, global]."""
    values: tuple[int, ...]
    """Per ring or line: its kind or id, as the layer has it."""


def map_shapes(map_graph: MapGraph, region: Box, route: tuple[int, ...]) -> dict[str, Shapes]:
    """All layers that the page draws, by name.

    Args:
        map_graph: The map.
        region: What is shown of it.
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
        "route": _polygons(_taken(lanes.areas, [row for row in rows.tolist() if row in on_route]), region),
        "boundaries": _lines(boundaries),
        "lanes": _lines([(lanes.centerlines[row], int(lanes.ids[row])) for row in rows[is_lane]]),
        "connectors": _lines([(lanes.centerlines[row], int(lanes.ids[row])) for row in rows[~is_lane]]),
    }


def add_shapes(message: Message, name: str, shapes: Shapes, origin: Float64[np.ndarray, "2"]) -> None:
    """Put a layer into a message, as three arrays that start with its name."""
    points = np.concatenate([np.zeros((0, 2)), *shapes.points]) - (origin if shapes.points else 0.0)
    counts = [len(line) for line in shapes.points]
    message.add_reals(f"{name}.points", points.T, CENTIMETRE)
    message.add_integers(f"{name}.offsets", np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]))
    message.add_integers(f"{name}.values", np.array(shapes.values, dtype=np.int64))


def _taken(layer: AreaLayer, rows: list[int]) -> AreaLayer:
    return AreaLayer(ids=layer.ids[rows], polygons=layer.polygons[rows])


def _rows_in(layer: AreaLayer, region: Box) -> np.ndarray:
    if not len(layer):
        return np.zeros(0, dtype=np.int64)
    return np.sort(layer.tree.query(shapely.box(*region), predicate="intersects"))


def _polygons(layer: AreaLayer, region: Box, kinds: np.ndarray | None = None) -> Shapes:
    points, values = [], []
    for row in _rows_in(layer, region):
        seen = shapely.clip_by_rect(shapely.make_valid(layer.polygons[row]), *region)
        for part in shapely.get_parts(seen):
            thin = shapely.simplify(part, THINNING_M)
            if thin.geom_type != "Polygon" or thin.is_empty:
                continue
            thin = orient(thin)
            for ring in (thin.exterior, *thin.interiors):
                points.append(np.asarray(ring.coords)[:, :2])
                values.append(0 if kinds is None else int(kinds[row]))
    return Shapes(points=tuple(points), values=tuple(values))


def _lines(lines: list[tuple[np.ndarray, int]]) -> Shapes:
    kept = [(line, value) for line, value in lines if len(line) >= 2]
    thin = [np.asarray(shapely.simplify(shapely.LineString(line), THINNING_M).coords) for line, _ in kept]
    return Shapes(points=tuple(thin), values=tuple(value for _, value in kept))
