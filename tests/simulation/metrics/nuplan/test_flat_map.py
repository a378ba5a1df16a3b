"""The map for compiled code equals the map it is made of."""

import numpy as np
import pytest
import shapely

from driving.geometry import Polyline
from driving.synthetic.scenes import scene
from simulation.metrics.nuplan.flat_map import (
    along_centerline,
    centerline_length,
    flat_map,
    is_in_roadblock_of,
)
from tests.support.drives import fork_map


@pytest.fixture(scope="module")
def graph():
    return scene("t_junction").map


def test_a_map_is_flattened_once(graph):
    assert flat_map(graph) is flat_map(graph)
    assert flat_map(graph) is not flat_map(fork_map())


def test_links_are_those_of_the_map(graph):
    flat = flat_map(graph).links
    for row in range(len(graph.lanes)):
        start, stop = flat.successor_offsets[row], flat.successor_offsets[row + 1]
        assert flat.successors[start:stop].tolist() == graph.lanes.successors[row].tolist()
        start, stop = flat.predecessor_offsets[row], flat.predecessor_offsets[row + 1]
        assert flat.predecessors[start:stop].tolist() == graph.lanes.predecessors[row].tolist()


def test_positions_along_centerlines_are_those_of_polylines(graph):
    flat, rng = flat_map(graph).centerlines, np.random.default_rng(0)
    for row in rng.choice(len(graph.lanes), 30, replace=False):
        line = Polyline(points=graph.lanes.centerlines[row])
        assert centerline_length(flat, row) == pytest.approx(line.length_m)
        low, high = line.points.min(axis=0) - 5.0, line.points.max(axis=0) + 5.0
        for point in rng.uniform(low, high, (5, 2)):
            along = float(line.project(point[np.newaxis])[0, 0])
            assert along_centerline(flat, row, *point) == pytest.approx(along, abs=1e-6)


def test_points_in_the_roadblock_of_a_lane_are_those_of_shapely(graph):
    flat, rng = flat_map(graph).roadblocks, np.random.default_rng(1)
    found, expected = [], []
    for row in range(len(graph.lanes)):
        layer = graph.roadblock_connectors if graph.lanes.is_connector(row) else graph.roadblocks
        polygon = layer.polygons[layer.row(int(graph.lanes.roadblock_ids[row]))]
        low_x, low_y, high_x, high_y = polygon.bounds
        for x, y in rng.uniform([low_x - 2.0, low_y - 2.0], [high_x + 2.0, high_y + 2.0], (5, 2)):
            found.append(is_in_roadblock_of(flat, row, x, y))
            expected.append(bool(shapely.contains_xy(polygon, x, y)))
    assert found == expected
    assert {True, False} == set(found)


def test_lanes_come_first_and_have_their_limits(graph):
    flat = flat_map(graph)
    assert flat.links.num_lanes == graph.lanes.num_lanes
    np.testing.assert_array_equal(flat.speed_limit_mps, graph.lanes.speed_limit_mps)
    np.testing.assert_array_equal(flat.roadblock_ids, graph.lanes.roadblock_ids)
