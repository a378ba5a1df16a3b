import numpy as np
import pytest
import shapely

from simulation.traffic.idm_paths import HEADING, PROGRESS, X, build_path, clamped, path_between, path_to_go, place_at
from simulation.traffic.idm_shapes import (
    CORNERS,
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


def _path(points):
    line = _line(points)
    path = np.zeros((len(line) + 2, 4))
    return path, build_path(line, len(line), path)


def _parts(points, width):
    line = _line(points)
    capacity = parts_needed(len(line))
    parts, bounds = np.empty((capacity, CORNERS, 2)), np.empty((capacity, 4))
    count = corridor_parts(line, len(line), width / 2, parts, bounds)
    return parts, bounds, count


def _union(parts, count):
    return shapely.union_all([shapely.Polygon(part).convex_hull for part in parts[:count]])


def test_a_path_loses_its_last_vertex_as_in_nuplan():
    path, count = _path([[0, 0], [1, 0], [2, 0], [3, 0]])
    np.testing.assert_allclose(path[:count, PROGRESS], [0, 1, 2])


def test_repeated_vertices_are_left_out():
    path, count = _path([[0, 0], [1, 0], [1, 0], [2, 0], [3, 0]])
    np.testing.assert_allclose(path[:count, X], [0, 1, 2])


def test_two_points_stay_a_path():
    path, count = _path([[0, 0], [5, 0]])
    np.testing.assert_allclose(path[:count, [PROGRESS, X]], [[0, 0], [5, 5]])


def test_headings_run_on_across_the_half_turn():
    path, count = _path([[0, 0], [-5, 1], [-10, 0], [-15, 0], [-16, 0]])
    assert np.abs(np.diff(path[:count, HEADING])).max() < 1.0
    halfway = (path[1, PROGRESS] + path[2, PROGRESS]) / 2
    assert place_at(path, count, halfway)[2] == pytest.approx((path[1, HEADING] + path[2, HEADING]) / 2)


def test_what_is_ahead_starts_between_vertices():
    path, count = _path([[0, 0], [1, 0], [2, 0], [3, 0]])
    line = np.empty((8, 3))
    assert path_to_go(path, count, 0.25, line) == 3
    np.testing.assert_allclose(line[:3, 0], [0.25, 1, 2])


def test_at_the_end_of_the_path_the_last_two_vertices_are_ahead():
    path, count = _path([[0, 0], [1, 0], [2, 0], [3, 0]])
    line = np.empty((8, 3))
    assert path_to_go(path, count, clamped(path, count, 9.0), line) == 2
    np.testing.assert_allclose(line[:2, 0], [1, 2])


@pytest.mark.parametrize(("start", "end", "expected"), [(0.5, 1.5, [0.5, 1, 1.5]), (2, 2, [1, 2]), (0, 0, [0, 1])])
def test_pieces_of_a_path(start, end, expected):
    path, count = _path([[0, 0], [1, 0], [2, 0], [3, 0]])
    line = np.empty((8, 3))
    num = path_between(path, count, start, end, line)
    np.testing.assert_allclose(line[:num, 0], expected)


@pytest.mark.parametrize("radius_m", [6.0, 20.0, 200.0])
@pytest.mark.parametrize("side", [-1, 1])
def test_a_corridor_is_shapelys_buffer(radius_m, side):
    angles = np.arange(0, min(2.0, 40 / radius_m), 1.0 / radius_m)
    points = radius_m * np.stack([np.sin(angles), side * (1 - np.cos(angles))], axis=1)
    parts, _, count = _parts(points, 2.0)
    expected = shapely.LineString(points).buffer(1.0, cap_style="flat", quad_segs=16)
    # GEOS smooths the line by a hundredth of the width before.
    assert _union(parts, count).symmetric_difference(expected).area < 0.02 * len(points)
    assert shapely.hausdorff_distance(_union(parts, count).buffer(1e-6), expected) < 0.02


def test_a_sharp_bend_is_rounded_outside():
    parts, _, count = _parts([[0, 0], [10, 0], [10, 10]], 2.0)
    expected = shapely.LineString([[0, 0], [10, 0], [10, 10]]).buffer(1.0, cap_style="flat", quad_segs=16)
    assert _union(parts, count).symmetric_difference(expected).area < 1e-6


def test_repeated_points_change_no_corridor():
    parts, _, count = _parts([[0, 0], [0, 0], [5, 0], [5, 0], [9, 1], [9, 1]], 2.0)
    other, _, other_count = _parts([[0, 0], [5, 0], [9, 1]], 2.0)
    assert count == other_count
    np.testing.assert_array_equal(parts[:count], other[:count])


def test_distances_of_shapes_are_those_of_their_unions():
    random = np.random.default_rng(2)
    for _ in range(50):
        lines = [np.cumsum(random.uniform(0, 3, (6, 2)), axis=0) + random.uniform(-15, 15, 2) for _ in range(2)]
        (a, a_bounds, num_a), (b, b_bounds, num_b) = (_parts(line, 2.0) for line in lines)
        expected = shapely.distance(_union(a, num_a), _union(b, num_b))
        assert shapes_distance(a, a_bounds, num_a, b, b_bounds, num_b) == pytest.approx(expected, abs=1e-9)
        whole = np.empty(4)
        join_bounds(b_bounds, num_b, whole)
        assert shapes_overlap(a, a_bounds, num_a, b, b_bounds, num_b, whole) == (expected == 0)


def test_a_triangle_is_a_part_too():
    parts, bounds = np.empty((1, CORNERS, 2)), np.empty((1, 4))
    set_part(parts, bounds, 0, np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 3.0]]))
    np.testing.assert_array_equal(bounds[0], [0, 0, 2, 3])
    np.testing.assert_array_equal(parts[0, 2:], np.tile([0.0, 3.0], (3, 1)))
