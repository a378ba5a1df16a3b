"""The proof of a way out: rollouts whose planner knows the log, judged by the full score."""

import numpy as np

from driving.map import MapGraph
from driving.observation import Observation
from driving.route import Route
from driving.scenario import Scenario
from driving.timing import STEP_S
from driving.trajectory import Trajectory
from simulation.metrics.score import CLOSED_LOOP, score_simulation
from simulation.rollout import run_rollout


class AsLogged:
    """Plans what the log did from now on."""

    name = "as_logged"

    def __init__(self, *, stride_steps: int = 1, horizon_steps: int = 40) -> None:
        """Plan a pose every `stride_steps` steps of 0.1 s, up to `horizon_steps` ahead."""
        self._stride_steps = stride_steps
        self._horizon_steps = horizon_steps
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
        """What comes next in the log, as far as planned ahead, or what is left of it."""
        assert self._scenario is not None
        poses = self._scenario.ego.rear_axle_poses[0]
        now = self._scenario.first_frame + observation.iteration
        ahead = poses[now : now + self._horizon_steps + 1 : self._stride_steps]
        return Trajectory(time_s=np.arange(len(ahead)) * self._stride_steps * STEP_S, poses=ahead)


def proved_score(scenario: Scenario) -> float | None:
    """Closed-loop score of driving as logged through the tracker; None where a multiplier is not 1.

    It is driven twice, planned every 0.1 s for 4 s and, as by nuPlan's `LogFuturePlanner`, every 0.5 s for 8 s: the
    tracker cuts a bend differently then, by decimetres, and a way out must bear that. The score is that of the first.
    """
    scores = []
    for planner in (AsLogged(), AsLogged(stride_steps=5, horizon_steps=80)):
        found = score_simulation(run_rollout(scenario, planner), scenario)
        if any(found.metrics[name].score != 1.0 for name in CLOSED_LOOP.multipliers):
            return None
        scores.append(found.score)
    return scores[0]
