"""Farthest-point sampling."""

import numpy as np
import pytest

from planning.neural.farthest_points import farthest_points


def test_points_on_a_line_are_chosen_from_the_ends_inwards():
    points = np.array([[0.0], [1.0], [2.0], [3.0], [10.0]])
    assert farthest_points(points, 4).tolist() == [0, 4, 3, 1]


@pytest.mark.parametrize("seed", range(3))
def test_each_point_is_the_farthest_from_those_before_it(seed):
    points = np.random.default_rng(seed).normal(size=(40, 3))
    chosen = farthest_points(points, 40)
    assert sorted(chosen.tolist()) == list(range(40))
    for count in range(1, 40):
        gaps = np.linalg.norm(points[:, np.newaxis] - points[chosen[:count]], axis=-1).min(axis=1)
        assert gaps[chosen[count]] == pytest.approx(gaps.max())
