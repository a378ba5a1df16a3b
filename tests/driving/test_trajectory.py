import numpy as np
import pytest
from odd_values import made_without_type_check

from driving import Trajectory

plan = Trajectory(time_s=np.array([0.0, 1.0, 3.0]), poses=np.array([[0.0, 0, 3.0], [2.0, 0, -3.0], [6.0, 4, -3.0]]))


def test_positions_are_interpolated_over_time():
    np.testing.assert_allclose(plan.at(np.array([0.5, 2.0]))[:, :2], [[1.0, 0.0], [4.0, 2.0]])


def test_headings_turn_the_short_way():
    assert abs(plan.at(np.array([0.5]))[0, 2]) == pytest.approx(np.pi)
    assert plan.at(np.array([2.0]))[0, 2] == pytest.approx(-3.0)


def test_plans_are_never_extrapolated():
    with pytest.raises(ValueError, match=r"covers 0\.000 s to 3\.000 s, requested were 1\.000 s to 3\.100 s"):
        plan.at(np.array([1.0, 3.1]))


def test_a_plan_is_transformed_into_the_frame_of_a_pose():
    np.testing.assert_allclose(plan.in_frame_of(np.array([0.0, 0.0, np.pi / 2]))[1, :2], [0.0, -2.0], atol=1e-12)
    assert plan.horizon_s == 3.0


def test_a_single_pose_is_no_plan():
    with pytest.raises(ValueError, match="at least 2 poses, got 1"):
        Trajectory(time_s=np.zeros(1), poses=np.zeros((1, 3)))


@pytest.mark.parametrize(
    ("part", "error", "sentence"),
    [
        (
            {"poses": np.zeros((3, 2))},
            ValueError,
            r"Trajectory\.poses must be .*\(time, 3: x, y, heading\), got shape \(3, 2\)",
        ),
        ({"poses": np.zeros((3, 3, 1))}, ValueError, r"got shape \(3, 3, 1\)"),
        ({"poses": np.zeros((2, 3))}, ValueError, "one pose per time stamp, got 2 for 3"),
        (
            {"poses": np.zeros((3, 3)).tolist()},
            TypeError,
            r"Trajectory\.poses must be a float64 NumPy array .*got a list",
        ),
        ({"poses": np.zeros((3, 3), dtype=np.float32)}, TypeError, "got dtype float32"),
        ({"time_s": [0.0, 1.0, 2.0]}, TypeError, r"Trajectory\.time_s must be .*got a list"),
        ({"time_s": np.zeros((3, 1))}, ValueError, r"Trajectory\.time_s must be .*\(time\), got shape \(3, 1\)"),
        ({"time_s": np.arange(3)}, TypeError, "got dtype int64"),
    ],
)
def test_types_and_shapes_are_checked_by_the_trajectory_itself(part, error, sentence):
    whole = {"time_s": np.arange(3.0), "poses": np.zeros((3, 3))}
    with pytest.raises(error, match=sentence):
        made_without_type_check(Trajectory, **{**whole, **part})


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        ({"poses": np.array([[0.0, 0.0, 0.0], [np.nan, 0.0, 0.0], [1.0, 0.0, 0.0]])}, "NaN or infinite"),
        ({"poses": np.array([[0.0, 0.0, 0.0], [np.inf, 0.0, 0.0], [-np.inf, 0.0, 0.0]])}, "NaN or infinite"),
        ({"time_s": np.array([0.0, 1.0, np.inf])}, "NaN or infinite"),
        ({"time_s": np.array([0.0, 2.0, 1.0])}, "must rise"),
        ({"time_s": np.array([0.0, 1.0, 1.0])}, "must rise"),
    ],
)
def test_values_are_finite_and_times_rise(part, sentence):
    whole = {"time_s": np.arange(3.0), "poses": np.zeros((3, 3))}
    with pytest.raises(ValueError, match=sentence):
        Trajectory(**{**whole, **part})
