"""PDM-Closed and its parts in hand-made scenes."""

import itertools

import numpy as np
import pytest

from driving import EgoState, ExplainsPlans, check_planner
from driving.synthetic.scenes import scene
from planning.lane_search import breadth_first_lanes, starting_lane
from planning.rule_based.centerline import dijkstra_lanes
from planning.rule_based.emergency import braking_plan, is_emergency
from planning.rule_based.paths import parallel_paths
from planning.rule_based.planner import PdmClosedPlanner
from planning.rule_based.route_correction import corrected_route, roadblock_path
from simulation.metrics.pdm.rules import EPDMS_RULES, PDMS_RULES, TUPLAN_RULES
from simulation.rollout import run_rollout


def ego_at(pose, speed_mps=0.0, accel_mps2=0.0):
    return EgoState(
        time_us=0,
        rear_axle_pose=np.array(pose, dtype=np.float64),
        velocity_mps=np.array([speed_mps, 0.0]),
        acceleration_mps2=np.array([accel_mps2, 0.0]),
    )


def first_plan(name, planner=None):
    scenario = scene(name)
    planner = planner or PdmClosedPlanner()
    planner.reset(scenario.map, scenario.route)
    return scenario, planner, planner.plan(scenario.observation_at(0))


def test_on_an_empty_road_the_fastest_proposal_in_the_middle_of_the_lane_wins():
    scenario, planner, plan = first_plan("straight_road")
    assert int(np.argmax(planner.scores.score)) == 4
    assert plan.horizon_s == pytest.approx(8.0)
    start = scenario.logged_ego_pose(0)
    np.testing.assert_allclose(plan.poses[:, 1], start[1], atol=1e-6)
    # From 10 m/s towards 13.89 m/s at no more than 1.5 m/s2, after the hesitation of the first two steps.
    assert 90.0 < plan.poses[-1, 0] - start[0] < 8 * 13.89


def test_side_paths_lie_a_metre_right_and_left():
    scenario, _, _ = first_plan("straight_road")
    rows = [row for block in scenario.route.roadblock_ids for row in scenario.map.lane_rows_of_roadblock(block)]
    chain = dijkstra_lanes(
        scenario.map,
        list(scenario.route.roadblock_ids),
        set(rows),
        starting_lane(scenario.map, rows, scenario.observation_at(0).ego_now),
    )
    paths = parallel_paths(scenario.map, chain, (-1.0, 1.0))
    # Eastwards, so that left is north.
    np.testing.assert_allclose(paths.points[1, :, 1], paths.points[0, :, 1] - 1.0)
    np.testing.assert_allclose(paths.points[2, :, 1], paths.points[0, :, 1] + 1.0)


@pytest.mark.parametrize(
    ("name", "step", "obstacle_m"),
    # The last car's rear end is 62.049 m before the rear axle at time 0; the connector behind the red light 51.049 m.
    [("queue", 149, 62.049), ("red_light", 88, 51.049)],
)
def test_it_stops_short_of_what_is_in_the_way(name, step, obstacle_m):
    scenario = scene(name)
    log = run_rollout(scenario, PdmClosedPlanner(), traffic="nonreactive")
    driven_m = np.hypot(*(log.ego.rear_axle_poses[0, step, :2] - scenario.logged_ego_pose(0)[:2]))
    assert abs(log.ego.velocities_mps[0, step, 0]) < 0.5
    assert 0.0 < obstacle_m - (driven_m + 4.049) < 4.0


def test_each_version_of_the_score_chooses_a_plan():
    for rules in (TUPLAN_RULES, PDMS_RULES, EPDMS_RULES):
        _, planner, plan = first_plan("roundabout", PdmClosedPlanner(rules))
        assert len(plan.poses) == 81
        assert planner.scores.score.max() > 0.5


@pytest.mark.parametrize(
    ("speed_mps", "collision_s", "brakes"),
    [(4.0, 1.9, True), (4.0, 2.1, False), (5.1, 0.5, False), (4.0, None, False)],
)
def test_an_emergency_is_a_collision_within_two_seconds_at_low_speed(speed_mps, collision_s, brakes):
    assert is_emergency(ego_at([0, 0, 0], speed_mps), collision_s) is brakes


def test_braking_asks_for_a_speed_that_makes_the_tracker_brake():
    # 1.1 (3 + clip(-30, -4.05, 2.4)) = -1.155 m/s.
    plan = braking_plan(ego_at([0, 0, 0], 3.0), num_steps=80, step_s=0.1)
    assert plan.poses[-1, 0] == pytest.approx(-1.155 * 8.0)
    # Almost standing: clip(-4 v - a) = -0.4 - 0.5.
    plan = braking_plan(ego_at([0, 0, np.pi / 2], 0.1, 0.5), num_steps=10, step_s=0.1)
    assert plan.poses[-1, 1] == pytest.approx(-0.9)


def test_a_route_that_starts_ahead_is_led_up_to_and_gaps_are_filled():
    scenario = scene("t_junction")
    blocks = list(dict.fromkeys(scenario.route.roadblock_ids))
    assert len(blocks) >= 3
    ego = scenario.observation_at(0).ego_now
    for part in (tuple(blocks), tuple(blocks[1:]), (blocks[0], *blocks[2:])):
        assert corrected_route(scenario.map, part, ego)[:3] == blocks[:3]


def test_an_unknown_route_says_so():
    scenario = scene("straight_road")
    with pytest.raises(ValueError, match=r"no roadblock of the route \(-5,\)"):
        corrected_route(scenario.map, (-5,), scenario.observation_at(0).ego_now)


def test_roadblocks_are_searched_both_ways():
    scenario = scene("t_junction")
    blocks = list(dict.fromkeys(scenario.route.roadblock_ids))
    assert roadblock_path(scenario.map, blocks[0], {blocks[2]}, 30) == blocks[:3]
    assert roadblock_path(scenario.map, blocks[2], {blocks[0]}, 30, forward=False) == blocks[2::-1]
    assert roadblock_path(scenario.map, blocks[0], {blocks[2]}, 2) is None


def test_lanes_are_chained_through_the_route():
    scenario = scene("t_junction")
    rows = [row for block in scenario.route.roadblock_ids for row in scenario.map.lane_rows_of_roadblock(block)]
    start = starting_lane(scenario.map, rows, scenario.observation_at(0).ego_now)
    chain = breadth_first_lanes(scenario.map, scenario.route.roadblock_ids, start)
    assert [int(scenario.map.lanes.roadblock_ids[row]) for row in chain] == list(scenario.route.roadblock_ids)
    for row, after in itertools.pairwise(chain):
        assert after in scenario.map.lanes.successors[row].tolist()


def test_it_tells_its_fifteen_proposals_and_which_one_it_drives():
    planner = PdmClosedPlanner()
    assert isinstance(planner, ExplainsPlans)
    scenario = scene("cut_in")
    planner.reset(scenario.map, scenario.route)
    plan = planner.plan(scenario.observation_at(30))
    (told,) = planner.candidates()
    assert told.poses.shape == (15, 9, 3)
    assert told.scores.tolist() == planner.scores.score.tolist()
    assert told.chosen == int(np.argmax(told.scores))
    np.testing.assert_array_equal(told.poses[told.chosen], plan.poses[:41:5])
    check_planner(PdmClosedPlanner, scenario)


def test_what_it_told_of_one_step_stays_when_it_plans_the_next():
    planner = PdmClosedPlanner()
    scenario = scene("cut_in")
    planner.reset(scenario.map, scenario.route)
    planner.plan(scenario.observation_at(30))
    (told,) = planner.candidates()
    poses, scores = told.poses.copy(), told.scores.copy()
    planner.plan(scenario.observation_at(40))
    np.testing.assert_array_equal(told.poses, poses)
    np.testing.assert_array_equal(told.scores, scores)


def test_no_proposal_is_chosen_when_it_brakes_in_an_emergency(monkeypatch):
    monkeypatch.setattr("planning.rule_based.planner.is_emergency", lambda ego, collision_s: True)
    planner = PdmClosedPlanner()
    scenario = scene("queue")
    planner.reset(scenario.map, scenario.route)
    planner.plan(scenario.observation_at(0))
    assert planner.candidates()[0].chosen is None
