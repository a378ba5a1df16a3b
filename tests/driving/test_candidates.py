import numpy as np
import pytest
from odd_values import made_without_type_check

from driving import Candidates

TIME_S = np.array([0.0, 1.0, 2.0])


def _two() -> Candidates:
    poses = np.zeros((2, 3, 3))
    poses[0, :, 0] = 4e6 + 10.0 * TIME_S
    poses[1, :, 2] = [3.1, -3.1, -3.0]
    return Candidates(time_s=TIME_S, poses=poses, scores=np.array([0.25, 0.5]), chosen=1)


def test_positions_are_interpolated_and_headings_turn_the_short_way():
    found = _two().at(np.array([0.5, 1.5]))
    assert found.poses[0, :, 0] == pytest.approx([4e6 + 5.0, 4e6 + 15.0])
    assert found.poses[1, 0, 2] == pytest.approx(-np.pi)
    assert found.poses[1, 1, 2] == pytest.approx(-3.05)
    assert found.chosen == 1
    assert found.scores.tolist() == [0.25, 0.5]


def test_poses_beyond_the_end_are_nan():
    found = _two().at(np.array([1.0, 2.0, 2.5]))
    assert np.isnan(found.poses[:, 2]).all()
    assert np.isfinite(found.poses[:, :2]).all()


def test_the_same_times_return_the_same_candidates():
    found = _two()
    assert found.at(TIME_S.copy()) is found


@pytest.mark.parametrize(
    ("part", "error", "sentence"),
    [
        ({"poses": np.zeros((2, 3, 2))}, ValueError, r"Candidates\.poses must be .*\(candidates, time, 3.*got shape"),
        ({"scores": [0.0, 1.0]}, TypeError, r"Candidates\.scores must be a float64 NumPy array.*got a list"),
        ({"time_s": TIME_S.astype(np.float32)}, TypeError, r"Candidates\.time_s must be .*got dtype float32"),
    ],
)
def test_wrong_types_and_shapes_are_refused(part, error, sentence):
    whole = {"time_s": TIME_S, "poses": np.zeros((2, 3, 3)), "scores": np.zeros(2), "chosen": None}
    with pytest.raises(error, match=sentence):
        made_without_type_check(Candidates, **{**whole, **part})


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        ({"scores": np.zeros(0), "poses": np.zeros((0, 3, 3))}, r"at least one, got poses \(0, 3, 3\)"),
        ({"time_s": np.array([0.0, 0.0, 1.0])}, "must rise"),
        ({"chosen": 2}, "`chosen` must be a row of 2 candidates or None, got 2"),
        ({"scores": np.array([0.0, np.nan])}, "score of a candidate is NaN"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(part, sentence):
    whole = {"time_s": TIME_S, "poses": np.zeros((2, 3, 3)), "scores": np.zeros(2), "chosen": None}
    with pytest.raises(ValueError, match=sentence):
        Candidates(**{**whole, **part})
