import numpy as np
import pytest

from simulation.generation.learned.scene import SceneAgents, drawing_order, scene_agents
from simulation.generation.learned.vocabulary import (
    LATERAL,
    LENGTH,
    OUTPUTS,
    SPEED,
    AgentClass,
    is_in_lane,
)


def test_agents_are_anchored_and_placed_back(scene, boxes):
    agents, rows = scene_agents(scene.window, boxes)
    back = agents.boxes(scene.window)
    np.testing.assert_allclose(back.poses[:, :2], boxes.poses[rows, :2], atol=0.02)
    np.testing.assert_allclose(np.cos(back.poses[:, 2] - boxes.poses[rows, 2]), 1.0, atol=1e-6)


def test_cones_are_no_part_of_a_scene(scene, boxes):
    _, rows = scene_agents(scene.window, boxes)
    assert sorted(rows.tolist()) == [0, 1, 2, 3, 4]


def test_classes_follow_kind_and_offset(scene, boxes):
    agents, rows = scene_agents(scene.window, boxes)
    found = dict(zip(rows.tolist(), agents.classes.tolist(), strict=True))
    assert found[0] == found[1] == found[2] == AgentClass.VEHICLE
    assert found[3] == AgentClass.PARKED
    assert found[4] == AgentClass.PEDESTRIAN


def test_agents_in_lanes_come_first_and_the_one_ahead_before(scene, boxes):
    agents, rows = scene_agents(scene.window, boxes)
    assert rows.tolist()[:3] == [1, 0, 2]
    assert is_in_lane(agents.classes).tolist() == [True, True, True, False, False]
    assert (drawing_order(agents) == np.arange(5)).all()


def test_an_agent_far_from_all_lanes_is_left_out(scene, boxes):
    moved = boxes.poses.copy()
    moved[3, :2] += 400.0
    _, rows = scene_agents(scene.window, boxes._replace(poses=moved))
    assert 3 not in rows


def test_no_agents_join_any(scene):
    assert len(SceneAgents.none().joined(scene.agents)) == len(scene.agents)


@pytest.mark.parametrize("name", OUTPUTS)
def test_values_stay_in_their_bins(name):
    bins = OUTPUTS[name]
    numbers = np.arange(len(bins))
    for share in (0.01, 0.5, 0.99):
        assert (bins.of(bins.value(numbers, np.full(len(bins), share))) == numbers).all()


def test_bins_lie_on_those_of_the_statistics():
    assert LENGTH.of(np.array([5.176])) == 51
    assert LATERAL.of(np.array([0.0])) == 40
    assert SPEED.of(np.array([0.0, 0.2, 0.6, 99.0])).tolist() == [0, 1, 2, len(SPEED) - 1]
