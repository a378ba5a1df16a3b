import numpy as np
import shapely
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from driving.map import TurnKind
from driving.map_checks import map_findings
from simulation.generation.town.paths import curvature


def test_the_map_has_no_findings(observed):
    assert list(map_findings(observed.town.map)) == []


def test_every_lane_leads_to_every_other(observed):
    lanes = observed.town.map.lanes
    owners = np.repeat(np.arange(len(lanes)), np.diff(lanes.successors.offsets))
    graph = csr_array((np.ones(len(owners)), (owners, lanes.successors.values)), shape=(len(lanes), len(lanes)))
    assert connected_components(graph, connection="strong")[0] == 1


def test_lanes_do_not_overlap(observed):
    """nuPlan's metrics fail where two lanes hold one point."""
    lanes = observed.town.map.lanes
    polygons = lanes.areas.polygons[: lanes.num_lanes]
    tree = shapely.STRtree(polygons)
    first, second = tree.query(polygons, predicate="intersects")
    pairs = first < second
    shared = shapely.area(shapely.intersection(polygons[first[pairs]], polygons[second[pairs]]))
    assert shared.max() < 1e-3


def test_the_drivable_area_has_no_slits_along_any_way(observed):
    town_map = observed.town.map
    for row in range(len(town_map.lanes)):
        line = town_map.lanes.centerlines[row]
        left, right = town_map.lanes.left_boundaries[row], town_map.lanes.right_boundaries[row]
        for points in (line, (line + left) / 2, (line + right) / 2):
            assert town_map.drivable_area.contains(points).all()


def test_connectors_can_be_next_acceleration(observed):
    lanes = observed.town.map.lanes
    for row in range(lanes.num_lanes, len(lanes)):
        # The Pacifica turns within a radius of 5.3 m at a steering angle of 30 degrees.
        assert np.abs(curvature(lanes.centerlines[row])[1:-1]).max() < 1 / 5.3


def test_turns_are_named_by_their_direction(observed):
    lanes = observed.town.map.lanes
    for row in range(lanes.num_lanes, len(lanes)):
        line = lanes.centerlines[row]
        start, end = line[1] - line[0], line[-1] - line[-2]
        cross = start[0] * end[1] - start[1] * end[0]
        if lanes.turn_kinds[row] == TurnKind.LEFT:
            assert cross > 0
        elif lanes.turn_kinds[row] == TurnKind.RIGHT:
            assert cross < 0


def test_parked_cars_keep_off_the_lanes(observed):
    town_map = observed.town.map
    lanes = shapely.union_all(town_map.lanes.areas.polygons[: town_map.lanes.num_lanes])
    assert not shapely.contains_xy(lanes, *observed.parked.poses[:, :2].T).any()


def test_the_site_lies_in_its_utm_zone(observed):
    points = observed.town.map.lanes.centerlines.values
    assert observed.town.map.epsg == 32611
    assert (points[:, 0] > 600_000).all()
    assert (points[:, 0] < 700_000).all()
    assert (points[:, 1] > 3_900_000).all()
