import numpy as np
import pytest
from adversarial_cases import straight_scenario, with_car

from driving.agents import AgentKind
from simulation.generation.learned import further_agents
from simulation.generation.learned.data import scenario_boxes
from simulation.generation.learned.further_agents import FURTHER, FurtherAgents
from simulation.geometry.boxes import box_corners, boxes_overlapping


@pytest.fixture(scope="module")
def scenario():
    return with_car(straight_scenario(), 25.0, 0.0, 10.0)


@pytest.fixture(scope="module")
def drawn(scenario):
    return FurtherAgents().draw(scenario, np.random.default_rng(0))


def test_the_agents_are_of_three_kinds_and_no_more_than_wanted(drawn):
    counts = np.bincount(drawn.kinds, minlength=3)
    assert 1 <= counts[AgentKind.VEHICLE] <= FURTHER["vehicles"] + FURTHER["parked"]
    assert counts[AgentKind.BICYCLE] <= FURTHER["bicycles"]
    assert counts[AgentKind.PEDESTRIAN] <= FURTHER["pedestrians"]


def test_they_overlap_neither_each_other_nor_the_agents_of_the_scene(scenario, drawn):
    there = scenario_boxes(scenario, scenario.first_frame)
    poses, sizes = np.concatenate([there.poses, drawn.poses]), np.concatenate([there.sizes, drawn.sizes])
    for row in range(len(there.kinds), len(poses)):
        own = box_corners(*poses[row], *sizes[row])
        assert not boxes_overlapping(own, poses[:row], sizes[:row]).any()


def test_vehicles_are_on_the_road_or_parked_beside_it(scenario, drawn):
    moving = (drawn.kinds == AgentKind.VEHICLE) & (drawn.speeds_mps > 0)
    assert moving.any()
    assert scenario.map.drivable_area.contains(drawn.poses[moving, :2]).all()


def test_equal_seeds_give_equal_agents(scenario, drawn):
    again = FurtherAgents().draw(scenario, np.random.default_rng(0))
    other = FurtherAgents().draw(scenario, np.random.default_rng(1))
    np.testing.assert_array_equal(again.poses, drawn.poses)
    assert again.poses.shape != other.poses.shape or (again.poses != other.poses).any()


def test_a_map_with_left_hand_traffic_is_refused(scenario, monkeypatch):
    monkeypatch.setattr(further_agents, "left_hand_share", lambda _map: 0.9)
    with pytest.raises(ValueError, match="left-hand traffic"):
        FurtherAgents().draw(scenario, np.random.default_rng(0))


def test_an_ego_without_a_lane_around_is_refused(scenario, monkeypatch):
    monkeypatch.setattr(further_agents, "scene_at", lambda *_: None)
    with pytest.raises(ValueError, match="in no lane with 4 to 384 lane pieces around"):
        FurtherAgents().draw(scenario, np.random.default_rng(0))


def test_a_missing_checkpoint_is_named(scenario, tmp_path):
    with pytest.raises(FileNotFoundError, match="No scene network in"):
        FurtherAgents(tmp_path).draw(scenario, np.random.default_rng(0))
