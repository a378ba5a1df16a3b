"""Drives the log."""

import numpy as np
from jaxtyping import Float64

from driving.map import MapGraph
from driving.observation import Observation
from driving.route import Route
from driving.scenario import Scenario
from driving.trajectory import Trajectory

NUM_POSES = 16
STRIDE = 5
"""Steps of 0.1 s between poses: 16 poses over 8 s."""


class LogFuturePlanner:
    """nuPlan's `LogFuturePlanner`: the logged poses from now on, every 0.5 s, to the end of the log."""

    name = "log_future"

    def __init__(self) -> None:
        self._scenario: Scenario | None = None
        self._times_us = np.zeros(0, dtype=np.int64)
        self._poses = np.zeros((0, 3))

    def reset(self, map: MapGraph, route: Route) -> None:  # noqa: A002
        """Raise: only a scenario holds the log.

        Raises:
            TypeError: Always.
        """
        raise TypeError("log_future drives the log of a scenario; call reset_with_scenario instead of reset.")

    def reset_with_scenario(self, scenario: Scenario) -> None:
        """Take the log of a scenario."""
        self._scenario = scenario
        self._times_us, self._poses = np.zeros(0, dtype=np.int64), np.zeros((0, 3))

    def plan(self, observation: Observation) -> Trajectory:
        """The next 8 s of the log; in its last 0.5 s, the remainder of the previous plan.

        Raises:
            ValueError: When the log ends at the scenario's first frame.
        """
        assert self._scenario is not None, "reset_with_scenario comes first"
        scenario = self._scenario
        now = scenario.first_frame + observation.iteration
        steps = np.arange(now, min(now + NUM_POSES * STRIDE + 1, len(scenario.time_us)), STRIDE)
        if len(steps) > 1:
            self._times_us = scenario.time_us[steps]
            self._poses = scenario.ego.rear_axle_poses[0, steps]
        elif not len(self._times_us):
            raise ValueError(
                f"The log of scenario {scenario.scenario_id} ends at its first frame; there is nothing to drive."
            )
        since_us = self._times_us - scenario.time_us[now]
        if since_us[0] == 0:
            return Trajectory(time_s=since_us * 1e-6, poses=self._poses)
        return _remainder(since_us * 1e-6, self._poses)


def _remainder(times_s: Float64[np.ndarray, "time"], poses: Float64[np.ndarray, "time 3"]) -> Trajectory:
    """Remainder of an older plan, with times from now; its last pose if nothing remains."""
    if times_s[-1] <= 0.0:
        return Trajectory(time_s=np.array([0.0, STRIDE * 0.1]), poses=poses[[-1, -1]])
    ahead_s = np.concatenate([[0.0], times_s[times_s > 0.0]])
    return Trajectory(time_s=ahead_s, poses=Trajectory(time_s=times_s, poses=poses).at(ahead_s))
