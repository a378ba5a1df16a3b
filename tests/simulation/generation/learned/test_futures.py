from itertools import pairwise

import numpy as np
import pytest

from driving.agents import LightStatus
from simulation.generation.learned.drawing import canvas_for, draw_scene
from simulation.generation.learned.driving_network import DrivingNetwork, driving_network, pose_along
from simulation.generation.learned.free_space import MARGIN_M, free_positions, is_clear
from simulation.generation.learned.futures import Continued, continued, now_step, sample_times
from simulation.generation.learned.inputs import road_of
from simulation.generation.learned.lane_neighbours import next_ahead, next_behind
from simulation.generation.learned.network import SceneNetwork, num_parameters
from simulation.generation.learned.recording import NoRouteError, scene_recording
from simulation.generation.learned.sweep_state import empty_placed, link
from simulation.geometry.lane_anchors import lane_lengths


@pytest.fixture(scope="module")
def network(street, scene) -> DrivingNetwork:
    return driving_network(street, scene.window.center[:2])


@pytest.fixture(scope="module")
def agents(scene):
    """The ego first."""
    order = np.concatenate([[scene.ego], np.delete(np.arange(len(scene.agents)), scene.ego)])
    return scene.agents.take(order)


@pytest.fixture(scope="module")
def lights(network):
    return np.full((len(network.light_ids), len(sample_times())), LightStatus.GREEN, dtype=np.int8)


@pytest.fixture(scope="module")
def future(scene, agents, network, lights) -> Continued:
    return continued(scene.window, agents, network, lights[:, now_step() :], np.random.default_rng(0))


# ---------------------------------------------------------------------- the network


def test_lanes_of_the_map_keep_their_lengths(street, network):
    lengths = lane_lengths(street)
    for row, place in network.row_of.items():
        np.testing.assert_allclose(network.net.lanes["length"][place], lengths[row], atol=0.05)


def test_every_lane_leads_somewhere(network):
    net = network.net
    count = net.lanes["successor_end"] - net.lanes["successor_begin"]
    is_inner = ~network.is_sink
    assert (count[is_inner] > 0).all()
    assert (count[net.num_lanes :] == 1).all()


def test_a_connector_lies_between_its_lanes(network):
    net = network.net
    for row in range(net.num_lanes, len(net.lanes)):
        before, after = int(net.lanes["from_lane"][row]), int(net.lanes["to_lane"][row])
        end = pose_along(net, before, np.array([net.lanes["length"][before]]))[0]
        begin = pose_along(net, after, np.zeros(1))[0]
        own = pose_along(net, row, np.array([0.0, net.lanes["length"][row]]))
        assert np.hypot(*(own[0, :2] - end[:2])) < 1.0
        assert np.hypot(*(own[1, :2] - begin[:2])) < 1.0


def test_the_network_is_made_once_for_a_place(street, scene, network):
    assert driving_network(street, scene.window.center[:2] + 0.0) is network


# ---------------------------------------------------------------------- the seconds before and after


def test_agents_are_where_they_were_drawn_at_the_instant(scene, agents, future):
    poses = agents.poses(scene.window)
    now = future.poses[:, now_step()]
    # The ego's rear axle follows the line, so its box centre is beside its drawn place in a bend.
    np.testing.assert_allclose(now[1:, :2], poses[1:, :2], atol=0.05)
    np.testing.assert_allclose(now[0, :2], poses[0, :2], atol=0.3)
    np.testing.assert_allclose(future.speeds_mps[:, now_step()], agents.speeds_mps)


def test_vehicles_kept_their_speed_before(agents, future):
    before = future.speeds_mps[future.movers, : now_step()]
    np.testing.assert_allclose(before, np.repeat(agents.speeds_mps[future.movers, np.newaxis], now_step(), axis=1))


def test_parked_vehicles_stand_and_followers_do_not_overlap_leaders(agents, future):
    parked = int(np.flatnonzero(agents.classes == 2)[0])
    assert np.ptp(future.poses[parked, :, :2], axis=0).max() == 0.0
    order = np.argsort(-agents.along_m[future.movers] - 100.0 * (agents.places[future.movers] == -1), kind="stable")
    for one, other in pairwise(future.movers[order].tolist()):
        apart = np.hypot(*(future.poses[one, :, :2] - future.poses[other, :, :2]).T)
        both = future.valid[one] & future.valid[other]
        assert apart[both].min() > 4.0


def test_pedestrians_walk_at_their_pace(agents, future):
    walker = int(np.flatnonzero(agents.classes == 4)[0])
    moved = np.hypot(*np.diff(future.poses[walker, :, :2], axis=0).T)
    assert moved.max() <= agents.speeds_mps[walker] * 0.1 + 1e-6
    assert moved.sum() > 1.0


def test_a_lane_that_leads_nowhere_gives_no_route(street, agents, future, network, lights):
    with pytest.raises(NoRouteError, match="fewer than two roadblocks"):
        scene_recording(street, agents, future, network, lights, name="scene-s0000-x", metadata={"origin": "x"})


# ---------------------------------------------------------------------- what is seen and free


@pytest.fixture
def one_agent(scene):
    """A road with one vehicle of 4 m in the middle of the centre piece."""
    road = road_of(scene.window)
    placed = empty_placed(len(scene.window), 4)
    place = scene.window.center_piece
    along = road.length[place] / 2
    placed.place[0], placed.along[0] = place, along
    placed.pose[0] = road.poses[place, 2]
    placed.size[0] = [4.0, 2.0]
    link(placed, 0)
    return road, placed, place, along


def test_the_next_agent_ahead_and_behind(one_agent):
    road, placed, place, along = one_agent
    everything = (0, np.nan)
    assert next_ahead(road, placed, place, along - 5.0, everything) == (0, pytest.approx(3.0))
    assert next_behind(road, placed, place, along + 6.0, everything) == (0, pytest.approx(4.0))
    assert next_ahead(road, placed, place, along + 1.0, everything) == (-1, 0.0)
    assert next_ahead(road, placed, place, along - 5.0, (1, np.nan)) == (-1, 0.0)


def test_positions_on_the_agent_are_taken(one_agent):
    road, placed, place, along = one_agent
    alongs = np.array([along - 5.0, along, along + 1.0, along + 5.0])
    assert free_positions(road, placed, place, alongs, (0.0, 0.0, 4.0, 2.0)).tolist() == [True, False, False, True]
    assert free_positions(road, placed, place, alongs, (3.0, 0.0, 4.0, 2.0)).all()


def test_a_margin_is_kept(one_agent):
    _, placed, *_ = one_agent
    x, y, heading = placed.pose[0]
    for gap_m, expected in ((MARGIN_M / 4, False), (MARGIN_M, True)):
        moved = 4.0 + gap_m
        pose = (x + moved * np.cos(heading), y + moved * np.sin(heading), heading)
        assert is_clear(placed, pose, 4.0, 2.0) == expected


def test_the_shipped_network_has_about_a_million_weights():
    assert 0.9e6 < num_parameters(SceneNetwork()) < 1.2e6


def test_without_a_mask_nothing_is_drawn_again(quiet, scene):
    canvas = canvas_for(quiet.network, scene.window, {})
    found = draw_scene(quiet.network, canvas, np.random.default_rng(2), is_masked=False)
    assert (found.num_blocked, found.num_off_road, found.num_dropped) == (0, 0, 0)
