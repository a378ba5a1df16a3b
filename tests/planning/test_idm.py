"""The IDM planner and its probe without agents."""

from dataclasses import replace

import numpy as np
import pytest

from driving import Route, check_planner
from driving.synthetic.scenes import scene
from planning.idm import IdmPlanner, agents_now
from planning.ignore_agents import IgnoreAgentsPlanner


def test_it_keeps_the_contract_and_stops_behind_a_queue_that_the_probe_ignores():
    scenario = scene("queue")
    check_planner(IdmPlanner, scenario)
    reached_m = []
    for planner in (IdmPlanner(), IgnoreAgentsPlanner()):
        planner.reset(scenario.map, scenario.route)
        plan = planner.plan(scenario.observation_at(30))
        reached_m.append(np.hypot(*(plan.poses[-1, :2] - plan.poses[0, :2])))
    assert reached_m[0] < 40.0 < reached_m[1]


def test_the_target_speed_is_the_limit_or_a_higher_present_speed():
    scenario = scene("straight_road")
    planner = IdmPlanner()
    planner.reset(scenario.map, scenario.route)
    observation = scenario.observation_at(0)
    planner.plan(observation)
    assert planner._settings.target_speed_mps == pytest.approx(13.89, abs=0.01)
    velocities = observation.ego.velocities_mps.copy()
    velocities[..., 0] = 20.0
    planner.reset(scenario.map, scenario.route)
    planner.plan(replace(observation, ego=replace(observation.ego, velocities_mps=velocities)))
    assert planner._settings.target_speed_mps == pytest.approx(20.0)


def test_a_route_without_lanes_is_refused():
    empty = Route(roadblock_ids=(), goal_pose=None, centerline=np.zeros((0, 2)))
    with pytest.raises(ValueError, match=r"has no lane on the route \(\)"):
        IdmPlanner().reset(scene("straight_road").map, empty)


def test_static_objects_have_speed_zero_and_invalid_tracks_are_left_out():
    observation = scene("construction").observation_at(0)
    table = agents_now(observation)
    assert len(table) == observation.agents.valid[:, -1].sum()
    agents = observation.agents
    valid = agents.valid.copy()
    valid[0, -1] = False
    assert len(agents_now(replace(observation, agents=replace(agents, valid=valid)))) == len(table) - 1
