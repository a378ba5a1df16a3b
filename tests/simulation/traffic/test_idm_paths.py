import numpy as np
import pytest

from simulation.traffic.idm_paths import (
    HEADING,
    PROGRESS,
    X,
    build_path,
    clamped,
    path_between,
    path_to_go,
    pose_on_path,
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


def test_a_path_loses_its_last_vertex_as_in_nuplan():
    path, count = _path([[0, 0], [1, 0], [2, 0], [3, 0]])
    np.testing.assert_allclose(path[:count, PROGRESS], [0, 1, 2])


def test_repeated_vertices_are_left_out():
    path, count = _path([[0, 0], [1, 0], [1, 0], [2, 0], [3, 0]])
    np.testing.assert_allclose(path[:count, X], [0, 1, 2])


def test_two_points_stay_a_path():
    path, count = _path([[0, 0], [5, 0]])
    np.testing.assert_allclose(path[:count, [PROGRESS, X]], [[0, 0], [5, 5]])


def test_headings_do_not_jump_at_half_a_turn():
    path, count = _path([[0, 0], [-5, 1], [-10, 0], [-15, 0], [-16, 0]])
    assert np.abs(np.diff(path[:count, HEADING])).max() < 1.0
    halfway = (path[1, PROGRESS] + path[2, PROGRESS]) / 2
    assert pose_on_path(path, count, halfway)[2] == pytest.approx((path[1, HEADING] + path[2, HEADING]) / 2)


def test_the_path_to_go_starts_between_vertices():
    path, count = _path([[0, 0], [1, 0], [2, 0], [3, 0]])
    line = np.empty((8, 3))
    assert path_to_go(path, count, 0.25, line) == 3
    np.testing.assert_allclose(line[:3, 0], [0.25, 1, 2])


def test_at_the_end_of_a_path_its_last_two_vertices_are_the_path_to_go():
    path, count = _path([[0, 0], [1, 0], [2, 0], [3, 0]])
    line = np.empty((8, 3))
    assert path_to_go(path, count, clamped(path, count, 9.0), line) == 2
    np.testing.assert_allclose(line[:2, 0], [1, 2])


@pytest.mark.parametrize(("start", "end", "expected"), [(0.5, 1.5, [0.5, 1, 1.5]), (2, 2, [1, 2]), (0, 0, [0, 1])])
def test_a_piece_of_a_path_ends_at_interpolated_points(start, end, expected):
    path, count = _path([[0, 0], [1, 0], [2, 0], [3, 0]])
    line = np.empty((8, 3))
    num = path_between(path, count, start, end, line)
    np.testing.assert_allclose(line[:num, 0], expected)


def test_headings_of_a_path_unwrap_as_in_numpy():
    headings = np.random.default_rng(0).uniform(-np.pi, np.pi, 40)
    line = np.column_stack([np.arange(40.0), np.zeros(40), headings])
    path = np.zeros((40, 4))
    count = build_path(line, 40, path)
    np.testing.assert_allclose(path[:count, HEADING], np.unwrap(headings[:count]), atol=1e-12)


def test_progress_is_bounded_by_the_ends_of_the_path():
    path, count = _path([[0, 0], [1, 0], [2, 0], [3, 0]])
    assert [clamped(path, count, progress) for progress in (-1.0, 0.5, 7.0)] == [0.0, 0.5, 2.0]
