"""nuPlan's simple planner: straight ahead, at most 5 m/s."""

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
    """Straight ahead by forward Euler; above 5 m/s with an acceleration of (5 - v) / s.

    Source:
        nuPlan devkit, `SimplePlanner`. Its kinematic bicycle at steering 0 equals this loop.
    """

    name = "simple"

    def reset(self, map: MapGraph, route: Route) -> None:  # noqa: A002
        """Do nothing: the plan depends on the ego only."""

    def plan(self, observation: Observation) -> Trajectory:
        """The present pose and 40 more over 10 s."""
        ego = observation.ego_now
        x, y, heading = ego.rear_axle_pose.tolist()
        forward_mps, speed_mps, accel_mps2 = float(ego.velocity_mps[0]), ego.speed_mps, 0.0
        num_steps = round(HORIZON_S / PLAN_STEP_S)
        travelled_m = np.zeros(num_steps + 1)
        for k in range(num_steps):
            # Below the limit the last acceleration is kept, as in the devkit.
            if speed_mps > MAX_SPEED_MPS:
                accel_mps2 = MAX_SPEED_MPS - speed_mps
            travelled_m[k + 1] = travelled_m[k] + forward_mps * PLAN_STEP_S
            forward_mps += accel_mps2 * PLAN_STEP_S
            # Lateral velocity counts at the first step only; the bicycle model has none.
            speed_mps = abs(forward_mps)
        headings = np.full(num_steps + 1, wrap_angle(heading))
        poses = np.stack([x + travelled_m * np.cos(heading), y + travelled_m * np.sin(heading), headings], axis=-1)
        return Trajectory(time_s=np.arange(num_steps + 1) * PLAN_STEP_S, poses=poses)
