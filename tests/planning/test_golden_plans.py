"""Shown what the official devkit showed its planners, ours plan what they planned."""

import numpy as np
import pytest

from planning.registry import load_planner

TOLERANCE_M = 1e-6


def worst_gap_m(planner, steps, stride):
    observation = steps[0][0]
    planner.reset(observation.map, observation.route)
    gaps = []
    for observation, expected in steps[::stride]:
        plan = planner.plan(observation)
        np.testing.assert_allclose(plan.time_s, (expected[:, 0] - expected[0, 0]) * 1e-6, atol=1e-9)
        gaps.append(np.hypot(*(plan.poses[:, :2] - expected[:, 1:3]).T).max())
        turned = np.abs(np.exp(1j * plan.poses[:, 2]) - np.exp(1j * expected[:, 3])).max()
        assert turned < 1e-6
    return max(gaps)


@pytest.mark.parametrize("traffic", ["nonreactive", "reactive"])
@pytest.mark.parametrize("name", ["simple", "idm"])
def test_plans_equal_those_of_the_devkit(golden_steps, name, traffic):
    planner = load_planner(name)
    gaps = {
        token: worst_gap_m(planner, steps, stride=1)
        for token, steps in golden_steps(f"closed_loop_{traffic}_agents_{name}_planner")
    }
    assert {token: gap for token, gap in gaps.items() if gap > TOLERANCE_M} == {}
