"""The planner that drives the log."""

from dataclasses import replace

import numpy as np
import pytest

from driving.synthetic.scenes import scene
from planning.log_future import LogFuturePlanner


def planner_of(scenario) -> LogFuturePlanner:
    planner = LogFuturePlanner()
    planner.reset_with_scenario(scenario)
    return planner


def test_the_plan_is_the_log_every_half_second():
    scenario = scene("cut_in")
    plan = planner_of(scenario).plan(scenario.observation_at(10))
    now = scenario.first_frame + 10
    assert plan.time_s == pytest.approx(0.5 * np.arange(len(plan.time_s)))
    assert np.array_equal(plan.poses, scenario.ego.rear_axle_poses[0, now::5][: len(plan.poses)])


def test_at_the_end_of_the_log_the_previous_plan_continues():
    scenario = scene("cut_in")
    planner = planner_of(scenario)
    last = len(scenario.time_us) - 1 - scenario.first_frame
    before = planner.plan(scenario.observation_at(min(last - 6, scenario.num_frames - 1)))
    assert before.horizon_s > 0.0
    short = replace(scenario, num_frames=last + 1)
    planner = planner_of(short)
    planner.plan(short.observation_at(last - 5))
    plan = planner.plan(short.observation_at(last))
    assert plan.time_s[0] == 0.0
    assert plan.poses[-1] == pytest.approx(scenario.ego.rear_axle_poses[0, -1])


def test_a_reset_without_a_scenario_is_refused():
    scenario = scene("cut_in")
    with pytest.raises(TypeError, match="call reset_with_scenario"):
        LogFuturePlanner().reset(scenario.map, scenario.route)
