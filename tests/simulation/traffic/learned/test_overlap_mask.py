import numpy as np
import pytest

from simulation.traffic.learned.overlap_mask import (
    CELL_M,
    HARD_BRAKING_MPS2,
    Occupancy,
    corners_of,
    first_overlap,
    is_behind,
    near_users,
    occupancy,
    safe_accelerations,
    token_overlap_time,
)
from simulation.traffic.learned.paths import Paths
from simulation.traffic.learned.state import FORECAST_POSES, FORECAST_STEP_S, forecasts, no_users
from simulation.traffic.learned.vocabulary import ACCELERATIONS_MPS2


def straight_world(*users, is_open=True):
    """Road users of 4 x 2 m at (x, y, heading, speed); the first has a straight path along x, the last is the ego."""
    count = len(users)
    vertices = np.array([[-20.0, 0.0, 0.0, 0.0, 10.0], [280.0, 0.0, 0.0, 300.0, 10.0]])
    offsets = np.array([0, 2, *[2] * (count - 2)])
    none = np.zeros(0)
    paths = Paths(
        offsets,
        vertices,
        np.zeros(count, dtype=np.int64),
        none,
        none.astype(np.int64),
        none.astype(np.int8),
        np.array([is_open] * (count - 1)),
    )
    state = no_users(count, 1)
    state.present[:] = True
    for row, (x, y, heading, speed) in enumerate(users):
        state.poses[row], state.sizes[row], state.speed[row] = (x, y, heading), (4.0, 2.0), speed
        state.velocities[row] = speed * np.cos(heading), speed * np.sin(heading)
    state.progress[0] = users[0][0] + 20.0
    expected = np.zeros((count, FORECAST_POSES, 3))
    forecasts(paths, state, expected)
    return paths, state, expected


FAR = (0.0, 500.0, 0.0, 0.0)


def safe_of(*users, is_open=True):
    paths, state, expected = straight_world(*users, is_open=is_open)
    return safe_accelerations(occupancy(paths, state, expected, 0), users[0][3], ACCELERATIONS_MPS2)


def test_on_a_free_road_everything_is_safe():
    assert safe_of((0.0, 0.0, 0.0, 10.0), FAR).all()


def test_a_standing_car_ahead_forbids_what_cannot_be_braked_any_more():
    # 10 m/s need 8.3 m to stop at 6 m/s^2; the gap is 14 m, less 4.5 to 6.3 m in the half second before.
    safe = safe_of((0.0, 0.0, 0.0, 10.0), (18.0, 0.0, 0.0, 0.0), FAR)
    assert safe[ACCELERATIONS_MPS2 <= -1.0].all()
    assert not safe[ACCELERATIONS_MPS2 >= 2.0].any()


def test_when_nothing_avoids_the_overlap_the_hardest_braking_delays_it():
    safe = safe_of((0.0, 0.0, 0.0, 15.0), (12.0, 0.0, 0.0, 0.0), FAR)
    assert safe.sum() == 1
    assert ACCELERATIONS_MPS2[safe][0] <= HARD_BRAKING_MPS2


def test_a_faster_car_behind_forbids_nothing():
    assert safe_of((0.0, 0.0, 0.0, 5.0), (-10.0, 0.0, 0.0, 15.0), FAR).all()


def test_the_ego_counts_as_the_others_do():
    safe = safe_of((0.0, 0.0, 0.0, 10.0), (14.0, 0.0, 0.0, 0.0))
    assert not safe[ACCELERATIONS_MPS2 >= 0.0].any()


def test_crossing_traffic_is_waited_for_or_passed_before():
    # The other crosses the path 20 m ahead in 1.5 s to 2.5 s.
    crossing = (22.0, -16.0, np.pi / 2, 8.0)
    slow = safe_of((0.0, 0.0, 0.0, 4.0), crossing, FAR)
    assert slow[ACCELERATIONS_MPS2 <= 0.0].all()
    fast = safe_of((0.0, 0.0, 0.0, 14.0), crossing, FAR)
    assert fast.any()


def test_the_end_of_a_closed_path_is_a_wall():
    paths, state, expected = straight_world((276.0, 0.0, 0.0, 6.0), FAR, is_open=False)
    safe = safe_accelerations(occupancy(paths, state, expected, 0), 6.0, ACCELERATIONS_MPS2)
    assert not safe[ACCELERATIONS_MPS2 >= 2.0].any()
    assert safe[0]


def test_an_overlap_that_exists_already_forbids_nothing():
    assert safe_of((0.0, 0.0, 0.0, 1.0), (3.0, 0.0, 0.0, 0.0), FAR).all()


def test_the_first_overlap_is_found_in_the_cell_where_it_happens():
    blocked = np.zeros((FORECAST_POSES, 40), dtype=bool)
    blocked[4:, 10:14] = True
    found = Occupancy(blocked, np.inf)
    assert first_overlap(found, 10 * CELL_M, 0.0, 0.0) == pytest.approx(4 * FORECAST_STEP_S)
    assert first_overlap(found, 2.0, 0.0, HARD_BRAKING_MPS2) == np.inf


@pytest.mark.parametrize(
    ("other", "expected"),
    [((-5.0, 0.0, 0.0), True), ((5.0, 0.0, 0.0), False), ((-5.0, 0.0, np.pi / 2), False), ((-5.0, 0.0, 3.1), False)],
)
def test_only_followers_are_behind(other, expected):
    assert is_behind((0.0, 0.0, 0.0), np.array(other)) == expected


def test_a_pedestrian_does_not_step_into_a_passing_car():
    _, state, expected = straight_world((-6.0, 0.0, 0.0, 10.0), (0.0, -2.0, np.pi / 2, 1.0), FAR)
    state.sizes[1] = 0.6, 0.6
    others = near_users(state, expected, 1, 12.0)
    assert 0 in others.tolist()
    assert token_overlap_time(state, expected, (1, others), (0.7, 0.0, 0.0)) < np.inf
    assert token_overlap_time(state, expected, (1, others), (0.0, 0.0, 0.0)) == np.inf


def test_corners_surround_the_pose():
    corners = corners_of((1.0, 2.0, 0.0), 4.0, 2.0)
    np.testing.assert_allclose(corners.mean(axis=0), [1.0, 2.0])
    np.testing.assert_allclose(np.ptp(corners, axis=0), [4.0, 2.0])
