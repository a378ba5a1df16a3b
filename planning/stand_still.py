"""A probe: what does a score give to a car that never moves?"""

import numpy as np

from driving.map import MapGraph
from driving.observation import Observation
from driving.route import Route
from driving.trajectory import Trajectory

HORIZON_S = 8.0
PLAN_STEP_S = 0.5


class StandStillPlanner:
    """Wants to be where it is, for 8 s."""

    name = "stand_still"

    def reset(self, map: MapGraph, route: Route) -> None:  # noqa: A002
        """Nothing to prepare."""

    def plan(self, observation: Observation) -> Trajectory:
        """The present pose, again and again."""
        times_s = np.arange(round(HORIZON_S / PLAN_STEP_S) + 1) * PLAN_STEP_S
        return Trajectory(time_s=times_s, poses=np.tile(observation.ego_now.rear_axle_pose, (len(times_s), 1)))
