import numpy as np
import pytest
import shapely

from simulation.geometry.boxes import box_corners
from simulation.geometry.polygons import flatten_polygons
from simulation.traffic.idm_shapes import (
    CORNERS,
    Shape,
    area_distance,
    area_overlaps,
    bounds_gap,
    corridor_parts,
    join_bounds,
    parts_needed,
    set_part,
    shapes_distance,
    shapes_overlap,
)


def _line(points):
    points = np.asarray(points, dtype=float)
    steps = np.diff(points, axis=0)
    headings = np.arctan2(steps[:, 1], steps[:, 0])
    return np.concatenate([points, np.append(headings, headings[-1])[:, None]], axis=1)


def _corridor(points, width):
    line = _line(points)
    capacity = parts_needed(len(line))
    corners, bounds = np.empty((capacity, CORNERS, 2)), np.empty((capacity, 4))
    return Shape(corners, bounds, corridor_parts(line, len(line), width / 2, corners, bounds))


def _union(shape):
    return shapely.union_all([shapely.Polygon(part).convex_hull for part in shape.corners[: shape.num_parts]])


@pytest.mark.parametrize("radius_m", [6.0, 20.0, 200.0])
@pytest.mark.parametrize("side", [-1, 1])
def test_a_corridor_is_shapelys_buffer(radius_m, side):
    angles = np.arange(0, min(2.0, 40 / radius_m), 1.0 / radius_m)
    points = radius_m * np.stack([np.sin(angles), side * (1 - np.cos(angles))], axis=1)
    shape = _corridor(points, 2.0)
    expected = shapely.LineString(points).buffer(1.0, cap_style="flat", quad_segs=16)
    # GEOS smooths the line by a hundredth of the width before.
    assert _union(shape).symmetric_difference(expected).area < 0.02 * len(points)
    assert shapely.hausdorff_distance(_union(shape).buffer(1e-6), expected) < 0.02


def test_a_sharp_bend_is_rounded_outside():
    shape = _corridor([[0, 0], [10, 0], [10, 10]], 2.0)
    expected = shapely.LineString([[0, 0], [10, 0], [10, 10]]).buffer(1.0, cap_style="flat", quad_segs=16)
    assert _union(shape).symmetric_difference(expected).area < 1e-6


def test_repeated_points_change_no_corridor():
    shape = _corridor([[0, 0], [0, 0], [5, 0], [5, 0], [9, 1], [9, 1]], 2.0)
    other = _corridor([[0, 0], [5, 0], [9, 1]], 2.0)
    assert shape.num_parts == other.num_parts
    np.testing.assert_array_equal(shape.corners[: shape.num_parts], other.corners[: other.num_parts])


def test_distances_of_shapes_are_those_of_their_unions():
    random = np.random.default_rng(2)
    for _ in range(50):
        lines = [np.cumsum(random.uniform(0, 3, (6, 2)), axis=0) + random.uniform(-15, 15, 2) for _ in range(2)]
        a, b = (_corridor(line, 2.0) for line in lines)
        expected = shapely.distance(_union(a), _union(b))
        assert shapes_distance(a, b) == pytest.approx(expected, abs=1e-9)
        whole = np.empty(4)
        join_bounds(b.bounds, b.num_parts, whole)
        assert shapes_overlap(a, b, whole) == (expected == 0)


def test_a_triangle_is_a_part_too():
    parts, bounds = np.empty((1, CORNERS, 2)), np.empty((1, 4))
    set_part(parts, bounds, 0, np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 3.0]]))
    np.testing.assert_array_equal(bounds[0], [0, 0, 2, 3])
    np.testing.assert_array_equal(parts[0, 2:], np.tile([0.0, 3.0], (3, 1)))


def test_distances_from_areas_equal_those_of_shapely():
    random = np.random.default_rng(3)
    centers = random.uniform(-8, 16, (60, 2))
    areas = np.array([shapely.Point(c).buffer(6).difference(shapely.Point(c).buffer(4)) for c in centers])
    flat = flatten_polygons(areas)
    overlaps = 0
    for row, area in enumerate(areas):
        shape = _corridor(np.cumsum(random.uniform(0, 3, (6, 2)), axis=0), 2.0)
        expected = shapely.distance(_union(shape), area)
        assert area_distance(flat, row, shape) == pytest.approx(expected, abs=1e-9)
        assert area_overlaps(flat, row, shape) == (expected == 0)
        overlaps += expected == 0
    assert 10 < overlaps < 50


def test_boxes_of_bounds_touch_at_distance_zero():
    assert bounds_gap(np.array([0.0, 0.0, 1.0, 1.0]), np.array([1.0, 0.5, 2.0, 2.0])) == 0.0
    assert bounds_gap(np.array([0.0, 0.0, 1.0, 1.0]), np.array([4.0, 5.0, 6.0, 6.0])) == 5.0


def test_a_shape_without_capacity_for_arcs_has_chords():
    line = _line([[0, 0], [10, 0], [10, 10]])
    corners, bounds = np.empty((2, CORNERS, 2)), np.empty((2, 4))
    count = corridor_parts(line, 3, 1.0, corners, bounds)
    chord = _union(Shape(corners, bounds, count))
    assert count == 2
    assert 0 < shapely.LineString(line[:, :2]).buffer(1.0, cap_style="flat").difference(chord).area < 0.3


def test_a_box_is_stored_with_its_last_corner_repeated():
    corners, bounds = np.empty((1, CORNERS, 2)), np.empty((1, 4))
    set_part(corners, bounds, 0, box_corners(1.0, 2.0, 0.0, 4.0, 2.0))
    np.testing.assert_array_equal(bounds[0], [-1, 1, 3, 3])
    np.testing.assert_array_equal(corners[0, 3], corners[0, 4])
