import numpy as np
import pytest
from hand_made_junction import EAST, EASTBOUND, NORTH, NORTHBOUND, SOUTH, WEST, junction, make_traffic
from hypothesis import given, settings
from hypothesis import strategies as st

from driving.agents import LightStatus
from simulation.generation.town.right_of_way import (
    BEFORE,
    BEHIND,
    ON_CONNECTOR,
    PATIENCE_S,
    crossing_speed,
    crosswalk_wall,
    has_room,
    junction_limits,
    lane_of_part,
    may_enter,
    position_on,
    travel_time,
    zone_times,
)
from simulation.generation.town.tables import Walkers

NO_LIGHTS = np.zeros(0, dtype=np.int8)
FREE_MPS2 = 0.8
EASTBOUND_CAR = {"lane": WEST, "s": 95.0, "v": 5.0, "next": EASTBOUND}
NORTHBOUND_CAR = {"lane": SOUTH, "s": 95.0, "v": 5.0, "next": NORTHBOUND}


def with_lights(status_eastbound, status_northbound):
    """The junction with lights, and their statuses."""
    lanes = junction().lanes.copy()
    lanes["light"][[EASTBOUND, NORTHBOUND]] = 0, 1
    return junction()._replace(lanes=lanes), np.array([status_eastbound, status_northbound], dtype=np.int8)


def with_crosswalk():
    """The junction with a crosswalk from 2 m to 5 m on the eastbound connector, its middle at 6 m of foot path 0."""
    lanes = junction().lanes.copy()
    lanes["walk_end"][EASTBOUND:] = 1
    lanes["walk_begin"][NORTHBOUND] = 1
    return junction()._replace(
        lanes=lanes, walk_path=np.zeros(1, dtype=np.int64), walk_zones=np.array([[2.0, 5.0, 6.0]])
    )


def walker(place, speed):
    return Walkers(np.array([1]), np.array([[place]]), np.array([[speed]]))


@settings(deadline=None)
@given(st.floats(0.0, 120.0), st.floats(0.0, 15.0), st.floats(1.0, 15.0), st.floats(0.5, 2.0))
def test_the_travel_time_is_that_of_small_steps(distance_m, v, top_mps, accel_mps2):
    expected_s, left_m, speed, step_s = 0.0, distance_m, v, 0.002
    while left_m > 0.0 and expected_s < 400.0:
        after = speed if speed >= top_mps else min(top_mps, speed + accel_mps2 * step_s)
        # A vehicle above its top speed keeps its speed, and counts as at least 0.5 m/s.
        left_m -= max(speed, 0.5) * step_s if speed >= top_mps else (speed + after) / 2 * step_s
        speed = after
        expected_s += step_s
    assert travel_time(distance_m, v, top_mps, accel_mps2) == pytest.approx(expected_s, abs=0.05)


def test_a_position_is_measured_along_the_connector_from_lanes_before_and_behind():
    traffic = make_traffic(
        junction(),
        {"lane": WEST, "s": 90.0, "next": EASTBOUND},
        {"lane": EASTBOUND, "s": 7.0},
        {"lane": EAST, "s": 3.0, "prev": EASTBOUND},
        {"lane": SOUTH, "s": 90.0, "next": NORTHBOUND},
    )
    found = [position_on(traffic, row, EASTBOUND) for row in range(4)]
    assert found[:3] == pytest.approx([-10.0, 7.0, 23.0])
    assert np.isnan(found[3])


def test_the_parts_of_a_movement_are_its_connector_and_the_lanes_around_it():
    traffic = make_traffic(junction(), {})
    assert [lane_of_part(traffic, NORTHBOUND, part) for part in (ON_CONNECTOR, BEFORE, BEHIND)] == [
        NORTHBOUND,
        SOUTH,
        NORTH,
    ]


def test_shared_ground_is_entered_by_the_front_and_left_by_the_rear():
    traffic = make_traffic(junction(), {"lane": EASTBOUND, "s": 0.0, "v": 12.0, "length": 4.0})
    assert crossing_speed(traffic, 0, EASTBOUND) == pytest.approx(12.0)
    enter_s, leave_s = zone_times(traffic, 0, EASTBOUND, (0.0, 8.0, 14.0))
    assert (enter_s, leave_s) == pytest.approx((0.5, 16.0 / 12.0))


def test_a_vehicle_alone_may_enter():
    assert may_enter(make_traffic(junction(), EASTBOUND_CAR), NO_LIGHTS, 0)


def test_the_lower_rank_yields_to_a_vehicle_that_comes_and_not_the_other_way_round():
    traffic = make_traffic(junction(), EASTBOUND_CAR, NORTHBOUND_CAR)
    assert may_enter(traffic, NO_LIGHTS, 0)
    assert not may_enter(traffic, NO_LIGHTS, 1)


def test_the_lower_rank_enters_before_a_vehicle_that_is_far_away():
    far = EASTBOUND_CAR | {"s": 40.0}
    assert may_enter(make_traffic(junction(), far, NORTHBOUND_CAR), NO_LIGHTS, 1)
    near = EASTBOUND_CAR | {"s": 80.0}
    assert not may_enter(make_traffic(junction(), near, NORTHBOUND_CAR), NO_LIGHTS, 1)


def test_a_vehicle_on_the_crossing_connector_blocks_both_ranks():
    inside = {"lane": NORTHBOUND, "s": 8.0, "v": 2.0, "grant": 1}
    assert not may_enter(make_traffic(junction(), EASTBOUND_CAR, inside), NO_LIGHTS, 0)
    behind = {"lane": NORTH, "s": 60.0, "v": 2.0, "prev": NORTHBOUND}
    assert may_enter(make_traffic(junction(), EASTBOUND_CAR, behind), NO_LIGHTS, 0)


def test_a_vehicle_that_has_waited_long_on_the_minor_street_is_admitted():
    waiting = NORTHBOUND_CAR | {"s": 96.0, "v": 0.0, "waited": PATIENCE_S + 1.0}
    traffic = make_traffic(junction(), EASTBOUND_CAR, waiting)
    assert not may_enter(traffic, NO_LIGHTS, 0)
    assert may_enter(traffic, NO_LIGHTS, 1)


@pytest.mark.parametrize(
    ("status", "waited_s", "expected"),
    [
        (LightStatus.GREEN, 0.0, True),
        (LightStatus.YELLOW, 0.0, False),
        (LightStatus.YELLOW, 3.0, True),
        (LightStatus.RED, 3.0, False),
    ],
)
def test_lights_decide_and_a_vehicle_that_waited_for_a_gap_clears_on_yellow(status, waited_s, expected):
    net, lights = with_lights(LightStatus.RED, status)
    traffic = make_traffic(net, NORTHBOUND_CAR | {"v": 0.0, "waited": waited_s})
    assert may_enter(traffic, lights, 0) == expected


def test_a_red_light_of_the_higher_rank_clears_the_way():
    net, lights = with_lights(LightStatus.RED, LightStatus.GREEN)
    assert may_enter(make_traffic(net, EASTBOUND_CAR, NORTHBOUND_CAR), lights, 1)


def test_an_all_way_stop_requires_a_halt():
    lanes = junction().lanes.copy()
    lanes["must_stop"][EASTBOUND] = True
    net = junction()._replace(lanes=lanes)
    assert not may_enter(make_traffic(net, EASTBOUND_CAR), NO_LIGHTS, 0)
    assert may_enter(make_traffic(net, EASTBOUND_CAR | {"stopped": True}), NO_LIGHTS, 0)


def test_the_junction_is_kept_free_while_the_lane_behind_it_is_full():
    queue = [{"lane": EAST, "s": 5.0 + 7.5 * row} for row in range(13)]
    assert not has_room(make_traffic(junction(), EASTBOUND_CAR, *queue), 0, EASTBOUND)
    standing_at_start = {"lane": EAST, "s": 6.0}
    assert not has_room(make_traffic(junction(), EASTBOUND_CAR, standing_at_start), 0, EASTBOUND)
    standing_far = {"lane": EAST, "s": 60.0}
    assert has_room(make_traffic(junction(), EASTBOUND_CAR, standing_far), 0, EASTBOUND)


def test_a_permitted_vehicle_counts_as_one_that_fills_the_lane_behind():
    standing = {"lane": EAST, "s": 16.0}
    assert has_room(make_traffic(junction(), EASTBOUND_CAR, standing), 0, EASTBOUND)
    permitted = {"lane": EASTBOUND, "s": 10.0, "grant": 3}
    assert not has_room(make_traffic(junction(), EASTBOUND_CAR, standing, permitted), 0, EASTBOUND)


def test_the_earlier_permission_goes_first():
    first = EASTBOUND_CAR | {"grant": 1}
    second = NORTHBOUND_CAR | {"grant": 2}
    traffic = make_traffic(junction(), first, second)
    assert junction_limits(traffic, 0, FREE_MPS2) == (np.inf, np.inf)
    accel, wall_m = junction_limits(traffic, 1, FREE_MPS2)
    begin_m = junction().conflict_zones[1, 0]
    # From the front, 5 m before the junction less half a vehicle, to half a metre before the shared ground.
    assert accel == np.inf
    assert wall_m == pytest.approx(begin_m + 5.0 - 2.5 - 0.5)


def test_a_vehicle_on_the_shared_ground_stops_an_earlier_permission_too():
    first = EASTBOUND_CAR | {"grant": 1}
    on_ground = {"lane": NORTHBOUND, "s": 10.0, "grant": 2}
    assert junction_limits(make_traffic(junction(), first, on_ground), 0, FREE_MPS2)[1] < 20.0


def test_a_vehicle_that_has_left_the_shared_ground_has_no_limit():
    past = {"lane": EASTBOUND, "s": 19.0, "grant": 2}
    other = NORTHBOUND_CAR | {"grant": 1}
    assert junction_limits(make_traffic(junction(), past, other), 0, FREE_MPS2) == (np.inf, np.inf)


def test_merging_vehicles_follow_the_one_ahead():
    net = junction()._replace(conflict_along=np.array([True, True]))
    ahead = {"lane": EASTBOUND, "s": 14.0, "v": 3.0, "grant": 1}
    behind = {"lane": NORTHBOUND, "s": 5.0, "v": 6.0, "grant": 2}
    accel, wall_m = junction_limits(make_traffic(net, ahead, behind), 1, FREE_MPS2)
    assert accel < 0.0
    assert wall_m == np.inf
    assert junction_limits(make_traffic(net, ahead, behind), 0, FREE_MPS2)[0] == np.inf


def test_a_vehicle_stops_before_a_crosswalk_for_a_pedestrian_on_its_way():
    traffic = make_traffic(with_crosswalk(), EASTBOUND_CAR)
    # The front is 2.5 m before the junction, the crosswalk 2 m inside, the reserve 0.8 m.
    assert crosswalk_wall(traffic, walker(3.0, 1.2), 0, EASTBOUND) == pytest.approx(3.7)
    assert crosswalk_wall(traffic, walker(9.0, -1.2), 0, EASTBOUND) == pytest.approx(3.7)


def test_a_pedestrian_that_has_passed_does_not_stop_a_vehicle():
    traffic = make_traffic(with_crosswalk(), EASTBOUND_CAR)
    assert crosswalk_wall(traffic, walker(9.0, 1.2), 0, EASTBOUND) == np.inf
    assert crosswalk_wall(traffic, walker(3.0, -1.2), 0, EASTBOUND) == np.inf
    no_walkers = Walkers(np.array([0]), np.zeros((1, 1)), np.zeros((1, 1)))
    assert crosswalk_wall(traffic, no_walkers, 0, EASTBOUND) == np.inf


def test_a_pedestrian_at_the_kerb_stops_a_vehicle_only_without_lights():
    waiting = walker(0.0, 0.0)
    assert crosswalk_wall(make_traffic(with_crosswalk(), EASTBOUND_CAR | {"v": 3.0}), waiting, 0, EASTBOUND) < 5.0
    net = with_crosswalk()
    lanes = net.lanes.copy()
    lanes["light"][EASTBOUND] = 0
    lit = make_traffic(net._replace(lanes=lanes), EASTBOUND_CAR | {"v": 3.0})
    assert crosswalk_wall(lit, waiting, 0, EASTBOUND) == np.inf


def test_a_vehicle_that_cannot_stop_any_more_drives_on():
    traffic = make_traffic(with_crosswalk(), EASTBOUND_CAR | {"v": 12.0})
    assert crosswalk_wall(traffic, walker(5.0, 1.2), 0, EASTBOUND) == np.inf
