"""Compiled geometry against shapely, and by hand."""

import numpy as np
import pytest
import shapely
import shapely.ops
from shapely.geometry import LineString, MultiPolygon, Polygon, box

from simulation.geometry.boxes import box_corners, convex_distance, convex_overlap
from simulation.geometry.polygons import (
    any_contains,
    contains_point,
    distance_to_convex,
    distance_to_point,
    flatten_polygons,
    nearest_distance,
    overlaps_convex,
    rows_containing,
    rows_in_bounds,
)
from simulation.geometry.polylines import arc_lengths, corridor_overlaps, interpolate, project

ORIGIN = np.array([664_400.0, 3_997_600.0])
"""A place in the Las Vegas map: large coordinates must not cost precision."""


def random_boxes(rng, count, spread_m=12.0):
    for _ in range(count):
        x, y = ORIGIN + rng.uniform(-spread_m, spread_m, 2)
        yield box_corners(x, y, rng.uniform(-4, 4), rng.uniform(0.4, 9.0), rng.uniform(0.3, 2.8))


def test_corners_run_front_left_rear_left_rear_right_front_right():
    corners = box_corners(10.0, 5.0, np.pi / 2, 4.0, 2.0)
    np.testing.assert_allclose(corners, [[9, 7], [9, 3], [11, 3], [11, 7]], atol=1e-12)


def test_boxes_overlap_and_keep_distance_as_shapely_says():
    rng = np.random.default_rng(0)
    overlaps = 0
    for a, b in zip(random_boxes(rng, 400, 6.0), random_boxes(rng, 400, 6.0), strict=True):
        shapes = Polygon(a), Polygon(b)
        assert convex_overlap(a, b) == shapes[0].intersects(shapes[1])
        assert convex_distance(a, b) == pytest.approx(shapes[0].distance(shapes[1]), abs=1e-8)
        overlaps += convex_overlap(a, b)
    assert 40 < overlaps < 360


def test_touching_boxes_overlap():
    assert convex_overlap(box_corners(0, 0, 0, 2, 2), box_corners(2, 0, 0, 2, 2))
    assert not convex_overlap(box_corners(0, 0, 0, 2, 2), box_corners(2.001, 0, 0, 2, 2))


@pytest.fixture(scope="module")
def some_polygons():
    ring = shapely.Point(*ORIGIN).buffer(30).difference(shapely.Point(*ORIGIN).buffer(18))
    star = Polygon(
        [
            ORIGIN + r * np.array([np.cos(t), np.sin(t)])
            for t, r in zip(np.arange(16) * np.pi / 8, [25, 9] * 8, strict=True)
        ]
    )
    pair = MultiPolygon([box(*(ORIGIN + 40), *(ORIGIN + 50)), box(*(ORIGIN - 55), *(ORIGIN - 42))])
    polygons = np.empty(3, dtype=object)
    polygons[:] = [ring, star, pair]
    return polygons


def test_points_lie_in_holes_stars_and_parts_as_shapely_says(some_polygons):
    flat = flatten_polygons(some_polygons)
    rng = np.random.default_rng(1)
    for point in ORIGIN + rng.uniform(-60, 60, (800, 2)):
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


def test_the_boundary_is_not_inside():
    polygons = np.empty(1, dtype=object)
    polygons[0] = box(0, 0, 10, 10)
    flat = flatten_polygons(polygons)
    assert not contains_point(flat, 0, 0.0, 5.0)
    assert not contains_point(flat, 0, 10.0, 10.0)
    assert contains_point(flat, 0, 1e-9, 5.0)


def test_boxes_meet_polygons_as_shapely_says(some_polygons):
    flat = flatten_polygons(some_polygons)
    rng = np.random.default_rng(2)
    for corners in random_boxes(rng, 400, spread_m=60.0):
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


@pytest.fixture(scope="module")
def bend():
    angle = np.linspace(0, 2.0, 40)
    return ORIGIN + np.stack([30 * np.sin(angle), 30 - 30 * np.cos(angle)], axis=-1)


def test_projection_and_interpolation_agree_with_shapely(bend):
    arc, line = arc_lengths(bend), LineString(bend)
    rng = np.random.default_rng(3)
    for point in ORIGIN + rng.uniform(-40, 60, (300, 2)):
        assert project(bend, arc, *point) == pytest.approx(line.project(shapely.Point(point)), abs=1e-7)
    for along in np.linspace(-3, arc[-1] + 3, 50):
        x, y, _ = interpolate(bend, arc, along)
        expected = line.interpolate(np.clip(along, 0, arc[-1]))
        assert (x, y) == pytest.approx((expected.x, expected.y), abs=1e-7)


@pytest.mark.parametrize("caps", ["flat", "square"])
def test_corridors_meet_boxes_as_finely_buffered_lines_do(bend, caps):
    arc, line = arc_lengths(bend), LineString(bend)
    rng = np.random.default_rng(4)
    disagreements = []
    for corners in random_boxes(rng, 500, spread_m=45.0):
        start, end = np.sort(rng.uniform(0, arc[-1], 2))
        corridor = shapely.ops.substring(line, start, end).buffer(1.1, cap_style=caps, quad_segs=64)
        ours = corridor_overlaps(bend, arc, start, end, 1.1, caps == "square", corners)
        gap = corridor.distance(Polygon(corners))
        if ours != corridor.intersects(Polygon(corners)):
            disagreements.append(gap)
    # GEOS simplifies the line before it widens it, by up to a hundredth of the width.
    assert all(gap < 0.02 for gap in disagreements)
    assert len(disagreements) < 5
