import numpy as np
import pytest

from driving import Candidates

TIME_S = np.array([0.0, 1.0, 2.0])


def _two() -> Candidates:
    poses = np.zeros((2, 3, 3))
    poses[0, :, 0] = 4e6 + 10.0 * TIME_S
    poses[1, :, 2] = [3.1, -3.1, -3.0]
    return Candidates(time_s=TIME_S, poses=poses, scores=np.array([0.25, 0.5]), chosen=1)


def test_poses_in_between_lie_on_the_way_and_headings_turn_the_short_way():
    told = _two().at(np.array([0.5, 1.5]))
    assert told.poses[0, :, 0] == pytest.approx([4e6 + 5.0, 4e6 + 15.0])
    assert told.poses[1, 0, 2] == pytest.approx(-np.pi)
    assert told.poses[1, 1, 2] == pytest.approx(-3.05)
    assert told.chosen == 1
    assert told.scores.tolist() == [0.25, 0.5]


def test_beyond_the_end_there_is_nothing():
    told = _two().at(np.array([1.0, 2.0, 2.5]))
    assert np.isnan(told.poses[:, 2]).all()
    assert np.isfinite(told.poses[:, :2]).all()


def test_the_same_times_cost_nothing():
    told = _two()
    assert told.at(TIME_S.copy()) is told


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        ({"scores": np.zeros(0), "poses": np.zeros((0, 3, 3))}, r"at least one, got poses \(0, 3, 3\)"),
        ({"time_s": np.array([0.0, 0.0, 1.0])}, "must rise"),
        ({"chosen": 2}, "There are 2 candidates, and number 2 is said to be chosen"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(part, sentence):
    whole = {"time_s": TIME_S, "poses": np.zeros((2, 3, 3)), "scores": np.zeros(2), "chosen": None}
    with pytest.raises(ValueError, match=sentence):
        Candidates(**{**whole, **part})
