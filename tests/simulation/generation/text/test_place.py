import numpy as np
import pytest

from driving.map import TurnKind
from simulation.generation.corner_cases.corner_maps import corner_map
from simulation.generation.corner_cases.sites import NoSiteError, SiteSearch
from simulation.generation.text.grammar import parse
from simulation.generation.text.lights import light_phases
from simulation.generation.text.place import LEFT, RIGHT, find_place, junction_rows
from simulation.generation.text.vocabulary import Relation, RoadType


def place_of(sentence: str, road: RoadType, seed: int = 0, number: int = 0):
    search = SiteSearch(map=corner_map(number), rng=np.random.default_rng(seed), speed_mps=9.0)
    return find_place(search, parse(sentence), road)


@pytest.mark.parametrize("seed", range(3))
def test_a_narrow_street_has_no_lane_beside_the_ego_in_its_direction(seed):
    place = place_of("a car ahead", RoadType.NARROW, seed)
    assert place.neighbor(LEFT) is None
    assert place.neighbor(RIGHT) is None


@pytest.mark.parametrize("seed", range(3))
def test_a_car_that_cuts_in_from_the_left_has_a_lane_to_come_from(seed):
    place = place_of("a car cuts in from the left", RoadType.MULTI_LANE, seed)
    lane = place.neighbor(LEFT)
    assert lane is not None
    assert 3.0 < place.offset_m(lane, place.event_m) < 4.0


def test_parked_cars_need_a_strip_beside_the_rightmost_lane():
    place = place_of("a parked car", RoadType.STRAIGHT)
    assert place.neighbor(RIGHT) is None
    assert place.chain.edge_m(place.event_m, RIGHT) - place.half_lane_m() > 2.0


def test_movements_come_from_the_arm_that_is_named():
    place = place_of("a truck runs the red light from the left", RoadType.JUNCTION)
    assert place.junction is not None
    heading = place.chain.beside(place.junction.enter_m)[2]
    for arm, sign in ((Relation.LEFT, -1.0), (Relation.RIGHT, 1.0)):
        movements = place.movements(arm, TurnKind.STRAIGHT)
        assert movements
        for one in movements:
            assert sign * np.sin(one.chain.beside(one.own_m)[2] - heading) > 0.5


def test_an_oncoming_straight_movement_meets_a_left_turn_only():
    turning = place_of("the ego turns left, an oncoming car", RoadType.JUNCTION)
    straight = place_of("green light", RoadType.JUNCTION)
    assert turning.movements(Relation.ONCOMING, TurnKind.STRAIGHT)
    assert straight.movements(Relation.ONCOMING, TurnKind.STRAIGHT) == []


def test_the_crosswalk_lies_on_the_chain_of_the_ego():
    place = place_of("a pedestrian crosses", RoadType.CROSSWALK)
    assert place.crosswalk_m is not None
    point = place.point(place.crosswalk_m) + np.array(place.chain.origin)
    assert place.map.crosswalks.contains(point[np.newaxis])[0]


def test_junctions_with_and_without_lights_are_distinguished_by_the_condition():
    with_lights, without = (place_of(text, RoadType.JUNCTION) for text in ("red light", "no traffic light"))
    flags = with_lights.map.lanes.has_traffic_lights
    assert with_lights.junction is not None
    assert without.junction is not None
    assert flags[with_lights.junction.row]
    assert not flags[without.junction.row]
    assert with_lights.junction.row in junction_rows(with_lights.map, with_lights.junction.row)


def test_a_ramp_has_the_ego_on_the_road_that_is_joined():
    place = place_of("a truck merges", RoadType.RAMP)
    assert place.merge is not None
    assert place.chain is place.merge.main


def test_a_speed_above_all_limits_has_no_place():
    search = SiteSearch(map=corner_map(0), rng=np.random.default_rng(0), speed_mps=39.0)
    with pytest.raises(NoSiteError, match=r"no suitable stretch of lane at 39\.0 m/s"):
        find_place(search, parse("a car ahead"), RoadType.NARROW)


def test_lights_are_red_for_the_ego_until_they_turn_green_and_never_green_for_both():
    place = place_of("red light", RoadType.JUNCTION)
    assert place.junction is not None
    own = int(place.map.lanes.ids[place.junction.row])
    phases = light_phases(place, 10.0)
    assert [(begin, status.name) for begin, status in phases[own]] == [(-np.inf, "RED"), (10.0, "GREEN")]
    others = [phase for phase in phases.values() if phase[0][1].name == "GREEN"]
    assert others
    assert all(phase[-1][0] < 10.0 and phase[-1][1].name == "RED" for phase in others)
    assert light_phases(place, None)[own] == [(-np.inf, phases[own][1][1])]
