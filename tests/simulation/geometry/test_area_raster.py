import numpy as np
import pytest
import shapely

from simulation.geometry.area_raster import entry_holds, rasterize
from simulation.geometry.polygons import flatten_polygons, grid_cell

ORIGIN = np.array([664_400.0, 3_997_400.0])


def rows_at(raster, x, y):
    cell = grid_cell(raster, x, y)
    if cell < 0:
        return []
    entries = range(raster.offsets[cell], raster.offsets[cell + 1])
    return sorted(int(raster.rows[k]) for k in entries if entry_holds(raster, cell, k, x, y))


@pytest.fixture(scope="module")
def polygons():
    rng = np.random.default_rng(3)
    shapes = []
    for _ in range(25):
        center = ORIGIN + rng.uniform(-30, 30, 2)
        angles = np.sort(rng.uniform(0, 2 * np.pi, 14))
        radii = rng.uniform(1.0, 14.0, 14)
        ring = center + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
        shapes.append(shapely.Polygon(ring).buffer(0))
    square = shapely.box(ORIGIN[0] - 10, ORIGIN[1] - 10, ORIGIN[0] + 10, ORIGIN[1] + 10)
    shapes.append(square.difference(shapely.box(ORIGIN[0] - 3, ORIGIN[1] - 3, ORIGIN[0] + 3, ORIGIN[1] + 3)))
    array = np.empty(len(shapes), dtype=object)
    array[:] = shapes
    return array


def test_containment_of_points_equals_that_of_shapely(polygons):
    raster = rasterize(flatten_polygons(polygons), ORIGIN - 30, ORIGIN + 30)
    for x, y in ORIGIN + np.random.default_rng(4).uniform(-29, 29, (3000, 2)):
        expected = np.flatnonzero(shapely.contains_xy(polygons, x, y)).tolist()
        assert rows_at(raster, x, y) == expected


def test_points_on_a_border_or_outside_of_the_region_belong_to_no_polygon(polygons):
    raster = rasterize(flatten_polygons(polygons[-1:]), ORIGIN - 30, ORIGIN + 30)
    on_border = [(10.0, 4.0), (-10.0, 0.0), (0.0, 10.0), (3.0, 1.0), (0.0, -3.0), (10.0, 10.0)]
    for x, y in on_border:
        assert rows_at(raster, ORIGIN[0] + x, ORIGIN[1] + y) == []
    assert rows_at(raster, ORIGIN[0] + 9.999, ORIGIN[1] + 4.0) == [0]
    assert rows_at(raster, ORIGIN[0] + 40.0, ORIGIN[1]) == []


def test_a_large_region_has_coarser_cells_and_the_same_results(polygons):
    raster = rasterize(flatten_polygons(polygons), ORIGIN - 600, ORIGIN + 600)
    assert raster.cell_m > 1.5
    for x, y in ORIGIN + np.random.default_rng(5).uniform(-29, 29, (500, 2)):
        assert rows_at(raster, x, y) == np.flatnonzero(shapely.contains_xy(polygons, x, y)).tolist()
