"""The lane under the ego, the lanes along the route, and parallel paths."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import shapely

from driving.synthetic.scenes import scene
from planning.rule_based.centerline import dijkstra_lanes, lane_under
from planning.rule_based.paths import parallel_paths


def route_of(name: str):
    scenario = scene(name)
    rows = [row for block in scenario.route.roadblock_ids for row in scenario.map.lane_rows_of_roadblock(block)]
    return scenario, scenario.observation_at(0).ego_now, rows


@pytest.mark.parametrize("name", ["straight_road", "t_junction", "roundabout"])
def test_the_lane_under_the_ego_contains_it_and_points_its_way(name):
    scenario, ego, rows = route_of(name)
    row = lane_under(scenario.map, rows, set(rows), ego, 50.0)
    assert scenario.map.lanes.areas.polygons[row].buffer(0.01).contains(shapely.Point(ego.rear_axle_pose[:2]))
    along, offset_m = scenario.map.centerline(row).project(ego.rear_axle_pose[np.newaxis, :2])[0]
    heading = scenario.map.centerline(row).at(np.array([along]))[0, 2]
    assert abs(offset_m) < 2.0
    assert np.cos(heading - ego.rear_axle_pose[2]) > 0.9


def test_off_all_lanes_the_nearest_lane_of_the_route_counts():
    scenario, ego, rows = route_of("straight_road")
    away = replace(ego, rear_axle_pose=ego.rear_axle_pose + np.array([0.0, 40.0, 0.0]))
    assert lane_under(scenario.map, rows, set(rows), away, 50.0) in rows


def test_lanes_are_chained_by_successors_to_the_last_roadblock():
    scenario, ego, rows = route_of("t_junction")
    start = lane_under(scenario.map, rows, set(rows), ego, 50.0)
    blocks = list(dict.fromkeys(scenario.route.roadblock_ids))
    chain = dijkstra_lanes(scenario.map, blocks, set(rows), start)
    assert [int(scenario.map.lanes.roadblock_ids[row]) for row in chain] == blocks
    for row, after in itertools.pairwise(chain):
        assert after in scenario.map.lanes.successors[row].tolist()


def test_without_a_connection_the_chain_ends_at_the_deepest_lane():
    scenario, ego, rows = route_of("t_junction")
    start = lane_under(scenario.map, rows, set(rows), ego, 50.0)
    blocks = list(dict.fromkeys(scenario.route.roadblock_ids))
    first = {row for row in rows if scenario.map.lanes.roadblock_ids[row] == blocks[0]}
    assert dijkstra_lanes(scenario.map, blocks, first, start) == [start]


def test_side_paths_are_one_metre_to_the_right_and_left():
    scenario, ego, rows = route_of("straight_road")
    start = lane_under(scenario.map, rows, set(rows), ego, 50.0)
    chain = dijkstra_lanes(scenario.map, list(scenario.route.roadblock_ids), set(rows), start)
    paths = parallel_paths(scenario.map, chain, (-1.0, 1.0))
    # Eastwards, so that left is north.
    np.testing.assert_allclose(paths.points[1, :, 1], paths.points[0, :, 1] - 1.0)
    np.testing.assert_allclose(paths.points[2, :, 1], paths.points[0, :, 1] + 1.0)
    np.testing.assert_allclose(paths.arcs[1], paths.arcs[0])
