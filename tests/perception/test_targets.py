"""Targets of hand-made states."""

import numpy as np
import pytest

from driving.agents import AgentKind, LightStatus
from driving.synthetic.scenes import scene
from perception.contract import ROAD_CLASSES
from perception.grid import BevGrid
from perception.targets import AgentStates, agent_targets, cells_in_box, governing_signal, road_targets

GRID = BevGrid()


def states(kinds, poses, sizes=None, velocities=None, future=None):
    poses = np.asarray(poses, dtype=np.float64)
    count = len(poses)
    return AgentStates(
        kinds=np.array(kinds, dtype=np.int8),
        poses=poses,
        sizes_m=np.tile([4.0, 2.0, 1.6], (count, 1)) if sizes is None else np.asarray(sizes, dtype=np.float64),
        velocities_mps=np.zeros((count, 2)) if velocities is None else np.asarray(velocities, dtype=np.float64),
        future_poses=np.tile(poses, (3, 1, 1)) if future is None else np.asarray(future, dtype=np.float64),
    )


def test_cells_of_a_box_are_those_with_their_centre_inside():
    x, y, offsets = cells_in_box(GRID, np.array([10.0, -4.0, 0.0]), np.array([4.0, 2.0]))
    assert (x.min(), x.max(), y.min(), y.max()) == (80, 87, 54, 57)
    assert len(x) == 32
    assert np.abs(offsets).max(axis=0).tolist() == [1.75, 0.75]


def test_a_turned_box_covers_the_cells_of_its_turned_shape():
    x, y, _ = cells_in_box(GRID, np.array([10.0, -4.0, np.pi / 2]), np.array([4.0, 2.0]))
    assert (x.min(), x.max(), y.min(), y.max()) == (82, 85, 52, 59)


@pytest.mark.parametrize("pose", [[40.0, 0.0, 0.0], [np.nan, 0.0, 0.0], [0.0, -35.0, 1.0]])
def test_a_box_outside_of_the_grid_or_unknown_covers_no_cell(pose):
    assert all(len(part) == 0 for part in cells_in_box(GRID, np.array(pose), np.array([4.0, 2.0])))


def test_visible_agents_have_their_boxes_and_footprints():
    found = agent_targets(
        GRID,
        states([AgentKind.VEHICLE, AgentKind.PEDESTRIAN], [[10.0, -4.0, 0.0], [5.0, 5.1, 0.0]]),
        np.array([True, True]),
    )
    assert found.occupancy[0].sum() == 32
    assert found.occupancy[1].any()
    assert (found.centres[:2] == 1).sum(axis=(1, 2)).tolist() == [1, 1]
    assert found.box_cells.sum() == 18
    assert found.agents_seen.all()


def test_an_agent_that_no_camera_shows_is_neither_target_nor_free_space():
    found = agent_targets(GRID, states([AgentKind.VEHICLE], [[10.0, -4.0, 0.0]]), np.array([False]))
    assert not found.occupancy.any()
    assert not found.centres.any()
    hidden = ~found.agents_seen
    assert hidden[80:88, 54:58].all()
    assert hidden.sum() == 10 * 6


def test_flow_leads_from_the_future_cell_back_to_the_same_point_now():
    future = [[[10.0 + 5 * instant, -4.0, 0.0]] for instant in (1, 2, 3)]
    found = agent_targets(
        GRID,
        states([AgentKind.VEHICLE], [[10.0, -4.0, 0.0]], velocities=[[5.0, 0.0]], future=future),
        np.array([True]),
    )
    for instant in range(3):
        cells = found.future[instant]
        assert cells.sum() == 32
        np.testing.assert_allclose(found.flow[instant, 0][cells], -5.0 * (instant + 1), atol=1e-5)
        np.testing.assert_allclose(found.flow[instant, 1][cells], 0.0, atol=1e-5)


def test_flow_follows_a_turn():
    # The vehicle turns left on the spot: what is at its front then is at its right now.
    future = np.tile([[[10.0, 0.0, np.pi / 2]]], (3, 1, 1))
    found = agent_targets(GRID, states([AgentKind.VEHICLE], [[10.0, 0.0, 0.0]], future=future), np.array([True]))
    x, y = GRID.cells_of(np.array([[10.25, 1.25]]))[0]
    np.testing.assert_allclose(found.flow[0, :, x, y], [1.0, -1.5], atol=1e-5)


@pytest.mark.parametrize("heading_rad", [0.0, 2.0])
def test_the_road_of_a_straight_scene_is_a_band_along_its_direction(heading_rad):
    straight = scene("straight_road")
    pose = straight.ego.rear_axle_poses[0, straight.first_frame] + [0.0, 0.0, heading_rad]
    road, direction = road_targets(straight.map, pose, GRID)
    drivable = road[ROAD_CLASSES.index("drivable")]
    centre = GRID.cells_of(np.zeros((1, 2)))[0]
    assert drivable[tuple(centre)]
    assert not drivable.all()
    np.testing.assert_allclose(
        direction[:, centre[0], centre[1]], [np.cos(heading_rad), -np.sin(heading_rad)], atol=0.01
    )
    assert road[ROAD_CLASSES.index("lane_line")].any()
    has_direction = np.hypot(*direction) > 0
    np.testing.assert_allclose(np.hypot(*direction)[has_direction], 1.0, atol=1e-5)


def test_the_signal_of_the_next_connector_on_the_route_governs():
    red = scene("red_light")
    frame = red.first_frame
    lights = red.traffic_lights.at(frame)
    poses = red.ego.rear_axle_poses[0]
    found = {governing_signal(red.map, red.route, pose, lights) for pose in poses[frame:]}
    assert LightStatus.RED in found
    none = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int8))
    assert governing_signal(red.map, red.route, poses[frame], none) == LightStatus.UNKNOWN
