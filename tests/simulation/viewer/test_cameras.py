import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from driving.cameras import CameraFrames, CameraRig
from driving.importers.registry import IMPORTERS
from driving.recording import Tag
from driving.synthetic.scenes import scene
from simulation.viewer.cameras import (
    SMALL_BYTES,
    camera_strip,
    image_file,
    projected_boxes,
    small_strip,
)


def front_camera(scenario, folder, path="front.jpg", step=30):
    """A forward camera 1.5 m above the rear axle: image x is ego -y, image y is ego -z."""
    ego_from_camera = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]])
    rig = CameraRig(
        names=("CAM_F0",),
        intrinsics=np.array([[[800.0, 0, 480], [0, 800, 270], [0, 0, 1]]]),
        distortion=np.zeros((1, 5)),
        ego_from_camera=ego_from_camera[np.newaxis],
        image_sizes=np.array([[960, 540]]),
    )
    x, y, heading = scenario.ego.rear_axle_poses[0, step]
    cos, sin = np.cos(heading), np.sin(heading)
    global_from_ego = np.array([[cos, -sin, 0, x], [sin, cos, 0, y], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    return CameraFrames(
        rig=rig,
        cameras=np.zeros(1, dtype=np.int64),
        time_us=scenario.time_us[[step]],
        global_from_ego=global_from_ego[np.newaxis],
        paths=(path,),
        root=str(folder),
    )


@pytest.fixture
def scenario_with_camera(tmp_path):
    bare = scene("queue")
    Image.new("RGB", (960, 540), (90, 120, 150)).save(tmp_path / "front.jpg")
    return replace(bare, cameras=front_camera(bare, tmp_path))


def test_a_vehicle_ahead_appears_in_the_middle_of_the_image(scenario_with_camera):
    boxes = projected_boxes(scenario_with_camera, scenario_with_camera.cameras, 0)
    assert boxes
    nearest = np.array(boxes[-1]["corners"])
    assert boxes[-1]["kind"] == "vehicle"
    assert nearest[:, 0].mean() == pytest.approx(480, abs=30)


def test_the_strip_lists_images_with_their_times(scenario_with_camera):
    strip = camera_strip(scenario_with_camera)
    assert strip["names"] == ["CAM_F0"]
    expected_s = (scenario_with_camera.time_us[30] - scenario_with_camera.start_time_us) * 1e-6
    assert [image["time_s"] for image in strip["images"]] == [pytest.approx(expected_s)]
    json.dumps(strip, allow_nan=False)


@pytest.mark.parametrize("path", ["../secret.jpg", "/etc/passwd", "front.db"])
def test_a_log_cannot_name_files_outside_its_images(tmp_path, path):
    bare = scene("queue")
    scenario_with_camera = replace(bare, cameras=front_camera(bare, tmp_path / "images", path))
    with pytest.raises(PermissionError, match="not an image below its sensor blobs"):
        image_file(scenario_with_camera, 0)


def test_missing_images_are_reported(tmp_path):
    bare = scene("queue")
    scenario_with_camera = replace(bare, cameras=front_camera(bare, tmp_path))
    with pytest.raises(FileNotFoundError, match="names 1 camera images"):
        camera_strip(scenario_with_camera)
    with pytest.raises(FileNotFoundError, match="no camera images"):
        camera_strip(bare)
    with pytest.raises(LookupError, match="images 0 to 0, not 3"):
        image_file(scenario_with_camera, 3)


def test_recorded_images_of_six_cameras_contain_boxes(recorded_data):
    source = recorded_data / "nuscenes_mini" / "tracks" / "scene-0061.npz"
    recording = IMPORTERS["track_archive"].read(source)
    scenario = recording.scenario(Tag(frame=30, scenario_type="on_intersection"))
    strip = camera_strip(scenario)
    assert len(strip["names"]) == 6
    assert len(strip["images"]) == 6
    front = next(image for image in strip["images"] if strip["names"][image["camera"]] in ("CAM_FRONT", "CAM_F0"))
    assert len(front["boxes"]) > 5


def test_images_of_a_saved_page_are_limited_in_number_and_size(scenario_with_camera, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (540, 960, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "front.jpg")
    one = scenario_with_camera.cameras
    many = replace(
        one,
        cameras=np.zeros(300, dtype=np.int64),
        time_us=np.arange(300) * 50_000 + scenario_with_camera.start_time_us,
        global_from_ego=np.repeat(one.global_from_ego, 300, axis=0),
        paths=one.paths * 300,
    )
    strip, small = small_strip(replace(scenario_with_camera, cameras=many))
    assert [image["frame"] for image in strip["images"]] == list(small) == list(range(0, 300, 3))
    assert sum(len(content) for content in small.values()) <= SMALL_BYTES
    with Image.open(io.BytesIO(small[0])) as image:
        assert image.size == (320, 180)


def test_images_above_the_size_limit_become_fewer(scenario_with_camera, monkeypatch):
    one = scenario_with_camera.cameras
    many = replace(
        one,
        cameras=np.zeros(40, dtype=np.int64),
        time_us=np.arange(40) * 100_000 + scenario_with_camera.start_time_us,
        global_from_ego=np.repeat(one.global_from_ego, 40, axis=0),
        paths=one.paths * 40,
    )
    size = len(small_strip(scenario_with_camera)[1][0])
    monkeypatch.setattr("simulation.viewer.cameras.SMALL_BYTES", 15 * size)
    assert list(small_strip(replace(scenario_with_camera, cameras=many))[1]) == list(range(0, 40, 4))
