import numpy as np
import pytest

from driving.timing import STEP_S
from driving.trajectory import Trajectory
from driving.vehicle import PACIFICA
from simulation.ego.dynamics import STATE_SIZE, VELOCITY_X, step_bicycle
from simulation.ego.tracking import (
    CURVATURE_RATE_PENALTY,
    INITIAL_CURVATURE_PENALTY,
    JERK_PENALTY,
    fit_profiles,
    plan_time_us,
    sample_plan,
    track_plan,
    track_proposals,
)
from simulation.geometry.angles import wrap

WHEELBASE_M = PACIFICA.wheelbase_m
NOW_US = 1_626_473_135_803_000


def _fitted(poses):
    speed, curvature = np.empty(len(poses) - 1), np.empty(len(poses) - 1)
    fit_profiles(poses, speed, curvature)
    return speed, curvature


def _dense_fit(poses):
    """The same two problems in nuPlan's unknowns, solved by pseudo-inverses."""
    num = len(poses) - 1
    steps = np.diff(poses, axis=0)
    integrate = np.tril(np.ones((num, num)), -1) * STEP_S
    integrate = np.concatenate([np.ones((num, 1)), integrate[:, : num - 1]], axis=1)

    directions = np.stack([np.cos(poses[:-1, 2]), np.sin(poses[:-1, 2])], axis=1)
    model = (directions[:, :, None] * (STEP_S * integrate)[:, None]).reshape(2 * num, num)
    jerk = np.diff(np.eye(num)[1:], axis=0) if num > 2 else np.zeros((0, num))
    normal = model.T @ model + JERK_PENALTY * jerk.T @ jerk
    speed = integrate @ (np.linalg.pinv(normal, rcond=1e-15) @ model.T @ steps[:, :2].reshape(-1))

    model = (STEP_S * speed)[:, None] * integrate
    weights = np.full(num, CURVATURE_RATE_PENALTY)
    weights[0] = INITIAL_CURVATURE_PENALTY
    normal = model.T @ model + np.diag(weights)
    turns = np.array([wrap(turn) for turn in steps[:, 2]])
    return speed, integrate @ (np.linalg.pinv(normal, rcond=1e-15) @ model.T @ turns)


def _arc(num, speed, turn, seed=0, noise=0.0):
    random = np.random.default_rng(seed)
    heading = 3.0 + turn * STEP_S * np.arange(num)
    xy = np.cumsum(speed * STEP_S * np.stack([np.cos(heading), np.sin(heading)], axis=1), axis=0)
    return np.concatenate([xy, heading[:, None]], axis=1) + noise * random.normal(size=(num, 3))


@pytest.mark.parametrize("num", [2, 3, 4, 9, 41, 101])
@pytest.mark.parametrize("speed", [0.3, 8.0, 30.0])
def test_banded_fits_equal_pseudo_inverses(num, speed):
    poses = _arc(num, speed, 0.3, noise=1e-3)
    for ours, dense in zip(_fitted(poses), _dense_fit(poses), strict=True):
        np.testing.assert_allclose(ours, dense, atol=1e-9)


@pytest.mark.parametrize("num", [2, 3, 40])
def test_a_plan_that_stands_still_has_no_speed_and_no_curvature(num):
    poses = np.tile([3.0, 4.0, 0.5], (num, 1))
    for ours, dense in zip(_fitted(poses), _dense_fit(poses), strict=True):
        np.testing.assert_array_equal(ours, 0.0)
        np.testing.assert_array_equal(dense, 0.0)


@pytest.mark.parametrize("speed", [1e-2, 1e-4, 1e-6, 1e-9])
def test_a_plan_that_hardly_moves_has_nuplans_curvature(speed):
    poses = _arc(30, speed, 0.01)
    ours, dense = _fitted(poses), _dense_fit(poses)
    np.testing.assert_allclose(ours[0], dense[0], atol=1e-9)
    # The pseudo-inverse itself keeps no more digits here.
    np.testing.assert_allclose(ours[1], dense[1], rtol=1e-4, atol=1e-9)


def test_a_circle_is_fitted_with_its_own_curvature():
    speed, curvature = _fitted(_arc(60, 6.0, 0.3))
    np.testing.assert_allclose(speed, 6.0, rtol=1e-3)
    np.testing.assert_allclose(curvature, 0.05, rtol=1e-3)


def test_a_plan_is_sampled_between_its_poses():
    poses = np.array([[0.0, 0.0, 3.1], [5.0, 0.0, -3.1]])
    samples = sample_plan(np.array([0, 500_000]), poses, 6)
    np.testing.assert_allclose(samples[:, 0], np.arange(6.0))
    assert samples[3, 2] == pytest.approx(wrap(3.1 + 0.6 * (2 * np.pi - 6.2)))


def test_plan_times_round_to_whole_microseconds():
    plan = Trajectory(time_s=np.arange(4) * 0.1, poses=np.zeros((4, 3)))
    np.testing.assert_array_equal(plan_time_us(plan), [0, 100_000, 200_000, 300_000])


def test_a_straight_plan_at_the_same_speed_needs_no_command():
    state = np.zeros(STATE_SIZE)
    state[VELOCITY_X] = 7.0
    poses = np.stack([0.7 * np.arange(30), np.zeros(30), np.zeros(30)], axis=1)
    accel, rate = track_plan(NOW_US, np.arange(30) * 100_000, poses, state, WHEELBASE_M)
    assert accel == pytest.approx(0.0, abs=1e-9)
    assert rate == 0.0


def test_a_faster_plan_gives_ten_elevenths_of_the_missing_speed():
    state = np.zeros(STATE_SIZE)
    state[VELOCITY_X] = 5.0
    poses = np.stack([0.7 * np.arange(30), np.zeros(30), np.zeros(30)], axis=1)
    accel, _ = track_plan(NOW_US, np.arange(30) * 100_000, poses, state, WHEELBASE_M)
    assert accel == pytest.approx(10 / 11 * 2.0)


def test_below_stopping_speed_the_car_only_brakes():
    state = np.zeros(STATE_SIZE)
    state[1], state[VELOCITY_X] = 3.0, 0.15
    accel, rate = track_plan(NOW_US, np.array([0, 100_000]), np.zeros((2, 3)), state, WHEELBASE_M)
    assert (accel, rate) == (pytest.approx(-0.075), 0.0)


def test_a_car_left_of_its_plan_steers_right():
    state = np.zeros(STATE_SIZE)
    state[1], state[VELOCITY_X] = 1.0, 7.0
    poses = np.stack([0.7 * np.arange(30), np.zeros(30), np.zeros(30)], axis=1)
    assert track_plan(NOW_US, np.arange(30) * 100_000, poses, state, WHEELBASE_M)[1] < -0.1


def test_a_batch_of_proposals_equals_its_members_and_follows_them():
    state = np.zeros(STATE_SIZE)
    state[2:4] = 3.0, 6.0
    proposals = np.stack([_arc(41, 6.0, turn) for turn in (-0.2, 0.0, 0.2)])
    proposals[..., :2] -= proposals[:, :1, :2]
    driven = track_proposals(state, proposals)
    assert driven.shape == (3, 41, STATE_SIZE)
    for proposal, states in zip(proposals, driven, strict=True):
        np.testing.assert_array_equal(track_proposals(state, proposal[np.newaxis])[0], states)
        np.testing.assert_allclose(states[-1, :2], proposal[-1, :2], atol=1.0)


def test_proposals_of_one_pose_are_refused():
    with pytest.raises(ValueError, match=r"K >= 1, got \(2, 1, 3\)"):
        track_proposals(np.zeros(STATE_SIZE), np.zeros((2, 1, 3)))


def test_moving_the_world_changes_no_command():
    state = np.zeros(STATE_SIZE)
    state[:4] = 0.0, 0.3, 3.0, 6.0
    poses = _arc(50, 6.0, 0.2)
    times = np.arange(50) * 100_000
    reference = track_plan(NOW_US, times, poses, state, WHEELBASE_M)
    angle = 2.0
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    moved, moved_state = poses.copy(), state.copy()
    moved[:, :2] = poses[:, :2] @ turn + [50.0, -20.0]
    moved[:, 2] += angle
    moved_state[:2] = state[:2] @ turn + [50.0, -20.0]
    moved_state[2] += angle
    np.testing.assert_allclose(track_plan(NOW_US, times, moved, moved_state, WHEELBASE_M), reference, atol=1e-10)


def test_recorded_plans_give_the_devkits_drives(golden):
    runs = sorted((golden / "world1" / "runs").glob("closed_loop_*/*.npz"))
    assert runs
    out = np.empty(STATE_SIZE)
    for path in runs:
        with np.load(path) as run:
            ego, plans = run["ego"], run["plans"]
        times = ego[:, 0].astype(np.int64)
        driven = ego[0, 1:].copy()
        for i in range(len(ego) - 1):
            plan_times = (plans[i, :, 0] - ego[i, 0]).astype(np.int64)
            poses = np.ascontiguousarray(plans[i, :, 1:])
            dt_s = (times[i + 1] - times[i]) / 1e6
            commands = track_plan(times[i], plan_times, poses, ego[i, 1:], WHEELBASE_M)
            step_bicycle(ego[i, 1:], commands, dt_s, WHEELBASE_M, out)
            np.testing.assert_allclose(out, ego[i + 1, 1:], atol=1e-9, err_msg=f"{path} step {i}")
            commands = track_plan(times[i], plan_times, poses, driven, WHEELBASE_M)
            step_bicycle(driven, commands, dt_s, WHEELBASE_M, out)
            driven = out.copy()
        np.testing.assert_allclose(driven, ego[-1, 1:], atol=1e-8, err_msg=str(path))
