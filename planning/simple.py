"""nuPlan's simple planner: straight on, not faster than 5 m/s."""

import numpy as np

from driving.geometry import wrap_angle
from driving.map import MapGraph
from driving.observation import Observation
from driving.route import Route
from driving.trajectory import Trajectory

HORIZON_S = 10.0
PLAN_STEP_S = 0.25
MAX_SPEED_MPS = 5.0


class SimplePlanner:
    """Rolls a straight line out by forward Euler; above 5 m/s it brakes with 5 - v metres per second squared.

    Source:
        nuPlan devkit, `SimplePlanner`. Its kinematic bicycle with steering 0 is this loop.
    """

    name = "simple"

    def reset(self, map: MapGraph, route: Route) -> None:  # noqa: A002
        """Nothing to prepare."""

    def plan(self, observation: Observation) -> Trajectory:
        """40 poses over 10 s behind the present one."""
        ego = observation.ego_now
        x, y, heading = ego.rear_axle_pose.tolist()
        forward_mps, speed_mps, accel_mps2 = float(ego.velocity_mps[0]), ego.speed_mps, 0.0
        num_steps = round(HORIZON_S / PLAN_STEP_S)
        travelled_m = np.zeros(num_steps + 1)
        for k in range(num_steps):
            # The last acceleration is kept below the limit, as the devkit leaves it in the state.
            if speed_mps > MAX_SPEED_MPS:
                accel_mps2 = MAX_SPEED_MPS - speed_mps
            travelled_m[k + 1] = travelled_m[k] + forward_mps * PLAN_STEP_S
            forward_mps += accel_mps2 * PLAN_STEP_S
            # Lateral velocity counts at the first step only: the bicycle model has none.
            speed_mps = abs(forward_mps)
        headings = np.full(num_steps + 1, wrap_angle(heading))
        poses = np.stack([x + travelled_m * np.cos(heading), y + travelled_m * np.sin(heading), headings], axis=-1)
        return Trajectory(time_s=np.arange(num_steps + 1) * PLAN_STEP_S, poses=poses)
