import numpy as np
import pytest
from adversarial_cases import screen_of, straight_scenario

from driving.agents import AgentKind
from simulation.generation.adversarial.block_limit import BLOCK_SHARE
from simulation.generation.adversarial.causal import Approach
from simulation.generation.adversarial.neighbours import generated_neighbours


@pytest.fixture(scope="module")
def neighbours():
    screen = screen_of(straight_scenario())
    found = generated_neighbours(
        screen.scenario, screen.reference, lambda one: screen.is_free(one.course), np.random.default_rng(0)
    )
    return {one.name: one for one in found}


def test_the_road_has_room_for_these_neighbours(neighbours):
    # One lane for each direction: no lane beside the ego's.
    assert set(neighbours) >= {"leader", "oncoming", "cyclist", "pedestrian_right", "pedestrian_left"}
    assert not {"beside_left", "beside_right"} & set(neighbours)


def test_they_are_of_their_kind_and_come_from_their_direction(neighbours):
    assert neighbours["leader"].approach == Approach.SAME
    assert neighbours["oncoming"].approach == Approach.ONCOMING
    assert neighbours["cyclist"].course.kind == AgentKind.BICYCLE
    assert neighbours["pedestrian_right"].approach == Approach.FROM_RIGHT
    assert not neighbours["pedestrian_left"].course.moves


def poses_of(neighbour):
    course = neighbour.course
    return course.path.poses(course.along_m) + np.array([*course.origin, 0.0])


def test_the_leader_drives_as_the_ego_ahead_of_it(neighbours):
    scenario = straight_scenario()
    poses = poses_of(neighbours["leader"])[scenario.frames]
    ego = scenario.ego.rear_axle_poses[0, scenario.frames]
    ahead = np.hypot(*(poses[:, :2] - ego[:, :2]).T)
    # 8.5 m and 0.8 s to 1.8 s at 10 m/s.
    assert 16.0 < ahead.min() <= ahead[:130].max() < 27.0


def test_the_oncoming_car_is_in_the_opposite_lane_at_the_meeting(neighbours):
    oncoming = neighbours["oncoming"]
    scenario = straight_scenario()
    step = scenario.first_frame + round(oncoming.ego_s * 10)
    gap = poses_of(oncoming)[step] - scenario.ego.rear_axle_poses[0, step]
    assert np.hypot(gap[0], gap[1]) == pytest.approx(3.5, abs=0.3)
    assert abs(np.cos(gap[2]) + 1.0) < 1e-3


def test_equal_random_numbers_give_equal_neighbours(neighbours):
    screen = screen_of(straight_scenario())
    again = generated_neighbours(
        screen.scenario, screen.reference, lambda one: screen.is_free(one.course), np.random.default_rng(0)
    )
    assert [one.track_id for one in again] == [one.track_id for one in neighbours.values()]


def test_without_room_only_agents_remain_that_get_their_place_by_a_change():
    screen = screen_of(straight_scenario())
    rng = np.random.default_rng(0)
    found = generated_neighbours(screen.scenario, screen.reference, lambda one: False, rng)
    assert [one.name for one in found] == ["standing_car", "standing_cyclist", "standing_pedestrian"]
    assert all(one.is_placed for one in found)
    # 0.16 of 150 m are too little progress; the car is 8.5 m ahead of the ego's rear axle.
    assert pytest.approx(0.16) == BLOCK_SHARE
    assert found[0].course.path.length_m == pytest.approx(0.16 * 150.0 + 8.5, abs=3.0)
