from dataclasses import replace

import numpy as np
import pytest
import shapely

from driving.agents import AgentKind
from simulation.generation.town.bystanders import BICYCLE_NEIGHBOUR_M, KERB_GAP_M, MAX_REACH_M, NEIGHBOUR_M
from simulation.generation.town.generator import generate_town, simulate_town


@pytest.fixture(scope="module")
def crowded(settings):
    return replace(settings, bystanders=60)


@pytest.fixture(scope="module")
def bystanders(crowded):
    """The town, and its bystanders."""
    town = simulate_town(2, crowded)
    assert len(town.bystanders.poses) > 30
    return town, town.bystanders


def test_bystanders_leave_the_rest_of_the_town_as_it_is(observed, bystanders):
    town, _ = bystanders
    np.testing.assert_array_equal(town.history.people, observed.history.people)
    np.testing.assert_array_equal(town.motions.poses, observed.motions.poses)
    assert len(observed.bystanders.poses) == 0


def test_they_stand_beside_the_road_apart_from_each_other(bystanders):
    town, (poses, _, kinds, _) = bystanders
    points = shapely.points(poses[:, :2])
    road = shapely.union_all(town.town.map.drivable_area.polygons)
    assert shapely.distance(points, road).min() >= KERB_GAP_M - 1e-9
    between = np.hypot(*(poses[:, np.newaxis, :2] - poses[np.newaxis, :, :2]).transpose(2, 0, 1))
    rides = kinds == AgentKind.BICYCLE
    wanted = np.where(rides[:, np.newaxis] & rides[np.newaxis], BICYCLE_NEIGHBOUR_M, NEIGHBOUR_M)
    np.fill_diagonal(between, np.inf)
    assert (between >= wanted).all()
    assert set(kinds.tolist()) == {AgentKind.PEDESTRIAN, AgentKind.BICYCLE}


def test_they_sway_as_their_velocity_says(bystanders):
    _, standing = bystanders
    poses, velocities = standing.motion(slice(100, 200))
    assert np.hypot(*(poses[..., :2] - standing.poses[:, np.newaxis, :2]).transpose(2, 0, 1)).max() <= MAX_REACH_M
    driven = np.gradient(poses[..., :2], 0.1, axis=1)[:, 1:-1]
    np.testing.assert_allclose(driven, velocities[:, 1:-1], atol=1e-3)


def test_recordings_hold_them_and_pass_the_checks(crowded):
    recordings = generate_town(2, replace(crowded, pedestrians=30))
    assert sum(len(one.tags) for one in recordings) == crowded.scenarios
    for one in recordings:
        agents = one.agents
        speeds = np.nanmax(np.hypot(*agents.velocities_mps.transpose(2, 0, 1)), axis=1)
        assert (speeds[agents.kinds == AgentKind.PEDESTRIAN] < 0.3).any()
