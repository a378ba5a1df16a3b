import gc
import weakref

import numpy as np
import pytest

from driving.geometry import wrap_angle
from driving.synthetic.curves import straight
from driving.synthetic.roads import RoadBuilder
from simulation.generation.town.layout import plan_town, small_town
from simulation.generation.town.roads import build_roads
from simulation.geometry import lane_anchors as module
from simulation.geometry.lane_anchors import anchored_poses, lane_anchors, lane_lengths, lane_lines


def crossing():
    """A street to the east with two lanes forward and one backward, a gap with a connector, and its continuation."""
    builder = RoadBuilder(origin=(664_400.0, 3_997_600.0), first_id=1)
    west = builder.add_road(straight((-50.0, 0.0), (0.0, 0.0)), lanes_forward=2, lanes_backward=1)
    east = builder.add_road(straight((20.0, 0.0), (70.0, 0.0)), lanes_forward=2, lanes_backward=1)
    joint = builder.add_intersection()
    builder.add_connector(west.forward_lanes[0], east.forward_lanes[0], joint)
    return builder.build(), west, east


MAP, WEST, EAST = crossing()


def at(x, y, heading=0.0):
    return np.array([[664_400.0 + x, 3_997_600.0 + y, heading]])


@pytest.mark.parametrize(
    ("pose", "lane", "along", "lateral", "offset", "inside"),
    [
        (at(-40.0, -1.75), WEST.forward_lanes[0], 10.0, 0.0, 0.0, True),
        (at(-40.0, -1.25, 0.1), WEST.forward_lanes[0], 10.0, 0.5, 0.1, True),
        (at(-40.0, -5.75, -0.2), WEST.forward_lanes[1], 10.0, -0.5, -0.2, True),
        # The lane to the west: left is south.
        (at(-40.0, 1.25, np.pi), WEST.backward_lanes[0], 40.0, 0.5, 0.0, True),
        (at(30.0, -10.0), EAST.forward_lanes[1], 10.0, -4.75, 0.0, False),
    ],
)
def test_a_pose_gets_lane_distance_offset_and_heading(pose, lane, along, lateral, offset, inside):
    found = lane_anchors(MAP, pose)
    assert MAP.lanes.ids[found.rows[0]] == lane
    values = [found.along_m[0], found.lateral_m[0], found.heading_offset_rad[0]]
    assert np.abs(wrap_angle(np.array(values[2:]) - offset)).max() < 1e-9
    assert values[:2] == pytest.approx([along, lateral], abs=1e-6)
    assert found.is_inside[0] == inside


def test_beyond_the_end_of_all_lanes_the_offset_is_from_the_extended_line():
    found = lane_anchors(MAP, at(73.0, -1.0))
    assert MAP.lanes.ids[found.rows[0]] == EAST.forward_lanes[0]
    assert found.along_m[0] == pytest.approx(50.0)
    assert found.lateral_m[0] == pytest.approx(0.75)
    assert not found.is_inside[0]


def test_heading_selects_among_lanes_beside_each_other():
    """0.25 m from the divider, a car to the west is in the wrong lane rather than against the direction."""
    found = lane_anchors(MAP, at(-20.0, -0.25, np.pi))
    assert MAP.lanes.ids[found.rows[0]] == WEST.backward_lanes[0]


def test_far_and_unobserved_poses_have_no_lane():
    found = lane_anchors(MAP, np.concatenate([at(0.0, 500.0), np.full((1, 3), np.nan)]))
    assert found.rows.tolist() == [-1, -1]
    assert not found.has_lane.any()
    assert not found.is_inside.any()
    assert np.isnan([found.along_m, found.lateral_m, found.heading_offset_rad]).all()
    assert lane_anchors(MAP, np.zeros((0, 3))).rows.shape == (0,)


def test_choice_is_that_of_the_map(town_map):
    rng = np.random.default_rng(4)
    line = np.concatenate([town_map.lanes.centerlines[row] for row in range(0, len(town_map.lanes), 5)])
    picked = line[rng.integers(0, len(line), 150)]
    poses = np.concatenate([picked + rng.normal(0.0, 6.0, picked.shape), rng.uniform(-4, 4, (150, 1))], axis=1)
    found = lane_anchors(town_map, poses)
    for pose, row in zip(poses, found.rows, strict=True):
        expected = town_map.nearest_lane_row(pose)
        if row != expected:
            # Vertices at the joint of lanes are equally near.
            one, other = (town_map.centerline(each) for each in (row, expected))
            distances = [abs(each.project(pose[np.newaxis, :2])[0, 1]) for each in (one, other)]
            assert distances[0] == pytest.approx(distances[1], abs=0.02)


def test_poses_are_restored_from_lane_coordinates(town_map):
    rng = np.random.default_rng(5)
    lengths = lane_lengths(town_map)
    rows = rng.integers(0, len(lengths), 200)
    along = rng.uniform(0.1, 0.9, 200) * lengths[rows]
    offset, turned = rng.uniform(-1.0, 1.0, 200), rng.uniform(-3.0, 3.0, 200)
    poses = anchored_poses(town_map, rows, along, offset, turned)
    for k in range(200):
        line = town_map.centerline(rows[k])
        assert line.project(poses[k : k + 1, :2])[0] == pytest.approx([along[k], offset[k]], abs=0.05)
    found = lane_anchors(town_map, anchored_poses(town_map, rows, along, 0 * offset, 0 * turned))
    assert np.abs(found.lateral_m).max() < 0.01


def test_unknown_rows_are_refused():
    with pytest.raises(IndexError, match="Rows must be 0 to 6 for map"):
        anchored_poses(MAP, np.array([-1]), np.zeros(1), np.zeros(1), np.zeros(1))


def test_the_lines_of_a_map_are_made_once_and_go_with_it():
    map_graph, _, _ = crossing()
    assert lane_lines(map_graph) is lane_lines(map_graph)
    gone = weakref.ref(map_graph)
    before = len(module._LINES)
    del map_graph
    gc.collect()
    assert gone() is None
    assert len(module._LINES) < before


@pytest.fixture(scope="module")
def town_map():
    rng = np.random.default_rng(3)
    return build_roads(rng, plan_town(rng, small_town()), small_town(), "town").map
