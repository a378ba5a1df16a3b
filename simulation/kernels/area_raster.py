"""A fine raster over polygons: which of them hold a point, for millions of points.

Most cells lie wholly inside or outside of a polygon, so that only points in cells on a border are tested against
the polygon itself; the answers are exact.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from simulation.kernels.polygons import FlatPolygons, contains_point, rows_in_bounds

MIN_CELL_M = 0.5
MAX_CELLS = 400_000
"""Larger regions get coarser cells."""


class AreaRaster(NamedTuple):
    """A region of the map in square cells; points outside of it belong to no polygon."""

    areas: FlatPolygons
    origin: np.ndarray
    """(2,) lower left corner [m]."""
    cell_m: float
    shape: np.ndarray
    """(2,) cells in x and y."""
    offsets: np.ndarray
    """Entries of cell i * shape[1] + j start here."""
    entries: np.ndarray
    """Row of a polygon times two, plus one where it covers the whole cell."""


def rasterize(areas: FlatPolygons, low: np.ndarray, high: np.ndarray, rows: np.ndarray | None = None) -> AreaRaster:
    """Lay a raster over the polygons between two corners (2,) of a region.

    Args:
        areas: The polygons.
        low: Lower left corner [m].
        high: Upper right corner [m].
        rows: Only these polygons, ascending; None takes all.
    """
    extent = np.maximum(high - low, MIN_CELL_M)
    cell_m = max(MIN_CELL_M, math.sqrt(float(extent[0] * extent[1]) / MAX_CELLS))
    shape = np.ceil(extent / cell_m).astype(np.int64) + 1
    origin = np.asarray(low, dtype=np.float64).copy()
    if rows is None:
        top = origin + shape * cell_m
        rows = rows_in_bounds(areas, origin[0], origin[1], top[0], top[1])
    offsets, entries = _fill(areas, rows, origin, cell_m, shape)
    return AreaRaster(areas=areas, origin=origin, cell_m=cell_m, shape=shape, offsets=offsets, entries=entries)


@njit(cache=True)
def _fill(
    areas: FlatPolygons, rows: np.ndarray, origin: np.ndarray, cell_m: float, shape: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    cells = np.empty(1024, dtype=np.int64)
    values = np.empty(1024, dtype=np.int64)
    count = 0
    # Per cell: 2 * turn on the border, 2 * turn + 1 inside of the polygon now drawn.
    mark = np.zeros(shape[0] * shape[1], dtype=np.int64)
    turn = 0
    crossings = np.empty(64)
    for row in rows:
        turn += 1
        bounds = areas.bounds[row]
        low_i = max(0, math.floor((bounds[0] - origin[0]) / cell_m))
        low_j = max(0, math.floor((bounds[1] - origin[1]) / cell_m))
        high_i = min(shape[0] - 1, math.floor((bounds[2] - origin[0]) / cell_m))
        high_j = min(shape[1] - 1, math.floor((bounds[3] - origin[1]) / cell_m))
        if low_i > high_i or low_j > high_j:
            continue
        num_points = (
            areas.ring_offsets[areas.polygon_offsets[row + 1]] - areas.ring_offsets[areas.polygon_offsets[row]]
        )
        if len(crossings) < num_points:
            crossings = np.empty(num_points)
        _draw_border(areas, row, origin, cell_m, shape, mark, 2 * turn)
        for j in range(low_j, high_j + 1):
            num_crossings = _crossings(areas, row, origin[1] + (j + 0.5) * cell_m, crossings)
            along = np.sort(crossings[:num_crossings])
            for k in range(0, num_crossings - 1, 2):
                first = max(0, math.ceil((along[k] - origin[0]) / cell_m - 0.5))
                last = min(shape[0] - 1, math.floor((along[k + 1] - origin[0]) / cell_m - 0.5))
                for i in range(first, last + 1):
                    if mark[i * shape[1] + j] != 2 * turn:
                        mark[i * shape[1] + j] = 2 * turn + 1
        for i in range(low_i, high_i + 1):
            for j in range(low_j, high_j + 1):
                cell = i * shape[1] + j
                if mark[cell] // 2 == turn:
                    if count == len(cells):
                        cells = np.concatenate((cells, np.empty_like(cells)))
                        values = np.concatenate((values, np.empty_like(values)))
                    cells[count] = cell
                    values[count] = 2 * row + (mark[cell] - 2 * turn)
                    count += 1
    offsets = np.zeros(shape[0] * shape[1] + 1, dtype=np.int64)
    for k in range(count):
        offsets[cells[k] + 1] += 1
    offsets = np.cumsum(offsets)
    place = offsets[:-1].copy()
    entries = np.empty(count, dtype=np.int64)
    for k in range(count):
        entries[place[cells[k]]] = values[k]
        place[cells[k]] += 1
    return offsets, entries


@njit(cache=True)
def _crossings(areas: FlatPolygons, row: int, y: float, out: np.ndarray) -> int:
    """Where the polygon's border crosses a horizontal line: x values into `out`, their number returned."""
    count = 0
    points = areas.points
    for ring in range(areas.polygon_offsets[row], areas.polygon_offsets[row + 1]):
        start, stop = areas.ring_offsets[ring], areas.ring_offsets[ring + 1]
        before = stop - 1
        for k in range(start, stop):
            ay, by = points[before, 1], points[k, 1]
            if (ay > y) != (by > y):
                out[count] = points[before, 0] + (y - ay) / (by - ay) * (points[k, 0] - points[before, 0])
                count += 1
            before = k
    return count


@njit(cache=True)
def _draw_border(
    areas: FlatPolygons, row: int, origin: np.ndarray, cell_m: float, shape: np.ndarray, mark: np.ndarray, value: int
) -> None:
    """Mark all cells that a border runs through or touches."""
    points = areas.points
    # A hair wide, so that a border on the line between two cells marks both.
    hair = 1e-6 * cell_m
    for ring in range(areas.polygon_offsets[row], areas.polygon_offsets[row + 1]):
        start, stop = areas.ring_offsets[ring], areas.ring_offsets[ring + 1]
        before = stop - 1
        for k in range(start, stop):
            ax, ay = (points[before, 0] - origin[0]), (points[before, 1] - origin[1])
            bx, by = (points[k, 0] - origin[0]), (points[k, 1] - origin[1])
            before = k
            if ax > bx:
                ax, ay, bx, by = bx, by, ax, ay
            low_i = max(0, math.floor((ax - hair) / cell_m))
            high_i = min(shape[0] - 1, math.floor((bx + hair) / cell_m))
            slope = (by - ay) / (bx - ax) if bx > ax else 0.0
            for i in range(low_i, high_i + 1):
                if bx - ax > hair:
                    left = min(max(i * cell_m - hair, ax), bx)
                    right = min(max((i + 1) * cell_m + hair, ax), bx)
                    y0, y1 = ay + slope * (left - ax), ay + slope * (right - ax)
                else:
                    y0, y1 = ay, by
                low_j = max(0, math.floor((min(y0, y1) - hair) / cell_m))
                high_j = min(shape[1] - 1, math.floor((max(y0, y1) + hair) / cell_m))
                for j in range(low_j, high_j + 1):
                    mark[i * shape[1] + j] = value


@njit(cache=True)
def raster_cell(raster: AreaRaster, x: float, y: float) -> int:
    """Cell of a point, -1 outside of the region."""
    i = math.floor((x - raster.origin[0]) / raster.cell_m)
    j = math.floor((y - raster.origin[1]) / raster.cell_m)
    if i < 0 or j < 0 or i >= raster.shape[0] or j >= raster.shape[1]:
        return -1
    return i * raster.shape[1] + j


@njit(cache=True)
def entry_holds(raster: AreaRaster, entry: int, x: float, y: float) -> bool:
    """Whether the polygon of an entry of the point's cell has the point strictly inside."""
    return entry & 1 == 1 or contains_point(raster.areas, entry >> 1, x, y)
