import numpy as np
import pytest

from driving import AgentKind
from driving.importers.smoothing import (
    TrackSamples,
    ego_motion,
    grid_times,
    steps_before_trailing_jump,
    tracks_on_grid,
)

TIME_US = grid_times(0, 5_000_000)
TIME_S = TIME_US / 1e6


def poses(x, y, heading):
    return np.stack(np.broadcast_arrays(x, y, heading), axis=-1).astype(float)


def standing(x, y, heading):
    return np.tile([x, y, heading], (len(TIME_US), 1))


def test_the_grid_may_miss_the_last_time_by_10_ms():
    assert grid_times(7, 15_499_814 + 7)[-1] == 15_500_007
    assert len(grid_times(0, 989_000)) == 10


def test_a_clean_path_keeps_its_poses():
    # 2 m/s2 along x, from standing.
    clean = poses(TIME_S**2, 0.0, 0.0)
    smoothed = ego_motion(TIME_US, clean)
    np.testing.assert_array_equal(smoothed.motion.rear_axle_poses[0], clean)
    np.testing.assert_allclose(smoothed.motion.velocities_mps[0, 1:-1, 0], 2 * TIME_S[1:-1])
    np.testing.assert_allclose(smoothed.motion.accelerations_mps2[0, 2:-2, 0], 2.0)
    assert "as recorded" in smoothed.note


def test_a_jittery_path_is_smoothed_and_says_by_how_much():
    noise = np.random.default_rng(0).normal(scale=0.12, size=len(TIME_S))
    smoothed = ego_motion(TIME_US, poses(8 * TIME_S + noise, 0.0, 0.0))
    speed_mps = smoothed.motion.velocities_mps[0, :, 0]
    assert np.abs(speed_mps - 8).mean() < 0.2
    assert np.abs(np.diff(8 * TIME_S + noise) / 0.1 - 8).mean() > 0.8
    assert "local cubic over 1.1 s" in smoothed.note
    assert "moved by up to 0." in smoothed.note


def test_velocities_are_in_the_body_frame():
    # Along y, while looking along y: forwards.
    motion = ego_motion(TIME_US, poses(0.0, 5 * TIME_S, np.pi / 2)).motion
    np.testing.assert_allclose(motion.velocities_mps[0], np.tile([5.0, 0.0], (len(TIME_S), 1)), atol=1e-9)


def test_a_standing_ego_keeps_its_recorded_heading():
    motion = ego_motion(TIME_US, standing(3.0, 4.0, 0.7)).motion
    np.testing.assert_allclose(motion.rear_axle_poses[0, :, 2], 0.7)
    np.testing.assert_allclose(motion.velocities_mps, 0.0)


def test_headings_across_pi_do_not_spin():
    headings = np.where(TIME_S < 2.5, np.pi - 0.01, -np.pi + 0.01)
    motion = ego_motion(TIME_US, poses(TIME_S, 0.0, headings)).motion
    assert np.abs(np.diff(motion.rear_axle_poses[0, :, 2])).max() == pytest.approx(0.02)


def test_only_a_jump_near_the_end_cuts_the_path():
    path = np.column_stack([10 * TIME_S, np.zeros(len(TIME_S))])
    assert steps_before_trailing_jump(path) == len(path)
    late, early = path.copy(), path.copy()
    late[48:, 1] += 0.6
    early[20:, 1] += 0.6
    # The step from 47 to 48 is 6 m/s off; it and two steps more are dropped.
    assert steps_before_trailing_jump(late) == 46
    assert steps_before_trailing_jump(early) == len(path)


def test_too_few_poses_are_refused():
    with pytest.raises(ValueError, match="at least 3 poses, got 2"):
        ego_motion(TIME_US[:2], np.zeros((2, 3)))


def track(time_us, x, kind=AgentKind.VEHICLE):
    count = len(time_us)
    return TrackSamples(
        track_id="a",
        kind=kind,
        time_us=np.array(time_us, dtype=np.int64),
        poses=poses(np.array(x, dtype=float), np.zeros(count), np.zeros(count)),
        sizes=np.tile([4.0, 2.0], (count, 1)),
        z_m=np.zeros(count),
        height_m=1.5,
    )


def test_agents_are_interpolated_between_observations_off_the_grid():
    agents = tracks_on_grid(TIME_US[:4], [track([20_000, 120_000, 220_000], [1.0, 2.0, 3.0])])
    assert agents.valid[0].tolist() == [True, True, True, False]
    # Before the first observation the agent stands where it was first seen.
    np.testing.assert_allclose(agents.poses[0, :3, 0], [1.0, 1.8, 2.8])


def test_velocities_are_central_and_one_sided_at_the_ends():
    agents = tracks_on_grid(TIME_US[:4], [track([0, 100_000, 200_000, 300_000], [0.0, 1.0, 3.0, 6.0])])
    np.testing.assert_allclose(agents.velocities_mps[0, :, 0], [10.0, 15.0, 25.0, 30.0])


def test_an_agent_that_is_seen_once_stands():
    agents = tracks_on_grid(TIME_US[:3], [track([100_000], [7.0])])
    assert agents.valid[0].tolist() == [False, True, False]
    np.testing.assert_array_equal(agents.velocities_mps[0, 1], [0.0, 0.0])


def test_static_objects_have_no_velocity():
    agents = tracks_on_grid(TIME_US[:3], [track([0, 100_000, 200_000], [0.0, 0.1, 0.0], AgentKind.BARRIER)])
    np.testing.assert_array_equal(agents.velocities_mps[0], np.zeros((3, 2)))


def test_agents_that_are_never_seen_in_time_are_left_out():
    agents = tracks_on_grid(TIME_US[:3], [track([900_000], [7.0])])
    assert agents.num_agents == 0
    assert agents.num_steps == 3
