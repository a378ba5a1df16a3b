"""Positions at constant velocity."""

import numpy as np
import pytest

from planning.forecasting.constant_velocity import INSTANTS_S, constant_velocity


def test_positions_are_moved_by_velocity_times_time():
    now_m, velocities_mps = np.array([[1.0, 2.0], [0.0, 0.0]]), np.array([[4.0, -2.0], [0.0, 0.0]])
    positions_m = constant_velocity(now_m, velocities_mps)
    assert positions_m.shape == (2, 8, 2)
    assert positions_m[0, [0, 7]].tolist() == [[3.0, 1.0], [17.0, -6.0]]
    assert not positions_m[1].any()


def test_the_precision_of_the_input_is_kept():
    now_m = np.ones((2, 3, 2), dtype=np.float32)
    positions_m = constant_velocity(now_m, now_m, INSTANTS_S.astype(np.float32))
    assert positions_m.dtype == np.float32
    assert positions_m.shape == (2, 3, 8, 2)
    assert positions_m[0, 0, -1] == pytest.approx([5.0, 5.0])
