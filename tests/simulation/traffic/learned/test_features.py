import numpy as np
import pytest

from simulation.traffic.idm_law import IdmParameters
from simulation.traffic.learned.features import (
    HAS_LEAD,
    HAS_PATH,
    IS_PEDESTRIAN,
    IS_VEHICLE,
    LEAD_REACH_M,
    MIRRORED_NEAR,
    MIRRORED_OWN,
    N_IS_EGO,
    N_X,
    NEIGHBORS,
    NUM_NEAR,
    NUM_OWN,
    PATH,
    SPEED,
    Places,
    empty_features,
    fill_features,
    find_lead,
    following_acceleration,
)
from simulation.traffic.learned.observing import EgoTrack, LightTable, PlaceFinder, observe
from simulation.traffic.learned.paths import PathBuilder, arc_of
from simulation.traffic.learned.state import FORECAST_POSES, forecasts, no_users
from simulation.traffic.tracks import arrays_of_tracks


def observed(scenario, step=None):
    """Paths, state, forecasts of a logged scenario at a step."""
    step = scenario.first_frame if step is None else step
    agents = scenario.agents
    paths = PathBuilder(scenario).build(np.flatnonzero(agents.kinds == 0))
    state = no_users(agents.num_agents + 1, len(scenario.map.lanes))
    ego = EgoTrack(scenario)
    all_agents = np.ones(agents.num_agents, dtype=bool)
    observe(arrays_of_tracks(agents), all_agents, (ego.poses, ego.velocities, ego.size), step, state)
    LightTable(scenario.traffic_lights, scenario.map).write(step, state.lights)
    for row in np.flatnonzero(state.present[:-1] & (np.diff(paths.offsets) > 0)).tolist():
        x, y = state.poses[row, :2].tolist()
        state.progress[row] = arc_of(paths, row, (x, y), 0.0)
    expected = np.zeros((len(state.present), FORECAST_POSES, 3))
    forecasts(paths, state, expected)
    return paths, state, expected


def features_of(scenario, step=None):
    paths, state, expected = observed(scenario, step)
    users = np.flatnonzero(state.present[:-1])
    found = empty_features(len(users))
    fill_features(paths, state, expected, users, PlaceFinder(scenario.map).places(state, users), found)
    return found, state, users


def test_cars_of_a_queue_see_the_car_before_them(queue):
    paths, state, _ = observed(queue)
    order = np.argsort(state.poses[:-1, 0])
    gaps = []
    for rear, front in zip(order[:-1].tolist(), order[1:].tolist(), strict=True):
        lead = find_lead(paths, state, rear)
        assert lead.user == front
        between = state.poses[front, 0] - state.poses[rear, 0]
        gaps.append(lead.gap_m - (between - (state.sizes[front, 0] + state.sizes[rear, 0]) / 2))
    np.testing.assert_allclose(gaps, 0.0, atol=0.6)
    assert find_lead(paths, state, int(order[-1])).user == -1
    assert find_lead(paths, state, int(order[-1])).gap_m == LEAD_REACH_M


def test_the_driver_model_brakes_behind_a_leader_and_drives_off_without(queue):
    paths, state, _ = observed(queue)
    parameters = IdmParameters(min_gap_m=1.0, headway_s=1.0, accel_max_mps2=1.5, decel_max_mps2=4.0)
    order = np.argsort(state.poses[:-1, 0])
    rear, front = int(order[0]), int(order[-1])
    state.speed[rear] = 5.0
    assert following_acceleration(paths, state, rear, find_lead(paths, state, rear), parameters) < -2.0
    assert following_acceleration(paths, state, front, find_lead(paths, state, front), parameters) > 1.0


def test_features_are_finite_and_of_order_one(queue, junction, crossing, red_light):
    for scenario in (queue, junction, crossing, red_light):
        found, _, _ = features_of(scenario, scenario.first_frame + 20)
        for array in found:
            assert np.isfinite(array).all()
            assert np.abs(array).max(initial=0.0) <= NEIGHBORS


def test_kinds_paths_and_the_ego_are_marked(crossing):
    found, state, users = features_of(crossing)
    kinds = state.kinds[users]
    np.testing.assert_array_equal(found.own[:, IS_PEDESTRIAN] > 0, kinds == 1)
    np.testing.assert_array_equal(found.own[:, IS_VEHICLE] > 0, kinds == 0)
    np.testing.assert_array_equal(found.own[:, HAS_PATH] > 0, kinds == 0)
    for a in range(len(users)):
        assert found.near[a, : found.counts[a], N_IS_EGO].sum() == 1


def test_neighbors_are_in_the_agents_frame(queue):
    found, state, users = features_of(queue, queue.first_frame + 100)
    ego = state.poses[-1]
    for a, user in enumerate(users.tolist()):
        at = int(np.argmax(found.near[a, :, N_IS_EGO]))
        assert found.near[a, at, N_X] * 20.0 == pytest.approx(ego[0] - state.poses[user, 0], abs=0.5)


def test_a_straight_path_lies_ahead(queue):
    found, _, _ = features_of(queue)
    np.testing.assert_allclose(found.own[:, PATH], 1.0, atol=1e-3)
    np.testing.assert_allclose(found.own[:, PATH + 1], 0.0, atol=1e-3)
    assert (found.own[:, SPEED] == 0.0).all()
    assert found.own[:, HAS_LEAD].sum() == len(found.own) - 1


def test_a_turned_world_gives_the_same_features(junction):
    paths, state, expected = observed(junction, junction.first_frame + 10)
    users = np.flatnonzero(state.present[:-1])
    places = Places(np.zeros((len(users), 4)), np.zeros((len(users), 2)))
    first, second = empty_features(len(users)), empty_features(len(users))
    fill_features(paths, state, expected, users, places, first)
    angle, center = 0.7, state.poses[-1, :2].copy()
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    for points in (state.poses[:, :2], expected[..., :2], paths.vertices[:, :2], state.past):
        points[...] = (points - center) @ turn.T
    state.velocities[...] = state.velocities @ turn.T
    for headings in (state.poses[:, 2], expected[..., 2], paths.vertices[:, 2]):
        headings += angle
    fill_features(paths, state, expected, users, places, second)
    np.testing.assert_allclose(first.own, second.own, atol=2e-3)
    np.testing.assert_allclose(first.near, second.near, atol=2e-3)


def test_mirror_signs_cover_all_columns():
    assert MIRRORED_OWN.shape == (NUM_OWN,)
    assert MIRRORED_NEAR.shape == (NUM_NEAR,)
    assert set(MIRRORED_OWN) == set(MIRRORED_NEAR) == {-1.0, 1.0}
