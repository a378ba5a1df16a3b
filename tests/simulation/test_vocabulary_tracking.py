"""A vocabulary with fits done beforehand drives exactly as proposals do."""

import numpy as np
import pytest

from driving.geometry import poses_in_frame_of, poses_out_of_frame_of
from simulation.tracking import track_proposals
from simulation.vocabulary_tracking import drive_vocabulary, fit_vocabulary


def test_it_agrees_with_the_tracker_of_proposals():
    time_s = np.arange(41) * 0.1
    poses = np.zeros((3, 41, 3))
    for row, (speed, curvature) in enumerate([(0.0, 0.0), (8.0, 0.02), (12.0, -0.01)]):
        turned = curvature * speed * time_s
        poses[row, :, 0] = speed * time_s if curvature == 0 else np.sin(turned) / curvature
        poses[row, :, 1] = 0.0 if curvature == 0 else (1 - np.cos(turned)) / curvature
        poses[row, :, 2] = turned
    pose = np.array([664_000.0, 3_999_000.0, 1.2])
    state = np.array([*pose, 9.0, 0.0, 0.5, 0.0, 0.02, 0.06, 0.0])
    expected = track_proposals(state, poses_out_of_frame_of(poses, pose))[:, 5::5]
    driven = drive_vocabulary(fit_vocabulary(poses), state[np.newaxis], np.array([[2, 0, 1]]))[0]
    local = poses_in_frame_of(expected[..., :3], pose)[[2, 0, 1]]
    assert driven[..., :3] == pytest.approx(local, abs=1e-6)
    assert driven[..., 3] == pytest.approx(expected[[2, 0, 1], :, 3], abs=1e-6)
