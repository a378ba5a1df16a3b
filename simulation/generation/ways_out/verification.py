"""Verification of a solution: closed-loop rollouts of planners that plan the logged poses, with the full score."""

import numpy as np

from driving.map import MapGraph
from driving.observation import Observation
from driving.route import Route
from driving.scenario import Scenario
from driving.timing import STEP_S
from driving.trajectory import Trajectory
from simulation.metrics.score import CLOSED_LOOP, score_simulation
from simulation.rollout import run_rollout


class LoggedPosesPlanner:
    """Plans the logged poses from the present step on."""

    name = "logged_poses"

    def __init__(self, *, stride_steps: int = 1, horizon_steps: int = 40) -> None:
        """Plan a pose every `stride_steps` steps of 0.1 s, up to `horizon_steps` ahead."""
        self._stride_steps = stride_steps
        self._horizon_steps = horizon_steps
        self._scenario: Scenario | None = None

    def reset(self, map: MapGraph, route: Route) -> None:  # noqa: A002  (name of the protocol's argument)
        """Raise: only a scenario holds the log.

        Raises:
            TypeError: Always.
        """
        raise TypeError(f"{self.name} plans the log of a scenario; call reset_with_scenario instead of reset.")

    def reset_with_scenario(self, scenario: Scenario) -> None:
        """Take the log of a scenario."""
        self._scenario = scenario

    def plan(self, observation: Observation) -> Trajectory:
        """The next poses of the log, up to the horizon or the end of the log."""
        assert self._scenario is not None, "reset_with_scenario comes first"
        poses = self._scenario.ego.rear_axle_poses[0]
        now = self._scenario.first_frame + observation.iteration
        ahead = poses[now : now + self._horizon_steps + 1 : self._stride_steps]
        return Trajectory(time_s=np.arange(len(ahead)) * self._stride_steps * STEP_S, poses=ahead)


def verified_score(scenario: Scenario) -> float | None:
    """Closed-loop score of the logged drive through the tracker; None when a multiplier is not 1.

    There are two rollouts: plans of 4 s with a pose every 0.1 s, and, as in nuPlan's `LogFuturePlanner`, plans of 8 s
    with a pose every 0.5 s. The tracker cuts curves by some decimetres more in the second one, which a solution has
    to tolerate. The score is that of the first rollout.
    """
    scores = []
    for planner in (LoggedPosesPlanner(), LoggedPosesPlanner(stride_steps=5, horizon_steps=80)):
        result = score_simulation(run_rollout(scenario, planner), scenario)
        if any(result.metrics[name].score != 1.0 for name in CLOSED_LOOP.multipliers):
            return None
        scores.append(result.score)
    return scores[0]
