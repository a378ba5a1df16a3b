import numpy as np
import pytest

from driving.agents import AgentKind
from simulation.realism.controls import CONTROLS, control_of, sampled
from simulation.realism.scene_statistics import scene_statistics

PEDESTRIAN = int(AgentKind.PEDESTRIAN)


@pytest.fixture
def training(scene):
    return [
        scene((50, -1.75, 0, 5), (60, -1.75, 0, 3), (60, -5.25, 0, 2), (55, -9, 1, 1), kinds=[0, 0, 0, PEDESTRIAN]),
        scene((50, -1.75, 0, 5), (40, -1.75, 0, 8)),
    ]


@pytest.fixture
def held_out(scene):
    return scene((120, -5.25, 0, 7), (130, -5.25, 0, 3), (125, -9, 2, 1), kinds=[0, 0, PEDESTRIAN])


@pytest.mark.parametrize("name", sorted(CONTROLS))
def test_a_control_keeps_map_and_ego_and_is_reproducible(name, training, held_out):
    sampler = control_of(name)(training)
    first, second = sampled(sampler, [held_out] * 2, seed=3), sampled(sampler, [held_out] * 2, seed=3)
    for scene, again in zip(first, second, strict=True):
        assert scene.map is held_out.map
        np.testing.assert_array_equal(scene.poses[0], held_out.poses[0])
        assert scene.speeds_mps[0] == held_out.speeds_mps[0]
        np.testing.assert_array_equal(scene.poses, again.poses)


def test_random_vehicles_stand_on_the_lanes_in_their_direction(held_out):
    crowd = held_out.take(np.array([0, 1, 1, 1, 1, 1, 2]))
    scenes = sampled(control_of("random")([]), [crowd], seed=0)
    vehicles = np.flatnonzero(scenes[0].kinds == AgentKind.VEHICLE)[1:]
    assert len(vehicles) == 5
    assert np.abs(scenes[0].anchors.lateral_m[vehicles]).max() < 0.01
    assert np.abs(scenes[0].anchors.heading_offset_rad[vehicles]).max() < 0.01
    assert scene_statistics(scenes).off_lane_share == 0.0


def test_marginal_values_are_those_of_training_agents_of_the_kind(training, held_out):
    scene = sampled(control_of("marginal")(training), [held_out], seed=1)[0]
    assert set(scene.speeds_mps[scene.kinds == AgentKind.VEHICLE][1:]) <= {3.0, 2.0, 8.0}
    assert set(scene.speeds_mps[scene.kinds == PEDESTRIAN]) <= {1.0}


def test_pasted_agents_keep_their_places_relative_to_the_ego(training, held_out):
    scene = sampled(control_of("paste")(training[1:]), [held_out], seed=0)[0]
    assert scene.poses[1, 0] - scene.poses[0, 0] == pytest.approx(-10.0)
    assert scene.speeds_mps.tolist() == [7.0, 8.0]


def test_an_unknown_control_names_the_nearest():
    with pytest.raises(KeyError, match=r"randon.*random"):
        control_of("randon")
