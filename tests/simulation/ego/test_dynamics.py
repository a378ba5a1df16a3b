import numpy as np
import pytest

from driving.ego import EgoMotion
from driving.vehicle import PACIFICA
from simulation.ego.dynamics import (
    ACCEL_X,
    STATE_SIZE,
    STEERING,
    VELOCITY_X,
    YAW_RATE,
    Commands,
    center_acceleration,
    center_accelerations,
    center_velocities,
    compiled_center_acceleration,
    motion_of,
    state_array,
    states_of,
    step_bicycle,
)


def _step(state, accel, steering_rate, dt_s=0.1):
    out = np.empty(STATE_SIZE)
    step_bicycle(state, Commands(accel, steering_rate), dt_s, PACIFICA.wheelbase_m, out)
    return out


def _state(**columns):
    state = np.zeros(STATE_SIZE)
    for name, value in columns.items():
        state[{"speed": VELOCITY_X, "steering": STEERING, "heading": 2, "accel": ACCEL_X}[name]] = value
    return state


def test_a_car_without_commands_keeps_its_speed_and_heading():
    state = _step(_state(speed=10.0, heading=np.pi / 2), 0.0, 0.0)
    np.testing.assert_allclose(state[:4], [0.0, 1.0, np.pi / 2, 10.0], atol=1e-15)


def test_acceleration_arrives_with_a_lag_of_a_fifth_of_a_second():
    # 0.1 / (0.1 + 0.2) of the command in the first step, and the place still moves by the old speed.
    state = _step(_state(speed=5.0), 3.0, 0.0)
    assert state[ACCEL_X] == pytest.approx(1.0)
    assert state[VELOCITY_X] == pytest.approx(5.1)
    assert state[0] == pytest.approx(0.5)


def test_steering_arrives_with_a_lag_and_turns_one_step_later():
    first = _step(_state(speed=5.0), 0.0, 0.3)
    assert first[STEERING] == pytest.approx(0.03 * 0.1 / 0.15)
    assert first[2] == 0.0
    assert first[YAW_RATE] == pytest.approx(5.0 * np.tan(0.02) / PACIFICA.wheelbase_m)
    second = _step(first, 0.0, 0.0)
    assert second[2] == pytest.approx(0.1 * first[YAW_RATE])


def test_steering_stops_at_sixty_degrees():
    assert _step(_state(steering=1.0), 0.0, 50.0)[STEERING] == pytest.approx(np.pi / 3)


def test_a_braking_car_reverses_as_in_nuplan():
    assert _step(_state(speed=0.1, accel=-3.0), -3.0, 0.0)[VELOCITY_X] == pytest.approx(-0.2)


def test_states_and_motions_convert_into_each_other():
    random = np.random.default_rng(0)
    states = random.normal(size=(3, 5, STATE_SIZE))
    motion = motion_of(np.arange(5, dtype=np.int64), states)
    np.testing.assert_array_equal(states_of(motion), states)
    np.testing.assert_array_equal(state_array(motion.state(2, motion=1)), states[1, 2])


def test_velocity_and_acceleration_of_the_centre_follow_nuplans_formula():
    states = np.zeros((1, 1, STATE_SIZE))
    states[..., 3:] = [8.0, 0.0, 1.0, 0.5, 0.1, 0.2, 0.3]
    motion: EgoMotion = motion_of(np.zeros(1, dtype=np.int64), states)
    np.testing.assert_allclose(center_velocities(motion)[0, 0], [8.0, 1.461 * 0.2])
    np.testing.assert_allclose(center_accelerations(motion)[0, 0], [1.0 + 1.461 * (0.04 + 0.3), 0.5])


def test_the_acceleration_of_the_centre_is_equal_compiled_and_plain():
    values = np.random.default_rng(0).normal(size=(500, 3))
    together = center_acceleration(*values.T, 1.461)
    assert [center_acceleration(*row, 1.461) for row in values.tolist()] == together.tolist()
    assert [compiled_center_acceleration(*row, 1.461) for row in values.tolist()] == together.tolist()
