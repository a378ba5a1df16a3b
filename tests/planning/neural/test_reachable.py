"""Of a vocabulary, those entries are asked that can be reached at the ego's speed and lie apart from each other."""

import numpy as np
import pytest

from planning.neural.reachable import MAX_SPEED_MPS, ReachableEntries
from planning.neural.vocabulary import NUM_POSES
from simulation.dynamics import STATE_SIZE, VELOCITY_X
from simulation.vocabulary_tracking import FittedVocabulary, fit_vocabulary, retime_entries

SPEEDS_MPS = np.arange(0.0, 20.1, 0.25)


@pytest.fixture(scope="module")
def straight() -> FittedVocabulary:
    """81 entries straight ahead: row r keeps r / 4 m/s."""
    poses = np.zeros((len(SPEEDS_MPS), NUM_POSES, 3))
    poses[..., 0] = SPEEDS_MPS[:, np.newaxis] * np.arange(NUM_POSES) * 0.1
    return fit_vocabulary(poses)


@pytest.fixture(scope="module")
def reachable(straight) -> ReachableEntries:
    return ReachableEntries(straight, count=12)


def test_as_many_as_asked_come_ascending_and_each_once(reachable):
    rows = reachable.at(np.array([0.0, 7.3, 10.0]))
    assert rows.shape == (3, 12)
    assert (np.diff(rows, axis=1) > 0).all()


@pytest.mark.parametrize(("speed_mps", "slowest_mps", "fastest_mps"), [(0.0, 0.0, 4.0), (10.0, 2.5, 14.0)])
def test_what_is_far_from_the_speed_of_the_ego_is_left_out_and_the_ends_of_the_rest_are_asked(
    reachable, speed_mps, slowest_mps, fastest_mps
):
    asked_mps = SPEEDS_MPS[reachable.at(np.array([speed_mps]))[0]]
    assert asked_mps.min() == pytest.approx(slowest_mps, abs=0.3)
    assert asked_mps.max() == pytest.approx(fastest_mps, abs=0.3)


def test_what_is_not_asked_lies_no_farther_from_the_asked_than_those_from_each_other(straight, reachable):
    state = np.zeros(STATE_SIZE)
    state[VELOCITY_X] = 10.0
    # Within 7.5 m/s below and 4 m/s above, in rows of a quarter of a metre a second.
    possible = np.arange(11, 56)
    chosen = reachable.at(np.array([10.0]))[0]
    assert set(chosen.tolist()) < {10, *possible.tolist(), 56}
    ahead_m = retime_entries(straight, state, np.arange(len(SPEEDS_MPS)))[:, 5::5, 0]
    gaps_m = np.sqrt(((ahead_m[:, np.newaxis] - ahead_m[chosen]) ** 2).sum(axis=-1))
    between = gaps_m[chosen][~np.eye(len(chosen), dtype=bool)]
    assert gaps_m[possible].min(axis=1).max() <= between.min() + 1e-9


def test_too_few_that_can_be_reached_are_filled_up_by_the_nearest_of_the_others(straight):
    # At 20 m/s those from 12.5 m/s on can be reached: 31 of the 81. Of 40, the others are the fastest below.
    rows = ReachableEntries(straight, count=40).at(np.array([20.0]))[0]
    assert rows.tolist() == list(range(41, 81))


def test_a_small_vocabulary_is_asked_as_a_whole(straight):
    reachable = ReachableEntries(straight, count=320)
    assert reachable.count == 81
    assert np.array_equal(reachable.at(np.array([0.0, 12.0])), np.tile(np.arange(81), (2, 1)))


def test_speeds_beyond_those_prepared_count_as_the_nearest(reachable):
    rows = reachable.at(np.array([-0.4, 0.0, MAX_SPEED_MPS, 60.0]))
    assert np.array_equal(rows[0], rows[1])
    assert np.array_equal(rows[2], rows[3])
