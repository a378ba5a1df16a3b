"""The camera student's input: a part of the observation, and the arrays made of it."""

from dataclasses import replace

import numpy as np
import pytest
from small_perception import small_network

from driving.agents import AgentKind, AgentTracks
from driving.navigation import NavigationLine
from driving.synthetic.scenes import scene
from perception.images import fit_rig
from perception.network import PerceptionConfig
from planning.neural.camera_scene import (
    AGENT_SIZE,
    GRID_CHANNELS,
    MAX_AGENTS,
    CameraInput,
    CropWindow,
    SceneBuilder,
    agent_rows,
    camera_input,
    stacked_scenes,
)
from simulation.rollout import Rollout
from simulation.sensors.rendered import CameraSettings


@pytest.fixture(scope="module")
def observed():
    """An observation with rendered cameras, and its navigation line."""
    queue = scene("queue")
    from driving.rigs import NUSCENES_6

    rig = fit_rig(NUSCENES_6, small_network().config.image_size).rig
    return Rollout(queue, cameras=CameraSettings(rig=rig)).observation(), NavigationLine.of(queue.route)


def test_the_input_holds_ego_frames_and_line_and_nothing_else(observed):
    observation, line = observed
    assert CameraInput._fields == ("ego", "frames", "navigation")
    seen = camera_input(observation, line)
    assert seen.frames is observation.cameras
    # What the recorded ego did before the drive is not that of the student.
    assert seen.ego.num_steps == 1
    with pytest.raises(ValueError, match="camera_student needs camera images"):
        camera_input(replace(observation, cameras=None), line, "camera_student")


def test_the_window_keeps_what_candidates_reach():
    window = CropWindow.of(PerceptionConfig())
    grid = window.feature_grid
    assert (grid.x_min_m, grid.x_max_m, grid.y_min_m, grid.y_max_m) == (-8.0, 32.0, -24.0, 24.0)
    cells = PerceptionConfig().grid
    values = cells.centres().transpose(2, 0, 1).astype(np.float32)
    cut = window.heads(values)
    assert cut[:, 0, 0] == pytest.approx([-7.75, -23.75])
    assert cut[:, -1, -1] == pytest.approx([31.75, 23.75])
    features = cells.coarser(2).centres().transpose(2, 0, 1).astype(np.float32)
    assert window.features(features)[:, 0, 0] == pytest.approx([-7.5, -23.5])


def test_a_scene_is_that_of_the_last_run(observed):
    observation, line = observed
    builder = SceneBuilder(small_network(), every_s=0.5)
    arrays = builder.build(camera_input(observation, line))
    num_x, num_y = builder.window.feature_grid.shape
    assert arrays.grids.shape == (len(GRID_CHANNELS), 2 * num_x, 2 * num_y)
    assert arrays.bev.shape == (8, num_x, num_y)
    assert arrays.grids[0] == pytest.approx(builder.window.heads(builder.perceived.grid.road)[0])
    # Occupancy: persons first, vehicles beside their forecast.
    assert arrays.grids[7] == pytest.approx(builder.window.heads(builder.perceived.grid.occupancy)[0])
    assert arrays.age_s == 0.0
    assert arrays.run_from_now == pytest.approx(np.zeros(3))
    assert stacked_scenes([arrays, arrays]).ego.shape == (2, 10)


def test_without_a_working_camera_the_grids_are_zero(observed):
    observation, line = observed
    queue = scene("queue")
    from simulation.rendering.faults import CameraFault

    rig = observation.cameras.rig
    faults = tuple(CameraFault(camera=name, kind="black") for name in rig.names)
    dark = Rollout(queue, cameras=CameraSettings(rig=rig, faults=faults)).observation()
    builder = SceneBuilder(small_network())
    arrays = builder.build(camera_input(dark, line))
    assert not arrays.grids.any()
    assert not arrays.bev.any()
    assert arrays.signal.argmax() == 3
    assert len(builder.perceived.notes) == len(rig.names)


def test_agents_are_sorted_by_distance_in_the_ego_frame(observed):
    observation, line = observed
    builder = SceneBuilder(small_network())
    builder.build(camera_input(observation, line))
    poses = np.array([[[10.0, 30.0, np.pi / 2]], [[10.0, 12.0, 0.0]]])
    tracks = AgentTracks(
        track_ids=("far", "near"),
        kinds=np.array([AgentKind.VEHICLE, AgentKind.BARRIER], dtype=np.int8),
        poses=poses,
        velocities_mps=np.array([[[0.0, 3.0]], [[0.0, 0.0]]]),
        sizes=np.full((2, 1, 2), 2.0),
        valid=np.ones((2, 1), dtype=bool),
    )
    rows, mask = agent_rows(replace(builder.perceived, agents=tracks), np.array([10.0, 10.0, np.pi / 2]))
    assert rows.shape == (MAX_AGENTS, AGENT_SIZE)
    assert mask.sum() == 2
    assert rows[0, :2] == pytest.approx([2.0, 0.0], abs=1e-6)
    assert rows[1, :4] == pytest.approx([20.0, 0.0, 1.0, 0.0], abs=1e-6)
    assert rows[1, 6:8] == pytest.approx([3.0, 0.0], abs=1e-6)
    assert rows[0, 8:].tolist() == [0.0, 0.0, 0.0, 1.0]
    assert rows[1, 8:].tolist() == [1.0, 0.0, 0.0, 0.0]
