import numpy as np
import pytest

from driving.importers.ego_path import ego_motion, ego_on_grid, steps_before_trailing_jump
from driving.importers.notes import ImportNotes
from driving.importers.sampling import grid_times

TIME_US = grid_times(0, 5_000_000)
TIME_S = TIME_US / 1e6


def poses(x, y, heading):
    return np.stack(np.broadcast_arrays(x, y, heading), axis=-1).astype(float)


def standing(x, y, heading):
    return np.tile([x, y, heading], (len(TIME_US), 1))


def test_a_clean_path_keeps_its_poses():
    # 2 m/s2 along x, from standing.
    clean = poses(TIME_S**2, 0.0, 0.0)
    smoothed = ego_motion(TIME_US, clean)
    np.testing.assert_array_equal(smoothed.motion.rear_axle_poses[0], clean)
    np.testing.assert_allclose(smoothed.motion.velocities_mps[0, 1:-1, 0], 2 * TIME_S[1:-1])
    np.testing.assert_allclose(smoothed.motion.accelerations_mps2[0, 2:-2, 0], 2.0)
    assert "as recorded" in smoothed.note


def test_a_path_with_jitter_is_smoothed_and_the_note_has_the_distance():
    noise = np.random.default_rng(0).normal(scale=0.12, size=len(TIME_S))
    smoothed = ego_motion(TIME_US, poses(8 * TIME_S + noise, 0.0, 0.0))
    speed_mps = smoothed.motion.velocities_mps[0, :, 0]
    assert np.abs(speed_mps - 8).mean() < 0.2
    assert np.abs(np.diff(8 * TIME_S + noise) / 0.1 - 8).mean() > 0.8
    assert "local cubic over 1.1 s, as plain differences give accelerations of " in smoothed.note
    assert "moved by up to 0." in smoothed.note


def test_velocities_are_in_the_body_frame():
    # Motion along y with a heading along y is forward motion.
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


def test_a_path_sampled_at_2_hz_is_smoothed():
    # 1 m/s2 along x, interpolated linearly between samples at 0.5 s: jumps of 0.5 m/s at the samples.
    known_s = np.arange(0.0, 5.01, 0.5)
    notes = ImportNotes()
    path = ego_on_grid((known_s * 1e6).astype(np.int64), poses(known_s**2 / 2, 0.0, 0.0), notes)
    assert path.interval_us == 500_000
    assert [str(note) for note in notes.notes] == [
        "changed: ego poses given every 0.50 s are interpolated linearly to 0.1 s"
    ]
    cornered = ego_motion(path.time_us, path.poses).motion.accelerations_mps2[0, 10:-10, 0]
    smooth = ego_motion(path.time_us, path.poses, path.interval_us).motion.accelerations_mps2[0, 10:-10, 0]
    assert cornered.max() > 1.9
    np.testing.assert_allclose(smooth, 1.0, atol=0.2)


def test_the_note_of_a_slowly_sampled_path_names_the_interval_as_reason():
    note = ego_motion(TIME_US, poses(8 * TIME_S, 0.0, 0.0), interval_us=500_000).note
    assert note == "local cubic over 1.1 s, as poses 0.50 s apart are interpolated linearly; moved by up to 0.00 m"


def test_the_ego_path_is_the_longest_stretch_without_a_gap():
    known_us = np.concatenate([np.arange(10), np.arange(20, 60)]) * 100_000
    notes = ImportNotes()
    path = ego_on_grid(known_us, poses(known_us / 1e6, 0.0, 0.0), notes)
    assert (path.time_us[0], path.time_us[-1], len(path.time_us)) == (2_000_000, 5_900_000, 40)
    np.testing.assert_allclose(path.poses[:, 0], path.time_us / 1e6)
    assert [str(note) for note in notes.notes] == [
        "left out (10): ego poses outside the longest stretch without a gap of more than 0.25 s"
    ]


def test_a_missing_frame_at_10_hz_is_interpolated():
    known_us = np.delete(np.arange(50), 20) * 100_000
    notes = ImportNotes()
    path = ego_on_grid(known_us, poses(known_us / 1e6, 0.0, 0.0), notes)
    np.testing.assert_allclose(path.poses[:, 0], np.arange(50) / 10)
    assert notes.notes == []


def test_an_ego_that_is_given_every_2_s_is_refused():
    with pytest.raises(ValueError, match=r"ego poses every 2.00 s; the interval must not exceed 1.0 s"):
        ego_on_grid(np.arange(20) * 2_000_000, np.zeros((20, 3)), ImportNotes())
