import numpy as np
import pytest

from driving.map import IntersectionKind, TurnKind
from driving.map_checks import map_findings
from simulation.generation.corner_cases.corner_maps import SITE_SPACING_M, corner_map

NUMBERS = range(3)


@pytest.mark.parametrize("number", NUMBERS)
def test_maps_are_sound_and_differ(number):
    map_graph = corner_map(number)
    assert map_findings(map_graph) == []
    assert map_graph.name == f"corners-{number:04d}"
    assert not np.array_equal(map_graph.lanes.speed_limit_mps, corner_map(number + 1).lanes.speed_limit_mps)


def test_a_map_is_cached_and_equal_when_it_is_built_again():
    first = corner_map(1)
    assert corner_map(1) is first
    again = corner_map.__wrapped__(1)
    np.testing.assert_array_equal(first.lanes.centerlines.values, again.lanes.centerlines.values)


def test_a_negative_number_is_refused():
    with pytest.raises(ValueError, match="numbered from 0, got -1"):
        corner_map(-1)


def lanes_near(map_graph, site):
    """Rows of the lanes and connectors of the n-th site."""
    origin = map_graph.lanes.centerlines.values[:, 0].min()
    starts = np.array([map_graph.lanes.centerlines[row][0, 0] for row in range(len(map_graph.lanes))])
    return np.flatnonzero(np.rint((starts - origin) / SITE_SPACING_M) == site)


@pytest.mark.parametrize("number", NUMBERS)
def test_every_lane_is_connected_and_within_the_drivable_area(number):
    map_graph = corner_map(number)
    lanes = map_graph.lanes
    for row in range(len(lanes)):
        assert len(lanes.successors[row]) or len(lanes.predecessors[row])
        assert map_graph.drivable_area.contains(lanes.centerlines[row][1:-1]).all()


@pytest.mark.parametrize("number", NUMBERS)
def test_the_avenue_has_neighbouring_lanes_and_the_street_oncoming_ones(number):
    map_graph = corner_map(number)
    lanes = map_graph.lanes
    rows = [row for row in lanes_near(map_graph, 0) if row < lanes.num_lanes]
    assert all(map_graph.left_neighbor(row) is None for row in rows)
    rows = [row for row in lanes_near(map_graph, 1) if row < lanes.num_lanes]
    assert any(map_graph.left_neighbor(row) is not None for row in rows)
    headings = [map_graph.centerline(row).headings[0] for row in rows]
    assert min(np.cos(headings)) < 0.0 < max(np.cos(headings))


@pytest.mark.parametrize("number", NUMBERS)
def test_junctions_have_all_turns_and_one_of_them_lights(number):
    map_graph = corner_map(number)
    lanes = map_graph.lanes
    kinds = map_graph.intersections.kinds.tolist()
    assert kinds.count(IntersectionKind.TRAFFIC_LIGHT) == kinds.count(IntersectionKind.STOP_SIGN) == 1
    for kind in (IntersectionKind.TRAFFIC_LIGHT, IntersectionKind.STOP_SIGN):
        junction = map_graph.intersections.ids[kinds.index(kind)]
        rows = np.flatnonzero(lanes.intersection_ids == junction)
        assert set(lanes.turn_kinds[rows].tolist()) == {TurnKind.STRAIGHT, TurnKind.LEFT, TurnKind.RIGHT}
        assert lanes.has_traffic_lights[rows].all() == (kind == IntersectionKind.TRAFFIC_LIGHT)
    assert len(map_graph.crosswalks) == 8


@pytest.mark.parametrize("number", NUMBERS)
def test_the_ramp_joins_the_right_lane_of_the_road(number):
    map_graph = corner_map(number)
    lanes = map_graph.lanes
    kinds = map_graph.intersections.kinds.tolist()
    junction = map_graph.intersections.ids[kinds.index(IntersectionKind.LANE_MERGE)]
    rows = np.flatnonzero(lanes.intersection_ids == junction).tolist()
    targets = [int(lanes.successors[row][0]) for row in rows]
    (joined,) = {target for target in targets if targets.count(target) == 2}
    assert map_graph.right_neighbor(joined) is None
    assert map_graph.left_neighbor(joined) is not None
