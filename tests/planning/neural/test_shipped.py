"""The shipped student drives the hand-made scenes, which were not in its training data, without violations."""

import pytest

from driving.synthetic.scenes import SCENES, scene
from planning.neural.planner import StudentPlanner
from simulation.metrics.score import CLOSED_LOOP, SimulationScore, score_simulation
from simulation.rollout import Rollout, run_lockstep


@pytest.fixture(scope="module")
def results() -> dict[str, SimulationScore]:
    scenarios = [scene(name) for name in SCENES]
    rollouts = [Rollout(scenario, traffic="nonreactive") for scenario in scenarios]
    assert run_lockstep(rollouts, StudentPlanner.load()) == [None] * len(rollouts)
    return {
        name: score_simulation(rollout.log(), rollout.scenario)
        for name, rollout in zip(SCENES, rollouts, strict=True)
    }


@pytest.mark.parametrize("name", SCENES)
def test_all_multipliers_of_the_closed_loop_score_are_1(results, name):
    scores = {metric: results[name].metrics[metric].score for metric in CLOSED_LOOP.multipliers}
    assert scores == dict.fromkeys(CLOSED_LOOP.multipliers, 1.0)
