from dataclasses import replace

import numpy as np
import pytest

from driving.agents import AgentKind
from driving.synthetic.scenes import scene
from simulation.traffic.idm_map import idm_map_of
from simulation.traffic.idm_start import (
    KIND_ORDER,
    REPLAYED_KINDS,
    TARGET_SPEED_MPS,
    replayed_tracks,
    scripted_tracks,
    start_pose,
    starting_agents,
)


def started(scenario):
    return starting_agents(scenario, idm_map_of(scenario.map), replayed_tracks(scenario))


def with_agents(scenario, **arrays):
    return replace(scenario, agents=replace(scenario.agents, **arrays))


def test_every_kind_of_agent_is_listed_once():
    assert sorted(KIND_ORDER) == sorted(set(AgentKind) - {AgentKind.EGO})
    assert AgentKind.VEHICLE not in REPLAYED_KINDS


def test_a_position_on_a_lane_starts_on_its_baseline():
    scenario = scene("queue")
    idm_map = idm_map_of(scenario.map)
    ego = scenario.ego.state(scenario.first_frame).center_pose()
    start = start_pose(idm_map, ego + np.array([0.0, 0.4, 0.05]))
    line = scenario.map.centerline(start.lane_row)
    along, aside = line.project(ego[np.newaxis, :2])[0]
    assert start.progress_m == pytest.approx(along, abs=1e-9)
    assert np.hypot(start.x - ego[0], start.y - ego[1]) == pytest.approx(abs(aside), abs=1e-9)
    assert start.heading == pytest.approx(line.at(np.array([along]))[0, 2], abs=1e-9)


def test_a_position_off_the_road_is_on_no_lane():
    assert start_pose(idm_map_of(scene("queue").map), np.array([0.0, 0.0, 0.0])) is None


def test_of_overlapping_connectors_the_one_in_the_heading_of_the_agent_is_chosen():
    scenario = scene("t_junction")
    idm_map = idm_map_of(scenario.map)
    for row in range(idm_map.num_lanes, len(scenario.map.lanes)):
        line = scenario.map.centerline(row)
        pose = line.at(np.array([0.6 * line.length_m]))[0]
        start = start_pose(idm_map, pose)
        if start is None or start.lane_row < idm_map.num_lanes:
            continue
        turn = np.angle(np.exp(1j * (start.heading - pose[2])))
        assert abs(turn) < 0.2


def test_an_agent_keeps_its_logged_speed_and_size():
    scenario = scene("queue")
    velocities = scenario.agents.velocities_mps.copy()
    velocities[0] = [3.0, 4.0]
    agent = next(each for each in started(with_agents(scenario, velocities_mps=velocities)) if each.row == 0)
    assert agent.speed_mps == 5.0
    size = scenario.agents.sizes[0, scenario.first_frame]
    assert (agent.length_m, agent.width_m) == tuple(size)
    np.testing.assert_allclose(np.hypot(*(agent.corners[0] - agent.corners[1])), size[0])


def test_an_agent_without_logged_velocity_starts_at_the_speed_of_the_ego():
    scenario = scene("queue")
    velocities = scenario.agents.velocities_mps.copy()
    velocities[0] = np.nan
    agent = next(each for each in started(with_agents(scenario, velocities_mps=velocities)) if each.row == 0)
    assert agent.speed_mps == scenario.ego.state(scenario.first_frame).speed_mps


def test_an_agent_on_the_ego_does_not_start():
    scenario = scene("queue")
    poses = scenario.agents.poses.copy()
    poses[0] = scenario.ego.state(scenario.first_frame).center_pose()
    assert 0 not in [each.row for each in started(with_agents(scenario, poses=poses))]


def test_a_lane_without_limit_has_the_target_speed_of_the_agent_before():
    scenario = scene("queue")
    idm_map = idm_map_of(scenario.map)
    limits = idm_map.lanes.speed_limit.copy()
    try:
        idm_map.lanes.speed_limit[:] = 0.0
        assert {each.target_speed_mps for each in started(scenario)} == {TARGET_SPEED_MPS}
    finally:
        idm_map.lanes.speed_limit[:] = limits
    on_limits = {each.target_speed_mps for each in started(scenario)}
    assert on_limits == {limits[each.lane_row] for each in started(scenario)}


def test_parked_vehicles_follow_the_log_in_scripted_traffic_only():
    scenario = scene("queue")
    poses = scenario.agents.poses.copy()
    poses[1, :, 1] += 60.0
    parked = with_agents(scenario, poses=poses)
    assert not replayed_tracks(parked).any()
    assert scripted_tracks(parked, idm_map_of(parked.map)).tolist() == [False, True, False]
