"""Candidates are within reach of the ego's speed, near the route, and far apart from each other."""

import numpy as np
import pytest

from planning.neural.candidate_selection import MAX_SPEED_MPS, CandidateSelector
from planning.neural.tokens import POSITION_M, ROUTE_POINTS, ROUTE_SIZE
from planning.neural.vocabulary import NUM_POSES
from simulation.ego.dynamics import STATE_SIZE, VELOCITY_X
from simulation.ego.vocabulary_tracking import FittedVocabulary, fit_vocabulary, retime_entries

SPEEDS_MPS = np.arange(0.0, 20.1, 0.25)


def selected(selector: CandidateSelector, *speeds_mps: float) -> np.ndarray:
    """Candidates on a straight route."""
    route, mask = straight_route(len(speeds_mps))
    return selector.select(np.array(speeds_mps), route, mask)


def straight_route(states: int) -> tuple[np.ndarray, np.ndarray]:
    route = np.zeros((states, ROUTE_POINTS, ROUTE_SIZE), dtype=np.float32)
    route[..., 0] = np.arange(ROUTE_POINTS) * 2.0 / POSITION_M
    route[..., 2] = 1.0
    return route, np.ones((states, ROUTE_POINTS), dtype=bool)


@pytest.fixture(scope="module")
def straight() -> FittedVocabulary:
    """81 entries straight ahead: row r keeps r / 4 m/s."""
    poses = np.zeros((len(SPEEDS_MPS), NUM_POSES, 3))
    poses[..., 0] = SPEEDS_MPS[:, np.newaxis] * np.arange(NUM_POSES) * 0.1
    return fit_vocabulary(poses)


@pytest.fixture(scope="module")
def selector(straight) -> CandidateSelector:
    return CandidateSelector(straight, count=12)


def test_candidates_are_ascending_and_none_twice(selector):
    rows = selected(selector, 0.0, 7.3, 10.0)
    assert rows.shape == (3, 12)
    assert (np.diff(rows, axis=1) > 0).all()


@pytest.mark.parametrize(("speed_mps", "slowest_mps", "fastest_mps"), [(0.0, 0.0, 4.0), (10.0, 2.5, 14.0)])
def test_candidates_span_the_speeds_within_reach(selector, speed_mps, slowest_mps, fastest_mps):
    candidates_mps = SPEEDS_MPS[selected(selector, speed_mps)[0]]
    assert candidates_mps.min() == pytest.approx(slowest_mps, abs=0.3)
    assert candidates_mps.max() == pytest.approx(fastest_mps, abs=0.3)


def test_every_entry_within_reach_is_closer_to_a_candidate_than_candidates_to_each_other(straight, selector):
    state = np.zeros(STATE_SIZE)
    state[VELOCITY_X] = 10.0
    # Within 7.5 m/s below and 4 m/s above, in rows of a quarter of a metre a second.
    possible = np.arange(11, 56)
    chosen = selected(selector, 10.0)[0]
    assert set(chosen.tolist()) < {10, *possible.tolist(), 56}
    ahead_m = retime_entries(straight, state, np.arange(len(SPEEDS_MPS)))[:, 5::5, 0]
    gaps_m = np.sqrt(((ahead_m[:, np.newaxis] - ahead_m[chosen]) ** 2).sum(axis=-1))
    between = gaps_m[chosen][~np.eye(len(chosen), dtype=bool)]
    assert gaps_m[possible].min(axis=1).max() <= between.min() + 1e-9


def test_too_few_entries_within_reach_are_filled_up_by_the_closest_speeds(straight):
    # At 20 m/s, the 31 entries from 12.5 m/s on are within reach; 9 more are the fastest below.
    rows = selected(CandidateSelector(straight, count=40), 20.0)[0]
    assert rows.tolist() == list(range(41, 81))


def test_of_a_small_vocabulary_all_entries_are_candidates(straight):
    selector = CandidateSelector(straight, count=320)
    assert selector.count == 81
    assert np.array_equal(selected(selector, 0.0, 12.0), np.tile(np.arange(81), (2, 1)))


def test_speeds_out_of_range_count_as_the_nearest_in_range(selector):
    rows = selected(selector, -0.4, 0.0, MAX_SPEED_MPS, 60.0)
    assert np.array_equal(rows[0], rows[1])
    assert np.array_equal(rows[2], rows[3])


@pytest.fixture(scope="module")
def turning() -> FittedVocabulary:
    """At 5 m/s: rows 0 to 20 turn by -60 to 60 degrees within 4 s."""
    turns = np.deg2rad(np.linspace(-60.0, 60.0, 21))[:, np.newaxis] * np.arange(NUM_POSES) / (NUM_POSES - 1)
    poses = np.zeros((21, NUM_POSES, 3))
    poses[..., 2] = turns
    for axis, part in enumerate((np.cos, np.sin)):
        poses[:, 1:, axis] = np.cumsum(0.5 * part(0.5 * (turns[:, 1:] + turns[:, :-1])), axis=1)
    return fit_vocabulary(poses)


def test_entries_that_leave_the_route_are_skipped(turning):
    # Beyond 0.6 rad, 34 degrees, or 4 m aside at the end is too far: of 20 m with a turn of 24 degrees, 4.2 m.
    assert selected(CandidateSelector(turning, count=7), 5.0)[0].tolist() == list(range(7, 14))


def test_an_ego_beside_the_route_may_stay_there(turning):
    selector = CandidateSelector(turning, count=7)
    route, mask = straight_route(1)
    route[..., 1] = 12.0 / POSITION_M
    # The route is 12 m to the left of the ego: candidates turn left, not right.
    assert selector.select(np.array([5.0]), route, mask)[0].min() >= 9


def test_without_a_route_all_directions_are_candidates(turning):
    route, mask = straight_route(1)
    rows = CandidateSelector(turning, count=7).select(np.array([5.0]), route, np.zeros_like(mask))[0]
    assert {0, 20} <= set(rows.tolist())
