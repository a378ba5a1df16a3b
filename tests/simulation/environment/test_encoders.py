import numpy as np
import pytest

from driving.agents import AgentTracks, LightStatus
from driving.observation import Observation
from driving.route import Route
from driving.synthetic.scenes import scene
from simulation.environment.encoders import AGENT_VALUES, EGO_VALUES, ROUTE_VALUES, NearbyEncoder


def encoded(name, iteration=0):
    scenario, encoder = scene(name), NearbyEncoder()
    encoder.reset(scenario.map, scenario.route)
    values = encoder.encode(scenario.observation_at(iteration))
    assert values in encoder.space
    return values


def column(values, names, name):
    return values[..., names.index(name)]


def test_a_straight_road_lies_ahead():
    values = encoded("straight_road")
    route = values["route"]
    np.testing.assert_allclose(column(route, ROUTE_VALUES, "x") * 80.0, np.arange(16) * 5.0, atol=1e-4)
    np.testing.assert_allclose(column(route, ROUTE_VALUES, "y"), 0.0, atol=1e-6)
    np.testing.assert_allclose(column(route, ROUTE_VALUES, "cos"), 1.0)
    ego = dict(zip(EGO_VALUES, values["ego"].tolist(), strict=True))
    assert ego["speed"] == pytest.approx(10.0 / 20.0)
    assert ego["speed_limit"] == pytest.approx(13.89 / 20.0, abs=1e-3)
    assert (ego["red_light"], ego["steering"]) == (1.0, 0.0)
    assert ego["route_offset"] == pytest.approx(0.0, abs=1e-6)
    assert not values["agents"].any()


def test_agents_come_from_near_to_far():
    agents = encoded("queue")["agents"]
    # Rear axle to the front is 4.049 m, the gap 58 m, and half a car 2.4 m; cars stand every 6.8 m.
    expected = np.array([64.449, 71.249, 78.049])
    np.testing.assert_allclose(column(agents, AGENT_VALUES, "x")[:3] * 80.0, expected, atol=1e-3)
    np.testing.assert_allclose(column(agents, AGENT_VALUES, "length")[:3] * 20.0, 4.8, atol=1e-5)
    assert column(agents, AGENT_VALUES, "is_present").tolist() == [1.0] * 3 + [0.0] * 13


def test_a_red_light_ahead_is_seen_until_it_turns_green():
    # At 0 s the rear axle is 67 m before the middle of the crossing; the connector starts 10 to 20 m before it.
    red = encoded("red_light")["ego"][EGO_VALUES.index("red_light")]
    assert 45.0 / 80.0 < red < 67.0 / 80.0
    assert encoded("red_light", 95)["ego"][EGO_VALUES.index("red_light")] == 1.0
    lights = scene("red_light").observation_at(95).traffic_lights
    assert LightStatus.RED in lights.statuses


def test_an_ego_left_of_the_route_has_a_positive_offset():
    scenario, encoder = scene("straight_road"), NearbyEncoder()
    moved = Route(
        roadblock_ids=scenario.route.roadblock_ids,
        goal_pose=None,
        centerline=scenario.route.centerline - np.array([0.0, 2.0]),
    )
    encoder.reset(scenario.map, moved)
    ego = encoder.encode(scenario.observation_at(0))["ego"]
    assert ego[EGO_VALUES.index("route_offset")] == pytest.approx(2.0 / 8.0, abs=1e-5)


def test_a_route_without_lanes_is_empty():
    scenario, encoder = scene("straight_road"), NearbyEncoder()
    nowhere = Route(roadblock_ids=(), goal_pose=None, centerline=np.zeros((0, 2)))
    encoder.reset(scenario.map, nowhere)
    observation = scenario.observation_at(0)
    alone = Observation(
        iteration=0,
        ego=observation.ego,
        agents=AgentTracks.none(observation.ego.num_steps),
        traffic_lights=observation.traffic_lights,
        route=nowhere,
        map=scenario.map,
    )
    values = encoder.encode(alone)
    assert not values["route"].any()
    assert not values["agents"].any()
