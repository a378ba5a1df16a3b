import math

import numpy as np
import pytest

from driving import PACIFICA
from driving.timing import STEP_S
from simulation.ego.batched_tracking import BATCH_WIDTH, REFERENCE_SPEED, TANGENT, sine_cosine, step_batch
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
)
from simulation.ego.tracking import HORIZON, Reference, lqr_commands

WHEELBASE_M = PACIFICA.wheelbase_m


def test_sine_and_cosine_equal_those_of_the_library_on_the_whole_circle():
    for angle in np.linspace(-math.pi, math.pi, 1001):
        assert sine_cosine(angle) == pytest.approx((math.sin(angle), math.cos(angle)), abs=3e-15)


def test_each_motion_of_a_batch_moves_as_one_motion_does():
    rng = np.random.default_rng(3)
    states = np.zeros((TANGENT + 1, BATCH_WIDTH))
    states[X : Y + 1] = rng.normal(0.0, 2.0, (2, BATCH_WIDTH))
    states[HEADING] = rng.uniform(-math.pi, math.pi, BATCH_WIDTH)
    states[VELOCITY_X], states[ACCEL_X] = rng.uniform(0.0, 20.0, BATCH_WIDTH), rng.normal(0.0, 2.0, BATCH_WIDTH)
    states[STEERING], states[YAW_RATE] = rng.normal(0.0, 0.3, BATCH_WIDTH), rng.normal(0.0, 0.2, BATCH_WIDTH)
    # One turns as far as it can, one turns over pi, one stops.
    states[:, 0], states[VELOCITY_X, 0], states[STEERING, 0] = 0.0, 5.0, MAX_STEERING_RAD
    states[HEADING, 1], states[VELOCITY_X, 1], states[STEERING, 1] = math.pi - 1e-3, 10.0, 0.3
    states[VELOCITY_X, 2] = 0.1
    states[TANGENT] = np.tan(states[STEERING])
    reference = np.zeros((REFERENCE_SPEED + 1, BATCH_WIDTH))
    reference[:REFERENCE_SPEED] = states[: HEADING + 1] + rng.normal(0.0, 0.3, (3, BATCH_WIDTH))
    reference[REFERENCE_SPEED] = rng.uniform(0.0, 20.0, BATCH_WIDTH)
    reference[:, 0] = 0.0, 20.0, 0.0, 5.0
    reference[HEADING, 3] += 2.0 * math.pi
    reference[REFERENCE_SPEED, 2] = 0.05
    curvatures = rng.normal(0.0, 0.05, (HORIZON, BATCH_WIDTH))

    expected = np.zeros((BATCH_WIDTH, STATE_SIZE))
    for m in range(BATCH_WIDTH):
        state = states[:STATE_SIZE, m].copy()
        commands = lqr_commands(state, Reference(*reference[:, m], curvatures[:, m].copy()), WHEELBASE_M)
        step_bicycle(state, commands, STEP_S, WHEELBASE_M, expected[m])

    step_batch(states.reshape(-1), reference.reshape(-1), curvatures.reshape(-1), WHEELBASE_M)
    moved = states[:STATE_SIZE].T
    assert moved == pytest.approx(expected, abs=1e-12)
    assert states[TANGENT] == pytest.approx(np.tan(expected[:, STEERING]), abs=1e-12)
    assert moved[0, STEERING] == MAX_STEERING_RAD
    assert moved[1, HEADING] < 0.0
