import numpy as np
import pytest
import shapely

from simulation.generation.town.foot_network import build_foot_network
from simulation.generation.town.layout import JunctionKind


@pytest.fixture(scope="module")
def foot(observed):
    return build_foot_network(observed.town, observed.net)


def test_the_ranges_of_the_paths_divide_the_flat_arrays(foot):
    for name, values in (("point", foot.points), ("crossed", foot.crossed_by), ("light", foot.lights)):
        begin, end = foot.paths[f"{name}_begin"], foot.paths[f"{name}_end"]
        assert (begin[0], end[-1]) == (0, len(values))
        assert (begin[1:] == end[:-1]).all()
    assert len(foot.crossed_zone) == len(foot.crossed_by)


def test_a_path_leads_from_corner_to_corner(observed, foot):
    corners = observed.town.corners + observed.town.origin
    for path, (start, end) in zip(foot.paths, foot.ends, strict=True):
        points = foot.points[path["point_begin"] : path["point_end"]]
        np.testing.assert_allclose(points[[0, -1], :2], corners[[start, end]], atol=1e-6)
        steps_m = np.hypot(*np.diff(points[:, :2], axis=0).T)
        np.testing.assert_allclose(points[1:, 2] - points[:-1, 2], steps_m, atol=1e-6)
        assert points[0, 2] == 0.0
        assert path["length"] == points[-1, 2] > 1.0


def test_corners_list_the_paths_that_end_there(observed, foot):
    assert len(foot.corner_offsets) == len(observed.town.corners) + 1
    for corner in range(len(observed.town.corners)):
        listed = foot.corner_paths[foot.corner_offsets[corner] : foot.corner_offsets[corner + 1]]
        assert sorted(listed) == np.flatnonzero((foot.ends == corner).any(axis=1)).tolist()
        # Around the junction and along the street: no corner is a dead end.
        assert len(listed) >= 2


def test_connectors_are_listed_at_the_crosswalks_that_they_cross(observed, foot):
    net, lanes = observed.net, observed.town.map.lanes
    assert sorted(foot.crossed_zone) == list(range(len(net.walk_path)))
    for number, path in enumerate(foot.paths):
        line = shapely.LineString(foot.points[path["point_begin"] : path["point_end"], :2])
        for k in range(path["crossed_begin"], path["crossed_end"]):
            connector, zone = foot.crossed_by[k], foot.crossed_zone[k]
            assert path["is_crosswalk"]
            assert net.walk_path[zone] == number
            assert net.lanes["walk_begin"][connector] <= zone < net.lanes["walk_end"][connector]
            assert line.buffer(0.1).intersects(shapely.LineString(lanes.centerlines[connector]))


def test_every_crosswalk_is_crossed_by_vehicles_and_no_walkway_is(observed, foot):
    num_crossed = foot.paths["crossed_end"] - foot.paths["crossed_begin"]
    assert ((num_crossed > 0) == foot.paths["is_crosswalk"]).all()
    assert foot.paths["is_crosswalk"].sum() == len(observed.town.map.crosswalks)


def test_the_lights_of_a_crosswalk_are_those_of_its_arm(observed, foot):
    town, net = observed.town, observed.net
    for number, path in enumerate(town.foot_paths):
        lights = foot.lights[foot.paths["light_begin"][number] : foot.paths["light_end"][number]]
        is_signal = path.junction >= 0 and town.plan.junctions[path.junction].kind == JunctionKind.SIGNAL
        assert (len(lights) > 0) == is_signal
        rows = np.flatnonzero(np.isin(net.lanes["light"], lights))
        middle = path.points.mean(axis=0) + town.origin
        for row in rows:
            # The connector starts before the crosswalk: at most half the width of a street aside.
            start = town.map.lanes.centerlines[row][0]
            assert np.hypot(*(start - middle)) < 12.0
