import numpy as np
import pytest
import shapely
from shapely.geometry import LineString, Point, Polygon

from driving.geometry import box_corners as plain_box_corners
from simulation.geometry.boxes import (
    box_corners,
    boxes_overlapping,
    convex_distance,
    convex_overlap,
    point_segment_distance,
    segment_distance,
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
        assert segments_cross(*ends.reshape(-1)) == first.intersects(second)
        assert segment_distance(*ends.reshape(-1)) == pytest.approx(first.distance(second), abs=1e-12)
        gap = point_segment_distance(*ends[0], *ends[2], *ends[3])
        assert gap == pytest.approx(second.distance(Point(ends[0])), abs=1e-12)
        crossings += segments_cross(*ends.reshape(-1))
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
    assert segments_cross(*map(float, ends)) == cross
