import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest

from driving.synthetic.scenes import scene
from simulation.geometry.polylines import arc_lengths
from simulation.traffic.idm_map import entry_curvature, idm_map_of, nearest_pose


def circle(radius_m, length_m, spacing_m=0.01):
    angle = np.arange(0.0, length_m / radius_m, spacing_m / radius_m)
    return radius_m * np.stack([np.sin(angle), 1.0 - np.cos(angle)], axis=-1)


@pytest.mark.parametrize("radius_m", [8.0, 30.0, 100.0])
@pytest.mark.parametrize("length_m", [3.0, 40.0])
def test_the_curvature_at_the_start_of_a_circle_is_its_inverse_radius(radius_m, length_m):
    points = circle(radius_m, length_m)
    assert entry_curvature(points, arc_lengths(points)) == pytest.approx(1.0 / radius_m, rel=0.02)


def test_a_straight_line_has_no_curvature():
    points = np.array([[0.0, 0.0], [3.0, 4.0], [30.0, 40.0]])
    assert entry_curvature(points, arc_lengths(points)) == 0.0


def test_only_the_first_four_metres_count_for_the_curvature():
    points = np.array([[0.0, 0.0], [5.0, 0.0], [5.0, 20.0]])
    assert entry_curvature(points, arc_lengths(points)) == 0.0


CORNER = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 10.0]])


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ((4.0, 1.0), (4.0, 4.0, 0.0, 0.0)),
        # From (9.8, 0) to (10, 0.3), half a metre ahead around the corner.
        ((9.8, -1.0), (9.8, 9.8, 0.0, np.arctan2(0.3, 0.2))),
        # At the end of the line, the direction comes from half a metre before it.
        ((12.0, 14.0), (20.0, 10.0, 10.0, np.pi / 2)),
    ],
)
def test_the_heading_of_the_nearest_pose_is_that_to_the_point_half_a_metre_ahead(point, expected):
    assert nearest_pose(CORNER, arc_lengths(CORNER), *point) == pytest.approx(expected, abs=1e-12)


def test_a_map_has_one_set_of_arrays_of_the_same_lifetime():
    map_graph = replace(scene("queue").map)
    arrays = weakref.ref(idm_map_of(map_graph))
    assert idm_map_of(map_graph) is arrays()
    del map_graph
    gc.collect()
    assert arrays() is None


def test_lane_arrays_follow_the_rows_of_the_map():
    map_graph = scene("red_light").map
    lanes = idm_map_of(map_graph).lanes
    num_lanes = len(map_graph.lanes)
    assert len(lanes.offsets) == num_lanes + 1
    assert len(lanes.speed_limit) == len(lanes.has_lights) == len(lanes.entry_curvature) == num_lanes
    for row in range(num_lanes):
        piece = slice(lanes.offsets[row], lanes.offsets[row + 1])
        line = map_graph.centerline(row)
        np.testing.assert_array_equal(lanes.points[piece], line.points)
        np.testing.assert_allclose(lanes.headings[piece], line.headings, atol=1e-12)
        limit_mps = map_graph.speed_limit_mps(row)
        assert lanes.speed_limit[row] == (0.0 if limit_mps is None else limit_mps)
        successors = lanes.next_rows[lanes.next_offsets[row] : lanes.next_offsets[row + 1]]
        assert successors.tolist() == map_graph.lanes.successors[row].tolist()


def test_stop_rows_are_those_of_the_map():
    map_graph = scene("red_light").map
    idm_map = idm_map_of(map_graph)
    with_lights = np.flatnonzero(map_graph.lanes.has_traffic_lights).tolist()
    assert with_lights
    for row in with_lights:
        assert idm_map.stop_rows(row) == tuple(map_graph.stop_lines_of(row)) == idm_map.stop_rows(row)
    assert any(idm_map.stop_rows(row) for row in with_lights)
