import numpy as np
import pytest

from driving.geometry import box_corners, shifted_along_heading
from driving.vehicle import PACIFICA
from simulation.ego.box import center_at, corners_around, ego_box, half_diagonal

POSES = np.random.default_rng(0).uniform(-20.0, 20.0, (50, 3))


def test_the_box_has_the_measures_of_the_vehicle():
    assert ego_box() == (PACIFICA.length_m, PACIFICA.width_m, PACIFICA.rear_axle_to_center_m)


def test_the_centre_lies_ahead_of_the_rear_axle():
    expected = shifted_along_heading(POSES, PACIFICA.rear_axle_to_center_m)[:, :2]
    np.testing.assert_allclose([center_at(*pose, ego_box()) for pose in POSES], expected, atol=1e-13)


def test_corners_equal_those_of_the_plain_function():
    sizes = np.tile([PACIFICA.length_m, PACIFICA.width_m], (len(POSES), 1))
    corners = [corners_around(*pose, ego_box()) for pose in POSES]
    np.testing.assert_allclose(corners, box_corners(POSES, sizes), atol=1e-13)


def test_corners_are_half_a_diagonal_from_the_centre():
    corners = corners_around(3.0, 4.0, 0.7, ego_box())
    distances = np.hypot(*(corners - [3.0, 4.0]).T)
    assert distances == pytest.approx(half_diagonal(ego_box()))
