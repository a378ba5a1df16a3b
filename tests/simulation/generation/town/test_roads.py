from dataclasses import replace

import numpy as np
import pytest
import shapely
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from driving.geometry import arc_lengths
from driving.map import TurnKind
from driving.map_checks import map_findings
from simulation.generation.town.layout import TownSettings, plan_town
from simulation.generation.town.paths import curvature
from simulation.generation.town.roads import CARPARK_SIZE_M, PARKING_PITCH_M, WALKWAY_WIDTH_M, build_roads


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


def test_connectors_can_be_driven_by_the_ego(observed):
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


@pytest.fixture(scope="module")
def plan(settings):
    return plan_town(np.random.default_rng(4), settings)


def test_a_street_that_is_shorter_than_its_junctions_is_rejected():
    crowded = TownSettings(columns=3, rows=3, removed_links=0, spacing_m=70.0)
    plan = plan_town(np.random.default_rng(0), crowded)
    with pytest.raises(ValueError, match=r"Street \d+ of \d+ m is too short: its junctions take \d+ m and 40 m"):
        build_roads(np.random.default_rng(0), plan, crowded, "town-0000")


def test_a_street_that_bends_sharply_is_rejected(plan, settings):
    link = plan.links[0]
    along = np.linspace(0.0, 1.0, len(link.curve))[:, np.newaxis]
    step = link.curve[-1] - link.curve[0]
    side = np.array([-step[1], step[0]]) / np.hypot(*step)
    winding = link.curve + 12.0 * np.sin(8 * np.pi * along) * side
    bent = replace(link, curve=winding, length_m=float(arc_lengths(winding)[-1]))
    with pytest.raises(ValueError, match=r"radius of \d+ m bends too sharply for its half width of"):
        build_roads(np.random.default_rng(0), replace(plan, links=(bent, *plan.links[1:])), settings, "town-0000")


def test_every_link_has_its_lanes(observed):
    plan, lanes = observed.town.plan, observed.town.map.lanes
    assert lanes.num_lanes == sum(2 * link.profile.lanes for link in plan.links)
    assert len(observed.town.map.roadblocks) == 2 * len(plan.links)
    limits = {link.profile.speed_limit_mps for link in plan.links}
    assert set(lanes.speed_limit_mps[: lanes.num_lanes].tolist()) == limits


def test_walkways_keep_off_the_lanes(observed):
    town_map = observed.town.map
    lanes = shapely.union_all(town_map.lanes.areas.polygons[: town_map.lanes.num_lanes])
    for polygon in town_map.walkways.polygons:
        assert polygon.intersection(lanes).area < 0.02 * polygon.area
        # At least the length of the polygon times its width, but for tight bends.
        assert polygon.area > 0.8 * WALKWAY_WIDTH_M * 3.0


def test_parked_cars_have_room(observed):
    places = observed.town.parking_poses
    apart = np.hypot(*(places[:, np.newaxis, :2] - places[:, :2]).transpose(2, 0, 1))
    np.fill_diagonal(apart, np.inf)
    # In a car park the places lie side by side, 2.8 m apart; along the kerb one behind the other.
    assert apart.min() > 2.7
    is_parallel = (apart > 3.0).all(axis=1)
    assert apart[is_parallel].min() == pytest.approx(PARKING_PITCH_M, abs=0.5)


def test_car_parks_have_their_size(observed):
    areas = shapely.area(observed.town.map.carparks.polygons)
    is_carpark = np.isclose(areas, CARPARK_SIZE_M[0] * CARPARK_SIZE_M[1])
    assert is_carpark.any()
    # The others are pick-up bays: the kerb lane and its shoulder, 45 m long.
    widths_m = {round(link.profile.lane_width_m + link.profile.shoulder_m, 2) for link in observed.town.plan.links}
    for area in areas[~is_carpark]:
        assert min(abs(area / 45.0 - width_m) for width_m in widths_m) < 0.5
