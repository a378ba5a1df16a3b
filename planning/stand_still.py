"""A probe for scores: a car that does not move."""

import numpy as np

from driving.map import MapGraph
from driving.observation import Observation
from driving.route import Route
from driving.trajectory import Trajectory

HORIZON_S = 8.0
PLAN_STEP_S = 0.5


class StandStillPlanner:
    """Plans to stay at the present pose for 8 s."""

    name = "stand_still"

    def reset(self, map: MapGraph, route: Route) -> None:  # noqa: A002
        """Do nothing: the plan depends on the ego only."""

    def plan(self, observation: Observation) -> Trajectory:
        """The present pose, repeated."""
        times_s = np.arange(round(HORIZON_S / PLAN_STEP_S) + 1) * PLAN_STEP_S
        return Trajectory(time_s=times_s, poses=np.tile(observation.ego_now.rear_axle_pose, (len(times_s), 1)))
