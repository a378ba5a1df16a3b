"""The line of the route ahead."""

from dataclasses import replace

import numpy as np
import pytest

from driving import Route
from driving.synthetic.scenes import scene
from planning.neural.route_line import EDGE_STEP_M, MAX_EDGE_M, RouteContext, RouteContextCache, lane_samples


def test_a_line_starts_on_the_lane_under_the_ego_and_follows_the_route():
    scenario = scene("t_junction")
    context = RouteContext(scenario.map, scenario.route)
    line = context.line(scenario.observation_at(0).ego_now)
    blocks = [int(scenario.map.lanes.roadblock_ids[row]) for row in dict.fromkeys(line.rows.tolist())]
    assert blocks == list(dict.fromkeys(scenario.route.roadblock_ids))
    assert np.hypot(*np.diff(line.poses[:, :2], axis=0).T).max() < 2.1
    assert line.is_connector.any()
    # The same line is kept.
    assert context.line(scenario.observation_at(1).ego_now) is line


def test_distances_to_the_edges_are_those_of_the_road():
    graph = scene("straight_road").map
    for row in range(len(graph.lanes)):
        samples = lane_samples(graph, row)
        middle = len(samples.poses) // 2
        x, y, heading = samples.poses[middle]
        for side, edge_m in zip((1.0, -1.0), samples.edges_m[middle, :2], strict=True):
            normal = side * np.array([-np.sin(heading), np.cos(heading)])
            inside, outside = (np.array([[x, y]]) + d * normal for d in (edge_m, edge_m + EDGE_STEP_M))
            assert graph.lanes.areas.contains(inside).all()
            if edge_m < MAX_EDGE_M:
                assert not graph.lanes.areas.contains(outside).any()
        assert samples.edges_m.max() <= MAX_EDGE_M
        assert lane_samples(graph, row) is samples


def test_a_route_without_lanes_is_refused():
    scenario = scene("straight_road")
    empty = Route(roadblock_ids=(), goal_pose=None, centerline=np.zeros((0, 2)))
    with pytest.raises(ValueError, match=r"names no lane of map .* \(0 roadblocks\)"):
        RouteContext(scenario.map, empty)


def test_the_cache_keeps_the_last_routes():
    scenario = scene("straight_road")
    routes = [replace(scenario.route) for _ in range(3)]
    cache = RouteContextCache(capacity=2)
    first = cache.get(scenario.map, routes[0])
    assert cache.get(scenario.map, routes[0]) is first
    assert cache.get(scenario.map, routes[1]).route is routes[1]
    cache.get(scenario.map, routes[2])
    assert cache.get(scenario.map, routes[0]) is not first
