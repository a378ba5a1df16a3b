import numpy as np
import pytest
from hand_made_junction import EAST, EASTBOUND, WEST, junction, make_traffic

from driving.agents import LightStatus
from driving.timing import STEP_S
from simulation.generation.town.layout import small_town
from simulation.generation.town.pedestrians import (
    MAX_HELD_STEPS,
    MAX_WALKERS,
    draw_people,
    gather_walkers,
    is_behind_another,
    is_blocked,
    may_cross,
    no_walkers,
    walk,
    write_poses,
)
from simulation.generation.town.tables import FOOT_PATH, PAUSES, PERSON, WAITS, WALKS, FootNetwork

WALKWAY, CROSSWALK, SECOND_WALKWAY = range(3)
NO_LIGHTS = np.zeros((0, 400), dtype=np.int8)


@pytest.fixture(scope="module")
def foot():
    """A walkway of 20 m to the north, a crosswalk of 12 m over the eastbound connector, and a walkway of 20 m."""
    paths = np.zeros(3, dtype=FOOT_PATH)
    paths["length"], paths["is_crosswalk"] = [20.0, 12.0, 20.0], [False, True, False]
    paths["point_begin"], paths["point_end"] = [0, 2, 4], [2, 4, 6]
    paths["crossed_end"][1:] = 1
    paths["crossed_begin"][SECOND_WALKWAY] = 1
    ends_y = [(-26.0, -6.0), (-6.0, 6.0), (6.0, 26.0)]
    points = [(-6.5, y, along) for low, high in ends_y for y, along in ((low, 0.0), (high, high - low))]
    return FootNetwork(
        paths=paths,
        points=np.array(points),
        ends=np.array([[0, 1], [1, 2], [2, 3]]),
        corner_offsets=np.array([0, 1, 3, 5, 6]),
        corner_paths=np.array([0, 0, 1, 1, 2, 2]),
        crossed_by=np.array([EASTBOUND]),
        crossed_zone=np.array([0]),
        lights=np.zeros(0, dtype=np.int64),
    )


@pytest.fixture(scope="module")
def net():
    """The hand-made junction with the crosswalk from 2 m to 5 m on its eastbound connector."""
    lanes = junction().lanes.copy()
    lanes["walk_end"][EASTBOUND:] = 1
    lanes["walk_begin"][EASTBOUND + 1 :] = 1
    return junction()._replace(lanes=lanes, walk_path=np.array([CROSSWALK]), walk_zones=np.array([[2.0, 5.0, 6.0]]))


def person(**fields):
    people = np.zeros(1, dtype=PERSON)
    people["forward"], people["speed"], people["aside"] = 1, 1.2, 0.5
    for name, value in fields.items():
        people[name] = value
    return people


def steps(foot, traffic, people, count=1, lights=NO_LIGHTS, draw=0.0):
    """The people after a number of steps; the vehicles stand still."""
    people, poses = people.copy(), np.zeros((len(people), 4))
    for _ in range(count):
        write_poses(foot, people, poses)
        walk(foot, traffic, (people, poses), lights, np.full(len(people), draw))
    return people


def test_a_pedestrian_walks_at_its_speed(foot, net):
    after = steps(foot, make_traffic(net), person(path=WALKWAY, place=3.0), count=10)
    assert after["place"][0] == pytest.approx(3.0 + 1.2)
    assert after["pace"][0] == 1.2
    back = steps(foot, make_traffic(net), person(path=WALKWAY, place=3.0, forward=-1), count=10)
    assert back["place"][0] == pytest.approx(3.0 - 1.2)


def test_poses_are_right_of_the_path_in_walking_direction(foot):
    people = np.concatenate([person(path=WALKWAY, place=5.0, pace=1.0), person(path=WALKWAY, place=5.0, forward=-1)])
    poses = np.zeros((2, 4))
    write_poses(foot, people, poses)
    np.testing.assert_allclose(poses[0], [-6.0, -21.0, np.pi / 2, 1.0], atol=1e-12)
    np.testing.assert_allclose(poses[1], [-7.0, -21.0, -np.pi / 2, 0.0], atol=1e-12)


def test_a_pedestrian_waits_at_the_kerb_and_crosses_a_free_street(foot, net):
    traffic = make_traffic(net)
    at_corner = steps(foot, traffic, person(path=WALKWAY, place=19.95), draw=0.9)
    assert (at_corner["path"][0], at_corner["state"][0], at_corner["place"][0]) == (CROSSWALK, WAITS, 0.0)
    crossing = steps(foot, traffic, at_corner, count=2)
    assert crossing["state"][0] == WALKS
    assert crossing["place"][0] == pytest.approx(1.2 * STEP_S)


def test_at_the_end_of_the_network_a_pedestrian_turns_back(foot, net):
    after = steps(foot, make_traffic(net), person(path=WALKWAY, place=0.05, forward=-1))
    assert (after["path"][0], after["forward"][0], after["place"][0]) == (WALKWAY, 1, 0.0)


def test_at_a_corner_a_pedestrian_does_not_turn_back(foot, net):
    for draw in (0.0, 0.49, 0.51, 0.999):
        after = steps(foot, make_traffic(net), person(path=WALKWAY, place=19.95), draw=draw)
        assert after["path"][0] == CROSSWALK


@pytest.mark.parametrize(
    ("vehicle", "expected"),
    [
        ({"lane": WEST, "s": 90.0, "v": 10.0, "next": EASTBOUND}, False),
        ({"lane": WEST, "s": 20.0, "v": 10.0, "next": EASTBOUND}, True),
        ({"lane": WEST, "s": 96.0, "v": 0.0, "next": EASTBOUND}, True),
        ({"lane": EASTBOUND, "s": 3.0, "v": 0.0}, False),
        ({"lane": EASTBOUND, "s": 15.0, "v": 5.0}, True),
        ({"lane": EAST, "s": 5.0, "v": 5.0, "prev": EASTBOUND}, True),
    ],
)
def test_crossing_needs_vehicles_that_can_stop_and_a_free_crosswalk(foot, net, vehicle, expected):
    assert may_cross(foot, make_traffic(net, vehicle), NO_LIGHTS, CROSSWALK, 1.2) == expected


def test_crossing_needs_a_red_light_that_lasts(foot, net):
    lit = foot._replace(paths=foot.paths.copy(), lights=np.array([0]))
    lit.paths["light_end"][CROSSWALK] = 1
    lanes = net.lanes.copy()
    lanes["light"][EASTBOUND] = 0
    traffic = make_traffic(net._replace(lanes=lanes))
    red = np.full((1, 400), LightStatus.RED, dtype=np.int8)
    assert may_cross(lit, traffic, red, CROSSWALK, 1.2)
    # 12 m at 1.2 m/s and half a second take 105 steps.
    turns_green = red.copy()
    turns_green[0, 95:] = LightStatus.GREEN
    assert not may_cross(lit, traffic, turns_green, CROSSWALK, 1.2)
    turns_green[0, :120] = LightStatus.RED
    assert may_cross(lit, traffic, turns_green, CROSSWALK, 1.2)


def test_a_pedestrian_pauses_behind_a_vehicle_on_the_crosswalk(foot, net):
    traffic = make_traffic(net, {"lane": EASTBOUND, "s": 3.0})
    near, far = person(path=CROSSWALK, place=4.0), person(path=CROSSWALK, place=2.0)
    assert is_blocked(foot, traffic, near, 0)
    assert not is_blocked(foot, traffic, far, 0)
    paused = steps(foot, traffic, near)
    assert (paused["state"][0], paused["place"][0], paused["pace"][0]) == (PAUSES, 4.0, 0.0)
    assert steps(foot, make_traffic(net), paused)["state"][0] == WALKS


def test_a_pedestrian_is_held_by_one_ahead_and_then_overtakes(foot, net):
    traffic = make_traffic(net)
    people = np.concatenate([person(path=WALKWAY, place=5.0), person(path=WALKWAY, place=5.5, speed=0.0)])
    poses = np.zeros((2, 4))
    write_poses(foot, people, poses)
    assert [is_behind_another(poses, row) for row in (0, 1)] == [True, False]
    held = steps(foot, traffic, people, count=MAX_HELD_STEPS)
    assert held["place"][0] == 5.0
    overtaking = steps(foot, traffic, people, count=MAX_HELD_STEPS + 10)
    assert overtaking["held"][0] < 0
    assert overtaking["place"][0] > 5.8


def test_only_pedestrians_on_or_before_crosswalks_are_gathered(foot):
    people = np.concatenate(
        [
            person(path=WALKWAY, place=5.0),
            person(path=CROSSWALK, place=3.0),
            person(path=CROSSWALK, place=9.0, forward=-1),
            person(path=CROSSWALK, place=0.0, state=WAITS),
            person(path=CROSSWALK, place=5.0, state=PAUSES),
        ]
    )
    walkers = no_walkers(3)
    for _ in range(2):
        gather_walkers(foot, people, walkers)
    assert walkers.counts.tolist() == [0, 4, 0]
    assert walkers.places[CROSSWALK, :4].tolist() == [3.0, 9.0, 0.0, 5.0]
    assert walkers.speeds[CROSSWALK, :4].tolist() == [1.2, -1.2, 0.0, 1e-3]


def test_no_more_pedestrians_than_the_table_holds_are_gathered(foot):
    walkers = no_walkers(3)
    gather_walkers(foot, np.concatenate([person(path=CROSSWALK)] * (MAX_WALKERS + 3)), walkers)
    assert walkers.counts[CROSSWALK] == MAX_WALKERS


def test_pedestrians_start_on_walkways(foot):
    people = draw_people(np.random.default_rng(0), small_town(), foot)
    assert len(people) == small_town().pedestrians
    assert set(people["path"].tolist()) == {WALKWAY, SECOND_WALKWAY}
    assert ((people["place"] >= 0.0) & (people["place"] <= 20.0)).all()
    assert set(people["forward"].tolist()) == {-1, 1}
    assert ((people["speed"] >= 0.9) & (people["speed"] <= 1.7)).all()
