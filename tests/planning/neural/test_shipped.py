"""The student that comes along drives the hand-made scenes, which it has never seen, as one would wish."""

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
def test_it_touches_nobody_stays_on_the_road_and_gets_on(results, name):
    scores = {metric: results[name].metrics[metric].score for metric in CLOSED_LOOP.multipliers}
    assert scores == dict.fromkeys(CLOSED_LOOP.multipliers, 1.0)
