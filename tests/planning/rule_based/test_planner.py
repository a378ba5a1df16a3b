"""PDM-Closed in hand-made scenes."""

import numpy as np
import pytest

from driving import ExplainsPlans, check_planner
from driving.synthetic.scenes import scene
from planning.rule_based.planner import PdmClosedPlanner
from simulation.metrics.pdm.rules import EPDMS_RULES, PDMS_RULES, TUPLAN_RULES
from simulation.rollout import run_rollout


def first_plan(name: str, planner: PdmClosedPlanner | None = None):
    scenario = scene(name)
    planner = planner or PdmClosedPlanner()
    planner.reset(scenario.map, scenario.route)
    return scenario, planner, planner.plan(scenario.observation_at(0))


def test_on_an_empty_road_the_fastest_proposal_on_the_centerline_wins():
    scenario, planner, plan = first_plan("straight_road")
    assert int(np.argmax(planner.scores.score)) == 4
    assert plan.horizon_s == pytest.approx(8.0)
    start = scenario.logged_ego_pose(0)
    np.testing.assert_allclose(plan.poses[:, 1], start[1], atol=1e-6)
    # From 10 m/s towards 13.89 m/s with at most 1.5 m/s2, after braking in the first two steps.
    assert 90.0 < plan.poses[-1, 0] - start[0] < 8 * 13.89


@pytest.mark.parametrize(
    ("name", "step", "obstacle_m"),
    # The rear end of the last car is 62.049 m ahead of the rear axle at time 0, the red connector 51.049 m.
    [("queue", 149, 62.049), ("red_light", 88, 51.049)],
)
def test_it_stops_before_an_obstacle(name, step, obstacle_m):
    scenario = scene(name)
    log = run_rollout(scenario, PdmClosedPlanner(), traffic="nonreactive")
    driven_m = np.hypot(*(log.ego.rear_axle_poses[0, step, :2] - scenario.logged_ego_pose(0)[:2]))
    assert abs(log.ego.velocities_mps[0, step, 0]) < 0.5
    assert 0.0 < obstacle_m - (driven_m + 4.049) < 4.0


@pytest.mark.parametrize("rules", [TUPLAN_RULES, PDMS_RULES, EPDMS_RULES], ids=lambda rules: rules.version)
def test_each_version_of_the_score_gives_a_plan(rules):
    _, planner, plan = first_plan("roundabout", PdmClosedPlanner(rules))
    assert len(plan.poses) == 81
    assert planner.scores.score.max() > 0.5


def test_it_reports_its_fifteen_proposals_and_the_chosen_one():
    planner = PdmClosedPlanner()
    assert isinstance(planner, ExplainsPlans)
    scenario = scene("cut_in")
    planner.reset(scenario.map, scenario.route)
    plan = planner.plan(scenario.observation_at(30))
    (reported,) = planner.candidates()
    assert reported.poses.shape == (15, 9, 3)
    assert reported.scores.tolist() == planner.scores.score.tolist()
    assert reported.chosen == int(np.argmax(reported.scores))
    np.testing.assert_array_equal(reported.poses[reported.chosen], plan.poses[:41:5])
    check_planner(PdmClosedPlanner, scenario)


def test_reported_proposals_do_not_change_with_the_next_plan():
    planner = PdmClosedPlanner()
    scenario = scene("cut_in")
    planner.reset(scenario.map, scenario.route)
    planner.plan(scenario.observation_at(30))
    (reported,) = planner.candidates()
    poses, scores = reported.poses.copy(), reported.scores.copy()
    planner.plan(scenario.observation_at(40))
    np.testing.assert_array_equal(reported.poses, poses)
    np.testing.assert_array_equal(reported.scores, scores)


def test_no_proposal_is_chosen_in_an_emergency(monkeypatch):
    monkeypatch.setattr("planning.rule_based.planner.is_emergency", lambda ego, collision_s: True)
    _, planner, plan = first_plan("queue")
    assert planner.candidates()[0].chosen is None
    # 10 m/s: the target speed is 1.1 (10 - 4.05).
    assert np.hypot(*(plan.poses[-1, :2] - plan.poses[0, :2])) == pytest.approx(8.0 * 1.1 * 5.95)
