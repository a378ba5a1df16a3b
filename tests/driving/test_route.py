import numpy as np
import pytest

from driving import build_route
from driving.route import shortest_lane_chain
from driving.synthetic.proving_ground import proving_ground


@pytest.fixture(scope="module")
def ground():
    return proving_ground()


def start(site, x: float, y: float, heading: float = 0.0) -> np.ndarray:
    return site.builder.to_global(np.array([x, y, heading]))


def test_the_centerline_runs_from_the_first_lane_to_the_last(ground):
    site = ground.sites["road"]
    route = build_route(ground.map, site.roadblocks("east_0"), None, start(site, 0.0, -1.75))
    np.testing.assert_allclose(route.centerline[0], start(site, -120.0, -1.75)[:2])
    np.testing.assert_allclose(route.centerline[-1], start(site, 440.0, -1.75)[:2])
    assert (np.diff(route.centerline[:, 0]) > 0).all()


@pytest.mark.parametrize(("y", "lane"), [(-1.75, "east_0"), (-5.25, "east_1")])
def test_the_chain_begins_on_the_lane_of_the_ego(ground, y, lane):
    site = ground.sites["avenue"]
    chain = shortest_lane_chain(ground.map, site.roadblocks("east_0"), start(site, 0.0, y))
    assert ground.map.lanes.ids[chain].tolist() == list(site.chains[lane])


def test_the_chain_turns_at_the_junction(ground):
    site = ground.sites["crossroads"]
    chain = shortest_lane_chain(ground.map, site.roadblocks("south_to_west"), start(site, 1.75, -60.0, np.pi / 2))
    assert ground.map.lanes.ids[chain].tolist() == list(site.chains["south_to_west"])


def test_where_the_lanes_end_the_centerline_ends(ground):
    site, elsewhere = ground.sites["road"], ground.sites["avenue"]
    ids = (*site.roadblocks("east_0")[:3], elsewhere.roadblocks("east_0")[0])
    route = build_route(ground.map, ids, None, start(site, 0.0, -1.75))
    np.testing.assert_allclose(route.centerline[-1], start(site, 200.0, -1.75)[:2])
    assert route.roadblock_ids == ids


def test_unknown_roadblocks_give_an_empty_centerline(ground):
    route = build_route(ground.map, (1, 2), None, np.zeros(3))
    assert route.centerline.shape == (0, 2)
