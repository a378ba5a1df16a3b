import numpy as np
import pytest

from driving.map import TurnKind
from driving.synthetic.proving_ground import proving_ground
from simulation.generation.corner_cases.corner_maps import corner_map
from simulation.generation.corner_cases.kind_parts import (
    CAR_M,
    broken_down_car,
    change_lane_before,
    ego_at,
    lane_offset_m,
    pass_around,
)
from simulation.generation.corner_cases.sites import NoSiteError, SiteSearch
from simulation.generation.corner_cases.staging import NominalEgo

SEEDS = range(4)
EVENT_S = 6.0


def search_on(map_graph, seed=0, speed_mps=9.0):
    return SiteSearch(map=map_graph, rng=np.random.default_rng(seed), speed_mps=speed_mps)


@pytest.fixture(scope="module", params=SEEDS)
def search(request):
    return search_on(corner_map(request.param % 2), request.param)


def test_random_numbers_are_in_their_range(search):
    draws = [search.uniform(2.0, 3.0) for _ in range(200)]
    assert min(draws) >= 2.0
    assert max(draws) < 3.0
    assert np.mean([search.coin(0.2) for _ in range(500)]) == pytest.approx(0.2, abs=0.06)


def test_a_lane_site_is_straight_and_reached_at_the_nominal_speed(search):
    site = search.lane_site(EVENT_S, 40.0)
    here, ahead = (site.chain.beside(site.event_m + along_m) for along_m in (-5.0, 40.0))
    assert abs(ahead[2] - here[2]) < 0.08
    ego = ego_at(search, site, EVENT_S)
    assert ego.front_m(EVENT_S) == pytest.approx(site.event_m)
    assert ego.starts_on_road
    assert (ego.at(15.0) - ego.at(0.0))[0] > 0.6 * 15.0 * search.speed_mps


def test_the_neighbours_of_a_lane_site_are_on_their_sides(search):
    site = search.lane_site(EVENT_S, accept=lambda here: here.left is not None)
    width_m = lane_offset_m(site, site.left)
    assert 3.0 < width_m < 4.0
    # Measured to the nearest vertex of the boundary; vertices are 2 m apart.
    assert width_m / 2 - 0.05 < site.half_lane_m < np.hypot(width_m / 2, 1.0) + 0.05
    assert site.left_edge_m > width_m
    if site.right is not None:
        assert lane_offset_m(site, site.right) == pytest.approx(-width_m, abs=0.1)


def test_the_oncoming_lane_runs_against_the_path(search):
    site = search.lane_site(EVENT_S, accept=lambda here: here.oncoming is not None)
    along = site.oncoming.project(site.point())[0]
    turn = site.oncoming.beside(along)[2] - site.chain.beside(site.event_m)[2]
    assert np.cos(turn) < -0.99
    assert site.left is None
    assert 3.0 < lane_offset_m(site, site.oncoming) < 4.0


def test_no_accepted_site_is_an_error(search):
    with pytest.raises(NoSiteError, match=r"no suitable stretch of lane at 9\.0 m/s"):
        search.lane_site(EVENT_S, accept=lambda _here: False)
    with pytest.raises(NoSiteError, match=r"no suitable stretch of lane at 40\.0 m/s"):
        search_on(search.map, speed_mps=40.0).lane_site(EVENT_S)


@pytest.mark.parametrize(("turn", "from_oncoming"), [(TurnKind.STRAIGHT, False), (TurnKind.LEFT, True)])
def test_movements_of_a_junction_site_cross_inside_the_junction(search, turn, from_oncoming):
    site = search.junction_site(turn, EVENT_S, from_oncoming=from_oncoming)
    assert search.map.lanes.turn_kinds[site.row] == turn
    assert site.row in site.chain.rows
    for crossing in site.crossings:
        assert site.enter_m - 1.0 <= crossing.ego_m <= site.enter_m + 40.0
        here = site.chain.beside(crossing.ego_m)
        there = crossing.chain.beside(crossing.own_m)
        assert np.hypot(*(here - there)[:2]) < 0.7
    ego = NominalEgo(chain=site.chain, speed_mps=9.0, event_m=site.enter_m, event_s=EVENT_S)
    assert ego.starts_on_road


def test_a_junction_site_meets_the_further_condition(search):
    lit = search.map.lanes.has_traffic_lights
    site = search.junction_site(
        TurnKind.STRAIGHT, EVENT_S, from_oncoming=False, accept=lambda here: bool(lit[here.row])
    )
    assert lit[site.row]
    with pytest.raises(NoSiteError, match=r"no suitable junction at 9\.0 m/s"):
        search.junction_site(TurnKind.LEFT, EVENT_S, from_oncoming=True, accept=lambda _here: False)


def test_a_ramp_and_its_road_meet_in_one_lane(search):
    site = search.merge_site(EVENT_S)
    here, there = site.chain.beside(site.joined_m), site.main.beside(site.main_m)
    np.testing.assert_allclose(here[:2], there[:2], atol=0.3)
    assert site.chain.rows[-1] == site.main.rows[-1]
    before = site.chain.beside(site.joined_m - 60.0)
    assert site.main.project(before[:2])[1] < -1.0


def test_a_turn_needs_a_change_from_a_neighbouring_lane(search):
    site, lanes = search.turn_site(EVENT_S), search.map.lanes
    assert 3.0 < abs(site.start_left_m) < 4.0
    starts = {row: site.chain.project_global(lanes.centerlines[row][0])[0] for row in site.chain.rows}
    turn = min(site.chain.rows, key=lambda row: abs(starts[row] - site.enter_m))
    assert lanes.is_connector(turn)
    (before,) = lanes.predecessors[turn].tolist()
    neighbors = [
        row for row in (search.map.left_neighbor(before), search.map.right_neighbor(before)) if row is not None
    ]
    reached = [set(lanes.roadblock_ids[lanes.successors[row]].tolist()) for row in neighbors]
    assert any(int(lanes.roadblock_ids[turn]) not in blocks for blocks in reached)


def test_a_map_without_ramp_or_turns_has_no_site():
    search = search_on(proving_ground().map)
    with pytest.raises(NoSiteError, match="has no ramp that can be joined"):
        search.merge_site(EVENT_S)


def test_equal_seeds_find_equal_sites():
    first, again = (search_on(corner_map(0), 3).lane_site(EVENT_S) for _ in range(2))
    assert (first.chain.rows, first.event_m) == (again.chain.rows, again.event_m)


def test_manoeuvres_around_an_obstacle_return_to_the_lane():
    for out, back in pass_around(100.0, 110.0, (2.0, 3.5), 10.0):
        assert out.left_m == -back.left_m
        assert out.begin_m + out.length_m == pytest.approx(97.0)
        assert back.begin_m == pytest.approx(113.0)
        assert out.length_m >= 12.0
    assert len(pass_around(100.0, 110.0, (2.0, 3.5), 10.0)) == 4


def test_lane_changes_end_at_or_before_an_arc_length():
    changes = change_lane_before(200.0, 3.5, 10.0)
    ends = [change.begin_m + change.length_m for (change,) in changes]
    assert max(ends) == pytest.approx(200.0)
    assert min(ends) == pytest.approx(135.0)
    assert {change.length_m for (change,) in changes} == {22.0, 35.0}


def test_an_object_lies_in_front_of_a_broken_down_car(search):
    site = search.lane_site(EVENT_S)
    car, item = broken_down_car(search, site, 0.2)
    car_m, left_m = site.chain.project(car.poses(np.zeros(1))[0, :2])
    item_m, _ = site.chain.project(item.poses(np.zeros(1))[0, :2])
    assert car_m == pytest.approx(site.event_m + CAR_M[0] / 2, abs=0.01)
    assert left_m == pytest.approx(0.2, abs=0.01)
    assert item_m - car_m == pytest.approx(CAR_M[0] / 2 + 0.65, abs=0.01)
