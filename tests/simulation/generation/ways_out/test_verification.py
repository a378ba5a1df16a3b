from dataclasses import replace

import numpy as np
import pytest

from driving.synthetic.scenes import scene
from planning.log_future import LogFuturePlanner
from simulation.generation.ways_out.verification import LoggedPosesPlanner, verified_score
from simulation.rollout import Rollout


def test_the_coarse_verification_plans_as_nuplans_log_planner():
    scenario = scene("cut_in")
    planner, reference = LoggedPosesPlanner(stride_steps=5, horizon_steps=80), LogFuturePlanner()
    rollout = Rollout(scenario)
    for one in (planner, reference):
        one.reset_with_scenario(scenario)
    for _ in range(3):
        observation = rollout.observation()
        plan, other = planner.plan(observation), reference.plan(observation)
        np.testing.assert_array_equal(plan.poses, other.poses)
        np.testing.assert_allclose(plan.time_s, other.time_s, atol=1e-6)
        rollout.advance(plan)


def test_the_fine_verification_plans_every_logged_pose_for_four_seconds():
    scenario = scene("cut_in")
    planner = LoggedPosesPlanner()
    planner.reset_with_scenario(scenario)
    plan = planner.plan(Rollout(scenario).observation())
    first = scenario.first_frame
    np.testing.assert_array_equal(plan.poses, scenario.ego.rear_axle_poses[0, first : first + 41])
    assert plan.time_s[[0, 1, -1]] == pytest.approx([0.0, 0.1, 4.0])


def test_a_planner_of_logged_poses_needs_a_scenario():
    scenario = scene("cut_in")
    with pytest.raises(TypeError, match="call reset_with_scenario instead of reset"):
        LoggedPosesPlanner().reset(scenario.map, scenario.route)


def test_a_good_log_is_verified_and_one_through_an_agent_is_not():
    scenario = scene("straight_road")
    assert verified_score(scenario) > 0.9
    other = scene("queue")
    first = other.first_frame
    poses = other.ego.rear_axle_poses.copy()
    # A constant speed through the standing queue.
    speed_mps = other.ego.speed_mps[0, first]
    heading = poses[0, first, 2]
    along_m = speed_mps * 0.1 * np.arange(poses.shape[1] - first)
    poses[0, first:, :2] = poses[0, first, :2] + along_m[:, np.newaxis] * np.array([np.cos(heading), np.sin(heading)])
    assert verified_score(replace(other, ego=replace(other.ego, rear_axle_poses=poses))) is None
