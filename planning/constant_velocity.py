"""A probe for scores: constant velocity, whatever is ahead."""

import numpy as np

from driving.map import MapGraph
from driving.observation import Observation
from driving.route import Route
from driving.trajectory import Trajectory

HORIZON_S = 8.0
PLAN_STEP_S = 0.5


class ConstantVelocityPlanner:
    """Straight ahead at the present speed for 8 s."""

    name = "constant_velocity"

    def reset(self, map: MapGraph, route: Route) -> None:  # noqa: A002
        """Do nothing: the plan depends on the ego only."""

    def plan(self, observation: Observation) -> Trajectory:
        """Poses on a straight line, 0.5 s apart."""
        ego = observation.ego_now
        times_s = np.arange(round(HORIZON_S / PLAN_STEP_S) + 1) * PLAN_STEP_S
        x, y, heading = ego.rear_axle_pose
        distance_m = float(ego.velocity_mps[0]) * times_s
        poses = np.stack(
            [x + distance_m * np.cos(heading), y + distance_m * np.sin(heading), np.full_like(times_s, heading)],
            axis=-1,
        )
        return Trajectory(time_s=times_s, poses=poses)
