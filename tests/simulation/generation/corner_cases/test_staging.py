"""Chains, shifts and the cast are where one would put them by hand."""

import numpy as np
import pytest

from driving.agents import AgentKind
from driving.map_checks import map_findings
from driving.synthetic.proving_ground import proving_ground
from simulation.generation.corner_cases.chains import Shift, chain_through, oncoming_row
from simulation.generation.corner_cases.grounds import ground
from simulation.generation.corner_cases.overlaps import untouched
from simulation.generation.corner_cases.staging import Approach, changed, crossing, following, speed_caps, steady


@pytest.fixture(scope="module")
def chain():
    """The eastbound lane of the straight road of the proving ground, y = -1.75, in its site frame."""
    site = proving_ground().sites["road"]
    map_graph = proving_ground().map
    row = map_graph.lane_row(site.chains["east_0"][0])
    return chain_through(map_graph, (row,), 0.0, 500.0, site.builder.origin)


def test_a_chain_leads_on_to_the_end_of_the_road(chain):
    assert chain.length_m == pytest.approx(560.0, abs=0.1)
    np.testing.assert_allclose(chain.beside(120.0, 1.0), [0.0, -0.75, 0.0], atol=1e-6)
    assert chain.project(np.array([10.0, 0.0])) == pytest.approx((130.0, 1.75))


def test_the_edges_and_the_oncoming_lane_are_found(chain):
    assert chain.edge_m(120.0, -1) == pytest.approx(1.75 + 2.5, abs=0.11)
    assert chain.edge_m(120.0, 1) == pytest.approx(1.75 + 3.5 + 2.5, abs=0.11)
    assert oncoming_row(chain, 120.0) is not None


def test_a_shift_moves_the_path_aside(chain):
    path = chain.shifted((Shift(begin_m=100.0, length_m=40.0, left_m=3.0),))
    np.testing.assert_allclose(path.poses(np.array([90.0, 300.0]))[:, 1], [-1.75, 1.25], atol=1e-3)


def test_the_front_of_the_nominal_ego_is_at_the_event_in_time(chain):
    approach = Approach(chain=chain, speed_mps=10.0, event_m=200.0, event_s=6.0)
    assert approach.front_m(6.0) == pytest.approx(200.0, abs=1e-6)
    assert approach.front_m(0.0) == pytest.approx(140.0, abs=1e-6)
    assert approach.time_s(210.0) == pytest.approx(7.0, abs=1e-6)
    assert approach.starts_on_road


def test_the_ego_slows_before_its_lanes_end(chain):
    along, caps = speed_caps(chain.path, chain.speed_limits_mps)
    assert caps[0] == pytest.approx(13.89 - 0.3)
    assert caps[along > chain.length_m - 12.0].max() == 0.0
    assert (np.diff(caps[along > 480.0]) <= 1e-9).all()


def test_somebody_who_crosses_is_on_the_path_in_time(chain):
    walker = crossing(chain, 120.0, -8.0, 8.0, steady(1.5), 5.0, kind=AgentKind.PEDESTRIAN)
    poses = walker.poses(np.array([5.0, 7.0]))
    np.testing.assert_allclose(poses[:, :2], [[0.0, -1.75], [0.0, 1.25]], atol=1e-6)


def test_somebody_is_unseen_where_the_road_has_ended(chain):
    car = following(chain, 500.0, 0.0, steady(10.0))
    assert car.seen_s[1] == pytest.approx(6.0, abs=0.11)


def test_changes_of_speed_take_as_long_as_their_acceleration_asks():
    profile = changed(10.0, (2.0, 2.5, 0.0))
    np.testing.assert_allclose(profile.speed_mps(np.array([2.0, 4.0, 6.0])), [10.0, 5.0, 0.0], atol=1e-9)


def test_only_motions_that_touch_nobody_are_clear():
    centers = np.zeros((2, 3, 3))
    centers[0, :, 0] = [0.0, 5.0, 10.0]
    centers[1, :, 1] = 4.0
    poses = np.tile(np.array([10.0, 0.0, 0.0]), (1, 3, 1))
    sizes = np.tile(np.array([4.0, 2.0]), (1, 3, 1))
    seen = np.ones((1, 3), dtype=bool)
    assert untouched(centers, 4.0, 2.0, poses, sizes, seen).tolist() == [False, True]
    assert untouched(centers, 4.0, 2.0, poses, sizes, ~seen).tolist() == [True, True]


@pytest.mark.parametrize("number", range(3))
def test_grounds_are_sound_and_differ(number):
    map_graph = ground(number)
    assert map_findings(map_graph) == []
    assert map_graph.name == f"corners-{number:04d}"
    assert not np.array_equal(map_graph.lanes.speed_limit_mps, ground(number + 1).lanes.speed_limit_mps)
