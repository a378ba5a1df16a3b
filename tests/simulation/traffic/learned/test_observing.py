import numpy as np
import pytest

from driving.agents import LightStatus
from simulation.ego.dynamics import states_of
from simulation.traffic.learned.observing import EgoTrack, LightTable, PlaceFinder, observe
from simulation.traffic.learned.state import no_users
from simulation.traffic.tracks import arrays_of_tracks


def observed(scenario, step, tracks=None):
    agents = scenario.agents
    state = no_users(agents.num_agents + 1, len(scenario.map.lanes))
    ego = EgoTrack(scenario)
    observe(
        tracks or arrays_of_tracks(agents),
        np.ones(agents.num_agents, dtype=bool),
        (ego.poses, ego.velocities, ego.size),
        step,
        state,
    )
    return state


def test_a_state_is_that_of_the_log(junction):
    step = junction.first_frame + 15
    state = observed(junction, step)
    agents = junction.agents
    seen = agents.valid[:, step]
    np.testing.assert_array_equal(state.present[:-1], seen)
    np.testing.assert_array_equal(state.poses[:-1][seen], agents.poses[seen, step])
    speeds = np.hypot(*agents.velocities_mps[seen, step].T)
    np.testing.assert_allclose(np.abs(state.speed[:-1][seen]), speeds, atol=1e-6)
    np.testing.assert_allclose(state.past[:-1][seen][:, 0], agents.poses[seen, step - 5, :2])


def test_the_ego_is_the_last_road_user_at_its_box_centre(queue):
    step = queue.first_frame
    state = observed(queue, step)
    np.testing.assert_allclose(state.poses[-1], queue.ego.center_poses()[0, step])
    assert state.speed[-1] == pytest.approx(queue.ego.velocities_mps[0, step, 0])
    assert state.present[-1]


def test_a_simulated_ego_replaces_the_logged_one(queue):
    ego = EgoTrack(queue)
    state = states_of(queue.ego)[0, 0].copy()
    state[0] += 100.0
    before = ego.poses[3, 0]
    ego.set(3, state)
    assert ego.poses[3, 0] != before
    assert ego.poses[3, 0] == pytest.approx(ego.poses[0, 0] + 100.0)


def test_unlogged_velocities_are_differences_of_positions(junction):
    step = junction.first_frame + 15
    tracks = arrays_of_tracks(junction.agents)
    expected = observed(junction, step)
    unlogged = tracks._replace(velocities=np.full_like(tracks.velocities, np.nan))
    found = observed(junction, step, unlogged)
    seen = found.present[:-1]
    np.testing.assert_allclose(found.speed[:-1][seen], expected.speed[:-1][seen], atol=0.7)


def test_an_agent_without_history_is_continued_backwards(junction):
    state = observed(junction, 0)
    seen = state.present[:-1]
    expected = state.poses[:-1, :2][seen] - 0.5 * state.velocities[:-1][seen]
    np.testing.assert_allclose(state.past[:-1][seen][:, 0], expected)
    assert (state.accel[:-1][seen] == 0.0).all()


def test_lights_are_written_by_lane_row(red_light):
    table = LightTable(red_light.traffic_lights, red_light.map)
    statuses = np.zeros(len(red_light.map.lanes), dtype=np.int8)
    table.write(red_light.first_frame, statuses)
    ids, logged = red_light.traffic_lights.at(red_light.first_frame)
    for lane_id, status in zip(ids.tolist(), logged.tolist(), strict=True):
        assert statuses[red_light.map.lane_row(lane_id)] == status
    assert LightStatus.RED in statuses.tolist()
    assert (statuses == -1).sum() == len(statuses) - len(ids)


def test_a_pedestrian_on_a_crosswalk_knows_it(crossing):
    agents = crossing.agents
    row = int(np.flatnonzero(agents.kinds == 1)[0])
    steps = np.flatnonzero(agents.valid[row])
    on = crossing.map.crosswalks.contains(agents.poses[row, steps, :2])
    step = int(steps[on.argmax()])
    places = PlaceFinder(crossing.map).places(observed(crossing, step), np.array([row]))
    assert places.areas[0, 0] == 1.0
    assert places.lanes[0, 3] == 1.0


def test_agents_with_a_path_have_no_places(queue):
    places = PlaceFinder(queue.map).places(observed(queue, queue.first_frame), np.array([0]))
    assert not places.lanes.any()
