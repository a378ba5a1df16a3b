"""Features do not depend on the position in the global frame, and are defined for empty and crowded roads."""

from dataclasses import replace

import numpy as np
import pytest

from driving import AgentTracks, Observation, Route
from driving.synthetic.scenes import scene
from planning.neural.features import FEATURE_NAMES, FeatureBuilder, nearest_agents
from planning.neural.tokens import IS_RED, MAX_AGENTS, ROUTE_BEHIND


def crowd(observation: Observation, count: int) -> Observation:
    """The observation among `count` standing pedestrians on a grid around the ego."""
    steps = observation.agents.num_steps
    side = int(np.ceil(np.sqrt(max(count, 1))))
    grid = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2)[:count]
    poses = np.zeros((count, steps, 3))
    poses[..., :2] = (observation.ego_now.rear_axle_pose[:2] + 8.0 + 1.5 * grid)[:, np.newaxis]
    agents = AgentTracks(
        track_ids=tuple(f"{number:016x}" for number in range(count)),
        kinds=np.ones(count, dtype=np.int8),
        poses=poses,
        velocities_mps=np.zeros((count, steps, 2)),
        sizes=np.full((count, steps, 2), 0.6),
        valid=np.ones((count, steps), dtype=bool),
    )
    return replace(observation, agents=agents)


def test_the_route_lies_straight_ahead_on_a_straight_road():
    features = FeatureBuilder().build(scene("straight_road").observation_at(20))
    points = features.route[features.route_mask, :2] * 20.0
    assert np.diff(points[:, 0]) == pytest.approx(2.0, abs=1e-3)
    assert np.abs(points[:, 1]).max() < 0.01
    assert abs(points[ROUTE_BEHIND, 0]) <= 2.0
    # 10 m/s; a limit of 13.89 m/s.
    assert features.ego[0] == pytest.approx(1.0)
    assert features.route[0, 8] == pytest.approx(1.389)
    assert not features.agents_mask.any()


def test_a_red_light_ahead_is_on_the_route_and_among_the_lights():
    features = FeatureBuilder().build(scene("red_light").observation_at(40))
    red = features.route[features.route_mask, IS_RED] > 0
    assert red.any()
    assert features.lights_mask.any()
    # The connector ahead, its stop on the route, shows red.
    assert features.lights[0, 4] == 1.0
    assert features.lights[0, 7] == 1.0


def test_the_car_ahead_is_the_first_token():
    observation = scene("queue").observation_at(0)
    features = FeatureBuilder().build(observation)
    row = nearest_agents(observation)[0]
    ego = observation.ego_now.rear_axle_pose
    expected = np.hypot(*(observation.agents.poses[row, -1, :2] - ego[:2]))
    assert np.hypot(*features.agents[0, :2]) * 20.0 == pytest.approx(expected, rel=1e-5)
    assert features.agents[0, 29] == 1.0


@pytest.mark.parametrize(("count", "tokens"), [(0, 0), (5, 5), (500, MAX_AGENTS)])
def test_none_and_five_hundred_agents_give_arrays_of_the_same_size(count, tokens):
    features = FeatureBuilder().build(crowd(scene("straight_road").observation_at(20), count))
    assert features.agents_mask.sum() == tokens
    assert all(np.isfinite(getattr(features, name)).all() for name in FEATURE_NAMES)


def test_a_route_without_lanes_is_refused():
    scenario = scene("straight_road")
    lost = Route(roadblock_ids=(), goal_pose=None, centerline=np.zeros((0, 2)))
    with pytest.raises(ValueError, match="route names no lane"):
        FeatureBuilder().prepare(scenario.map, lost)
