"""Recorded plans."""

import numpy as np
import pytest

from driving.synthetic.scenes import scene
from planning.recorded import RecordedPlanner


@pytest.fixture
def scenario():
    return scene("straight_road")


def test_plans_are_returned_by_iteration(tmp_path, scenario):
    plans = np.zeros((2, 3, 4))
    plans[:, :, 0] = 5e6 + np.array([0.0, 0.5e6, 1e6])
    plans[1, :, 1:] = np.arange(9).reshape(3, 3)
    np.savez(tmp_path / f"{scenario.scenario_id}.npz", plans=plans)
    planner = RecordedPlanner(tmp_path)
    planner.reset_with_scenario(scenario)
    plan = planner.plan(scenario.observation_at(1))
    assert plan.time_s == pytest.approx([0.0, 0.5, 1.0])
    assert np.array_equal(plan.poses, plans[1, :, 1:])
    with pytest.raises(IndexError, match="No recorded plan of iteration 2: the file holds 2 plans"):
        planner.plan(scenario.observation_at(2))


def test_missing_folders_files_and_arrays_are_named(tmp_path, scenario):
    with pytest.raises(FileNotFoundError, match=r"No folder .* with recorded plans"):
        RecordedPlanner(tmp_path / "nowhere")
    planner = RecordedPlanner(tmp_path)
    with pytest.raises(TypeError, match="call reset_with_scenario"):
        planner.reset(scenario.map, scenario.route)
    with pytest.raises(FileNotFoundError, match=f"No recorded plans for scenario {scenario.scenario_id}"):
        planner.reset_with_scenario(scenario)
    np.savez(tmp_path / f"{scenario.scenario_id}.npz", plans=np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"needs an array `plans` \(steps, poses, 4\), it has \['plans'\]"):
        planner.reset_with_scenario(scenario)
