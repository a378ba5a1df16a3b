"""Coverage of texels by polygons, against areas that shapely computes."""

import numpy as np
import shapely
from shapely.geometry.polygon import orient

from simulation.rendering.polygon_fill import coverage, paint_rings, paint_surface


def flat(*polygons):
    rings = []
    for polygon in polygons:
        one = orient(polygon)
        rings += [np.asarray(ring.coords)[:-1] for ring in (one.exterior, *one.interiors)]
    return np.concatenate(rings), np.cumsum([0, *(len(ring) for ring in rings)])


def test_covered_shares_equal_the_areas_of_intersections():
    polygon = shapely.Polygon([(1.3, 1.1), (10.2, 3.4), (8.7, 11.6), (2.2, 9.3)], [[(4, 4), (4, 7), (7, 7), (7, 4)]])
    mask = coverage(*flat(polygon), 12)
    exact = [[shapely.box(i, j, i + 1, j + 1).intersection(polygon).area for i in range(12)] for j in range(12)]
    np.testing.assert_allclose(mask, exact, atol=0.08)
    assert mask[5, 5] == 0.0
    assert mask[3, 3] == 1.0
    assert abs(mask.sum() - polygon.area) < 0.1


def test_polygons_that_touch_or_overlap_have_no_seam():
    left, right = shapely.box(1.0, 1.0, 4.37, 7.0), shapely.box(4.37, 1.0, 7.0, 7.0)
    mask = coverage(*flat(left, right, shapely.box(3, 3, 5, 5)), 8)
    np.testing.assert_allclose(mask[1:7, 1:7], 1.0, atol=1e-5)


def test_parts_outside_of_the_raster_are_cut():
    mask = coverage(*flat(shapely.box(-50.0, -50.0, 2.5, 2.0)), 4)
    np.testing.assert_allclose(mask, np.outer([1, 1, 0, 0], [1, 1, 0.5, 0]), atol=1e-6)


def test_paint_replaces_the_covered_share():
    image = np.full((3, 1, 2), 100.0, dtype=np.float32)
    noise = np.array([[0.0, 1.0]], dtype=np.float32), np.zeros((1, 2), dtype=np.float32)
    paint_surface(image, np.array([[0.5, 1.0]], dtype=np.float32), noise, ((200.0, 0.0, 100.0), (0.1, 0.0)))
    np.testing.assert_allclose(np.moveaxis(image, 0, -1), [[[150, 50, 100], [220, 0, 110]]], rtol=1e-6)


def test_painting_rings_equals_painting_their_mask():
    rng = np.random.default_rng(4)
    # Overlapping quadrilaterals, more than are sorted by insertion, in part outside of the raster.
    corners = rng.uniform(-6, 30, (40, 1, 2)) + np.array([[0, 0], [7, 1], [8, 6], [1, 5]])
    rings = corners.reshape(-1, 2), np.arange(0, 161, 4)
    noise = tuple(rng.normal(size=(24, 24)).astype(np.float32) for _ in range(2))
    shares = rng.uniform(0, 1, (24, 24)).astype(np.float32)
    style = (200.0, 90.0, 40.0), (0.1, 0.2)
    image = rng.uniform(0, 255, (3, 24, 24)).astype(np.float32)
    expected = image.copy()
    paint_surface(expected, coverage(*rings, 24) * shares, noise, style)
    paint_rings(image, rings, shares, noise, style)
    np.testing.assert_array_equal(image, expected)
