import numpy as np
import pytest

from driving import Trajectory

plan = Trajectory(time_s=np.array([0.0, 1.0, 3.0]), poses=np.array([[0.0, 0, 3.0], [2.0, 0, -3.0], [6.0, 4, -3.0]]))


def test_poses_in_between_are_interpolated_over_time():
    np.testing.assert_allclose(plan.at(np.array([0.5, 2.0]))[:, :2], [[1.0, 0.0], [4.0, 2.0]])


def test_headings_turn_the_short_way():
    assert abs(plan.at(np.array([0.5]))[0, 2]) == pytest.approx(np.pi)
    assert plan.at(np.array([2.0]))[0, 2] == pytest.approx(-3.0)


def test_plans_are_never_extrapolated():
    with pytest.raises(ValueError, match=r"covers 0\.000 s to 3\.000 s, asked for 1\.000 s to 3\.100 s"):
        plan.at(np.array([1.0, 3.1]))


def test_a_plan_can_be_seen_from_a_pose():
    np.testing.assert_allclose(plan.in_frame_of(np.array([0.0, 0.0, np.pi / 2]))[1, :2], [0.0, -2.0], atol=1e-12)
    assert plan.horizon_s == 3.0


def test_a_single_pose_is_no_plan():
    with pytest.raises(ValueError, match="at least 2 poses, got 1"):
        Trajectory(time_s=np.zeros(1), poses=np.zeros((1, 3)))
