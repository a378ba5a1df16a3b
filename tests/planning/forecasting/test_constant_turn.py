"""Positions of agents that continue turn and change of speed for 1.5 s, with values known by hand."""

import numpy as np
import pytest

from planning.forecasting.constant_turn import KEPT_ACCELERATION, constant_turn
from planning.forecasting.constant_velocity import constant_velocity

NOW_M = np.array([1.0, 2.0])


def forecast(
    velocity_mps: tuple[float, float], acceleration_mps2: float = 0.0, yaw_rate_radps: float = 0.0
) -> np.ndarray:
    return constant_turn(NOW_M, np.array(velocity_mps), np.array(acceleration_mps2), np.array(yaw_rate_radps))


def test_without_acceleration_and_turn_it_is_constant_velocity():
    velocity_mps = np.array([4.0, -2.0])
    assert forecast((4.0, -2.0)) == pytest.approx(constant_velocity(NOW_M, velocity_mps))
    assert forecast((0.0, 0.0), 0.0, 0.5).tolist() == [NOW_M.tolist()] * 8


def test_a_turn_follows_its_circle_for_a_second_and_a_half():
    # A quarter of a circle of 10 m in 1.5 s, to the left, and straight on along y from then on.
    yaw_rate = np.pi / 3.0
    positions_m = forecast((10.0 * yaw_rate, 0.0), 0.0, yaw_rate)
    assert positions_m[2] == pytest.approx(NOW_M + 10.0)
    assert positions_m[7] == pytest.approx(NOW_M + np.array([10.0, 10.0 + 2.5 * 10.0 * yaw_rate]))
    thirty = np.deg2rad(30.0)
    assert positions_m[0] == pytest.approx(NOW_M + 10.0 * np.array([np.sin(thirty), 1.0 - np.cos(thirty)]))
    to_the_right = forecast((10.0 * yaw_rate, 0.0), 0.0, -yaw_rate)
    assert to_the_right[:, 1] - NOW_M[1] == pytest.approx(NOW_M[1] - positions_m[:, 1])


def test_a_share_of_the_acceleration_is_kept_for_a_second_and_a_half():
    positions_m = forecast((0.0, 5.0), 2.0)
    kept = 2.0 * KEPT_ACCELERATION
    assert positions_m[1] == pytest.approx(NOW_M + np.array([0.0, 5.0 + 0.5 * kept]))
    assert positions_m[7, 1] - positions_m[6, 1] == pytest.approx(0.5 * (5.0 + 1.5 * kept))


def test_an_agent_that_brakes_stops_and_does_not_reverse():
    positions_m = forecast((2.0, 0.0), -4.0)
    stop_m = 2.0**2 / (2.0 * 4.0 * KEPT_ACCELERATION)
    assert positions_m[1:, 0] == pytest.approx(NOW_M[0] + stop_m)
    assert positions_m[0, 0] < NOW_M[0] + stop_m


def test_an_acceleration_that_no_car_has_is_cut():
    assert forecast((5.0, 0.0), 50.0)[1, 0] == pytest.approx(NOW_M[0] + 5.0 + 0.5 * 3.0)
