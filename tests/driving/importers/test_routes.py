import numpy as np
import pytest

from driving.importers.routes import driven_route, lane_rows_along
from driving.synthetic.curves import arc
from driving.synthetic.proving_ground import proving_ground

GROUND = proving_ground()


def poses_on(site, points):
    """Global poses of a driven line of the site frame."""
    steps = np.gradient(points, axis=0)
    headings = np.arctan2(steps[:, 1], steps[:, 0])
    return np.column_stack([points + np.array(GROUND.sites[site].builder.origin), headings])


def east(start, stop, y=-1.75, step=1.0):
    x = np.arange(start, stop, step)
    return np.column_stack([x, np.full(len(x), y)])


def test_the_matched_lanes_follow_the_chain():
    site = GROUND.sites["road"]
    rows = lane_rows_along(GROUND.map, poses_on("road", east(-100.0, 400.0)))
    ids = list(dict.fromkeys(GROUND.map.lanes.ids[rows].tolist()))
    assert ids == list(site.chains["east_0"])


def test_a_change_of_lane_stays_in_the_roadblock():
    line = np.concatenate([east(-100.0, -50.0, -1.75), east(-50.0, 0.0, -5.25)])
    rows = lane_rows_along(GROUND.map, poses_on("avenue", line))
    blocks = set(GROUND.map.lanes.roadblock_ids[rows].tolist())
    assert len(blocks) == 1
    assert len(set(rows)) == 2


def test_the_route_continues_straight_beyond_the_last_pose():
    site = GROUND.sites["road"]
    route = driven_route(GROUND.map, poses_on("road", east(-100.0, -60.0)))
    # 120 m to the end of the first lane are enough; without its connector the route would end there.
    assert route.roadblock_ids == site.roadblocks("east_0")[:1]
    further = driven_route(GROUND.map, poses_on("road", east(-100.0, 0.0)))
    assert further.roadblock_ids == site.roadblocks("east_0")[:3]
    assert further.note == "roadblocks of the ego's path, 0 of them filled in, and 2 more straight ahead"


def test_a_turn_through_the_crossroads_is_matched_to_its_connector():
    site = GROUND.sites["crossroads"]
    before, after = np.array([[-x, -1.75] for x in range(60, 15, -1)]), np.array([[1.75, y] for y in range(16, 60)])
    turn = arc((-15.0, 15.0), 16.75, -np.pi / 2, np.pi / 2)
    route = driven_route(GROUND.map, poses_on("crossroads", np.concatenate([before, turn, after]).astype(float)))
    assert route.roadblock_ids[:3] == site.roadblocks("west_to_north")


def test_skipped_roadblocks_are_filled_in():
    line = np.concatenate([east(-100.0, -40.0), east(300.0, 330.0)])
    route = driven_route(GROUND.map, poses_on("road", line))
    assert route.roadblock_ids == GROUND.sites["road"].roadblocks("east_0")
    assert "3 of them filled in" in route.note


def test_a_path_to_another_site_ends_the_route_with_the_reason():
    poses = np.concatenate([poses_on("road", east(-100.0, -40.0)), poses_on("avenue", east(-100.0, -40.0))])
    route = driven_route(GROUND.map, poses)
    first = GROUND.sites["road"].roadblocks("east_0")[0]
    assert route.roadblock_ids == (first,)
    assert route.note.startswith(f"roadblocks of the ego's path up to {first}; the map has no road from there to ")


def test_a_path_without_lanes_in_reach_has_no_route():
    route = driven_route(GROUND.map, poses_on("road", east(0.0, 20.0, 500.0)))
    assert route.roadblock_ids == ()
    assert route.note == "none: no lane within 4.0 m of the ego"


@pytest.mark.parametrize("seconds", [1, 30])
def test_standing_time_does_not_change_the_route(seconds):
    line = east(-100.0, 0.0)
    waiting = np.concatenate([line, np.repeat(line[-1:], 10 * seconds, axis=0)])
    poses = np.column_stack([waiting + np.array(GROUND.sites["road"].builder.origin), np.zeros(len(waiting))])
    assert driven_route(GROUND.map, poses).roadblock_ids == GROUND.sites["road"].roadblocks("east_0")[:3]
