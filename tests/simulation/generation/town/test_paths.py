import numpy as np
import pytest

from driving.geometry import arc_lengths
from simulation.generation.town.paths import between, curvature, evenly, gentlest, quintic


def test_a_quintic_between_poses_in_line_is_straight():
    points = quintic(np.array([0.0, 0.0, 0.0]), np.array([10.0, 0.0, 0.0]))
    assert points[[0, -1]] == pytest.approx(np.array([[0.0, 0.0], [10.0, 0.0]]))
    assert points[:, 1] == pytest.approx(0.0)


def test_a_turn_starts_and_ends_without_a_bend():
    points = gentlest(np.array([0.0, 0.0, 0.0]), np.array([12.0, 12.0, np.pi / 2]))
    bend = curvature(points)
    assert abs(bend[1]) < 0.01
    assert abs(bend[-2]) < 0.01
    # A quarter circle of 12 m has 1/12; smooth ends cost less than as much again.
    assert 1 / 12 < bend.max() < 2 / 12
    assert bend.min() > -0.02


def test_curvature_at_the_end_can_be_given():
    ring = np.array([10.0, 0.0, np.pi / 2])
    points = quintic(np.array([20.0, -8.0, np.pi]), ring, 1.0, (0.0, 0.1), samples=4001)
    assert curvature(points)[-5] == pytest.approx(0.1, abs=0.003)


def test_a_circle_has_the_curvature_of_its_radius():
    angle = np.linspace(0.0, 1.0, 50)
    assert curvature(5.0 * np.stack([np.cos(angle), np.sin(angle)], axis=-1))[5:-5] == pytest.approx(0.2, rel=1e-3)


def test_pieces_keep_their_distances():
    line = np.array([[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]])
    assert arc_lengths(line).tolist() == [0.0, 3.0, 7.0]
    assert between(line, 1.0, 5.0).tolist() == [[1.0, 0.0], [3.0, 0.0], [3.0, 2.0]]
    assert len(evenly(line, 1.0)) == 8
