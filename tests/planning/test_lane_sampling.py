"""Samples of lanes."""

import numpy as np
import pytest

from driving.synthetic.scenes import scene
from planning.lane_sampling import SPACING_M, sample_lane


@pytest.mark.parametrize("name", ["straight_road", "roundabout"])
def test_samples_are_2_m_apart_from_the_start_and_leave_out_the_end(name):
    graph = scene(name).map
    for row in range(len(graph.lanes)):
        line, poses = graph.centerline(row), sample_lane(graph, row)
        assert poses[0, :2] == pytest.approx(line.points[0])
        assert len(poses) == np.ceil(round(line.length_m, 6) / SPACING_M)
        # Chords of a bend are a little shorter than the arc.
        steps_m = np.hypot(*np.diff(poses[:, :2], axis=0).T)
        assert steps_m == pytest.approx(np.full(len(poses) - 1, SPACING_M), abs=0.05)
