import numpy as np
import pytest
import shapely
from shapely.geometry import MultiPolygon, Polygon, box

from simulation.geometry.polygons import (
    any_contains,
    any_contains_each,
    contains_point,
    distance_to_convex,
    distance_to_point,
    flatten_polygons,
    nearest_distance,
    overlaps_convex,
    rows_containing,
    rows_in_bounds,
)


@pytest.fixture(scope="module")
def some_polygons(origin):
    ring = shapely.Point(*origin).buffer(30).difference(shapely.Point(*origin).buffer(18))
    star = Polygon(
        [
            origin + r * np.array([np.cos(t), np.sin(t)])
            for t, r in zip(np.arange(16) * np.pi / 8, [25, 9] * 8, strict=True)
        ]
    )
    pair = MultiPolygon([box(*(origin + 40), *(origin + 50)), box(*(origin - 55), *(origin - 42))])
    polygons = np.empty(3, dtype=object)
    polygons[:] = [ring, star, pair]
    return polygons


def test_containment_and_distance_of_points_equal_those_of_shapely(some_polygons, origin):
    flat = flatten_polygons(some_polygons)
    rng = np.random.default_rng(1)
    for point in origin + rng.uniform(-60, 60, (800, 2)):
        shape = shapely.Point(point)
        inside = [polygon.contains(shape) for polygon in some_polygons]
        assert [contains_point(flat, row, *point) for row in range(3)] == inside
        assert rows_containing(flat, *point).tolist() == np.flatnonzero(inside).tolist()
        assert any_contains(flat, *point) == any(inside)
        for row, polygon in enumerate(some_polygons):
            assert distance_to_point(flat, row, *point) == pytest.approx(polygon.distance(shape), abs=1e-8)
        nearest = min(polygon.distance(shape) for polygon in some_polygons)
        found = nearest_distance(flat, *point, 5.0)
        assert found == (pytest.approx(nearest, abs=1e-8) if nearest <= 5.0 else np.inf)


def test_containment_of_many_points_equals_that_of_each(some_polygons, origin):
    flat = flatten_polygons(some_polygons)
    corners = shapely.get_coordinates(some_polygons)
    points = np.concatenate([origin + np.random.default_rng(2).uniform(-60, 60, (800, 2)), corners])
    expected = shapely.contains_xy(some_polygons[:, np.newaxis], points[:, 0], points[:, 1]).any(axis=0)
    np.testing.assert_array_equal(any_contains_each(flat, points), expected)
    assert 0 < expected.sum() < 800


def test_a_point_on_the_boundary_is_not_inside():
    polygons = np.empty(1, dtype=object)
    polygons[0] = box(0, 0, 10, 10)
    flat = flatten_polygons(polygons)
    assert not contains_point(flat, 0, 0.0, 5.0)
    assert not contains_point(flat, 0, 10.0, 10.0)
    assert contains_point(flat, 0, 1e-9, 5.0)


def test_overlap_and_distance_of_boxes_equal_those_of_shapely(some_polygons, random_boxes):
    flat = flatten_polygons(some_polygons)
    for corners in random_boxes(2, 400, spread_m=60.0):
        shape = Polygon(corners)
        for row, polygon in enumerate(some_polygons):
            assert overlaps_convex(flat, row, corners) == polygon.intersects(shape)
            assert distance_to_convex(flat, row, corners) == pytest.approx(polygon.distance(shape), abs=1e-8)
        candidates = rows_in_bounds(flat, *shape.bounds)
        expected = [
            row for row, polygon in enumerate(some_polygons) if box(*polygon.bounds).intersects(box(*shape.bounds))
        ]
        assert candidates.tolist() == expected


@pytest.mark.parametrize("polygon", [None, shapely.Polygon()])
def test_a_polygon_without_bounds_is_refused(polygon):
    polygons = np.array([shapely.box(0, 0, 1, 1), polygon], dtype=object)
    with pytest.raises(ValueError, match=r"rows \[1\] are empty or not finite"):
        flatten_polygons(polygons)


def test_an_empty_layer_contains_nothing():
    flat = flatten_polygons(np.empty(0, dtype=object))
    assert not any_contains(flat, 0.0, 0.0)
    assert nearest_distance(flat, 0.0, 0.0, 100.0) == np.inf
