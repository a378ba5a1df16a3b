import numpy as np
import pytest

from driving.geometry import poses_in_frame_of, poses_out_of_frame_of
from simulation.ego.dynamics import VELOCITY_X
from simulation.ego.tracking import track_proposals
from simulation.ego.vocabulary_tracking import (
    drive_vocabulary,
    drive_whole_vocabulary,
    fit_vocabulary,
    retime_entries,
)

STATE = np.array([664_000.0, 3_999_000.0, 1.2, 9.0, 0.0, 0.5, 0.0, 0.02, 0.06, 0.0])


def arcs() -> np.ndarray:
    """Standing, 8 m/s to the left, 12 m/s to the right, braking straight from 9 to 0 m/s in 2 s."""
    time_s = np.arange(41) * 0.1
    poses = np.zeros((4, 41, 3))
    for row, (speed, curvature) in enumerate([(0.0, 0.0), (8.0, 0.02), (12.0, -0.01)]):
        turned = curvature * speed * time_s
        poses[row, :, 0] = speed * time_s if curvature == 0 else np.sin(turned) / curvature
        poses[row, :, 1] = 0.0 if curvature == 0 else (1 - np.cos(turned)) / curvature
        poses[row, :, 2] = turned
    braked_s = np.minimum(time_s, 2.0)
    poses[3, :, 0] = 9.0 * braked_s - 0.5 * 4.5 * braked_s**2
    return poses


def test_simulated_entries_agree_with_tracked_proposals():
    fitted = fit_vocabulary(arcs())
    rows = np.array([2, 0, 1, 3])
    pose = STATE[:3]
    plans = poses_out_of_frame_of(retime_entries(fitted, STATE, rows), pose)
    expected = track_proposals(STATE, plans)[:, 5::5]
    driven = drive_vocabulary(fitted, STATE[np.newaxis], rows[np.newaxis])[0]
    # Profiles are fitted to the entry, not to the re-timed plan.
    assert driven[..., :2] == pytest.approx(poses_in_frame_of(expected[..., :3], pose)[..., :2], abs=0.15)
    assert driven[..., VELOCITY_X] == pytest.approx(expected[..., VELOCITY_X], abs=0.15)


def test_retimed_entries_start_at_the_speed_of_the_ego_and_keep_their_path():
    fitted = fit_vocabulary(arcs())
    plans = retime_entries(fitted, STATE, np.arange(4))
    steps_m = np.hypot(*np.diff(plans[..., :2], axis=1).transpose(2, 0, 1))
    assert steps_m[:, 0] == pytest.approx(0.9, abs=0.05)
    assert steps_m[1, -1] == pytest.approx(0.8, abs=0.02)
    assert steps_m[2, -1] == pytest.approx(1.2, abs=0.02)
    # On the circle of 50 m radius around (0, 50), on which entry 1 lies.
    assert np.hypot(plans[1, :, 0], plans[1, :, 1] - 50.0) == pytest.approx(np.full(41, 50.0), abs=0.05)


def test_only_entries_that_brake_hard_exceed_the_comfort_bounds():
    fitted = fit_vocabulary(arcs())
    plans = retime_entries(fitted, STATE, np.arange(4))
    speeds = np.hypot(*np.diff(plans[..., :2], axis=1).transpose(2, 0, 1)) / 0.1
    accel = np.diff(speeds, axis=1) / 0.1
    assert accel[1:3].min() > -3.5
    assert np.abs(np.diff(accel[1:3], axis=1)).max() / 0.1 < 3.5
    assert accel[3].min() < -4.0
    assert accel[0].min() < -6.0
    assert speeds[0, -1] < 0.2


def test_the_whole_vocabulary_is_simulated_in_the_global_frame():
    fitted = fit_vocabulary(arcs())
    states = drive_whole_vocabulary(fitted, STATE)
    local = drive_vocabulary(fitted, STATE[np.newaxis], np.arange(4)[np.newaxis], stride=1)[0]
    assert np.array_equal(states[:, 0], np.tile(STATE, (4, 1)))
    assert poses_in_frame_of(states[:, 1:, :3], STATE[:3])[..., :2] == pytest.approx(local[..., :2], abs=1e-6)
    assert np.array_equal(states[:, 1:, VELOCITY_X], local[..., VELOCITY_X])
