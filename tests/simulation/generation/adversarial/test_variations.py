"""Variations of an agent: another schedule on the same path, everything else unchanged."""

import numpy as np
from adversarial_cases import TRACK, straight_scenario, with_car

from simulation.generation.adversarial.variations import MAX_SHIFT_S, varied_agent


def test_the_agent_drives_a_little_earlier_or_later_on_its_path():
    scenario = with_car(straight_scenario(), ahead_m=40.0, left_m=0.0, speed_mps=8.0)
    varied = varied_agent(scenario, TRACK, np.random.default_rng(0))
    row, now = varied.agents.track_ids.index(TRACK), varied.first_frame
    moved = varied.agents.poses[row, now, :2] - scenario.agents.poses[row, now, :2]
    assert 0.0 < np.hypot(*moved) <= MAX_SHIFT_S * 8.0 + 0.1
    heading = scenario.ego.rear_axle_poses[0, now, 2]
    assert abs(moved @ [-np.sin(heading), np.cos(heading)]) < 0.05
    np.testing.assert_array_equal(varied.ego.rear_axle_poses, scenario.ego.rear_axle_poses)


def test_equal_random_numbers_give_equal_variations():
    scenario = with_car(straight_scenario(), ahead_m=40.0, left_m=0.0, speed_mps=8.0)
    first, second = (varied_agent(scenario, TRACK, np.random.default_rng(0)) for _ in range(2))
    np.testing.assert_array_equal(first.agents.poses, second.agents.poses)


def test_a_variation_that_begins_in_the_ego_is_refused():
    scenario = with_car(straight_scenario(), ahead_m=6.5, left_m=0.0, speed_mps=8.0)
    found = [varied_agent(scenario, TRACK, np.random.default_rng(seed)) for seed in range(12)]
    assert any(one is None for one in found)
