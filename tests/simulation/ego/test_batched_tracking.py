"""Motions abreast move as each would alone."""

import math

import numpy as np
import pytest

from driving import PACIFICA
from driving.timing import STEP_S
from simulation.ego.batched_tracking import ABREAST, REFERENCE_SPEED, TANGENT, sine_cosine, step_abreast
from simulation.ego.dynamics import (
    ACCEL_X,
    HEADING,
    MAX_STEERING_RAD,
    STATE_SIZE,
    STEERING,
    VELOCITY_X,
    YAW_RATE,
    X,
    Y,
    step_bicycle,
    wrap,
)
from simulation.ego.tracking import HORIZON, lqr_commands

WHEELBASE_M = PACIFICA.wheelbase_m


def test_sine_and_cosine_are_those_of_the_library_in_the_whole_circle():
    for angle in np.linspace(-math.pi, math.pi, 1001):
        assert sine_cosine(angle) == pytest.approx((math.sin(angle), math.cos(angle)), abs=3e-15)


def test_each_motion_moves_as_the_tracker_and_the_bicycle_move_one():
    rng = np.random.default_rng(3)
    states = np.zeros((TANGENT + 1, ABREAST))
    states[X : Y + 1] = rng.normal(0.0, 2.0, (2, ABREAST))
    states[HEADING] = rng.uniform(-math.pi, math.pi, ABREAST)
    states[VELOCITY_X], states[ACCEL_X] = rng.uniform(0.0, 20.0, ABREAST), rng.normal(0.0, 2.0, ABREAST)
    states[STEERING], states[YAW_RATE] = rng.normal(0.0, 0.3, ABREAST), rng.normal(0.0, 0.2, ABREAST)
    # One turns as far as it can, one turns over pi, one stops.
    states[:, 0], states[VELOCITY_X, 0], states[STEERING, 0] = 0.0, 5.0, MAX_STEERING_RAD
    states[HEADING, 1], states[VELOCITY_X, 1], states[STEERING, 1] = math.pi - 1e-3, 10.0, 0.3
    states[VELOCITY_X, 2] = 0.1
    states[TANGENT] = np.tan(states[STEERING])
    reference = np.zeros((REFERENCE_SPEED + 1, ABREAST))
    reference[:REFERENCE_SPEED] = states[: HEADING + 1] + rng.normal(0.0, 0.3, (3, ABREAST))
    reference[REFERENCE_SPEED] = rng.uniform(0.0, 20.0, ABREAST)
    reference[:, 0] = 0.0, 20.0, 0.0, 5.0
    reference[HEADING, 3] += 2.0 * math.pi
    reference[REFERENCE_SPEED, 2] = 0.05
    bends = rng.normal(0.0, 0.05, (HORIZON, ABREAST))

    expected = np.zeros((ABREAST, STATE_SIZE))
    for m in range(ABREAST):
        x, y, heading, speed = reference[:, m]
        gap_x, gap_y = states[X, m] - x, states[Y, m] - y
        commands = lqr_commands(
            states[VELOCITY_X, m],
            gap_y * math.cos(heading) - gap_x * math.sin(heading),
            wrap(states[HEADING, m] - heading),
            states[STEERING, m],
            speed,
            bends[:, m].copy(),
            WHEELBASE_M,
        )
        step_bicycle(states[:STATE_SIZE, m].copy(), *commands, STEP_S, WHEELBASE_M, expected[m])

    step_abreast(states.reshape(-1), reference.reshape(-1), bends.reshape(-1), WHEELBASE_M)
    moved = states[:STATE_SIZE].T
    assert moved == pytest.approx(expected, abs=1e-12)
    assert states[TANGENT] == pytest.approx(np.tan(expected[:, STEERING]), abs=1e-12)
    assert moved[0, STEERING] == MAX_STEERING_RAD
    assert moved[1, HEADING] < 0.0
