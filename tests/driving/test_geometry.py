import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driving.geometry import (
    Polyline,
    box_corners,
    global_from_local,
    local_from_global,
    poses_in_frame_of,
    poses_out_of_frame_of,
    shifted_along_heading,
    solid_corners,
    wrap_angle,
)

coordinates = st.floats(-1e4, 1e4)
angles = st.floats(-20.0, 20.0)
poses = st.tuples(coordinates, coordinates, angles).map(np.array)


@pytest.mark.parametrize(
    ("angle", "wrapped"),
    [(0.0, 0.0), (np.pi, -np.pi), (-np.pi, -np.pi), (1.5 * np.pi, -0.5 * np.pi), (7.0, 7.0 - 2 * np.pi)],
)
def test_angles_wrap_into_the_half_open_interval(angle, wrapped):
    assert wrap_angle(angle) == pytest.approx(wrapped)


@given(angles)
def test_wrapping_changes_an_angle_by_whole_turns_only(angle):
    wrapped = wrap_angle(angle)
    assert -np.pi <= wrapped <= np.pi
    assert np.cos(wrapped) == pytest.approx(np.cos(angle), abs=1e-9)
    assert np.sin(wrapped) == pytest.approx(np.sin(angle), abs=1e-9)


@given(poses, st.lists(st.tuples(coordinates, coordinates), min_size=1, max_size=5).map(np.array))
def test_transforming_points_to_a_frame_and_back_is_the_identity(pose, points):
    np.testing.assert_allclose(global_from_local(local_from_global(points, pose), pose), points, atol=1e-9)


@given(poses, poses)
def test_transforming_poses_to_a_frame_and_back_is_the_identity(pose, origin):
    back = poses_out_of_frame_of(poses_in_frame_of(pose[np.newaxis], origin), origin)[0]
    np.testing.assert_allclose(back[:2], pose[:2], atol=1e-9)
    assert wrap_angle(back[2] - pose[2]) == pytest.approx(0.0, abs=1e-9)


def test_a_point_ahead_of_a_pose_with_heading_north_is_north_of_it():
    looking_north = np.array([10.0, 20.0, np.pi / 2])
    np.testing.assert_allclose(global_from_local(np.array([[5.0, 1.0]]), looking_north), [[9.0, 25.0]])
    np.testing.assert_allclose(
        poses_in_frame_of(np.array([[9.0, 25.0, np.pi]]), looking_north), [[5.0, 1.0, np.pi / 2]]
    )


def test_a_shift_is_along_the_heading():
    np.testing.assert_allclose(shifted_along_heading(np.array([1.0, 2.0, np.pi / 2]), 3.0), [1.0, 5.0, np.pi / 2])


def test_corners_of_an_upright_box_are_four_below_then_four_above():
    corners = solid_corners(np.array([10.0, 5.0, np.pi / 2]), np.array([4.0, 2.0, 2.0]), 0.5)
    np.testing.assert_allclose(corners[0], [9.0, 7.0, 0.5], atol=1e-12)
    np.testing.assert_allclose(corners[6], [11.0, 3.0, 2.5], atol=1e-12)
    many = solid_corners(np.zeros((3, 3)), np.full((3, 3), 2.0), np.array([0.0, 1.0, 2.0]))
    assert many[:, 0, 2].tolist() == [0.0, 1.0, 2.0]
    assert many[:, 4, 2].tolist() == [2.0, 3.0, 4.0]


def test_corners_are_front_left_rear_left_rear_right_front_right():
    corners = box_corners(np.array([[0.0, 0.0, 0.0], [10.0, 0.0, np.pi / 2]]), np.array([[4.0, 2.0], [4.0, 2.0]]))
    np.testing.assert_allclose(corners[0], [[2, 1], [-2, 1], [-2, -1], [2, -1]], atol=1e-12)
    np.testing.assert_allclose(corners[1], [[9, 2], [9, -2], [11, -2], [11, 2]], atol=1e-12)


class TestPolyline:
    bent = Polyline(np.array([[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]]))

    def test_arc_length_adds_up(self):
        np.testing.assert_allclose(self.bent.arc_length_m, [0.0, 3.0, 7.0])
        assert self.bent.length_m == 7.0

    def test_the_last_heading_repeats_the_one_before(self):
        np.testing.assert_allclose(self.bent.headings, [0.0, np.pi / 2, np.pi / 2])

    def test_offsets_are_positive_to_the_left(self):
        found = self.bent.project(np.array([[1.0, 0.5], [1.0, -0.5], [4.0, 2.0], [2.0, 3.0], [-1.0, 0.0]]))
        np.testing.assert_allclose(found[:4], [[1.0, 0.5], [1.0, -0.5], [5.0, -1.0], [6.0, 1.0]])
        assert found[4, 0] == 0.0

    def test_places_beyond_the_ends_are_clamped(self):
        np.testing.assert_allclose(
            self.bent.at(np.array([-1.0, 1.0, 5.0, 9.0])),
            [
                [0.0, 0.0, 0.0],
                [1.0, 0.0, 0.0],
                [3.0, 2.0, np.pi / 2],
                [3.0, 4.0, np.pi / 2],
            ],
        )

    def test_repeated_points_do_no_harm(self):
        line = Polyline(np.array([[0.0, 0.0], [0.0, 0.0], [2.0, 0.0]]))
        np.testing.assert_allclose(line.project(np.array([[1.0, 1.0]])), [[1.0, 1.0]])

    def test_one_point_is_no_line(self):
        with pytest.raises(ValueError, match="at least 2 points, got 1"):
            Polyline(np.zeros((1, 2)))

    @given(st.lists(st.floats(-5.0, 5.0), min_size=2, max_size=8), st.floats(0.0, 1.0))
    def test_a_point_on_a_line_projects_to_itself(self, heights, share):
        line = Polyline(np.stack([np.arange(len(heights)) * 3.0, np.array(heights)], axis=-1))
        along = share * line.length_m
        found = line.project(line.at(np.array([along]))[:, :2])[0]
        assert found[0] == pytest.approx(along, abs=1e-6)
        assert found[1] == pytest.approx(0.0, abs=1e-6)
