import numpy as np
import pytest
from hand_made_junction import make_traffic

from simulation.generation.town.following import sort_by_lane
from simulation.generation.town.lane_changes import (
    STEPS_BETWEEN_CHECKS,
    advantage,
    change_lanes,
    uniform,
)
from simulation.generation.town.network import lane_points
from simulation.generation.town.tables import LANE, LaneNetwork

LEFT, RIGHT, STRAIGHT_ON, TURN = range(4)


@pytest.fixture(scope="module")
def street():
    """Two parallel lanes of 300 m; both continue on a straight connector and on a curved one."""
    lines = [lane_points(np.linspace((0.0, y), (300.0, y), 151)) for y in (3.5, 0.0, 0.0, 0.0)]
    table = np.zeros(4, dtype=LANE)
    table["length"], table["limit"], table["width"] = 300.0, 15.0, 3.5
    table["left"], table["right"] = [-1, LEFT, -1, -1], [RIGHT, -1, -1, -1]
    table["bend"][TURN] = 0.1
    table["successor_begin"], table["successor_end"] = [0, 0, 2, 2], [2, 2, 2, 2]
    offsets = np.arange(5) * 151
    table["point_begin"], table["point_end"] = offsets[:-1], offsets[1:]
    nothing = np.zeros(0, dtype=np.int64)
    return LaneNetwork(
        num_lanes=2,
        lanes=table,
        successors=np.array([TURN, STRAIGHT_ON]),
        conflict_other=nothing,
        conflict_zones=np.zeros((0, 4)),
        conflict_along=np.zeros(0, dtype=bool),
        walk_path=nothing,
        walk_zones=np.zeros((0, 3)),
        points=np.concatenate(lines),
    )


SLOW_LEADER = {"lane": RIGHT, "s": 120.0, "v": 4.0}
FAST_CAR = {"lane": RIGHT, "s": 90.0, "v": 12.0, "eagerness": 0.0, "last_change": 20.0}


def random_states(count):
    return np.arange(1, count + 1, dtype=np.uint64) * np.uint64(7919)


def test_random_numbers_are_uniform_and_streams_are_independent():
    random = random_states(2)
    draws = np.array([[uniform(random, stream) for _ in range(4000)] for stream in range(2)])
    assert ((draws >= 0.0) & (draws < 1.0)).all()
    assert np.abs(draws.mean(axis=1) - 0.5).max() < 0.02
    assert abs(np.corrcoef(draws)[0, 1]) < 0.05


def test_a_slow_leader_makes_the_free_lane_attractive(street):
    traffic = make_traffic(street, FAST_CAR, SLOW_LEADER)
    assert advantage(traffic, 0, LEFT) > 1.0


def test_an_empty_street_has_no_advantage(street):
    assert advantage(make_traffic(street, FAST_CAR), 0, LEFT) == 0.0


@pytest.mark.parametrize(
    "neighbor",
    [
        {"lane": LEFT, "s": 95.0, "v": 12.0},  # Beside.
        {"lane": LEFT, "s": 103.0, "v": 12.0},  # Gap of 8 m ahead at 12 m/s.
        {"lane": LEFT, "s": 80.0, "v": 12.0},  # Gap of 5 m behind.
        {"lane": LEFT, "s": 60.0, "v": 20.0, "speed_factor": 1.5},  # Would have to brake hard.
    ],
)
def test_unsafe_changes_are_excluded(street, neighbor):
    assert advantage(make_traffic(street, FAST_CAR, SLOW_LEADER, neighbor), 0, LEFT) == -np.inf


def test_the_loss_of_the_follower_counts_by_politeness(street):
    follower = {"lane": LEFT, "s": 50.0, "v": 13.0, "a": 0.5}
    selfish, polite = (
        advantage(make_traffic(street, FAST_CAR | {"polite": polite}, SLOW_LEADER, follower), 0, LEFT)
        for polite in (0.0, 0.5)
    )
    assert selfish > polite > -np.inf


def changed(street, *vehicles, step=0):
    traffic = make_traffic(street, *vehicles)
    entered = np.full(4, -1)
    change_lanes(traffic, random_states(len(vehicles)), step, entered)
    return traffic.now, entered


def test_a_lane_change_starts_from_the_place_beside_and_goes_straight_on(street):
    now, entered = changed(street, FAST_CAR, SLOW_LEADER)
    assert now["lane"][0] == LEFT
    assert now["old_lane"][0] == RIGHT
    assert now["s"][0] == pytest.approx(90.0)
    assert now["side"][0] == pytest.approx(-3.5)
    assert (now["shift"][0], now["shift_m"][0], now["last_change"][0]) == pytest.approx((0.0, 50.4, 0.0))
    assert now["next"][0] == STRAIGHT_ON
    assert entered.tolist() == [0, -1, -1, -1]


@pytest.mark.parametrize(
    "fields",
    [
        {"eagerness": -1.0},
        {"v": 2.0},
        {"last_change": 3.0},
        {"shift": 0.5},
        {"grant": 4},
        {"s": 250.0},
    ],
)
def test_no_lane_change_by_drivers_that_never_change_nor_in_a_state_that_forbids_it(street, fields):
    leader = SLOW_LEADER | {"s": fields.get("s", 90.0) + 30.0}
    now, _ = changed(street, FAST_CAR | fields, leader)
    assert now["lane"][0] == RIGHT


def test_one_change_into_a_lane_per_step(street):
    cars = [FAST_CAR | {"s": s} for s in (30.0, 90.0)]
    leaders = [SLOW_LEADER | {"s": s} for s in (58.0, 118.0)]
    # Rows 0 and 6 decide in the same step.
    idle = [{"lane": RIGHT, "s": 250.0 + 8.0 * row, "eagerness": -1.0} for row in range(3)]
    now, _ = changed(street, cars[0], *leaders, *idle, cars[1])
    assert (now["lane"][[0, STEPS_BETWEEN_CHECKS]] == LEFT).sum() == 1


def test_drivers_decide_in_turns(street):
    idle = {"lane": RIGHT, "s": 250.0, "eagerness": -1.0}
    now, _ = changed(street, idle, FAST_CAR, SLOW_LEADER)
    assert now["lane"][1] == RIGHT
    now, _ = changed(street, idle, FAST_CAR, SLOW_LEADER, step=STEPS_BETWEEN_CHECKS - 1)
    assert now["lane"][1] == LEFT


def test_a_vehicle_between_two_lanes_is_seen_on_both(street):
    now, _ = changed(street, FAST_CAR, SLOW_LEADER)
    order = sort_by_lane(street, now)
    assert order.vehicle[order.offsets[LEFT] : order.offsets[LEFT + 1]].tolist() == [0]
    assert order.vehicle[order.offsets[RIGHT] : order.offsets[RIGHT + 1]].tolist() == [0, 1]
