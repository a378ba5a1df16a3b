import numpy as np
import pytest

from driving.agents import AgentKind
from simulation.generation.adversarial.limits import LIMITS, excess

TIME_S = np.arange(60) * 0.1
ALL = np.ones(60, dtype=bool)


def line(x):
    return np.stack([x, np.zeros_like(x), np.zeros_like(x)], axis=-1)


def test_constant_speed_uses_only_the_share_of_the_speed_limit():
    assert excess(line(10.0 * TIME_S), ALL, AgentKind.VEHICLE) == pytest.approx(10.0 / 30.0 / 1.02)


@pytest.mark.parametrize(("brake_mps2", "possible"), [(3.0, True), (7.5, True), (8.5, False)])
def test_braking_is_limited_by_the_tyres(brake_mps2, possible):
    stop_s = 12.0 / brake_mps2
    time_s = np.minimum(TIME_S, stop_s)
    ratio = excess(line(12.0 * time_s - 0.5 * brake_mps2 * time_s**2), ALL, AgentKind.VEHICLE)
    assert (ratio <= 1.0) == possible


@pytest.mark.parametrize(("speed_mps", "possible"), [(8.0, True), (15.0, False)])
def test_a_curve_is_limited_by_the_circle_of_forces(speed_mps, possible):
    # Lateral acceleration on a circle of 20 m: 3.2 and 11.25 m/s^2.
    angle = speed_mps * TIME_S / 20.0
    poses = np.stack([20.0 * np.sin(angle), 20.0 - 20.0 * np.cos(angle), angle], axis=-1)
    assert (excess(poses, ALL, AgentKind.VEHICLE) <= 1.0) == possible


def test_a_car_cannot_turn_on_the_spot_but_a_pedestrian_can():
    angle = 1.0 * TIME_S
    poses = np.stack([1.4 * np.sin(angle), 1.4 - 1.4 * np.cos(angle), angle], axis=-1)
    assert excess(poses, ALL, AgentKind.VEHICLE) > 1.0
    assert excess(poses, ALL, AgentKind.PEDESTRIAN) <= 1.0


def test_gaps_do_not_count():
    x = 10.0 * TIME_S
    x[30:] += 50.0
    valid = ALL.copy()
    assert excess(line(x), valid, AgentKind.VEHICLE) > 1.0
    valid[29:31] = False
    assert excess(line(x), valid, AgentKind.VEHICLE) < 1.0
    assert excess(line(x), np.zeros(60, dtype=bool), AgentKind.VEHICLE) == 0.0


def test_only_moving_kinds_have_limits():
    assert set(LIMITS) == {AgentKind.VEHICLE, AgentKind.BICYCLE, AgentKind.PEDESTRIAN}
