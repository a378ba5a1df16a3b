"""Tracker and bicycle for many motions abreast: one instruction moves eight of them.

What `lqr_commands` and `step_bicycle` compute for one motion, but for rounding, in loops without branches. A table
is flat, so that the compiler knows how far apart its rows are: value `c` of motion `m` is at `c * ABREAST + m`.
"""

import numpy as np

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

ABREAST = 16
"""Motions that move together: two vectors of eight, or four of four."""
TANGENT = STATE_SIZE
"""Column behind those of the state: tangent of the steering angle."""
REFERENCE_SPEED = 3
"""Column of the reference behind x, y and heading."""
_SPAN_S = HORIZON * STEP_S
_SPEED_GAIN = _SPAN_S * SPEED_WEIGHT / (_SPAN_S * _SPAN_S * SPEED_WEIGHT + ACCEL_WEIGHT)
_ACCEL_SHARE = STEP_S / (STEP_S + ACCEL_TIME_CONSTANT_S)
_STEERING_SHARE = STEP_S / (STEP_S + STEERING_TIME_CONSTANT_S)


@njit(cache=True, inline="always")
def sine_cosine(angle_rad: float) -> tuple[float, float]:
    """Sine and cosine of an angle in [-pi, pi], from the series for its half: the library's would go one by one."""
    half = 0.5 * angle_rad
    q = half * half
    series = 1 - q / 156 * (1 - q / 210 * (1 - q / 272 * (1 - q / 342)))
    sine = half * (1 - q / 6 * (1 - q / 20 * (1 - q / 42 * (1 - q / 72 * (1 - q / 110 * series)))))
    series = 1 - q / 132 * (1 - q / 182 * (1 - q / 240 * (1 - q / 306 * (1 - q / 380))))
    cosine = 1 - q / 2 * (1 - q / 12 * (1 - q / 30 * (1 - q / 56 * (1 - q / 90 * series))))
    return 2.0 * sine * cosine, 1.0 - 2.0 * sine * sine


@njit(cache=True, error_model="numpy", fastmath={"arcp", "contract", "nnan", "nsz"})
def step_abreast(states: np.ndarray, reference: np.ndarray, bends: np.ndarray, wheelbase_m: float) -> None:
    """Move `ABREAST` motions on by one step towards their plans.

    Args:
        states: (11 * ABREAST,) state columns and `TANGENT`; receives the next states. Headings in [-pi, pi].
        reference: (4 * ABREAST,) x, y, heading now, speed at the end of the horizon.
        bends: (HORIZON * ABREAST,) or more: curvatures from now on [1/m].
        wheelbase_m: Distance of the axles.
    """
    for m in range(ABREAST):
        speed, heading = states[VELOCITY_X * ABREAST + m], states[HEADING * ABREAST + m]
        steering, tangent = states[STEERING * ABREAST + m], states[TANGENT * ABREAST + m]
        x, y = states[X * ABREAST + m], states[Y * ABREAST + m]
        wanted_heading, wanted_speed = reference[HEADING * ABREAST + m], reference[REFERENCE_SPEED * ABREAST + m]

        sine, cosine = sine_cosine(wrap_vectorized(wanted_heading))
        aside = (y - reference[Y * ABREAST + m]) * cosine - (x - reference[X * ABREAST + m]) * sine
        turned = wrap_vectorized(heading - wanted_heading)
        accel = -_SPEED_GAIN * (speed - wanted_speed)
        by_lateral, by_heading, by_steering = 0.0, 0.0, 0.0
        for k in range(HORIZON):
            distance = (speed + k * STEP_S * accel) * STEP_S
            aside += distance * turned
            turned += distance * (steering / wheelbase_m - bends[k * ABREAST + m])
            by_lateral += distance * by_heading
            by_heading += distance / wheelbase_m * by_steering
            by_steering += STEP_S
        turned = wrap_vectorized(turned)
        gain = (
            by_lateral * by_lateral * LATERAL_WEIGHT + by_heading * by_heading * HEADING_WEIGHT + STEERING_RATE_WEIGHT
        )
        rate = -(by_lateral * LATERAL_WEIGHT * aside + by_heading * HEADING_WEIGHT * turned) / gain
        stops = (wanted_speed <= STOPPING_SPEED_MPS) & (speed <= STOPPING_SPEED_MPS)
        accel = -STOPPING_GAIN * (speed - wanted_speed) if stops else accel
        rate = 0.0 if stops else rate

        accel = _ACCEL_SHARE * (accel - states[ACCEL_X * ABREAST + m]) + states[ACCEL_X * ABREAST + m]
        sine, cosine = sine_cosine(heading)
        states[X * ABREAST + m] = x + speed * cosine * STEP_S
        states[Y * ABREAST + m] = y + speed * sine * STEP_S
        states[HEADING * ABREAST + m] = wrap_vectorized(heading + speed * tangent / wheelbase_m * STEP_S)
        states[VELOCITY_X * ABREAST + m] = speed + accel * STEP_S
        states[ACCEL_X * ABREAST + m] = accel
        steering += _STEERING_SHARE * rate * STEP_S
        steering = steering if steering < MAX_STEERING_RAD else MAX_STEERING_RAD
        steering = steering if steering > -MAX_STEERING_RAD else -MAX_STEERING_RAD
        states[STEERING * ABREAST + m] = steering
        sine, cosine = sine_cosine(steering)
        yaw_rate = (speed + accel * STEP_S) * sine / cosine / wheelbase_m
        states[TANGENT * ABREAST + m] = sine / cosine
        states[YAW_ACCEL * ABREAST + m] = (yaw_rate - states[YAW_RATE * ABREAST + m]) / STEP_S
        states[YAW_RATE * ABREAST + m] = yaw_rate
