"""Emergency braking if even the best proposal is about to collide.

Source:
    tuPlan garage, `PDMEmergencyBrake`.
"""

import numpy as np

from driving.ego import EgoState
from driving.trajectory import Trajectory
from driving.vehicle import PACIFICA
from simulation.ego.dynamics import center_acceleration
from simulation.metrics.rules import MAX_LONGITUDINAL_ACCEL_MPS2, MIN_LONGITUDINAL_ACCEL_MPS2

MAX_TIME_S = 2.0
"""An at-fault collision within this time is an emergency ..."""
MAX_SPEED_MPS = 5.0
"""... up to this speed of the ego."""
_SLOW_MPS = 0.2


def is_emergency(ego: EgoState, collision_time_s: float | None) -> bool:
    """Whether to brake.

    Args:
        ego: Present state.
        collision_time_s: Time of the first at-fault collision of the best proposal, None without one.
    """
    return collision_time_s is not None and collision_time_s <= MAX_TIME_S and ego.speed_mps <= MAX_SPEED_MPS


def braking_plan(ego: EgoState, num_steps: int, step_s: float) -> Trajectory:
    """Straight ahead at a speed that makes the tracker brake; often negative, since only its effect counts."""
    speed_mps = float(ego.velocity_mps[0])
    accel_mps2 = center_acceleration(
        float(ego.acceleration_mps2[0]),
        ego.yaw_rate_radps,
        ego.yaw_acceleration_radps2,
        PACIFICA.rear_axle_to_center_m,
    )
    low, high = MIN_LONGITUDINAL_ACCEL_MPS2, MAX_LONGITUDINAL_ACCEL_MPS2
    if speed_mps > _SLOW_MPS:
        target_mps = 11 / 10 * (speed_mps + float(np.clip(-10.0 * speed_mps, low, high)))
    else:
        target_mps = float(np.clip(-4.0 * speed_mps - accel_mps2, low, high))
    times_s = np.arange(num_steps + 1) * step_s
    x, y, heading = ego.rear_axle_pose
    poses = np.stack(
        [
            x + target_mps * times_s * np.cos(heading),
            y + target_mps * times_s * np.sin(heading),
            np.full_like(times_s, heading),
        ],
        axis=-1,
    )
    return Trajectory(time_s=times_s, poses=poses)
