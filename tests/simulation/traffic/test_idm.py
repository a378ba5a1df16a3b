from dataclasses import fields, replace

import numpy as np
import pytest
import shapely

from driving.agents import AgentKind
from driving.geometry import box_corners, global_from_local
from driving.map import AreaLayer, Ragged
from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios, open_scenario
from driving.synthetic.scenes import scene
from driving.trajectory import Trajectory
from planning.stand_still import StandStillPlanner
from simulation.ego.dynamics import states_of
from simulation.rollout import Rollout, run_rollout
from simulation.traffic.idm import IdmTraffic
from simulation.traffic.idm_map import idm_map_of
from simulation.traffic.idm_start import replayed_tracks, starting_agents


def _starting(scenario):
    return starting_agents(scenario, idm_map_of(scenario.map), replayed_tracks(scenario))


def _with_kind(scenario, row, kind):
    kinds = scenario.agents.kinds.copy()
    kinds[row] = kind
    return replace(scenario, agents=replace(scenario.agents, kinds=kinds))


def _moved_map(map_graph, move_points):
    def layer(areas):
        polygons = np.array([shapely.transform(polygon, move_points) for polygon in areas.polygons], dtype=object)
        return AreaLayer(ids=areas.ids, polygons=polygons, kinds=areas.kinds)

    def lines(ragged):
        return Ragged(move_points(ragged.values), ragged.offsets)

    lanes = map_graph.lanes
    moved = {
        name: lines(getattr(lanes, name))
        for name in ("centerlines", "left_boundaries", "right_boundaries", "connector_lines")
    }
    layers = {
        each.name: layer(getattr(map_graph, each.name))
        for each in fields(map_graph)
        if isinstance(getattr(map_graph, each.name), AreaLayer)
    }
    return replace(map_graph, lanes=replace(lanes, areas=layer(lanes.areas), **moved), source=None, **layers)


def _moved(scenario, pose):
    pose = np.asarray(pose)

    def points(array):
        return global_from_local(array, pose)

    def poses(array):
        return np.concatenate([points(array[..., :2]), array[..., 2:] + pose[2]], axis=-1)

    agents = scenario.agents
    turned = global_from_local(agents.velocities_mps, np.array([0.0, 0.0, pose[2]]))
    return replace(
        scenario,
        map=_moved_map(scenario.map, points),
        ego=replace(scenario.ego, rear_axle_poses=poses(scenario.ego.rear_axle_poses)),
        agents=replace(agents, poses=poses(agents.poses), velocities_mps=turned),
    )


def test_a_car_follows_its_lane_and_stops_behind_the_queue():
    scenario = scene("queue")
    log = run_rollout(scenario, StandStillPlanner(), traffic="reactive")
    vehicles = np.flatnonzero(log.agents.kinds == AgentKind.VEHICLE)
    assert len(vehicles) == 3
    # The front vehicle has a free road and drives off; the other two follow it with a gap.
    assert (log.agents.poses[vehicles, 60, 0] > log.agents.poses[vehicles, 0, 0] + 3.0).all()
    for step in range(0, 61, 10):
        boxes = shapely.polygons(box_corners(log.agents.poses[vehicles, step], log.agents.sizes[vehicles, step]))
        assert not any(shapely.intersects(boxes[i], boxes[j]) for i in range(3) for j in range(i))


def test_agents_stop_behind_a_standing_ego():
    scenario = scene("queue")
    first = scenario.first_frame
    poses = scenario.agents.poses.copy()
    # All cars 130 m back: behind the ego, which stands.
    poses[..., 0] -= 130.0
    behind = replace(scenario, agents=replace(scenario.agents, poses=poses))
    ego_rear = scenario.ego.rear_axle_poses[0, first, 0] - 1.127
    log = run_rollout(behind, StandStillPlanner(), traffic="reactive")
    fronts = log.agents.poses[:, :, 0] + log.agents.sizes[:, :, 0] / 2
    assert np.nanmax(fronts) < ego_rear + 20.0
    assert np.nanmax(fronts[:, -1]) > np.nanmax(fronts[:, 0]) + 5.0


def test_agents_wait_at_a_red_light_and_pass_on_green():
    scenario = scene("red_light")
    first = scenario.first_frame
    rows = scenario.agents.rows_at(first)
    # Put a car on the ego's lane, 25 m before where the logged ego waits.
    waiting = scenario.logged_ego_pose(85)
    poses, velocities = scenario.agents.poses.copy(), scenario.agents.velocities_mps.copy()
    poses[rows[0], :] = waiting - [25.0, 0.0, 0.0]
    velocities[rows[0], :] = [8.0, 0.0]
    agents = replace(scenario.agents, poses=poses, velocities_mps=velocities)
    log = run_rollout(replace(scenario, agents=agents), StandStillPlanner(), traffic="reactive")
    row = log.agents.track_ids.index(scenario.agents.track_ids[rows[0]])
    x = log.agents.poses[row, :, 0]
    assert np.nanmax(x[:90]) + log.agents.sizes[row, 0, 0] / 2 < waiting[0] + 4.049 + 10.0
    assert x[-1] > np.nanmax(x[:90]) + 3.0


def test_bicycles_and_cars_off_the_lanes_are_absent_from_reactive_traffic():
    scenario = scene("queue")
    agents = scenario.agents
    rows = agents.rows_at(scenario.first_frame)
    bicycle = _with_kind(scenario, rows[0], AgentKind.BICYCLE)
    first = Rollout(bicycle, traffic="reactive").observation().agents
    now = [first.track_ids[row] for row in first.rows_at(21)]
    assert agents.track_ids[rows[0]] not in now
    # The history shows the log, as in nuPlan.
    assert agents.track_ids[rows[0]] in first.track_ids

    poses = agents.poses.copy()
    poses[rows[1], :, 1] += 60.0
    parked = replace(scenario, agents=replace(agents, poses=poses))
    assert rows[1] not in [each.row for each in _starting(parked)]


def test_pedestrians_follow_the_log():
    scenario = scene("pedestrian_crossing")
    log = run_rollout(scenario, StandStillPlanner(), traffic="reactive")
    people = np.flatnonzero(log.agents.kinds == AgentKind.PEDESTRIAN)
    assert len(people)
    frames = slice(scenario.first_frame, scenario.first_frame + 150)
    for row in people:
        source = scenario.agents.track_ids.index(log.agents.track_ids[row])
        np.testing.assert_array_equal(log.agents.poses[row], scenario.agents.poses[source, frames])


def test_of_overlapping_vehicles_only_the_first_starts():
    scenario = scene("queue")
    rows = scenario.agents.rows_at(scenario.first_frame)
    poses = scenario.agents.poses.copy()
    poses[rows[1]] = poses[rows[0]]
    crowded = replace(scenario, agents=replace(scenario.agents, poses=poses))
    found = [each.row for each in _starting(crowded)]
    assert rows[0] in found
    assert rows[1] not in found


def test_an_agent_out_of_range_never_returns():
    scenario = scene("queue")
    rows = scenario.agents.rows_at(scenario.first_frame)
    poses = scenario.agents.poses.copy()
    poses[rows[2], :, 0] += 55.0
    rollout = Rollout(replace(scenario, agents=replace(scenario.agents, poses=poses)), traffic="reactive")
    seen = []
    while not rollout.is_finished:
        observation = rollout.observation()
        seen.append(len(observation.agents.rows_at(observation.agents.num_steps - 1)))
        rollout.advance(StandStillPlanner().plan(observation))
    assert seen[0] == 3
    assert seen[-1] < 3
    assert (np.diff(seen) <= 0).all()


@pytest.mark.parametrize("name", ["queue", "t_junction", "roundabout"])
def test_rotating_and_moving_the_world_changes_no_drive(name):
    scenario = scene(name)
    pose = np.array([300.0, -200.0, 0.7])
    log = run_rollout(scenario, StandStillPlanner(), traffic="reactive")
    moved = run_rollout(_moved(scenario, pose), StandStillPlanner(), traffic="reactive")
    assert moved.agents.track_ids == log.agents.track_ids
    np.testing.assert_array_equal(moved.agents.valid, log.agents.valid)
    np.testing.assert_array_equal(moved.agents.order, log.agents.order)
    expected = global_from_local(log.agents.poses[..., :2], pose)
    np.testing.assert_allclose(moved.agents.poses[..., :2], expected, atol=1e-5)


class Replay(StandStillPlanner):
    """Returns recorded plans."""

    def __init__(self, plans):
        self.plans = plans

    def reset_with_scenario(self, scenario):
        pass

    def plan(self, observation):
        plan = self.plans[observation.iteration]
        return Trajectory(time_s=(plan[:, 0] - plan[0, 0]) * 1e-6, poses=plan[:, 1:].copy())


def _assert_observed(agents, run):
    observed = run["obs"]
    tracks = [str(track) for track in run["tracks"]]
    for step in range(agents.num_steps):
        expected = observed[observed[:, 0] == step]
        rows = agents.rows_at(step)
        assert [agents.track_ids[row] for row in rows] == [tracks[int(number)] for number in expected[:, 1]]
        np.testing.assert_array_equal(agents.kinds[rows], expected[:, 2])
        ours = np.concatenate(
            [agents.poses[rows, step], agents.velocities_mps[rows, step], agents.sizes[rows, step]], 1
        )
        np.testing.assert_allclose(ours, expected[:, 3:], atol=1e-6)


def test_recorded_plans_reproduce_ego_and_agents_of_the_devkit(golden):
    world = golden / "world1"
    scenarios = {entry.token: open_scenario(entry) for entry in list_scenarios(DataRoot.find(world))}
    folders = {
        "nonreactive": "closed_loop_nonreactive_agents_idm_planner",
        "reactive": "closed_loop_reactive_agents_idm_planner",
        "open_loop": "open_loop_boxes_idm_planner",
    }
    for traffic, folder in (*folders.items(), ("reactive", "closed_loop_reactive_agents_pdm_closed_planner")):
        runs = sorted((world / "runs" / folder).glob("*.npz"))
        assert len(runs) == 8
        for path in runs:
            with np.load(path) as run:
                arrays = {name: run[name] for name in ("ego", "obs", "tracks", "plans")}
            log = run_rollout(scenarios[path.stem], Replay(arrays["plans"]), traffic=traffic)
            np.testing.assert_array_equal(log.ego.time_us, arrays["ego"][:, 0].astype(np.int64))
            np.testing.assert_allclose(states_of(log.ego)[0], arrays["ego"][:, 1:], atol=1e-8)
            _assert_observed(log.agents, arrays)


def _advanced(scenario, steps, *, is_scripted=False):
    """Traffic after a number of steps; the ego stands at its first pose."""
    traffic = IdmTraffic(scenario, is_scripted=is_scripted)
    ego = states_of(scenario.ego)[0, scenario.first_frame].copy()
    for iteration in range(steps):
        traffic.step(iteration, ego)
    return traffic.tracks


def test_the_tracks_hold_the_log_up_to_the_first_frame_and_then_the_agents_that_move():
    scenario = scene("queue")
    first, agents = scenario.first_frame, scenario.agents
    tracks = _advanced(scenario, 3)
    np.testing.assert_array_equal(tracks.valid[:, :first], agents.valid[:, :first])
    np.testing.assert_array_equal(tracks.poses[:, :first], agents.poses[:, :first])
    started = [each.row for each in _starting(scenario)]
    assert tracks.valid[started, first : first + 4].all()
    assert not tracks.valid[started, first + 4 :].any()
    others = np.setdiff1d(np.arange(len(agents.valid)), started)
    assert not tracks.valid[others, first:].any()


def test_agents_move_by_their_speed_of_the_frame_before():
    scenario = scene("queue")
    first = scenario.first_frame
    tracks = _advanced(scenario, 30)
    rows = [each.row for each in _starting(scenario)]
    speeds = np.hypot(*tracks.velocities[rows, first : first + 30].transpose(2, 0, 1))
    moved_m = np.hypot(*np.diff(tracks.poses[rows, first : first + 31, :2], axis=1).transpose(2, 0, 1))
    assert moved_m == pytest.approx(0.1 * speeds, abs=1e-6)
    assert moved_m.max() > 0.1


def test_agents_in_scripted_traffic_start_as_in_reactive_traffic_or_follow_the_log():
    scenario = scene("pedestrian_crossing")
    first = scenario.first_frame
    reactive, scripted = (_advanced(scenario, 5, is_scripted=is_scripted) for is_scripted in (False, True))
    assert (scripted.valid | ~reactive.valid).all()
    people = scenario.agents.kinds == AgentKind.PEDESTRIAN
    for tracks in (reactive, scripted):
        np.testing.assert_array_equal(
            tracks.poses[people, first : first + 6], scenario.agents.poses[people, first : first + 6]
        )
