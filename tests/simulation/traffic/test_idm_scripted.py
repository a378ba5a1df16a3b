"""Scripted traffic: the agent that the tag is about, bicycles and parked cars follow the log."""

from dataclasses import replace

import numpy as np
import pytest

from driving.agents import AgentKind
from driving.synthetic.scenes import scene
from driving.trajectory import Trajectory
from planning.stand_still import StandStillPlanner
from simulation.benchmark.settings import BenchmarkSettings
from simulation.metrics.score import CLOSED_LOOP, rule_for, score_simulation
from simulation.rollout import TRAFFIC, Rollout, run_rollout
from simulation.traffic.idm_map import idm_map_of
from simulation.traffic.idm_start import scripted_tracks, starting_agents

STEPS = 150


def driven(scenario, traffic="reactive_scripted"):
    return run_rollout(scenario, StandStillPlanner(), traffic=traffic)


def about(scenario, row):
    return replace(scenario, about_track=scenario.agents.track_ids[row])


def moved(scenario, row, by_m):
    """The scenario with one agent moved by [x, y] (m) at all times."""
    poses = scenario.agents.poses.copy()
    poses[row, :, :2] += by_m
    return replace(scenario, agents=replace(scenario.agents, poses=poses))


def of_kind(scenario, row, kind):
    kinds = scenario.agents.kinds.copy()
    kinds[row] = kind
    return replace(scenario, agents=replace(scenario.agents, kinds=kinds))


def seen_from(scenario, row, step):
    """The scenario with one agent invalid before a step of the time axis."""
    agents = scenario.agents
    hidden = np.zeros_like(agents.valid)
    hidden[row, :step] = True
    blank = {
        name: np.where(hidden[..., np.newaxis], np.nan, getattr(agents, name))
        for name in ("poses", "velocities_mps", "sizes")
    }
    z_m = np.where(hidden, np.nan, agents.z_m)
    return replace(scenario, agents=replace(agents, valid=agents.valid & ~hidden, z_m=z_m, **blank))


def row_of(log, scenario, row):
    return log.agents.track_ids.index(scenario.agents.track_ids[row])


def assert_follows_log(log, scenario, row):
    mine = row_of(log, scenario, row)
    frames = slice(scenario.first_frame, scenario.first_frame + STEPS)
    for name in ("poses", "velocities_mps", "sizes", "valid", "z_m"):
        logged = getattr(scenario.agents, name)[row, frames]
        np.testing.assert_array_equal(getattr(log.agents, name)[mine], logged, err_msg=name)


def assert_same_world(log, other):
    assert log.agents.track_ids == other.agents.track_ids
    for name in ("kinds", "poses", "velocities_mps", "sizes", "valid", "order", "heights_m", "z_m"):
        np.testing.assert_array_equal(getattr(log.agents, name), getattr(other.agents, name), err_msg=name)


def travelled_m(log, scenario, row):
    """Distance up to the last valid step: reactive agents disappear 100 m from the ego."""
    x = log.agents.poses[row_of(log, scenario, row), :, 0]
    return np.nanmax(x) - x[0]


def test_the_settings_take_the_traffic_of_the_rollout(tmp_path):
    settings = BenchmarkSettings(data=tmp_path, output=tmp_path, planners=("idm",), traffic=tuple(TRAFFIC))
    assert settings.traffic == tuple(TRAFFIC)
    with pytest.raises(ValueError, match="Did you mean 'reactive_scripted'"):
        BenchmarkSettings(data=tmp_path, output=tmp_path, planners=("idm",), traffic=("reactive_script",))
    assert rule_for("reactive_scripted") is CLOSED_LOOP
    with pytest.raises(KeyError, match=r"Did you mean 'reactive_scripted'\? Known: .*'reactive_scripted'"):
        Rollout(scene("queue"), traffic="reactive_script")


def test_the_agent_of_the_tag_follows_the_log_while_other_agents_react():
    # The scene's car changes to the ego's lane; as an IDM driver it would keep to its own.
    scenario = about(scene("cut_in"), 0)
    log = driven(scenario)
    assert_follows_log(log, scenario, 0)
    reactive = driven(scenario, "reactive")
    last = np.flatnonzero(reactive.agents.valid[0])[-1]
    left_m = reactive.agents.poses[0, last, 1] - log.agents.poses[0, last, 1]
    assert left_m == pytest.approx(3.5, abs=0.3)


def test_a_follower_brakes_behind_a_scripted_car_that_stands():
    # Three cars stand in a queue with a free road before them: the front one drives off unless it is scripted.
    queue = scene("queue")
    front = int(np.argmax(queue.agents.poses[:, queue.first_frame, 0]))
    behind = [row for row in range(3) if row != front]
    scenario = about(queue, front)
    log = driven(scenario)
    assert_follows_log(log, scenario, front)
    reactive = driven(scenario, "reactive")
    for row in behind:
        assert travelled_m(reactive, scenario, row) > 10.0
        assert travelled_m(log, scenario, row) < 2.5
    bumpers = log.agents.poses[..., 0] + log.agents.sizes[..., 0] / 2
    second = row_of(log, scenario, max(behind, key=lambda row: queue.agents.poses[row, queue.first_frame, 0]))
    rear = log.agents.poses[row_of(log, scenario, front), :, 0] - log.agents.sizes[0, 0, 0] / 2
    assert (bumpers[second] < rear).all()


def test_a_moving_car_brakes_for_a_scripted_one_in_its_lane():
    queue = scene("queue")
    rows = np.argsort(queue.agents.poses[:, queue.first_frame, 0])
    # The last car starts 30 m farther back at 8 m/s; the ego stands far behind.
    velocities = queue.agents.velocities_mps.copy()
    velocities[rows[0]] = [8.0, 0.0]
    coming = replace(queue, agents=replace(queue.agents, velocities_mps=velocities))
    coming = about(moved(coming, rows[0], [-30.0, 0.0]), rows[1])
    log = driven(coming)
    mine = row_of(log, coming, rows[0])
    assert log.agents.velocities_mps[mine, 0, 0] == 8.0
    assert log.agents.velocities_mps[mine, -1, 0] < 0.5
    gap_m = np.diff(log.agents.poses[[mine, row_of(log, coming, rows[1])], -1, 0])[0] - 4.8
    assert 0.5 < gap_m < 4.0


def followed(kind, velocity_mps, logged_velocity=None):
    """The last car of the queue follows, at 5 m/s from 24 m behind, the middle one, which drives as logged.

    Args:
        kind: Of the one before.
        velocity_mps: By which the one before moves on, 0 for standing.
        logged_velocity: What the log says of that; by default the same.

    Returns:
        The follower's speed over time [m/s] and what is free between the two boxes [m].
    """
    # 50 m nearer to the standing ego, so that they stay within its range.
    queue = scene("queue")
    last, middle, front = np.argsort(queue.agents.poses[:, queue.first_frame, 0])
    poses, velocities = queue.agents.poses.copy(), queue.agents.velocities_mps.copy()
    poses[front, :, 1] += 60.0
    poses[last, :, 0] -= 50.0
    time_s = (np.arange(poses.shape[1]) - queue.first_frame) * 0.1
    poses[middle, :, 0] = poses[last, queue.first_frame, 0] + 24.0 + velocity_mps * time_s
    velocities[middle] = [velocity_mps, 0.0] if logged_velocity is None else logged_velocity
    velocities[last] = [5.0, 0.0]
    moving = replace(queue, agents=replace(queue.agents, poses=poses, velocities_mps=velocities))
    moving = about(of_kind(moving, middle, kind), middle)
    log = driven(moving)
    mine, before = row_of(log, moving, last), row_of(log, moving, middle)
    apart_m = log.agents.poses[before, :, 0] - log.agents.poses[mine, :, 0]
    return log.agents.velocities_mps[mine, :, 0], apart_m - log.agents.sizes[[mine, before], 0, 0].mean()


@pytest.mark.parametrize("kind", [AgentKind.VEHICLE, AgentKind.BICYCLE])
def test_a_follower_keeps_the_speed_of_its_scripted_lead(kind):
    speed_mps, free_m = followed(kind, 5.0)
    assert (np.abs(speed_mps - 5.0) < 0.6).all()
    assert speed_mps[-1] == pytest.approx(5.0, abs=0.2)
    # The corridor covers 1.5 s of the agent's path (7.5 m); with IDM's 1 m and 1.5 s the gap is 16 m. It is 0.5 m
    # less because the lead's pose is one frame newer, and slightly more because the desired speed exceeds 5 m/s.
    assert 15.5 < free_m[-1] < 16.0


def test_a_scripted_pedestrian_counts_as_standing():
    # For a standing lead, IDM's desired gap is 5 * 5 / (2 * sqrt(2)) = 8.8 m larger and exceeds the present gap.
    speed_mps, free_m = followed(AgentKind.PEDESTRIAN, 5.0)
    assert 4.0 < speed_mps.min() < 4.5
    assert 23.0 < free_m[-1] < 25.0


def test_a_scripted_car_without_logged_speed_counts_as_standing():
    unknown, _ = followed(AgentKind.VEHICLE, 5.0, logged_velocity=[np.nan, np.nan])
    standing, _ = followed(AgentKind.VEHICLE, 5.0, logged_velocity=[0.0, 0.0])
    np.testing.assert_array_equal(unknown, standing)
    assert 4.0 < unknown.min() < 4.5


def test_a_scripted_car_that_reverses_has_a_negative_speed():
    backing, _ = followed(AgentKind.VEHICLE, 0.0, logged_velocity=[-1.0, 0.0])
    standing, _ = followed(AgentKind.VEHICLE, 0.0)
    assert backing[20] < standing[20] - 0.1


@pytest.mark.parametrize("kind", [AgentKind.BICYCLE, AgentKind.PEDESTRIAN, AgentKind.GENERIC_OBJECT])
def test_the_agent_of_the_tag_follows_the_log_whatever_its_kind(kind):
    scenario = about(of_kind(scene("cut_in"), 0, kind), 0)
    assert_follows_log(driven(scenario), scenario, 0)


def test_bicycles_and_parked_cars_follow_the_log():
    queue = scene("queue")
    bicycle = of_kind(queue, 0, AgentKind.BICYCLE)
    parked = moved(bicycle, 1, [0.0, 60.0])
    log = driven(parked)
    assert_follows_log(log, parked, 0)
    assert_follows_log(log, parked, 1)
    assert travelled_m(log, parked, 2) > 3.0
    idm_map = idm_map_of(parked.map)
    follows_log = scripted_tracks(parked, idm_map)
    assert follows_log.tolist() == [True, True, False]
    assert [each.row for each in starting_agents(parked, idm_map, follows_log)] == [2]


def test_of_tracks_that_appear_later_only_bicycles_and_the_agent_of_the_tag_are_present():
    queue = scene("queue")
    late = seen_from(queue, 0, queue.first_frame + 40)
    track_id = queue.agents.track_ids[0]
    assert track_id not in driven(late).agents.track_ids
    assert_follows_log(driven(about(late, 0)), late, 0)
    bicycle = of_kind(late, 0, AgentKind.BICYCLE)
    assert_follows_log(driven(bicycle), bicycle, 0)


def test_a_car_that_would_overlap_the_scripted_one_does_not_start():
    queue = scene("queue")
    # Row 1 is on top of row 0, which comes first in the frame: as reactive agents 0 starts and 1 does not.
    by_m = queue.agents.poses[0, queue.first_frame, :2] - queue.agents.poses[1, queue.first_frame, :2]
    crowded = moved(queue, 1, by_m)
    assert queue.agents.track_ids[1] not in driven(crowded, "reactive").agents.track_ids
    log = driven(about(crowded, 1))
    assert_follows_log(log, crowded, 1)
    assert queue.agents.track_ids[0] not in log.agents.track_ids


@pytest.mark.parametrize("name", ["queue", "t_junction", "pedestrian_crossing", "construction"])
def test_without_scripted_tracks_the_traffic_equals_reactive_traffic(name):
    scenario = scene(name)
    assert scenario.about_track is None
    assert_same_world(driven(scenario), driven(scenario, "reactive"))


def test_reactive_traffic_ignores_the_agent_of_the_tag():
    scenario = scene("cut_in")
    assert_same_world(driven(about(scenario, 0), "reactive"), driven(scenario, "reactive"))


def test_boxes_are_listed_agents_first_then_replayed_tracks_by_kind():
    queue = scene("queue")
    mixed = about(of_kind(of_kind(queue, 0, AgentKind.PEDESTRIAN), 1, AgentKind.BICYCLE), 2)
    agents = driven(mixed).agents
    for step in (0, 70, 149):
        kinds = agents.kinds[agents.rows_at(step)].tolist()
        assert kinds == [AgentKind.VEHICLE, AgentKind.BICYCLE, AgentKind.PEDESTRIAN]
    # An agent that reacts is listed before the one that is scripted.
    reacting = about(queue, 0)
    agents = driven(reacting).agents
    shown = [agents.track_ids[row] for row in agents.rows_at(50)]
    assert shown == [queue.agents.track_ids[row] for row in (1, 2, 0)]


def test_the_planner_observes_scripted_agents_at_their_logged_poses():
    scenario = about(scene("cut_in"), 0)
    rollout = Rollout(scenario, traffic="reactive_scripted")
    while not rollout.is_finished:
        observation = rollout.observation()
        now = scenario.first_frame + observation.iteration
        logged = scenario.agents.steps(now + 1 - observation.agents.num_steps, now + 1)
        assert observation.agents.track_ids == logged.track_ids
        np.testing.assert_array_equal(observation.agents.poses, logged.poses)
        np.testing.assert_array_equal(observation.agents.velocities_mps, logged.velocities_mps)
        rollout.advance(StandStillPlanner().plan(observation))


def test_a_collision_with_a_scripted_car_ahead_is_at_fault():
    class Ahead(StandStillPlanner):
        def plan(self, observation):
            pose = observation.ego_now.rear_axle_pose
            times = np.arange(41) * 0.1
            along = 10.0 * np.array([np.cos(pose[2]), np.sin(pose[2]), 0.0])
            return Trajectory(time_s=times, poses=pose + times[:, np.newaxis] * along)

    queue = scene("queue")
    last = int(np.argmin(queue.agents.poses[:, queue.first_frame, 0]))
    scenario = about(queue, last)
    log = run_rollout(scenario, Ahead(), traffic="reactive_scripted")
    result = score_simulation(log, scenario).metrics["no_ego_at_fault_collisions"]
    assert result.score == 0.0
    assert result.first_violation.track_id == scenario.about_track
