import numpy as np
import pytest

from driving.agents import LightStatus, TrafficLights
from driving.synthetic.scenes import scene
from simulation.metrics.pdm.areas import ScoringAreas, red_rows_by_step, scoring_areas
from simulation.metrics.pdm.road import DRIVABLE, INTERSECTION, LANE, ON_ROUTE
from simulation.metrics.pdm.rules import EPDMS_RULES, PDMS_RULES, TUPLAN_RULES


@pytest.fixture(scope="module")
def site():
    return scene("t_junction")


def lanes_of_route(site):
    return [row for block in site.route.roadblock_ids for row in site.map.lane_rows_of_roadblock(block)]


def parts(areas, kinds):
    """Kinds of lanes, car parks, intersections and roadblocks."""
    return [kinds[start:stop] for start, stop in zip(areas.starts[:-1], areas.starts[1:], strict=True)]


def test_areas_are_cached_with_their_map(site):
    assert scoring_areas(site.map) is scoring_areas(site.map)


def test_polygons_on_the_route_are_the_lanes_of_its_roadblocks(site):
    areas = scoring_areas(site.map)
    is_on_route = areas.on_route(lanes_of_route(site))
    assert np.flatnonzero(is_on_route).tolist() == sorted(lanes_of_route(site))


def test_in_tuplans_rules_lanes_are_drivable(site):
    areas = scoring_areas(site.map)
    center = site.logged_ego_pose(0)[:2]
    lanes, _, intersections, roadblocks = parts(
        areas, areas.kinds_near(center, areas.on_route(lanes_of_route(site)), TUPLAN_RULES)
    )
    near = areas.near(center, TUPLAN_RULES.radius_m)[0]
    assert near.any()
    assert not near.all()
    assert (lanes[~near] == 0).all()
    assert (lanes[near] & (LANE | DRIVABLE) == LANE | DRIVABLE).all()
    on_route = np.isin(np.arange(len(lanes)), lanes_of_route(site))
    np.testing.assert_array_equal(lanes & ON_ROUTE > 0, near & on_route)
    assert set(intersections.tolist()) == {INTERSECTION}
    assert not roadblocks.any()


@pytest.mark.parametrize("rules", [PDMS_RULES, EPDMS_RULES])
def test_in_navsims_rules_roadblocks_and_intersections_are_drivable(site, rules):
    areas = scoring_areas(site.map)
    center = site.logged_ego_pose(0)[:2]
    kinds = areas.kinds_near(center, areas.on_route(lanes_of_route(site)), rules)
    lanes, _, intersections, roadblocks = parts(areas, kinds)
    near_lanes, near_areas = areas.near(center, rules.radius_m)
    assert not (lanes & DRIVABLE).any()
    np.testing.assert_array_equal(lanes & LANE > 0, near_lanes)
    np.testing.assert_array_equal(roadblocks == DRIVABLE, near_areas[areas.starts[3] :])
    near_intersections = near_areas[areas.starts[2] : areas.starts[3]]
    np.testing.assert_array_equal(intersections, INTERSECTION | near_intersections * DRIVABLE)


def test_a_raster_is_reused_within_its_margin(site):
    areas = ScoringAreas(site.map)
    center = site.logged_ego_pose(0)[:2]
    first = areas.raster(center - 20.0, center + 20.0)
    assert areas.raster(center - 50.0, center + 50.0) is first
    larger = areas.raster(center - 80.0, center + 80.0)
    assert larger is not first
    assert (larger.origin <= center - 80.0).all()


def test_red_rows_ascend_and_are_padded():
    statuses = [LightStatus.RED, LightStatus.RED, LightStatus.GREEN, LightStatus.RED]
    lights = TrafficLights(
        offsets=np.array([0, 3, 3, 4]),
        lane_connector_ids=np.array([7, 5, 9, 9]),
        statuses=np.array(statuses, dtype=np.int8),
    )
    rows = red_rows_by_step(lights, range(4), {5: 50, 7: 20, 9: 90})
    assert rows.tolist() == [[20, 50], [-1, -1], [90, -1], [-1, -1]]
