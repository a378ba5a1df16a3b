"""A fine raster over polygons: which of them hold a point, for millions of points.

Most cells lie wholly inside or outside of a polygon. A cell on a border knows the edges that run through it, and
whether its middle is inside: a point is on the same side when the way from it to the middle crosses an even number
of them. The answers are those of the polygons themselves.
"""

import math
from typing import NamedTuple

import numpy as np

from simulation.geometry.compiling import njit
from simulation.geometry.polygons import FlatPolygons, contains_point, rows_in_bounds

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
    rows: np.ndarray
    """(E,) polygon of each entry."""
    covers: np.ndarray
    """(E,) whether it covers the whole cell."""
    holds_middle: np.ndarray
    """(E,) whether it holds the middle of the cell."""
    edge_spans: np.ndarray
    """(E, 2) first of its edges in the cell, and the one behind the last."""
    edges: np.ndarray
    """(X, 2) both ends, as rows of `areas.points`."""


def rasterize(areas: FlatPolygons, low: np.ndarray, high: np.ndarray) -> AreaRaster:
    """Lay a raster over the polygons between two corners (2,) of a region [m]."""
    extent = np.maximum(high - low, MIN_CELL_M)
    cell_m = max(MIN_CELL_M, math.sqrt(float(extent[0] * extent[1]) / MAX_CELLS))
    shape = np.ceil(extent / cell_m).astype(np.int64) + 1
    origin = np.asarray(low, dtype=np.float64).copy()
    offsets, rows, covers, holds_middle, edge_spans, edges = _fill(areas, origin, cell_m, shape)
    return AreaRaster(
        areas=areas,
        origin=origin,
        cell_m=cell_m,
        shape=shape,
        offsets=offsets,
        rows=rows,
        covers=covers,
        holds_middle=holds_middle,
        edge_spans=edge_spans,
        edges=edges,
    )


@njit(cache=True)
def _grown(values: np.ndarray, needed: int) -> np.ndarray:
    if needed <= len(values):
        return values
    grown = np.empty((max(needed, 2 * len(values)), *values.shape[1:]), dtype=values.dtype)
    grown[: len(values)] = values
    return grown


@njit(cache=True)
def _fill(
    areas: FlatPolygons, origin: np.ndarray, cell_m: float, shape: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """All entries, sorted by cell."""
    num_cells = shape[0] * shape[1]
    top_x, top_y = origin[0] + shape[0] * cell_m, origin[1] + shape[1] * cell_m
    # Of each entry: cell, row, covers, holds the middle, first edge, edge behind the last.
    drawn = np.empty((4096, 6), dtype=np.int64)
    edges = np.empty((4096, 2), dtype=np.int64)
    num_drawn, num_edges = 0, 0
    place = np.full(num_cells, -1, dtype=np.int64)
    for row in rows_in_bounds(areas, origin[0], origin[1], top_x, top_y):
        crossed, ends, num_crossed = _border_cells(areas, row, origin, cell_m, shape)
        first = num_drawn
        for k in range(num_crossed):
            if place[crossed[k]] < 0:
                drawn = _grown(drawn, num_drawn + 1)
                drawn[num_drawn] = 0
                drawn[num_drawn, 0], drawn[num_drawn, 1] = crossed[k], row
                place[crossed[k]] = num_drawn
                num_drawn += 1
            drawn[place[crossed[k]], 5] += 1
        for n in range(first, num_drawn):
            drawn[n, 4] = num_edges
            num_edges += drawn[n, 5]
            drawn[n, 5] = drawn[n, 4]
        edges = _grown(edges, num_edges)
        for k in range(num_crossed):
            n = place[crossed[k]]
            edges[drawn[n, 5]] = ends[k]
            drawn[n, 5] += 1
        num_border = num_drawn
        drawn, num_drawn = _inner_cells(areas, row, origin, cell_m, shape, place, drawn, num_drawn)
        for n in range(first, num_border):
            place[drawn[n, 0]] = -1
    offsets = np.zeros(num_cells + 1, dtype=np.int64)
    for n in range(num_drawn):
        offsets[drawn[n, 0] + 1] += 1
    offsets = np.cumsum(offsets)
    order = np.empty(num_drawn, dtype=np.int64)
    at = offsets[:-1].copy()
    for n in range(num_drawn):
        order[at[drawn[n, 0]]] = n
        at[drawn[n, 0]] += 1
    drawn = drawn[order]
    return offsets, drawn[:, 1].copy(), drawn[:, 2] == 1, drawn[:, 3] == 1, drawn[:, 4:6].copy(), edges[:num_edges]


@njit(cache=True)
def _inner_cells(
    areas: FlatPolygons,
    row: int,
    origin: np.ndarray,
    cell_m: float,
    shape: np.ndarray,
    place: np.ndarray,
    drawn: np.ndarray,
    num_drawn: int,
) -> tuple[np.ndarray, int]:
    """Append the cells that a polygon covers, and note which cells on its border have their middle inside."""
    bounds = areas.bounds[row]
    low_j = max(0, math.floor((bounds[1] - origin[1]) / cell_m))
    high_j = min(shape[1] - 1, math.floor((bounds[3] - origin[1]) / cell_m))
    crossings = np.empty(8)
    for j in range(low_j, high_j + 1):
        crossings, count = _crossings(areas, row, origin[1] + (j + 0.5) * cell_m, crossings)
        along = np.sort(crossings[:count])
        for k in range(0, count - 1, 2):
            first = max(0, math.ceil((along[k] - origin[0]) / cell_m - 0.5))
            last = min(shape[0] - 1, math.floor((along[k + 1] - origin[0]) / cell_m - 0.5))
            for i in range(first, last + 1):
                cell = i * shape[1] + j
                if place[cell] >= 0:
                    drawn[place[cell], 3] = 1
                    continue
                drawn = _grown(drawn, num_drawn + 1)
                drawn[num_drawn] = 0
                drawn[num_drawn, 0], drawn[num_drawn, 1] = cell, row
                drawn[num_drawn, 2], drawn[num_drawn, 3] = 1, 1
                num_drawn += 1
    return drawn, num_drawn


@njit(cache=True)
def _crossings(areas: FlatPolygons, row: int, y: float, out: np.ndarray) -> tuple[np.ndarray, int]:
    """Where the polygon's border crosses a horizontal line: x values, and their number."""
    count = 0
    points = areas.points
    for ring in range(areas.polygon_offsets[row], areas.polygon_offsets[row + 1]):
        start, stop = areas.ring_offsets[ring], areas.ring_offsets[ring + 1]
        before = stop - 1
        for k in range(start, stop):
            ay, by = points[before, 1], points[k, 1]
            if (ay > y) != (by > y):
                out = _grown(out, count + 1)
                out[count] = points[before, 0] + (y - ay) / (by - ay) * (points[k, 0] - points[before, 0])
                count += 1
            before = k
    return out, count


@njit(cache=True)
def _border_cells(
    areas: FlatPolygons, row: int, origin: np.ndarray, cell_m: float, shape: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int]:
    """Cells that an edge runs through or touches, the edge's ends, and how many pairs of these there are."""
    points = areas.points
    cells = np.empty(256, dtype=np.int64)
    ends = np.empty((256, 2), dtype=np.int64)
    count = 0
    # A hair wide, so that a border on the line between two cells belongs to both.
    hair = 1e-6 * cell_m
    for ring in range(areas.polygon_offsets[row], areas.polygon_offsets[row + 1]):
        start, stop = areas.ring_offsets[ring], areas.ring_offsets[ring + 1]
        before = stop - 1
        for k in range(start, stop):
            ax, ay = (points[before, 0] - origin[0]), (points[before, 1] - origin[1])
            bx, by = (points[k, 0] - origin[0]), (points[k, 1] - origin[1])
            if ax > bx:
                ax, ay, bx, by = bx, by, ax, ay
            low_i = max(0, math.floor((ax - hair) / cell_m))
            high_i = min(shape[0] - 1, math.floor((bx + hair) / cell_m))
            slope = (by - ay) / (bx - ax) if bx > ax else 0.0
            for i in range(low_i, high_i + 1):
                y0, y1 = ay, by
                if bx - ax > hair:
                    y0 = ay + slope * (min(max(i * cell_m - hair, ax), bx) - ax)
                    y1 = ay + slope * (min(max((i + 1) * cell_m + hair, ax), bx) - ax)
                low_j = max(0, math.floor((min(y0, y1) - hair) / cell_m))
                high_j = min(shape[1] - 1, math.floor((max(y0, y1) + hair) / cell_m))
                for j in range(low_j, high_j + 1):
                    cells, ends = _grown(cells, count + 1), _grown(ends, count + 1)
                    cells[count] = i * shape[1] + j
                    ends[count, 0], ends[count, 1] = before, k
                    count += 1
            before = k
    return cells, ends, count


@njit(cache=True)
def raster_cell(raster: AreaRaster, x: float, y: float) -> int:
    """Cell of a point, -1 outside of the region."""
    i = math.floor((x - raster.origin[0]) / raster.cell_m)
    j = math.floor((y - raster.origin[1]) / raster.cell_m)
    if i < 0 or j < 0 or i >= raster.shape[0] or j >= raster.shape[1]:
        return -1
    return i * raster.shape[1] + j


@njit(cache=True)
def entry_holds(raster: AreaRaster, cell: int, entry: int, x: float, y: float) -> bool:
    """Whether the polygon of an entry of the point's cell has the point strictly inside."""
    if raster.covers[entry]:
        return True
    i, j = cell // raster.shape[1], cell % raster.shape[1]
    middle_x, middle_y = raster.origin[0] + (i + 0.5) * raster.cell_m, raster.origin[1] + (j + 0.5) * raster.cell_m
    first, stop = raster.edge_spans[entry]
    crossings = crossings_to(raster.areas.points, raster.edges, first, stop, x, y, middle_x, middle_y)
    if crossings < 0:
        return contains_point(raster.areas, raster.rows[entry], x, y)
    return raster.holds_middle[entry] != (crossings % 2 == 1)


@njit(cache=True)
def crossings_to(
    points: np.ndarray, edges: np.ndarray, first: int, stop: int, x: float, y: float, middle_x: float, middle_y: float
) -> int:
    """How many edges from `first` to `stop` the way from a point to the middle of its cell crosses; -1 on an edge."""
    # Relative to the point, as map coordinates would cost digits.
    mx, my = middle_x - x, middle_y - y
    count = 0
    for e in range(first, stop):
        a, b = edges[e, 0], edges[e, 1]
        ax, ay, bx, by = points[a, 0] - x, points[a, 1] - y, points[b, 0] - x, points[b, 1] - y
        side_point = ax * by - ay * bx
        side_middle = (bx - ax) * (my - ay) - (by - ay) * (mx - ax)
        if side_point == 0.0 or side_middle == 0.0:
            return -1
        if (side_point > 0.0) != (side_middle > 0.0) and (mx * ay - my * ax > 0.0) != (mx * by - my * bx > 0.0):
            count += 1
    return count
