"""The proof of a way out: a rollout whose planner knows the log, judged by the full score."""

import numpy as np

from driving.map import MapGraph
from driving.observation import Observation
from driving.route import Route
from driving.scenario import Scenario
from driving.trajectory import Trajectory
from simulation.metrics.score import CLOSED_LOOP, score_simulation
from simulation.rollout import run_rollout

HORIZON_STEPS = 40
STEP_S = 0.1


class AsLogged:
    """Plans what the log did from now on."""

    name = "as_logged"

    def __init__(self) -> None:
        self._scenario: Scenario | None = None

    def reset(self, map: MapGraph, route: Route) -> None:  # noqa: A002  (the protocol's word)
        """Not used: it needs the scenario.

        Raises:
            ValueError: Always.
        """
        raise ValueError(f"{self.name} needs a scenario with its log, not only the map {map.name} and a route.")

    def reset_with_scenario(self, scenario: Scenario) -> None:
        """Take the log."""
        self._scenario = scenario

    def plan(self, observation: Observation) -> Trajectory:
        """The next 4 s of the log, or what is left of it."""
        assert self._scenario is not None
        poses = self._scenario.ego.rear_axle_poses[0]
        now = self._scenario.first_frame + observation.iteration
        ahead = poses[now : min(now + HORIZON_STEPS + 1, len(poses))]
        return Trajectory(time_s=np.arange(len(ahead)) * STEP_S, poses=ahead)


def proved_score(scenario: Scenario) -> float | None:
    """Closed-loop score of driving as logged through the tracker; None where a multiplier is not 1."""
    log = run_rollout(scenario, AsLogged())
    found = score_simulation(log, scenario)
    passes = all(found.metrics[name].score == 1.0 for name in CLOSED_LOOP.multipliers)
    return found.score if passes else None
