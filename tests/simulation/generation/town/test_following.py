import numpy as np
import pytest
from hand_made_junction import EAST, EASTBOUND, NORTH, SOUTH, WEST, junction, make_traffic
from hypothesis import given, settings
from hypothesis import strategies as st

from simulation.generation.town.following import (
    LANE_CHANGE_SHARE,
    LOOK_AHEAD_M,
    beside,
    desired_speed,
    follower_on,
    free_acceleration,
    idm_parameters,
    lane_after,
    leader_of,
    leader_on,
    next_acceleration,
    sort_by_lane,
    speed_on,
    stopping_acceleration,
)
from simulation.generation.town.network import lane_points
from simulation.generation.town.tables import LANE, VEHICLE, LaneNetwork, LaneOrder


def test_a_free_road_leads_to_the_desired_speed():
    assert free_acceleration(0.0, 10.0, 1.5) == 1.5
    assert free_acceleration(10.0, 10.0, 1.5) == 0.0
    assert free_acceleration(10.7, 10.0, 1.5) == pytest.approx(-1.0)
    assert free_acceleration(20.0, 10.0, 1.5) == -3.0


@pytest.mark.parametrize("speed_mps", [3.0, 8.0, 14.0, 20.0])
def test_a_vehicle_stops_before_a_line(speed_mps):
    v, a, gap = speed_mps, 0.0, 10.0 + speed_mps**2 / 2
    for _ in range(600):
        free = free_acceleration(v, speed_mps, 1.5)
        a = next_acceleration(a, stopping_acceleration(gap, v, free, 2.0), 2.0, 0.1)
        if v + 0.1 * a < 0.0:
            a = -v / 0.1
        gap -= 0.1 * v + 0.005 * a
        v = max(0.0, v + 0.1 * a)
    assert v < 0.3
    assert -0.05 < gap < 2.5


def test_a_far_line_leaves_the_free_acceleration():
    assert stopping_acceleration(1000.0, 10.0, 0.7, 2.0) == 0.7


def test_a_vehicle_at_the_line_brakes_by_its_speed_but_not_harder_than_the_limit():
    assert stopping_acceleration(0.0, 0.1, 1.0, 2.0) == -1.0
    assert stopping_acceleration(0.0, 1.5, 1.0, 2.0) == pytest.approx(-5.0)
    assert stopping_acceleration(0.0, 9.0, 1.0, 2.0) == -7.0


def test_the_jerk_is_limited_except_in_an_emergency():
    assert next_acceleration(0.0, 2.0, 2.0, 0.1) == pytest.approx(0.2)
    assert next_acceleration(-1.0, 2.0, 2.0, 0.1) == pytest.approx(-0.7)
    assert next_acceleration(0.0, -2.0, 2.0, 0.1) == pytest.approx(-0.3)
    assert next_acceleration(0.0, -6.0, 2.0, 0.1) == pytest.approx(-1.2)
    assert next_acceleration(0.0, 0.1, 2.0, 0.1) == pytest.approx(0.1)


def test_the_driver_sets_the_parameters_of_the_intelligent_driver_model():
    traffic = make_traffic(junction(), {"headway": 1.2, "min_gap": 2.5, "accel": 1.1, "brake": 1.9})
    parameters = idm_parameters(traffic.drivers, 0)
    assert tuple(parameters) == pytest.approx((2.5, 1.2, 1.1, 1.9, 4))


def test_the_desired_speed_on_a_lane_respects_limit_driver_and_curvature():
    traffic = make_traffic(junction(), {"speed_factor": 0.9}, {"top_speed": 5.0}, {"lateral": 2.0})
    assert speed_on(traffic, 0, WEST) == pytest.approx(10.8)
    assert speed_on(traffic, 1, WEST) == pytest.approx(5.0)
    lanes = junction().lanes.copy()
    lanes["bend"][EASTBOUND] = 0.08
    curved = make_traffic(junction()._replace(lanes=lanes), {"lateral": 2.0})
    assert speed_on(curved, 0, EASTBOUND) == pytest.approx(5.0)


def test_a_vehicle_slows_before_a_curve():
    lanes = junction().lanes.copy()
    lanes["bend"][EASTBOUND] = 0.08
    net = junction()._replace(lanes=lanes)
    far = make_traffic(net, {"lane": WEST, "s": 0.0, "next": EASTBOUND})
    near = make_traffic(net, {"lane": WEST, "s": 91.0, "next": EASTBOUND})
    assert desired_speed(far, 0) == pytest.approx(12.0)
    # 8 m to the curve with 1 m of reserve, at 0.6 times the comfortable deceleration of 2 m/s^2.
    assert desired_speed(near, 0) == pytest.approx(np.sqrt(5.0**2 + 2 * 1.2 * 8.0))


def test_the_next_lane_follows_from_the_chosen_connector():
    traffic = make_traffic(
        junction(), {"lane": WEST, "next": EASTBOUND}, {"lane": WEST}, {"lane": SOUTH, "next": EASTBOUND}
    )
    assert lane_after(traffic, 0, WEST) == EASTBOUND
    assert lane_after(traffic, 0, EASTBOUND) == EAST
    assert lane_after(traffic, 1, WEST) == -1
    assert lane_after(traffic, 2, SOUTH) == -1


def test_the_leader_is_found_across_lanes_up_to_the_look_ahead_distance():
    behind = {"lane": WEST, "s": 60.0, "next": EASTBOUND}
    same, on_connector, next_lane = (
        {"lane": lane, "s": s, "length": 4.0} for lane, s in ((WEST, 90.0), (EASTBOUND, 10.0), (EAST, 15.0))
    )
    for leader, distance_m in ((same, 30.0), (on_connector, 50.0), (next_lane, 75.0)):
        traffic = make_traffic(junction(), behind, leader)
        assert leader_of(traffic, 0) == (1, pytest.approx(distance_m - 4.5))
    far = make_traffic(junction(), behind | {"s": 5.0}, next_lane)
    assert LOOK_AHEAD_M < 95.0 + 20.0
    assert leader_of(far, 0) == (-1, 0.0)
    elsewhere = make_traffic(junction(), behind, {"lane": NORTH, "s": 5.0})
    assert leader_of(elsewhere, 0)[0] == -1


def test_positions_beside_each_other_have_the_same_share_of_their_lanes():
    angles = np.linspace(0.0, 1.0, 41)
    inner, outer = (radius * np.stack([np.cos(angles), np.sin(angles)], axis=-1) for radius in (50.0, 53.5))
    lines = [lane_points(inner), lane_points(outer)]
    table = np.zeros(2, dtype=LANE)
    table["point_begin"], table["point_end"] = [0, 41], [41, 82]
    nothing = np.zeros(0, dtype=np.int64)
    net = LaneNetwork(
        2,
        table,
        nothing,
        nothing,
        np.zeros((0, 4)),
        np.zeros(0, dtype=bool),
        nothing,
        np.zeros((0, 3)),
        np.concatenate(lines),
    )
    for share in (0.0, 0.31, 0.75, 0.99):
        s = share * lines[0][-1, 2]
        assert beside(net, 0, s, 1) == pytest.approx(share * lines[1][-1, 2])
        assert beside(net, 1, beside(net, 0, s, 1), 0) == pytest.approx(s)


vehicles_on_lanes = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 19), st.integers(-1, 3), st.floats(0.0, 1.0)), min_size=1, max_size=25
)


@settings(deadline=None, max_examples=60)
@given(vehicles_on_lanes)
def test_sorting_by_lane_keeps_every_vehicle_and_lists_lane_changes_twice(vehicles):
    now = np.zeros(len(vehicles), dtype=VEHICLE)
    for row, (lane, s, old_lane, shift) in enumerate(vehicles):
        now[row]["lane"], now[row]["s"], now[row]["shift"] = lane, float(s), shift
        now[row]["old_lane"] = old_lane if lane < 4 else -1
    order = sort_by_lane(junction(), now)
    found = {
        (lane, int(vehicle))
        for lane in range(6)
        for vehicle in order.vehicle[order.offsets[lane] : order.offsets[lane + 1]]
    }
    expected = {(int(one["lane"]), row) for row, one in enumerate(now)}
    is_twice = (now["old_lane"] >= 0) & (now["shift"] < LANE_CHANGE_SHARE)
    expected |= {(int(now["old_lane"][row]), row) for row in np.flatnonzero(is_twice)}
    assert found == expected
    for lane in range(6):
        assert (np.diff(order.s[order.offsets[lane] : order.offsets[lane + 1]]) >= 0.0).all()


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=12), st.integers(0, 30), st.integers(0, 12))
def test_leader_and_follower_are_the_nearest_ones(places, s, own):
    places = sorted(places)
    order = LaneOrder(np.array([0, len(places)]), np.arange(len(places)), np.array(places, dtype=np.float64))
    ahead = [j for j, place in enumerate(places) if j != own and (place > s or (place == s and j > own))]
    behind = [j for j, place in enumerate(places) if j != own and place <= s]
    leader, follower = leader_on(order, 0, float(s), own), follower_on(order, 0, float(s), own)
    assert leader == ((ahead[0], places[ahead[0]]) if ahead else (-1, 0.0))
    assert follower == ((behind[-1], places[behind[-1]]) if behind else (-1, 0.0))
