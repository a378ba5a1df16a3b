from dataclasses import replace

import numpy as np

from driving.geometry import box_overlap_m
from simulation.generation.condition import SceneCondition
from simulation.generation.learned.canvas import Canvas
from simulation.generation.learned.drawing import canvas_for, draw_scene, draw_scene_with_counts
from simulation.generation.learned.drawn_agents import agent_of, scene_agents_of
from simulation.generation.learned.facts import scene_facts
from simulation.generation.learned.inputs import placed_of
from simulation.generation.learned.vocabulary import AgentClass


def overlaps_m(scene, agents):
    poses = agents.poses(scene.window)
    first, second = np.triu_indices(len(agents), k=1)
    return box_overlap_m(poses[first], agents.sizes[first], poses[second], agents.sizes[second])


def drawn(quiet, scene, seed, condition=None):
    canvas = canvas_for(quiet.network, scene.window, {}, condition)
    return draw_scene(quiet.network, canvas, np.random.default_rng(seed))


def test_equal_seeds_draw_equal_scenes(quiet, scene):
    one, two, other = drawn(quiet, scene, 3), drawn(quiet, scene, 3), drawn(quiet, scene, 4)
    assert all(
        np.array_equal(a, b) for a, b in zip(vars(one.agents).values(), vars(two.agents).values(), strict=True)
    )
    assert not np.array_equal(one.agents.along_m, other.agents.along_m)


def test_no_drawn_box_overlaps_another(quiet, scene):
    agents = drawn(quiet, scene, 0).agents
    assert len(agents) > 3
    assert overlaps_m(scene, agents).max() < 0.05


def test_a_canvas_begins_without_given_agents_and_keeps_what_the_network_takes(quiet, scene):
    canvas = canvas_for(quiet.network, scene.window, {}, SceneCondition(vehicles=3, signal="red"))
    assert isinstance(canvas, Canvas)
    assert (len(canvas.given), canvas.ego) == (0, None)
    # A light is no input of the network: it is a place on the map.
    assert canvas.condition == SceneCondition(vehicles=3)
    assert canvas.pieces.shape == (len(scene.window), quiet.network.config.width)


def test_placed_agents_become_agents_of_a_scene_again(scene):
    placed = placed_of(scene.window, scene.agents, np.arange(len(scene.agents)) == scene.ego)
    one = agent_of(placed, scene.ego)
    assert (one.kind, one.is_ego, one.speed) == (AgentClass.VEHICLE, True, 8.0)
    assert one.size == (5.176, 2.297)
    back = scene_agents_of(placed, 3, scene.agents.heading_rad[:3])
    for name, values in vars(scene.agents.take(np.arange(3))).items():
        np.testing.assert_array_equal(getattr(back, name), values)


def test_the_ego_is_first_at_the_centre_with_its_own_size(quiet, scene):
    agents = drawn(quiet, scene, 0).agents
    assert agents.places[0] == scene.window.center_piece
    assert agents.along_m[0] == scene.window.center_along_m
    assert agents.sizes[0].tolist() == [5.176, 2.297]


def test_the_speed_of_the_ego_is_in_its_range(quiet, scene):
    agents = drawn(quiet, scene, 0, SceneCondition(ego_speed_mps=(11.0, 12.5))).agents
    assert 11.0 <= agents.speeds_mps[0] <= 12.5


def test_wanted_counts_are_met(quiet, scene):
    condition = SceneCondition(vehicles=5, pedestrians=0, parked=2)
    canvas = canvas_for(quiet.network, scene.window, {}, condition)
    found = draw_scene_with_counts(quiet.network, canvas, np.random.default_rng(0))
    facts = scene_facts(scene.window, found.agents.take(np.arange(1, len(found.agents))), 0.0)
    assert (facts.vehicles, facts.pedestrians, facts.parked) == (5, 0, 2)


def test_given_agents_stay(quiet, scene):
    canvas = canvas_for(quiet.network, scene.window, {})
    ego = scene.agents.take(np.array([scene.ego]))
    found = draw_scene(quiet.network, replace(canvas, given=scene.others, ego=ego), np.random.default_rng(0))
    assert found.num_given == len(scene.others)
    kept = found.agents.take(np.arange(1, 1 + found.num_given))
    np.testing.assert_array_equal(kept.along_m, scene.others.along_m)
    np.testing.assert_array_equal(kept.speeds_mps, scene.others.speeds_mps)
    assert overlaps_m(scene, found.agents).max() < 0.05


def test_parked_vehicles_are_on_the_drivable_area(quiet, scene):
    agents = drawn(quiet, scene, 1, SceneCondition(parked=4)).agents
    parked = agents.take(agents.classes == AgentClass.PARKED)
    places = np.ascontiguousarray(parked.poses(scene.window)[:, :2])
    assert scene.window.map.drivable_area.contains(places).all()
