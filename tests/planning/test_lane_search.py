"""Chains of lanes along a route."""

import itertools

import numpy as np
import pytest

from driving.synthetic.scenes import scene
from planning.lane_search import breadth_first_lanes, joined_centerlines, starting_lane


def route_rows(scenario) -> list[int]:
    return [row for block in scenario.route.roadblock_ids for row in scenario.map.lane_rows_of_roadblock(block)]


@pytest.mark.parametrize("name", ["t_junction", "roundabout", "straight_road"])
def test_one_lane_per_roadblock_is_chained_by_successors(name):
    scenario = scene(name)
    start = starting_lane(scenario.map, route_rows(scenario), scenario.observation_at(0).ego_now)
    chain = breadth_first_lanes(scenario.map, scenario.route.roadblock_ids, start)
    assert [int(scenario.map.lanes.roadblock_ids[row]) for row in chain] == list(scenario.route.roadblock_ids)
    for row, after in itertools.pairwise(chain):
        assert after in scenario.map.lanes.successors[row].tolist()


def test_without_a_connection_the_chain_ends_early():
    scenario = scene("t_junction")
    blocks = scenario.route.roadblock_ids
    start = starting_lane(scenario.map, route_rows(scenario), scenario.observation_at(0).ego_now)
    assert breadth_first_lanes(scenario.map, (blocks[0], blocks[-1]), start) == [start]


def test_the_starting_lane_contains_the_ego_or_is_the_nearest():
    scenario = scene("t_junction")
    rows = route_rows(scenario)
    ego = scenario.observation_at(0).ego_now
    start = starting_lane(scenario.map, rows, ego)
    assert scenario.map.lanes.roadblock_ids[start] == scenario.route.roadblock_ids[0]
    # Among lanes that do not contain the ego, the first of the route is the nearest.
    assert starting_lane(scenario.map, rows[::-1][:-1], ego) == rows[1]


def test_joined_centerlines_hold_all_vertices_in_order():
    scenario = scene("straight_road")
    rows = route_rows(scenario)[:2]
    points, headings = joined_centerlines(scenario.map, rows)
    lines = [scenario.map.centerline(row) for row in rows]
    assert np.array_equal(points, np.concatenate([line.points for line in lines]))
    assert len(headings) == len(points)
