"""Ego dynamics: nuPlan's kinematic bicycle model on arrays.

A state is one row of `STATE_SIZE` numbers in the order of the column names below: rear-axle pose (global), body
velocity and acceleration of the rear axle, steering angle, yaw rate and yaw acceleration.

Source:
    nuPlan devkit, `KinematicBicycleModel`, `DynamicCarState`.
"""

import math
from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float64, Int64

from driving.ego import EgoMotion, EgoState
from driving.vehicle import PACIFICA, VehicleParameters
from simulation.geometry.angles import wrap
from simulation.geometry.compiling import njit

Number = TypeVar("Number", float, np.ndarray)

X, Y, HEADING, VELOCITY_X, VELOCITY_Y, ACCEL_X, ACCEL_Y, STEERING, YAW_RATE, YAW_ACCEL = range(10)
STATE_SIZE = 10

ACCEL_TIME_CONSTANT_S = 0.2
"""First-order lag from commanded to actual acceleration."""
STEERING_TIME_CONSTANT_S = 0.05
"""First-order lag from commanded to actual steering angle."""
MAX_STEERING_RAD = np.pi / 3
MAX_PERFECT_TRACKING_SPEED_MPS = 50.0
"""nuPlan's perfect-tracking controller refuses plans at or above this speed."""


class Commands(NamedTuple):
    """Commands of the tracker to the vehicle."""

    accel: float
    """Acceleration along the vehicle [m/s^2]."""
    steering_rate: float
    """Rate of the steering angle [rad/s]."""


@njit(cache=True, fastmath={"arcp"})
def step_bicycle(
    state: Float64[np.ndarray, "10"],
    commands: Commands,
    dt_s: float,
    wheelbase_m: float,
    out: Float64[np.ndarray, "10"],
) -> None:
    """Propagate one state by `dt_s` under commands, into `out`: one Euler step from the old state.

    The commands pass first-order lags. Speed is not clamped and may become negative; the lateral velocity is zero.

    Args:
        state: State now.
        commands: Before the lags.
        dt_s: Time between the two frames in the log.
        wheelbase_m: Distance between the axles.
        out: Receives the next state; must not be `state` itself.
    """
    # quirk: euler_step (position and heading change by the speed and steering before the step)
    steering = state[STEERING]
    accel = dt_s / (dt_s + ACCEL_TIME_CONSTANT_S) * (commands.accel - state[ACCEL_X]) + state[ACCEL_X]
    commanded_steering = dt_s * commands.steering_rate + steering
    lagged_steering = dt_s / (dt_s + STEERING_TIME_CONSTANT_S) * (commanded_steering - steering) + steering
    steering_rate = (lagged_steering - steering) / dt_s

    speed = state[VELOCITY_X]
    heading = state[HEADING]
    out[X] = state[X] + speed * math.cos(heading) * dt_s
    out[Y] = state[Y] + speed * math.sin(heading) * dt_s
    out[HEADING] = wrap(heading + speed * math.tan(steering) / wheelbase_m * dt_s)
    # quirk: negative_speed (a standing car that still brakes reverses)
    out[VELOCITY_X] = speed + accel * dt_s
    out[VELOCITY_Y] = 0.0
    out[ACCEL_X] = accel
    out[ACCEL_Y] = 0.0
    out[STEERING] = min(max(steering + steering_rate * dt_s, -MAX_STEERING_RAD), MAX_STEERING_RAD)
    out[YAW_RATE] = out[VELOCITY_X] * math.tan(out[STEERING]) / wheelbase_m
    out[YAW_ACCEL] = (out[YAW_RATE] - state[YAW_RATE]) / dt_s


def states_of(motion: EgoMotion) -> Float64[np.ndarray, "motions time 10"]:
    """Motions as state columns."""
    states = np.empty((motion.num_motions, motion.num_steps, STATE_SIZE))
    states[..., X : HEADING + 1] = motion.rear_axle_poses
    states[..., VELOCITY_X : VELOCITY_Y + 1] = motion.velocities_mps
    states[..., ACCEL_X : ACCEL_Y + 1] = motion.accelerations_mps2
    states[..., STEERING] = motion.steering_rad
    states[..., YAW_RATE] = motion.yaw_rate_radps
    states[..., YAW_ACCEL] = motion.yaw_acceleration_radps2
    return states


def motion_of(time_us: Int64[np.ndarray, "time"], states: Float64[np.ndarray, "motions time 10"]) -> EgoMotion:
    """Motions from state columns: the inverse of `states_of`, with copies."""
    return EgoMotion(
        time_us=time_us.copy(),
        rear_axle_poses=states[..., X : HEADING + 1].copy(),
        velocities_mps=states[..., VELOCITY_X : VELOCITY_Y + 1].copy(),
        accelerations_mps2=states[..., ACCEL_X : ACCEL_Y + 1].copy(),
        steering_rad=states[..., STEERING].copy(),
        yaw_rate_radps=states[..., YAW_RATE].copy(),
        yaw_acceleration_radps2=states[..., YAW_ACCEL].copy(),
    )


def state_array(state: EgoState) -> Float64[np.ndarray, "10"]:
    """One ego state as state columns."""
    return np.array(
        [
            *state.rear_axle_pose,
            *state.velocity_mps,
            *state.acceleration_mps2,
            state.steering_rad,
            state.yaw_rate_radps,
            state.yaw_acceleration_radps2,
        ]
    )


def center_velocities(
    motion: EgoMotion, vehicle: VehicleParameters = PACIFICA
) -> Float64[np.ndarray, "motions time 2"]:
    """Velocity of the box centre in the body frame [m/s]."""
    velocities = motion.velocities_mps.copy()
    velocities[..., 1] += vehicle.rear_axle_to_center_m * motion.yaw_rate_radps
    return velocities


def center_accelerations(
    motion: EgoMotion, vehicle: VehicleParameters = PACIFICA
) -> Float64[np.ndarray, "motions time 2"]:
    """Acceleration of the box centre in the body frame [m/s^2], by the formula of `center_acceleration`."""
    accelerations = motion.accelerations_mps2.copy()
    accelerations[..., 0] = center_acceleration(
        accelerations[..., 0], motion.yaw_rate_radps, motion.yaw_acceleration_radps2, vehicle.rear_axle_to_center_m
    )
    return accelerations


def center_acceleration(
    accel_mps2: Number, yaw_rate_radps: Number, yaw_accel_radps2: Number, rear_axle_to_center_m: float
) -> Number:
    """Forward acceleration of the box centre [m/s^2] from that of the rear axle.

    The lateral acceleration of the centre is that of the rear axle.

    Source:
        nuPlan devkit, `get_acceleration_shifted`, which its comfort metrics use.
    """
    # quirk: center_acceleration (both terms act forward; in truth the centripetal one points back, the other left)
    return (
        accel_mps2
        + rear_axle_to_center_m * (yaw_rate_radps * yaw_rate_radps)
        + rear_axle_to_center_m * yaw_accel_radps2
    )


compiled_center_acceleration = njit(cache=True)(center_acceleration)
"""The same function for kernels."""
