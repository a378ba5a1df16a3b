import numpy as np
import pytest
import shapely
from shapely.geometry import LineString, Point, Polygon

from driving.geometry import box_corners as plain_box_corners
from simulation.geometry.boxes import (
    Segment,
    box_corners,
    boxes_overlapping,
    convex_distance,
    convex_overlap,
    convex_point_distance,
    edge,
    point_segment_distance,
    point_segment_squared,
    segments_cross,
)


def test_corners_run_front_left_rear_left_rear_right_front_right():
    corners = box_corners(10.0, 5.0, np.pi / 2, 4.0, 2.0)
    np.testing.assert_allclose(corners, [[9, 7], [9, 3], [11, 3], [11, 7]], atol=1e-12)


def test_compiled_and_plain_corners_are_equal():
    rng = np.random.default_rng(0)
    poses, sizes = rng.uniform(-50.0, 50.0, (200, 3)), rng.uniform(0.1, 12.0, (200, 2))
    compiled = np.array([box_corners(*pose, *size) for pose, size in zip(poses, sizes, strict=True)])
    np.testing.assert_allclose(compiled, plain_box_corners(poses, sizes), rtol=0, atol=1e-13)


def test_overlap_and_distance_of_boxes_equal_those_of_shapely(random_boxes):
    overlaps = 0
    for a, b in zip(random_boxes(0, 400, 6.0), random_boxes(1, 400, 6.0), strict=True):
        shapes = Polygon(a), Polygon(b)
        assert convex_overlap(a, b) == shapes[0].intersects(shapes[1])
        assert convex_distance(a, b) == pytest.approx(shapes[0].distance(shapes[1]), abs=1e-8)
        overlaps += convex_overlap(a, b)
    assert 40 < overlaps < 360


def test_touching_boxes_overlap():
    assert convex_overlap(box_corners(0, 0, 0, 2, 2), box_corners(2, 0, 0, 2, 2))
    assert not convex_overlap(box_corners(0, 0, 0, 2, 2), box_corners(2.001, 0, 0, 2, 2))


def test_overlapping_boxes_are_those_of_shapely(origin):
    rng = np.random.default_rng(2)
    poses = np.column_stack([origin + rng.uniform(-9.0, 9.0, (300, 2)), rng.uniform(-4.0, 4.0, 300)])
    sizes = rng.uniform(0.3, 9.0, (300, 2))
    ego = box_corners(*origin, 0.7, 5.2, 2.3)
    expected = shapely.intersects(shapely.polygons(plain_box_corners(poses, sizes)), Polygon(ego))
    assert boxes_overlapping(ego, poses, sizes).tolist() == expected.tolist()
    assert 50 < expected.sum() < 250


def test_a_box_without_a_pose_overlaps_nothing():
    poses = np.array([[0.0, 0.0, 0.0], [np.nan, np.nan, np.nan]])
    overlaps = boxes_overlapping(box_corners(0, 0, 0, 2, 2), poses, np.array([[1.0, 1.0], [np.nan, np.nan]]))
    assert overlaps.tolist() == [True, False]


def test_segments_cross_and_keep_distance_as_those_of_shapely():
    rng = np.random.default_rng(3)
    crossings = 0
    for ends in rng.uniform(-5.0, 5.0, (500, 4, 2)):
        first, second = LineString(ends[:2]), LineString(ends[2:])
        ours = Segment(*ends[:2].reshape(-1)), Segment(*ends[2:].reshape(-1))
        assert segments_cross(*ours) == first.intersects(second)
        gap = second.distance(Point(ends[0]))
        assert point_segment_distance(ours[1], *ends[0]) == pytest.approx(gap, abs=1e-12)
        assert point_segment_squared(ours[1], *ends[0]) == pytest.approx(gap**2, abs=1e-12)
        crossings += segments_cross(*ours)
    assert 50 < crossings < 450


@pytest.mark.parametrize(
    ("ends", "cross"),
    [
        ((0, 0, 4, 0, 3, 0, 6, 0), True),  # On one line, overlapping.
        ((0, 0, 4, 0, 5, 0, 6, 0), False),  # On one line, apart.
        ((0, 0, 4, 0, 0, 1, 4, 1), False),  # Parallel.
        ((1, 0, 1, 0, 0, 0, 4, 0), True),  # A point on a segment.
        ((1, 1, 1, 1, 0, 0, 4, 0), False),  # A point beside a segment.
    ],
)
def test_parallel_and_degenerate_segments_cross_where_they_share_a_point(ends, cross):
    first, second = Segment(*map(float, ends[:4])), Segment(*map(float, ends[4:]))
    assert segments_cross(first, second) == cross


def test_edges_of_a_polygon_close_the_ring():
    square = box_corners(0.0, 0.0, 0.0, 2.0, 2.0)
    assert edge(square, 3) == Segment(1.0, -1.0, 1.0, 1.0)


def test_distance_of_points_from_boxes_equals_that_of_shapely(random_boxes, origin):
    points = origin + np.random.default_rng(4).uniform(-15.0, 15.0, (300, 2))
    for corners, point in zip(random_boxes(5, 300), points, strict=True):
        gap = Polygon(corners).distance(Point(point))
        assert convex_point_distance(corners, *point) == pytest.approx(gap, abs=1e-8)
