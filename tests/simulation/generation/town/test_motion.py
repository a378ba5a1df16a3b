import numpy as np
import pytest

from driving.geometry import wrap_angle
from driving.timing import STEP_S


def test_the_recorded_ego_rolls_without_slipping(recordings):
    for recording in recordings:
        ego = recording.ego
        poses, v = ego.rear_axle_poses[0], ego.velocities_mps[0]
        middle = poses[:-1, 2] + wrap_angle(np.diff(poses[:, 2])) / 2
        moved = np.diff(poses[:, :2], axis=0)
        forward = moved[:, 0] * np.cos(middle) + moved[:, 1] * np.sin(middle)
        sideways = moved[:, 1] * np.cos(middle) - moved[:, 0] * np.sin(middle)
        assert np.abs(sideways).max() < 0.03
        assert forward / STEP_S == pytest.approx((v[1:, 0] + v[:-1, 0]) / 2, abs=0.15)
        assert (v[:, 1] == 0.0).all()


def test_the_ego_drives_like_a_person(recordings):
    """Within nuPlan's bounds of comfort but for rare moments, and never as exact as a rail."""
    for recording in recordings:
        accel = recording.ego.accelerations_mps2[0]
        yaw_rate = wrap_angle(np.diff(recording.ego.rear_axle_poses[0, :, 2])) / STEP_S
        assert (np.abs(accel[:, 1]) < 4.89).all()
        assert ((accel[:, 0] > -4.05) & (accel[:, 0] < 2.40)).mean() > 0.98
        assert (np.abs(yaw_rate) < 0.95).all()


def test_agents_move_as_their_velocities_say(recordings):
    agents = recordings[0].agents
    both = agents.valid[:, 1:] & agents.valid[:, :-1]
    moved = np.hypot(*np.diff(agents.poses[..., :2], axis=1).transpose(2, 0, 1))[both] / STEP_S
    speed = np.hypot(*agents.velocities_mps.transpose(2, 0, 1))
    said = ((speed[:, 1:] + speed[:, :-1]) / 2)[both]
    assert np.quantile(np.abs(moved - said), 0.99) < 0.6
