"""Obstacles of PDM-Closed: selection, velocities along boxes, and obstacles to ignore."""

from dataclasses import replace

import numpy as np
import pytest
import shapely

from distill.states import with_ego
from driving import AgentKind, AgentTracks, Observation
from driving.geometry import box_corners
from driving.synthetic.scenes import scene
from driving.vehicle import PACIFICA
from planning.rule_based.obstacles import MAX_OF_KIND, MAX_STATIC, ObstacleObserver
from simulation.metrics.nuplan.flat_map import flat_map


def observer_of(name: str, **settings) -> ObstacleObserver:
    scenario = scene(name)
    rows = [row for block in scenario.route.roadblock_ids for row in scenario.map.lane_rows_of_roadblock(block)]
    return ObstacleObserver(scenario.map, flat_map(scenario.map).lanes, rows, **settings)


def with_agents(observation: Observation, offsets_m, kinds, velocities_mps=(0.0, 0.0)) -> Observation:
    """The observation with agents at offsets (x, y, heading) from the centre of the ego."""
    steps, count = observation.agents.num_steps, len(offsets_m)
    poses = np.tile((observation.ego_now.center_pose() + np.array(offsets_m))[:, np.newaxis], (1, steps, 1))
    agents = AgentTracks(
        track_ids=tuple(map(str, range(count))),
        kinds=np.array(kinds, dtype=np.int8),
        poses=poses,
        velocities_mps=np.tile(np.asarray(velocities_mps, dtype=np.float64), (count, steps, 1)),
        sizes=np.tile([4.0, 2.0], (count, steps, 1)),
        valid=np.ones((count, steps), dtype=bool),
    )
    return replace(observation, agents=agents)


def test_of_each_kind_the_nearest_count_from_near_to_far_within_the_range():
    distances_m = np.linspace(8.0, 55.0, 60)
    offsets = [(distance_m, 30.0 * np.sin(distance_m), 0.0) for distance_m in distances_m]
    observation = scene("straight_road").observation_at(30)
    for kind, most in ((AgentKind.VEHICLE, 50), (AgentKind.BICYCLE, 10), (AgentKind.TRAFFIC_CONE, MAX_STATIC)):
        agents, _ = observer_of("straight_road").observe(with_agents(observation, offsets, [kind] * 60))
        gaps_m = np.hypot(*(agents.poses[:, :2] - observation.ego_now.center_pose()[:2]).T)
        in_range = int((np.hypot(*np.array(offsets)[:, :2].T) <= 50.0).sum())
        assert len(gaps_m) == min(most, in_range)
        assert (np.diff(gaps_m) >= 0.0).all()
        assert gaps_m.max() <= 50.0
    assert MAX_OF_KIND[AgentKind.PEDESTRIAN] == 25


def test_static_objects_come_first_then_vehicles_pedestrians_and_bicycles():
    kinds = [AgentKind.BICYCLE, AgentKind.PEDESTRIAN, AgentKind.VEHICLE, AgentKind.BARRIER]
    offsets = [(10.0 + 5.0 * place, 0.0, 0.0) for place in range(4)]
    observation = with_agents(scene("straight_road").observation_at(30), offsets, kinds)
    agents, _ = observer_of("straight_road").observe(observation)
    assert agents.poses[:, 0] - observation.ego_now.center_pose()[0] == pytest.approx([25.0, 20.0, 15.0, 10.0])
    assert agents.is_static.tolist() == [True, False, False, False]


@pytest.mark.parametrize(("velocity", "along"), [((3.0, 0.0), 3.0), ((-3.0, 0.0), -3.0), ((3.0, 4.0), 5.0)])
def test_velocities_point_along_the_box_or_backwards(velocity, along):
    observation = scene("straight_road").observation_at(30)
    agents, _ = observer_of("straight_road").observe(
        with_agents(observation, [(20.0, 0.0, 0.0)], [AgentKind.VEHICLE], velocity)
    )
    heading = agents.poses[0, 2]
    assert agents.velocities[0] == pytest.approx(along * np.array([np.cos(heading), np.sin(heading)]))
    assert agents.speeds[0] == pytest.approx(abs(along))


def test_an_agent_that_has_overlapped_the_ego_is_ignored_and_then_dropped():
    observer, observation = observer_of("straight_road"), scene("straight_road").observation_at(30)
    seen = with_agents(observation, [(3.0, 0.0, 0.0), (20.0, 0.0, 0.0)], [AgentKind.VEHICLE] * 2)
    agents, _ = observer.observe(seen)
    assert agents.is_ignored.tolist() == [True, False]
    later, _ = observer.observe(
        with_agents(observation, [(9.0, 0.0, 0.0), (20.0, 0.0, 0.0)], [AgentKind.VEHICLE] * 2)
    )
    assert len(later.poses) == 1
    assert later.poses[0, 0] - observation.ego_now.center_pose()[0] == pytest.approx(20.0)


def test_red_lights_of_the_route_are_obstacles_until_the_ego_is_inside():
    scenario, observer = scene("red_light"), observer_of("red_light")
    observation = scenario.observation_at(40)
    _, lights = observer.observe(observation)
    assert len(lights.rows) > 0
    assert not lights.is_ignored.any()
    # An ego with its centre at the centroid of the connector, along its centerline.
    row, ego = int(lights.rows[0]), observation.ego_now
    line = scenario.map.centerline(row)
    pose = line.at(line.project(lights.centroids[:1])[:, 0])[0]
    pose[:2] -= PACIFICA.rear_axle_to_center_m * np.array([np.cos(pose[2]), np.sin(pose[2])])
    moved = with_ego(observation, replace(ego, rear_axle_pose=pose))
    box = shapely.Polygon(box_corners(moved.ego_now.center_pose(), np.array([PACIFICA.length_m, PACIFICA.width_m])))
    contains = [bool(scenario.map.lanes.areas.polygons[row].contains(box)) for row in lights.rows]
    assert any(contains)
    _, inside = observer.observe(moved)
    assert inside.is_ignored.tolist() == contains
    _, after = observer.observe(observation)
    assert after.is_ignored.tolist() == contains
