"""A worker opens a scenario once, and each drive gets arrays of its own."""

import numpy as np
import pytest

from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios, open_scenario
from simulation.benchmark import opened_scenarios
from simulation.benchmark.opened_scenarios import OpenedScenarios


@pytest.fixture
def opened(monkeypatch):
    """Tokens in the order in which they were opened."""
    tokens = []

    def counting(entry, **options):
        tokens.append(entry.token)
        return open_scenario(entry, **options)

    monkeypatch.setattr(opened_scenarios, "open_scenario", counting)
    return tokens


def test_a_scenario_is_opened_once(world, opened):
    first, second, third = list_scenarios(DataRoot.find(world))
    scenarios = OpenedScenarios(2)
    for entry in (first, second, first, second, first):
        assert scenarios.open(entry).scenario_id == entry.token
    assert opened == [first.token, second.token]
    scenarios.open(third)
    scenarios.open(second)
    assert opened == [first.token, second.token, third.token, second.token]


def test_each_drive_gets_arrays_of_its_own(world):
    entry = list_scenarios(DataRoot.find(world))[0]
    scenarios = OpenedScenarios(1)
    spoiled = scenarios.open(entry)
    spoiled.ego.rear_axle_poses[...] = 0.0
    spoiled.route.centerline[...] = 0.0
    spoiled.agents.poses[...] = 0.0
    again, fresh = scenarios.open(entry), open_scenario(entry)
    assert again.map is spoiled.map
    for part in ("ego", "agents", "traffic_lights", "route"):
        for name, value in vars(getattr(fresh, part)).items():
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(getattr(getattr(again, part), name), value, err_msg=name)


def test_an_error_is_not_kept(world, opened, tmp_path, monkeypatch):
    entry = list_scenarios(DataRoot.find(world))[0]
    scenarios = OpenedScenarios(1)

    def fails(*_arguments, **_options):
        raise OSError("locked")

    with monkeypatch.context() as patch:
        patch.setattr(opened_scenarios, "open_scenario", fails)
        with pytest.raises(OSError, match="locked"):
            scenarios.open(entry)
    assert scenarios.open(entry).scenario_id == entry.token
