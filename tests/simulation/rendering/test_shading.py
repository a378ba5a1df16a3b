"""Colours of single pixels."""

import numpy as np
import pytest

from driving.geometry import global_from_local
from driving.rigs import NUPLAN_8
from driving.synthetic.scenes import scene
from simulation.rendering import renderer as rendering
from simulation.rendering.appearance import APPEARANCES
from simulation.rendering.camera_tables import FINEST_TEXEL_M, NUM_LEVELS, camera_tables
from simulation.rendering.ground import WINDOW, GroundRaster, GroundWindows
from simulation.rendering.ground_shapes import GroundShapes
from simulation.rendering.shading import FOG_STEPS, ground_frame, ground_runs, shade
from simulation.rendering.snapshot import snapshot_of

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


@pytest.mark.parametrize("appearance", ["day", "night"])
def test_ground_in_batches_equals_ground_pixel_by_pixel(appearance, monkeypatch):
    scenario = scene("red_light")
    now = scenario.observation_at(20)
    calls = []
    monkeypatch.setattr(rendering, "shade", lambda *values: (calls.append(values), shade(*values)))
    rig = NUPLAN_8.resized(sizes=(160, 90))
    rendering.CameraRenderer(scenario.map, rig, appearance=APPEARANCES[appearance]).render(
        snapshot_of(now.ego_now.rear_axle_pose, now.agents, now.traffic_lights, now.time_us)
    )
    assert len(calls) == 8
    for camera, extras, visible, (scene_buffers, ground, light, air), received in calls:
        batches, pixels = np.empty_like(received), np.empty_like(received)
        shade(camera, extras, visible, (scene_buffers, ground, light, air), batches)
        # Wet ground is shaded pixel by pixel; its film mirrors nothing nearer than the last step.
        film = np.zeros(FOG_STEPS, dtype=np.uint16)
        film[-1] = 1
        wet = extras._replace(mirror=np.full(camera.level.shape, -1, dtype=np.int32))
        shade(camera, wet, visible, (scene_buffers, ground, light, air._replace(gloss=film)), pixels)
        np.testing.assert_array_equal(batches, pixels)


def test_runs_hold_each_ground_pixel_once_with_its_level():
    camera = camera_tables(NUPLAN_8.resized(sizes=(160, 90)), 0)
    levels = np.full(camera.level.size, -1)
    for first, count, level, is_averaged in ground_runs(camera).tolist():
        assert (levels[first : first + count] == -1).all()
        levels[first : first + count] = level
        has_stride = (camera.stride.reshape(-1, 2)[first : first + count] != 0).any(axis=1)
        assert (has_stride == bool(is_averaged)).all()
    np.testing.assert_array_equal(levels, np.where(camera.level < NUM_LEVELS, camera.level.astype(int), -1).ravel())
    sky = camera._replace(level=np.full_like(camera.level, 254))
    assert len(ground_runs(sky)) == 0
