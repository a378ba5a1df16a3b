"""Fine raster over polygons, for containment of millions of points.

Most cells lie wholly inside or outside of a polygon. A cell on a border holds the edges that pass through it, and
whether its middle is inside: a point is on the same side as the middle when the line between them crosses an even
number of these edges. Results equal those of the polygons themselves.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from simulation.geometry.compiling import njit
from simulation.geometry.polygons import FlatPolygons, contains_point, rows_in_bounds

MIN_CELL_M = 0.5
MAX_CELLS = 400_000
"""Larger regions get coarser cells."""


_CELL, _ROW, _COVERS, _HOLDS_MIDDLE, _FIRST_EDGE, _STOP_EDGE = range(6)
"""Columns of entries while the raster is filled."""


class AreaRaster(NamedTuple):
    """Square cells over a region of the map; points outside of it belong to no polygon.

    An entry is a pair of a cell and a polygon that covers it or has an edge in it.
    """

    areas: FlatPolygons
    origin: Float64[np.ndarray, "2"]
    """Lower left corner [m]."""
    cell_m: float
    shape: Int64[np.ndarray, "2"]
    """Cells in x and y."""
    offsets: Int64[np.ndarray, "cells+1"]
    """First entry of each cell; cell (i, j) has the number i * shape[1] + j."""
    rows: Int64[np.ndarray, "entries"]
    """Polygon of each entry."""
    covers: Bool[np.ndarray, "entries"]
    """Whether the polygon covers the whole cell."""
    holds_middle: Bool[np.ndarray, "entries"]
    """Whether the polygon contains the middle of the cell."""
    edge_spans: Int64[np.ndarray, "entries 2"]
    """First of the polygon's edges in the cell, and the one after the last, as rows of `edges`."""
    edges: Int64[np.ndarray, "edges 2"]
    """Both ends, as rows of `areas.points`."""


class _Grid(NamedTuple):
    origin: np.ndarray
    cell_m: float
    shape: np.ndarray


class _Entries(NamedTuple):
    """Entries so far: the first `num` rows of `table`."""

    table: np.ndarray
    num: int


def rasterize(areas: FlatPolygons, low: Float64[np.ndarray, "2"], high: Float64[np.ndarray, "2"]) -> AreaRaster:
    """Rasterize polygons between two corners of a region [m]."""
    extent = np.maximum(high - low, MIN_CELL_M)
    cell_m = max(MIN_CELL_M, math.sqrt(float(extent[0] * extent[1]) / MAX_CELLS))
    shape = np.ceil(extent / cell_m).astype(np.int64) + 1
    origin = np.asarray(low, dtype=np.float64).copy()
    offsets, rows, covers, holds_middle, edge_spans, edges = _fill(areas, _Grid(origin, cell_m, shape))
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
    areas: FlatPolygons, grid: _Grid
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The arrays of an `AreaRaster` from `offsets` on."""
    origin, cell_m, shape = grid
    num_cells = shape[0] * shape[1]
    top_x, top_y = origin[0] + shape[0] * cell_m, origin[1] + shape[1] * cell_m
    table = np.empty((4096, 6), dtype=np.int64)
    edges = np.empty((4096, 2), dtype=np.int64)
    num_entries, num_edges = 0, 0
    # Entry of the present polygon in each cell, -1 for none.
    entry_of = np.full(num_cells, -1, dtype=np.int64)
    for row in rows_in_bounds(areas, origin[0], origin[1], top_x, top_y):
        crossed, ends, num_crossed = _border_cells(areas, row, grid)
        first = num_entries
        for k in range(num_crossed):
            if entry_of[crossed[k]] < 0:
                table = _grown(table, num_entries + 1)
                table[num_entries] = 0
                table[num_entries, _CELL], table[num_entries, _ROW] = crossed[k], row
                entry_of[crossed[k]] = num_entries
                num_entries += 1
            # The number of edges, until the spans are known.
            table[entry_of[crossed[k]], _STOP_EDGE] += 1
        for n in range(first, num_entries):
            table[n, _FIRST_EDGE] = num_edges
            num_edges += table[n, _STOP_EDGE]
            table[n, _STOP_EDGE] = table[n, _FIRST_EDGE]
        edges = _grown(edges, num_edges)
        for k in range(num_crossed):
            n = entry_of[crossed[k]]
            edges[table[n, _STOP_EDGE]] = ends[k]
            table[n, _STOP_EDGE] += 1
        num_border = num_entries
        table, num_entries = _add_inner_cells(areas, row, grid, entry_of, _Entries(table, num_entries))
        for n in range(first, num_border):
            entry_of[table[n, _CELL]] = -1
    offsets = np.zeros(num_cells + 1, dtype=np.int64)
    for n in range(num_entries):
        offsets[table[n, _CELL] + 1] += 1
    offsets = np.cumsum(offsets)
    order = np.empty(num_entries, dtype=np.int64)
    at = offsets[:-1].copy()
    for n in range(num_entries):
        order[at[table[n, _CELL]]] = n
        at[table[n, _CELL]] += 1
    table = table[order]
    spans = table[:, _FIRST_EDGE : _STOP_EDGE + 1].copy()
    covers, holds_middle = table[:, _COVERS] == 1, table[:, _HOLDS_MIDDLE] == 1
    return offsets, table[:, _ROW].copy(), covers, holds_middle, spans, edges[:num_edges]


@njit(cache=True)
def _add_inner_cells(
    areas: FlatPolygons, row: int, grid: _Grid, entry_of: np.ndarray, entries: _Entries
) -> tuple[np.ndarray, int]:
    """Append entries of cells that a polygon covers, and mark cells on its border with their middle inside."""
    origin, cell_m, shape = grid
    table, count = entries
    bounds = areas.bounds[row]
    low_j = max(0, math.floor((bounds[1] - origin[1]) / cell_m))
    high_j = min(shape[1] - 1, math.floor((bounds[3] - origin[1]) / cell_m))
    crossings = np.empty(8)
    for j in range(low_j, high_j + 1):
        crossings, num_crossings = _crossings(areas, row, origin[1] + (j + 0.5) * cell_m, crossings)
        along = np.sort(crossings[:num_crossings])
        for k in range(0, num_crossings - 1, 2):
            first = max(0, math.ceil((along[k] - origin[0]) / cell_m - 0.5))
            last = min(shape[0] - 1, math.floor((along[k + 1] - origin[0]) / cell_m - 0.5))
            for i in range(first, last + 1):
                cell = i * shape[1] + j
                if entry_of[cell] >= 0:
                    table[entry_of[cell], _HOLDS_MIDDLE] = 1
                    continue
                table = _grown(table, count + 1)
                table[count] = 0
                table[count, _CELL], table[count, _ROW] = cell, row
                table[count, _COVERS], table[count, _HOLDS_MIDDLE] = 1, 1
                count += 1
    return table, count


@njit(cache=True)
def _crossings(areas: FlatPolygons, row: int, y: float, out: np.ndarray) -> tuple[np.ndarray, int]:
    """The x values at which a polygon's border crosses a horizontal line, and their number."""
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
def _border_cells(areas: FlatPolygons, row: int, grid: _Grid) -> tuple[np.ndarray, np.ndarray, int]:
    """Cells that an edge passes through or touches, the edge's ends, and the number of such pairs."""
    origin, cell_m, shape = grid
    points = areas.points
    cells = np.empty(256, dtype=np.int64)
    ends = np.empty((256, 2), dtype=np.int64)
    count = 0
    # With a margin, so that a border on the line between two cells belongs to both.
    margin = 1e-6 * cell_m
    for ring in range(areas.polygon_offsets[row], areas.polygon_offsets[row + 1]):
        start, stop = areas.ring_offsets[ring], areas.ring_offsets[ring + 1]
        before = stop - 1
        for k in range(start, stop):
            ax, ay = (points[before, 0] - origin[0]), (points[before, 1] - origin[1])
            bx, by = (points[k, 0] - origin[0]), (points[k, 1] - origin[1])
            if ax > bx:
                ax, ay, bx, by = bx, by, ax, ay
            low_i = max(0, math.floor((ax - margin) / cell_m))
            high_i = min(shape[0] - 1, math.floor((bx + margin) / cell_m))
            slope = (by - ay) / (bx - ax) if bx > ax else 0.0
            for i in range(low_i, high_i + 1):
                y0, y1 = ay, by
                if bx - ax > margin:
                    y0 = ay + slope * (min(max(i * cell_m - margin, ax), bx) - ax)
                    y1 = ay + slope * (min(max((i + 1) * cell_m + margin, ax), bx) - ax)
                low_j = max(0, math.floor((min(y0, y1) - margin) / cell_m))
                high_j = min(shape[1] - 1, math.floor((max(y0, y1) + margin) / cell_m))
                for j in range(low_j, high_j + 1):
                    cells, ends = _grown(cells, count + 1), _grown(ends, count + 1)
                    cells[count] = i * shape[1] + j
                    ends[count, 0], ends[count, 1] = before, k
                    count += 1
            before = k
    return cells, ends, count


@njit(cache=True)
def entry_holds(raster: AreaRaster, cell: int, entry: int, x: float, y: float) -> bool:
    """Whether the polygon of an entry of the point's cell strictly contains the point."""
    if raster.covers[entry]:
        return True
    i, j = cell // raster.shape[1], cell % raster.shape[1]
    middle = raster.origin[0] + (i + 0.5) * raster.cell_m, raster.origin[1] + (j + 0.5) * raster.cell_m
    span = raster.edge_spans[entry, 0], raster.edge_spans[entry, 1]
    crossings = crossings_to(raster.areas.points, raster.edges, span, (x, y), middle)
    if crossings < 0:
        return contains_point(raster.areas, raster.rows[entry], x, y)
    return raster.holds_middle[entry] != (crossings % 2 == 1)


@njit(cache=True)
def crossings_to(
    points: Float64[np.ndarray, "points 2"],
    edges: Int64[np.ndarray, "edges 2"],
    span: tuple[int, int],
    point: tuple[float, float],
    middle: tuple[float, float],
) -> int:
    """Number of the edges of a span (first, stop) that the line from a point to another crosses; -1 on an edge."""
    x, y = point
    # Relative to the point, as map coordinates would cost digits.
    mx, my = middle[0] - x, middle[1] - y
    count = 0
    for e in range(span[0], span[1]):
        a, b = edges[e, 0], edges[e, 1]
        ax, ay, bx, by = points[a, 0] - x, points[a, 1] - y, points[b, 0] - x, points[b, 1] - y
        side_point = ax * by - ay * bx
        side_middle = (bx - ax) * (my - ay) - (by - ay) * (mx - ax)
        if side_point == 0.0 or side_middle == 0.0:
            return -1
        if (side_point > 0.0) != (side_middle > 0.0) and (mx * ay - my * ax > 0.0) != (mx * by - my * bx > 0.0):
            count += 1
    return count
