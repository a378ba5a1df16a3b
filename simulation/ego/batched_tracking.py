"""Tracker and bicycle model for a batch of motions, compiled to vector instructions.

The results equal those of `lqr_commands` and `step_bicycle` up to rounding. Loops have no branches. Tables are flat,
so that the distance between their rows is a constant: column `c` of motion `m` is at `c * BATCH_WIDTH + m`.
"""

import numpy as np
from jaxtyping import Float64

from driving.timing import STEP_S
from simulation.ego.dynamics import (
    ACCEL_TIME_CONSTANT_S,
    ACCEL_X,
    HEADING,
    MAX_STEERING_RAD,
    STATE_SIZE,
    STEERING,
    STEERING_TIME_CONSTANT_S,
    VELOCITY_X,
    YAW_ACCEL,
    YAW_RATE,
    X,
    Y,
)
from simulation.ego.tracking import (
    ACCEL_WEIGHT,
    HEADING_WEIGHT,
    HORIZON,
    LATERAL_WEIGHT,
    SPEED_WEIGHT,
    STEERING_RATE_WEIGHT,
    STOPPING_GAIN,
    STOPPING_SPEED_MPS,
)
from simulation.geometry.angles import wrap_vectorized
from simulation.geometry.compiling import njit

BATCH_WIDTH = 16
"""Motions of a batch: two vectors of eight, or four of four."""
TANGENT = STATE_SIZE
"""Column after those of the state: tangent of the steering angle."""
REFERENCE_SPEED = 3
"""Column of the reference after x, y and heading."""
_SPAN_S = HORIZON * STEP_S
_SPEED_GAIN = _SPAN_S * SPEED_WEIGHT / (_SPAN_S * _SPAN_S * SPEED_WEIGHT + ACCEL_WEIGHT)
_ACCEL_SHARE = STEP_S / (STEP_S + ACCEL_TIME_CONSTANT_S)
_STEERING_SHARE = STEP_S / (STEP_S + STEERING_TIME_CONSTANT_S)


@njit(cache=True, inline="always")
def sine_cosine(angle_rad: float) -> tuple[float, float]:
    """Sine and cosine of an angle in [-pi, pi] by series of the half angle, which unlike the library's vectorise."""
    half = 0.5 * angle_rad
    q = half * half
    series = 1 - q / 156 * (1 - q / 210 * (1 - q / 272 * (1 - q / 342)))
    sine = half * (1 - q / 6 * (1 - q / 20 * (1 - q / 42 * (1 - q / 72 * (1 - q / 110 * series)))))
    series = 1 - q / 132 * (1 - q / 182 * (1 - q / 240 * (1 - q / 306 * (1 - q / 380))))
    cosine = 1 - q / 2 * (1 - q / 12 * (1 - q / 30 * (1 - q / 56 * (1 - q / 90 * series))))
    return 2.0 * sine * cosine, 1.0 - 2.0 * sine * sine


@njit(cache=True, error_model="numpy", fastmath={"arcp", "contract", "nnan", "nsz"})
def step_batch(
    states: Float64[np.ndarray, "states"],
    reference: Float64[np.ndarray, "references"],
    curvatures: Float64[np.ndarray, "curvatures"],
    wheelbase_m: float,
) -> None:
    """Propagate `BATCH_WIDTH` motions by one step along their plans.

    Args:
        states: Flat table of state columns and `TANGENT`; receives the next states. Headings in [-pi, pi].
        reference: Flat table of x, y, heading now and the speed at the end of the horizon.
        curvatures: Flat table of `HORIZON` or more rows: curvatures of the plans from now on [1/m].
        wheelbase_m: Distance between the axles.
    """
    for m in range(BATCH_WIDTH):
        speed, heading = states[VELOCITY_X * BATCH_WIDTH + m], states[HEADING * BATCH_WIDTH + m]
        steering, tangent = states[STEERING * BATCH_WIDTH + m], states[TANGENT * BATCH_WIDTH + m]
        x, y = states[X * BATCH_WIDTH + m], states[Y * BATCH_WIDTH + m]
        reference_heading = reference[HEADING * BATCH_WIDTH + m]
        reference_speed = reference[REFERENCE_SPEED * BATCH_WIDTH + m]

        sine, cosine = sine_cosine(wrap_vectorized(reference_heading))
        lateral = (y - reference[Y * BATCH_WIDTH + m]) * cosine - (x - reference[X * BATCH_WIDTH + m]) * sine
        heading_error = wrap_vectorized(heading - reference_heading)
        accel = -_SPEED_GAIN * (speed - reference_speed)
        by_lateral, by_heading, by_steering = 0.0, 0.0, 0.0
        for k in range(HORIZON):
            distance = (speed + k * STEP_S * accel) * STEP_S
            lateral += distance * heading_error
            heading_error += distance * (steering / wheelbase_m - curvatures[k * BATCH_WIDTH + m])
            by_lateral += distance * by_heading
            by_heading += distance / wheelbase_m * by_steering
            by_steering += STEP_S
        heading_error = wrap_vectorized(heading_error)
        gain = (
            by_lateral * by_lateral * LATERAL_WEIGHT + by_heading * by_heading * HEADING_WEIGHT + STEERING_RATE_WEIGHT
        )
        rate = -(by_lateral * LATERAL_WEIGHT * lateral + by_heading * HEADING_WEIGHT * heading_error) / gain
        stops = (reference_speed <= STOPPING_SPEED_MPS) & (speed <= STOPPING_SPEED_MPS)
        accel = -STOPPING_GAIN * (speed - reference_speed) if stops else accel
        rate = 0.0 if stops else rate

        accel = _ACCEL_SHARE * (accel - states[ACCEL_X * BATCH_WIDTH + m]) + states[ACCEL_X * BATCH_WIDTH + m]
        sine, cosine = sine_cosine(heading)
        states[X * BATCH_WIDTH + m] = x + speed * cosine * STEP_S
        states[Y * BATCH_WIDTH + m] = y + speed * sine * STEP_S
        states[HEADING * BATCH_WIDTH + m] = wrap_vectorized(heading + speed * tangent / wheelbase_m * STEP_S)
        states[VELOCITY_X * BATCH_WIDTH + m] = speed + accel * STEP_S
        states[ACCEL_X * BATCH_WIDTH + m] = accel
        steering += _STEERING_SHARE * rate * STEP_S
        steering = steering if steering < MAX_STEERING_RAD else MAX_STEERING_RAD
        steering = steering if steering > -MAX_STEERING_RAD else -MAX_STEERING_RAD
        states[STEERING * BATCH_WIDTH + m] = steering
        sine, cosine = sine_cosine(steering)
        yaw_rate = (speed + accel * STEP_S) * sine / cosine / wheelbase_m
        states[TANGENT * BATCH_WIDTH + m] = sine / cosine
        states[YAW_ACCEL * BATCH_WIDTH + m] = (yaw_rate - states[YAW_RATE * BATCH_WIDTH + m]) / STEP_S
        states[YAW_RATE * BATCH_WIDTH + m] = yaw_rate
