"""Colours of single pixels."""

import numpy as np

from driving.geometry import global_from_local
from driving.synthetic.scenes import scene
from simulation.rendering.camera_tables import FINEST_TEXEL_M, NUM_LEVELS
from simulation.rendering.ground import WINDOW, GroundRaster, GroundWindows
from simulation.rendering.ground_shapes import GroundShapes
from simulation.rendering.shading import ground_frame

TEXEL_M = (FINEST_TEXEL_M * 2.0 ** np.arange(NUM_LEVELS)).astype(np.float32)


def test_ground_points_of_the_ego_frame_find_their_texel_far_from_the_origin():
    map_graph = scene("straight_road").map
    place = map_graph.lanes.centerlines[0][2]
    assert np.abs(place).max() > 1e5
    windows = GroundRaster(GroundShapes(map_graph)).windows(place, np.array([20.0, 0, 0, 0, 0, 0]))
    heading = 0.7
    ground = ground_frame(windows, heading, TEXEL_M)
    ox, oy, cos, sin = ground.frames[0].astype(float)
    for x, y in ((3.0, 1.0), (12.0, -8.0)):
        column, row = int(ox + cos * x - sin * y) % WINDOW, int(oy + sin * x + cos * y) % WINDOW
        point = global_from_local(np.array([[x, y]]), np.array([*place, heading]))[0]
        expected = np.floor(point / FINEST_TEXEL_M).astype(int) % WINDOW
        assert np.abs(np.array([column, row]) - expected).max() <= 1


def test_texel_coordinates_are_positive():
    windows = GroundWindows(np.zeros((6, 16), dtype=np.uint32), np.zeros((6, 2)))
    frames = ground_frame(windows, 0.0, TEXEL_M).frames
    assert (frames[:, :2] - 900.0 / TEXEL_M[:, np.newaxis] > 0).all()
