import numpy as np
import pytest

from driving.route import Route
from driving.routing import build_route, connectors_ahead, require_ego_on_route, route_gaps, shortest_lane_chain
from driving.synthetic.proving_ground import proving_ground
from driving.synthetic.scenes import scene


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
def test_the_chain_starts_on_the_lane_of_the_ego(ground, y, lane):
    site = ground.sites["avenue"]
    chain = shortest_lane_chain(ground.map, site.roadblocks("east_0"), start(site, 0.0, y))
    assert ground.map.lanes.ids[chain].tolist() == list(site.chains[lane])


def test_the_chain_turns_at_the_junction(ground):
    site = ground.sites["crossroads"]
    chain = shortest_lane_chain(ground.map, site.roadblocks("south_to_west"), start(site, 1.75, -60.0, np.pi / 2))
    assert ground.map.lanes.ids[chain].tolist() == list(site.chains["south_to_west"])


def test_the_centerline_ends_with_the_chain_of_lanes(ground):
    site, elsewhere = ground.sites["road"], ground.sites["avenue"]
    ids = (*site.roadblocks("east_0")[:3], elsewhere.roadblocks("east_0")[0])
    route = build_route(ground.map, ids, None, start(site, 0.0, -1.75))
    np.testing.assert_allclose(route.centerline[-1], start(site, 200.0, -1.75)[:2])
    assert route.roadblock_ids == ids


def test_unknown_roadblocks_give_an_empty_centerline(ground):
    route = build_route(ground.map, (1, 2), None, np.zeros(3))
    assert route.centerline.shape == (0, 2)


def test_a_reversed_route_has_a_gap_after_each_roadblock(ground):
    ids = ground.sites["road"].roadblocks("east_0")
    assert route_gaps(ground.map, ids) == []
    assert route_gaps(ground.map, ids[::-1]) == list(zip(ids[:0:-1], ids[-2::-1], strict=True))


@pytest.mark.parametrize("offset_m", [0.0, 44.9])
def test_an_ego_near_the_path_is_on_its_route(ground, offset_m):
    site = ground.sites["road"]
    route = build_route(ground.map, site.roadblocks("east_0"), None, start(site, 0.0, -1.75))
    require_ego_on_route(ground.map, route, start(site, 0.0, -1.75 + offset_m), route.centerline)


def test_an_ego_behind_the_path_is_not_on_its_route(ground):
    site = ground.sites["road"]
    ids = site.roadblocks("east_0")[::-1]
    path = np.array([start(site, x, -1.75)[:2] for x in (240.0, 440.0)])
    route = Route(roadblock_ids=ids, goal_pose=None, centerline=path)
    sentence = rf"not on its route: .* 240 m from the path along roadblocks {ids[0]}, .* in roadblock {ids[-1]} "
    with pytest.raises(ValueError, match=sentence):
        require_ego_on_route(ground.map, route, start(site, 0.0, -1.75), path)


def test_an_ego_outside_of_the_map_is_in_no_roadblock(ground):
    route = build_route(ground.map, ground.sites["road"].roadblocks("east_0"), None, np.zeros(3))
    with pytest.raises(ValueError, match="in roadblock none of the map"):
        require_ego_on_route(ground.map, route, np.zeros(3), route.centerline)


def test_the_connector_ahead_is_that_of_the_route_and_near():
    red = scene("red_light")
    poses = red.ego.rear_axle_poses[0]
    ahead = [connectors_ahead(red.map, red.route, pose) for pose in poses]
    assert any(len(rows) for rows in ahead)
    for rows in ahead:
        assert all(red.map.lanes.is_connector(row) for row in rows)
        assert all(int(red.map.lanes.roadblock_ids[row]) in red.route.roadblock_ids for row in rows)
    assert not len(connectors_ahead(red.map, red.route, poses[red.first_frame], range_m=0.0))
