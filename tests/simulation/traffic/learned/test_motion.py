import numpy as np
import pytest

from simulation.traffic.learned.motion import STEP_S, free_motion, has_left, path_motion, plan_motions
from simulation.traffic.learned.paths import Paths
from simulation.traffic.learned.state import DECISION_STEPS, Choice, no_users


def straight_path(length_m=100.0, *, is_open=True):
    none = np.zeros(0)
    return Paths(
        np.array([0, 2]),
        np.array([[0.0, 0.0, 0.0, 0.0, 10.0], [length_m, 0.0, 0.0, length_m, 10.0]]),
        np.zeros(2, dtype=np.int64),
        none,
        none.astype(np.int64),
        none.astype(np.int8),
        np.array([is_open]),
    )


def moving(speed, progress=10.0):
    state = no_users(2, 1)
    state.poses[0], state.speed[0], state.velocities[0], state.progress[0] = (
        (progress, 0, 0),
        speed,
        (speed, 0),
        progress,
    )
    return state


def test_a_vehicle_accelerates_uniformly():
    out = np.zeros((DECISION_STEPS, 5))
    assert path_motion(straight_path(), moving(5.0), 0, 2.0, out) == pytest.approx(10.0 + 2.5 + 0.25)
    times = STEP_S * np.arange(1, DECISION_STEPS + 1)
    np.testing.assert_allclose(out[:, 0], 10.0 + 5.0 * times + times**2)
    np.testing.assert_allclose(out[:, 3], 5.0 + 2.0 * times)


def test_a_braking_vehicle_stops_and_does_not_reverse():
    out = np.zeros((DECISION_STEPS, 5))
    path_motion(straight_path(), moving(1.0), 0, -8.0, out)
    np.testing.assert_allclose(out[-1, [0, 3]], [10.0 + 1.0 / 16.0, 0.0])
    assert (np.diff(out[:, 0]) >= 0).all()


def test_a_vehicle_stops_at_the_end_of_a_closed_path():
    out = np.zeros((DECISION_STEPS, 5))
    assert path_motion(straight_path(12.0, is_open=False), moving(8.0), 0, 0.0, out) == 12.0
    assert out[-1, 3] == 0.0


def test_a_vehicle_drives_on_over_the_end_of_an_open_path():
    out = np.zeros((DECISION_STEPS, 5))
    assert path_motion(straight_path(12.0), moving(8.0), 0, 0.0, out) == pytest.approx(14.0)


@pytest.mark.parametrize("motion", [(0.6, 0.0, 0.0), (0.5, 0.2, 0.4), (0.0, 0.0, 0.0)])
def test_a_free_motion_ends_where_it_was_chosen_and_starts_smoothly(motion):
    state = moving(1.2, progress=0.0)
    out = np.zeros((DECISION_STEPS, 5))
    free_motion(state, 0, np.array(motion), out)
    np.testing.assert_allclose(out[-1, :3], motion, atol=1e-12)
    np.testing.assert_allclose(out[-1, 3:], np.array(motion[:2]) / 0.5, atol=1e-9)
    steps = np.diff(np.concatenate([[[0.0, 0.0]], out[:, :2]]), axis=0) / STEP_S
    assert np.hypot(*(steps[0] - [1.2, 0.0])) < 1.0
    assert np.hypot(*np.diff(steps, axis=0).T).max() < 1.5


def test_a_free_motion_turns_with_the_agent():
    state = moving(0.0, progress=0.0)
    state.poses[0, 2] = np.pi / 2
    out = np.zeros((DECISION_STEPS, 5))
    free_motion(state, 0, np.array([1.0, 0.0, 0.0]), out)
    np.testing.assert_allclose(out[-1, :2], [0.0, 1.0], atol=1e-12)


def test_motions_of_all_agents_are_planned_at_once():
    state = moving(5.0)
    choice = Choice(np.array([2.0]), np.array([[1.0, 0.0, 0.0]]))
    planned = plan_motions(straight_path(), state, np.array([0]), np.array([False]), choice)
    assert planned[0, -1, 0] == pytest.approx(12.75)
    assert state.progress[0] == pytest.approx(12.75)
    freely = moving(2.0)
    planned = plan_motions(straight_path(), freely, np.array([0]), np.array([True]), choice)
    assert planned[0, -1, 0] == pytest.approx(11.0)
    assert freely.progress[0] == pytest.approx(11.0)


def test_agents_leave_behind_open_ends_and_far_from_the_ego():
    state = moving(5.0, progress=99.0)
    state.poses[1] = 99.0, 0.0, 0.0
    users = np.array([0])
    assert not has_left(straight_path(), state, users, 100.0)[0]
    assert has_left(straight_path(), state, users, -1.0)[0]
    state.progress[0] = 101.0
    assert has_left(straight_path(), state, users, 100.0)[0]
    assert not has_left(straight_path(is_open=False), state, users, 100.0)[0]
