"""The ground around a place, and what is painted on it."""

import numpy as np
import pytest

from driving.importers.track_archive import import_recording
from driving.map import TurnKind
from driving.synthetic.scenes import scene
from simulation.rendering.camera_tables import FINEST_TEXEL_M, NUM_LEVELS
from simulation.rendering.ground import COLUMN_PART, ROW_PART, WINDOW, GroundRaster
from simulation.rendering.ground_shapes import GroundShapes, Paint, dashes, parallel, strip

RADII_M = np.array([12.0, 20.0, 0.0, 60.0, 0.0, 0.0])


@pytest.fixture(scope="module")
def road():
    """A map, and a pose on a lane with a neighbour."""
    map_graph = scene("straight_road").map
    row = next(
        r
        for r in range(map_graph.lanes.num_lanes)
        if map_graph.right_neighbor(r) is not None and map_graph.left_neighbor(r) is None
    )
    return map_graph, row


def colours_at(ground, points, level=0):
    texels = np.floor(points / (FINEST_TEXEL_M * 2**level)).astype(int)
    return np.array([ground.colours(level, tuple(texel), (1, 1))[0, 0] for texel in texels.tolist()]).astype(int)


def test_lanes_are_grey_their_left_edge_is_yellow_and_the_ground_beside_is_not(road):
    map_graph, row = road
    lanes = map_graph.lanes
    ground = GroundRaster(GroundShapes(map_graph))
    middle = lanes.centerlines[row][4:12]
    asphalt = colours_at(ground, middle)
    assert np.ptp(asphalt, axis=1).max() < 12
    assert 60 < asphalt.mean() < 115
    yellow = colours_at(ground, parallel(lanes.left_boundaries[row], -0.15)[4:12])
    assert (yellow[:, 0] - yellow[:, 2] > 100).all()
    outside = shifted_out_of_roads(map_graph, middle)
    grass = colours_at(ground, outside)
    assert (grass[:, 1] > grass[:, 2] + 15).all()


def shifted_out_of_roads(map_graph, points):
    for offset_m in np.arange(5.0, 60.0, 1.0):
        moved = parallel(points, offset_m)
        if not any(map_graph.drivable_area.contains(parallel(points, offset_m + k)).any() for k in range(-6, 7)):
            return moved
    raise AssertionError("No place beside the road.")


def test_the_line_between_parallel_lanes_is_dashed(road):
    map_graph, row = road
    boundary = map_graph.lanes.right_boundaries[row]
    step = boundary[1] - boundary[0]
    points = boundary[0] + step / np.hypot(*step) * np.arange(0.5, 18.0, 0.5)[:, np.newaxis]
    is_white = colours_at(GroundRaster(GroundShapes(map_graph)), points).min(axis=1) > 150
    assert 9 <= is_white.sum() <= 15
    assert not is_white[8:16].any()


def test_windows_hold_the_texels_of_their_place_and_wrap_around(road):
    map_graph, row = road
    ground = GroundRaster(GroundShapes(map_graph))
    start = map_graph.lanes.centerlines[row][3]
    for step in range(3):
        place = start + step * np.array([40.0, 9.0])
        windows = ground.windows(place, RADII_M)
        for level in (0, 1, 3):
            texel_m = FINEST_TEXEL_M * 2**level
            at = np.floor(place / texel_m).astype(int)
            for shift in ((0, 0), (60, -40), (-90, 70)):
                x, y = at + shift
                texel = int(windows.texels[level, COLUMN_PART[x % WINDOW] + ROW_PART[y % WINDOW]])
                expected = ground.colours(level, (int(x), int(y)), (1, 1))[0, 0].tolist()
                assert [texel & 255, texel >> 8 & 255, texel >> 16 & 255] == expected
        np.testing.assert_allclose(windows.offsets[0], np.mod(place / FINEST_TEXEL_M, WINDOW))
    assert len(windows.offsets) == NUM_LEVELS


def test_coarse_levels_are_averages_and_equal_seeds_give_equal_grounds(road):
    map_graph, row = road
    at = np.floor(map_graph.lanes.centerlines[row][2] / 0.25).astype(int).tolist()
    shapes = GroundShapes(map_graph)
    first, second = GroundRaster(shapes, seed=4), GroundRaster(shapes, seed=4)
    coarse = first.colours(2, (at[0], at[1]), (4, 4)).astype(int)
    fine = second.colours(1, (2 * at[0], 2 * at[1]), (8, 8)).astype(int)
    mean = fine.reshape(4, 2, 4, 2, 3).mean(axis=(1, 3))
    assert np.abs(coarse - mean).max() <= 1
    assert (GroundRaster(GroundShapes(map_graph), seed=5).colours(2, (at[0], at[1]), (4, 4)) != coarse).any()


def test_the_overlay_is_drawn_on_the_texels_of_its_place(road):
    map_graph, row = road
    place = map_graph.lanes.centerlines[row][3]

    def overlay(corner, texel_m):
        x = corner[0] + (np.arange(512) + 0.5) * texel_m
        return np.broadcast_to(np.where(x > place[0], 255.0, 51.0), (512, 512)).astype(np.float32)

    ground = GroundRaster(GroundShapes(map_graph), overlay=overlay)
    ground.windows(place, RADII_M)
    points = place + np.array([[3.0, 1.0], [-3.0, 2.0]])
    for level in (0, 1, 3):
        np.testing.assert_allclose(ground.overlay_at(points, level), [1.0, 0.2])


def test_texels_of_a_window_have_different_places():
    places = COLUMN_PART + ROW_PART[:, np.newaxis]
    assert len(np.unique(places)) == WINDOW**2
    assert places.max() == WINDOW**2 - 1


def test_dashes_have_their_length_and_distance():
    pieces = dashes(np.array([[0.0, 0.0], [10.0, 0.0], [20.0, 0.0]]), 3.0, 6.0)
    assert [(piece[0, 0], piece[-1, 0]) for piece in pieces] == [(0.0, 3.0), (9.0, 12.0), (18.0, 20.0)]
    assert len(pieces[1]) == 3


def test_strips_run_counter_clockwise_around_their_line():
    ring = strip(np.array([[0.0, 0.0], [4.0, 0.0]]), 0.5)
    assert ring.tolist() == [[0.0, -0.25], [4.0, -0.25], [4.0, 0.25], [0.0, 0.25]]


def test_junctions_get_crosswalks_stop_lines_and_arrows_but_no_lane_lines():
    map_graph = scene("red_light").map
    crosswalk = map_graph.crosswalks.polygons[0]
    x0, y0, x1, y1 = crosswalk.bounds
    rings = GroundShapes(map_graph).rings((x0 - 40, y0 - 40, x1 + 40, y1 + 40))
    assert len(rings[Paint.STRIPE]) > 5
    connectors = range(map_graph.lanes.num_lanes, len(map_graph.lanes))
    assert any(map_graph.lanes.turn_kinds[row] == TurnKind.LEFT for row in connectors)
    middle = np.asarray(map_graph.intersections.polygons[0].centroid.coords)[0]
    ends = np.concatenate(rings[Paint.WHITE])
    assert len(ends) > 50
    assert np.hypot(*(ends - middle).T).min() > 3.0


def test_recorded_maps_with_slivers_are_painted(recorded_data):
    folder = recorded_data / "nuscenes_mini" / "tracks"
    map_graph = import_recording(folder / "scene-0553.npz").map
    # `shapely.clip_by_rect` raises an error here.
    rings = GroundShapes(map_graph).rings((331744.0, 4690304.0, 331776.0, 4690336.0))
    assert len(rings[Paint.ASPHALT]) > 0
