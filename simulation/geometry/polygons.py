"""Polygons on flat arrays with a uniform grid over their bounds, for containment and distance queries.

Polygons may be concave, have holes and several parts; a point is inside by the even-odd rule over all rings.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import shapely
from jaxtyping import Bool, Float64, Int64, Shaped

from simulation.geometry.boxes import Segment, convex_contains, edge, point_segment_distance, segments_cross
from simulation.geometry.compiling import njit

GRID_CELL_M = 10.0
"""About the width of an intersection: few candidates a cell, and few cells."""
MAX_GRID_CELLS = 4_000_000


class FlatPolygons(NamedTuple):
    """Polygons and their grid, in a form that compiled functions take."""

    points: Float64[np.ndarray, "points 2"]
    """Vertices of open rings."""
    ring_offsets: Int64[np.ndarray, "rings+1"]
    """First point of each ring."""
    polygon_offsets: Int64[np.ndarray, "polygons+1"]
    """First ring of each polygon."""
    bounds: Float64[np.ndarray, "polygons 4"]
    """Min x, min y, max x, max y."""
    origin: Float64[np.ndarray, "2"]
    """Lower left corner of the grid."""
    cell_m: float
    shape: Int64[np.ndarray, "2"]
    """Cells in x and y."""
    cell_offsets: Int64[np.ndarray, "cells+1"]
    """First entry of each cell in `cell_rows`; cell (i, j) has the number i * shape[1] + j."""
    cell_rows: Int64[np.ndarray, "entries"]
    """Polygons whose bounds touch a cell, ascending within the cell."""


def flatten_polygons(polygons: Shaped[np.ndarray, "polygons"]) -> FlatPolygons:
    """Flatten shapely polygons or multi-polygons.

    Raises:
        ValueError: When a polygon is None, empty or not finite: its bounds would make the whole grid NaN.
    """
    rings: list[np.ndarray] = []
    rings_per_polygon = np.zeros(len(polygons) + 1, dtype=np.int64)
    for row, polygon in enumerate(polygons):
        for part in shapely.get_parts(polygon):
            for ring in shapely.get_rings(part):
                rings.append(shapely.get_coordinates(ring)[:-1])
                rings_per_polygon[row + 1] += 1
    lengths = np.array([0, *(len(ring) for ring in rings)], dtype=np.int64)
    points = np.concatenate([np.zeros((0, 2)), *rings])
    bounds = shapely.bounds(polygons).reshape(-1, 4) if len(polygons) else np.zeros((0, 4))
    unusable = np.flatnonzero(~np.isfinite(bounds).all(axis=1))
    if len(unusable):
        raise ValueError(f"Polygons in rows {unusable[:5].tolist()} are empty or not finite. Leave them out.")
    origin, cell_m, shape, cell_offsets, cell_rows = _grid(bounds)
    return FlatPolygons(
        points=np.ascontiguousarray(points),
        ring_offsets=np.cumsum(lengths),
        polygon_offsets=np.cumsum(rings_per_polygon),
        bounds=np.ascontiguousarray(bounds),
        origin=origin,
        cell_m=cell_m,
        shape=shape,
        cell_offsets=cell_offsets,
        cell_rows=cell_rows,
    )


def _grid(bounds: np.ndarray) -> tuple[np.ndarray, float, np.ndarray, np.ndarray, np.ndarray]:
    if not len(bounds):
        zeros = np.zeros(2, dtype=np.int64)
        return np.zeros(2), GRID_CELL_M, zeros, np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.int64)
    origin = bounds[:, :2].min(axis=0)
    extent = bounds[:, 2:].max(axis=0) - origin
    cell_m = max(GRID_CELL_M, math.sqrt(float(extent[0] * extent[1]) / MAX_GRID_CELLS))
    shape = np.floor(extent / cell_m).astype(np.int64) + 1
    low = np.floor((bounds[:, :2] - origin) / cell_m).astype(np.int64)
    high = np.minimum(np.floor((bounds[:, 2:] - origin) / cell_m).astype(np.int64), shape - 1)
    offsets, rows = _fill_grid(low, high, shape)
    return origin, float(cell_m), shape, offsets, rows


@njit(cache=True)
def _fill_grid(low: np.ndarray, high: np.ndarray, shape: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.zeros(shape[0] * shape[1] + 1, dtype=np.int64)
    for row in range(len(low)):
        for i in range(low[row, 0], high[row, 0] + 1):
            for j in range(low[row, 1], high[row, 1] + 1):
                offsets[i * shape[1] + j + 1] += 1
    offsets = np.cumsum(offsets)
    rows = np.empty(offsets[-1], dtype=np.int64)
    fill = offsets[:-1].copy()
    for row in range(len(low)):
        for i in range(low[row, 0], high[row, 0] + 1):
            for j in range(low[row, 1], high[row, 1] + 1):
                cell = i * shape[1] + j
                rows[fill[cell]] = row
                fill[cell] += 1
    return offsets, rows


@njit(cache=True)
def grid_cell(grid: Any, x: float, y: float) -> int:
    """Cell of a point in anything with the fields `origin`, `cell_m` and `shape`; -1 outside the grid."""
    i = math.floor((x - grid.origin[0]) / grid.cell_m)
    j = math.floor((y - grid.origin[1]) / grid.cell_m)
    if i < 0 or j < 0 or i >= grid.shape[0] or j >= grid.shape[1]:
        return -1
    return i * grid.shape[1] + j


@njit(cache=True)
def _in_bounds(flat: FlatPolygons, row: int, x: float, y: float) -> bool:
    bounds = flat.bounds
    return bounds[row, 0] <= x <= bounds[row, 2] and bounds[row, 1] <= y <= bounds[row, 3]


@njit(cache=True)
def contains_point(flat: FlatPolygons, row: int, x: float, y: float) -> bool:
    """Whether the point is strictly inside a polygon; its boundary does not count, as in shapely's `contains`."""
    if not _in_bounds(flat, row, x, y):
        return False
    inside = False
    points = flat.points
    for ring in range(flat.polygon_offsets[row], flat.polygon_offsets[row + 1]):
        start, stop = flat.ring_offsets[ring], flat.ring_offsets[ring + 1]
        # Relative to the point, so that the orientation test keeps its digits at map coordinates of 4e6 m.
        ax, ay = points[stop - 1, 0] - x, points[stop - 1, 1] - y
        for k in range(start, stop):
            bx, by = points[k, 0] - x, points[k, 1] - y
            cross = ax * by - ay * bx
            if cross == 0.0 and min(ax, bx) <= 0.0 <= max(ax, bx) and min(ay, by) <= 0.0 <= max(ay, by):
                return False
            if (ay > 0.0) != (by > 0.0) and (cross > 0.0) == (by > ay):
                inside = not inside
            ax, ay = bx, by
    return inside


@njit(cache=True)
def rows_containing(flat: FlatPolygons, x: float, y: float) -> Int64[np.ndarray, "rows"]:
    """Rows of the polygons with the point strictly inside, ascending."""
    cell = grid_cell(flat, x, y)
    if cell < 0:
        return np.empty(0, dtype=np.int64)
    start, stop = flat.cell_offsets[cell], flat.cell_offsets[cell + 1]
    found = np.empty(stop - start, dtype=np.int64)
    count = 0
    for k in range(start, stop):
        if contains_point(flat, flat.cell_rows[k], x, y):
            found[count] = flat.cell_rows[k]
            count += 1
    return found[:count]


@njit(cache=True)
def any_contains(flat: FlatPolygons, x: float, y: float) -> bool:
    """Whether some polygon has the point strictly inside."""
    cell = grid_cell(flat, x, y)
    if cell < 0:
        return False
    for k in range(flat.cell_offsets[cell], flat.cell_offsets[cell + 1]):
        if contains_point(flat, flat.cell_rows[k], x, y):
            return True
    return False


@njit(cache=True)
def any_contains_each(flat: FlatPolygons, points: Float64[np.ndarray, "points 2"]) -> Bool[np.ndarray, "points"]:
    """Whether some polygon has the point strictly inside, for each point."""
    inside = np.empty(len(points), dtype=np.bool_)
    for k in range(len(points)):
        inside[k] = any_contains(flat, points[k, 0], points[k, 1])
    return inside


@njit(cache=True)
def distance_to_point(flat: FlatPolygons, row: int, x: float, y: float) -> float:
    """Distance of a point from a polygon [m], 0 inside."""
    if contains_point(flat, row, x, y):
        return 0.0
    best = np.inf
    points = flat.points
    for ring in range(flat.polygon_offsets[row], flat.polygon_offsets[row + 1]):
        start, stop = flat.ring_offsets[ring], flat.ring_offsets[ring + 1]
        before = stop - 1
        for k in range(start, stop):
            border = Segment(points[before, 0], points[before, 1], points[k, 0], points[k, 1])
            best = min(best, point_segment_distance(border, x, y))
            before = k
    return best


@njit(cache=True)
def bounds_distance(flat: FlatPolygons, row: int, x: float, y: float) -> float:
    """Distance of a point from a polygon's bounding box [m]: a lower bound of that from the polygon."""
    bounds = flat.bounds
    dx = max(max(bounds[row, 0] - x, x - bounds[row, 2]), 0.0)
    dy = max(max(bounds[row, 1] - y, y - bounds[row, 3]), 0.0)
    return math.hypot(dx, dy)


@njit(cache=True)
def nearest_distance(flat: FlatPolygons, x: float, y: float, limit_m: float) -> float:
    """Distance to the nearest polygon [m], 0 inside one, infinite when none is within `limit_m`."""
    rows = rows_in_bounds(flat, x - limit_m, y - limit_m, x + limit_m, y + limit_m)
    best = np.inf
    for row in rows:
        if bounds_distance(flat, row, x, y) < best:
            best = min(best, distance_to_point(flat, row, x, y))
            if best == 0.0:
                return 0.0
    return best if best <= limit_m else np.inf


@njit(cache=True)
def rows_in_bounds(
    flat: FlatPolygons, min_x: float, min_y: float, max_x: float, max_y: float
) -> Int64[np.ndarray, "rows"]:
    """Rows of the polygons whose bounding boxes touch a rectangle, ascending."""
    num_polygons = len(flat.bounds)
    if num_polygons == 0:
        return np.empty(0, dtype=np.int64)
    low_i = max(0, math.floor((min_x - flat.origin[0]) / flat.cell_m))
    low_j = max(0, math.floor((min_y - flat.origin[1]) / flat.cell_m))
    high_i = min(flat.shape[0] - 1, math.floor((max_x - flat.origin[0]) / flat.cell_m))
    high_j = min(flat.shape[1] - 1, math.floor((max_y - flat.origin[1]) / flat.cell_m))
    total = 0
    for i in range(low_i, high_i + 1):
        for j in range(low_j, high_j + 1):
            cell = i * flat.shape[1] + j
            total += flat.cell_offsets[cell + 1] - flat.cell_offsets[cell]
    found = np.empty(total, dtype=np.int64)
    count = 0
    bounds = flat.bounds
    for i in range(low_i, high_i + 1):
        for j in range(low_j, high_j + 1):
            cell = i * flat.shape[1] + j
            for k in range(flat.cell_offsets[cell], flat.cell_offsets[cell + 1]):
                row = flat.cell_rows[k]
                if (
                    bounds[row, 0] <= max_x
                    and bounds[row, 2] >= min_x
                    and bounds[row, 1] <= max_y
                    and bounds[row, 3] >= min_y
                ):
                    found[count] = row
                    count += 1
    return np.unique(found[:count])


@njit(cache=True)
def overlaps_convex(flat: FlatPolygons, row: int, corners: Float64[np.ndarray, "corners 2"]) -> bool:
    """Whether a polygon and a convex polygon share a point."""
    num_corners = len(corners)
    for k in range(num_corners):
        if contains_point(flat, row, corners[k, 0], corners[k, 1]):
            return True
    points = flat.points
    low_x, low_y, high_x, high_y = np.inf, np.inf, -np.inf, -np.inf
    for k in range(num_corners):
        low_x, high_x = min(low_x, corners[k, 0]), max(high_x, corners[k, 0])
        low_y, high_y = min(low_y, corners[k, 1]), max(high_y, corners[k, 1])
    for ring in range(flat.polygon_offsets[row], flat.polygon_offsets[row + 1]):
        start, stop = flat.ring_offsets[ring], flat.ring_offsets[ring + 1]
        before = stop - 1
        for k in range(start, stop):
            ax, ay, bx, by = points[before, 0], points[before, 1], points[k, 0], points[k, 1]
            before = k
            # Most edges are outside the corners' bounding box.
            if max(ax, bx) < low_x or min(ax, bx) > high_x or max(ay, by) < low_y or min(ay, by) > high_y:
                continue
            for c in range(num_corners):
                if segments_cross(Segment(ax, ay, bx, by), edge(corners, c)):
                    return True
        # A ring wholly inside the convex polygon crosses none of its edges.
        if start < stop and convex_contains(corners, points[start, 0], points[start, 1]):
            return True
    return False


@njit(cache=True)
def distance_to_convex(flat: FlatPolygons, row: int, corners: Float64[np.ndarray, "corners 2"]) -> float:
    """Distance of a polygon from a convex polygon [m], 0 when they overlap."""
    if overlaps_convex(flat, row, corners):
        return 0.0
    best = np.inf
    points = flat.points
    for ring in range(flat.polygon_offsets[row], flat.polygon_offsets[row + 1]):
        start, stop = flat.ring_offsets[ring], flat.ring_offsets[ring + 1]
        before = stop - 1
        for k in range(start, stop):
            border = Segment(points[before, 0], points[before, 1], points[k, 0], points[k, 1])
            before = k
            for c in range(len(corners)):
                best = min(best, point_segment_distance(border, corners[c, 0], corners[c, 1]))
                best = min(best, point_segment_distance(edge(corners, c), border.bx, border.by))
    return best
