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
    box_corners_3d,
    camera_strip,
    image_file,
    projected_boxes,
    small_strip,
)


def front_camera(scenario, folder, path="front.jpg", step=30):
    """A camera at the rear axle, 1.5 m up, looking ahead: x right is ego -y, y down is ego -z."""
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
def watched(tmp_path):
    bare = scene("queue")
    Image.new("RGB", (960, 540), (90, 120, 150)).save(tmp_path / "front.jpg")
    return replace(bare, cameras=front_camera(bare, tmp_path))


def test_a_vehicle_ahead_appears_in_the_middle_of_the_image(watched):
    boxes = projected_boxes(watched, watched.cameras, 0)
    assert boxes
    nearest = np.array(boxes[-1]["corners"])
    assert boxes[-1]["kind"] == "vehicle"
    assert nearest[:, 0].mean() == pytest.approx(480, abs=30)


def test_the_strip_names_images_with_their_times(watched):
    strip = camera_strip(watched)
    assert strip["names"] == ["CAM_F0"]
    expected_s = (watched.time_us[30] - watched.start_time_us) * 1e-6
    assert [image["t"] for image in strip["images"]] == [pytest.approx(expected_s)]
    json.dumps(strip, allow_nan=False)


def test_a_standing_box_has_its_corners_where_they_belong():
    corners = box_corners_3d(np.array([10.0, 5.0, np.pi / 2]), np.array([4.0, 2.0]), 1.0, 2.0)
    np.testing.assert_allclose(corners[0], [9.0, 7.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(corners[6], [11.0, 3.0, 2.0], atol=1e-12)


@pytest.mark.parametrize("path", ["../secret.jpg", "/etc/passwd", "front.db"])
def test_a_log_cannot_name_files_outside_its_images(tmp_path, path):
    bare = scene("queue")
    watched = replace(bare, cameras=front_camera(bare, tmp_path / "images", path))
    with pytest.raises(PermissionError, match="no image below its sensor blobs"):
        image_file(watched, 0)


def test_missing_images_are_told(tmp_path):
    bare = scene("queue")
    watched = replace(bare, cameras=front_camera(bare, tmp_path))
    with pytest.raises(FileNotFoundError, match="names 1 camera images"):
        camera_strip(watched)
    with pytest.raises(FileNotFoundError, match="no camera images"):
        camera_strip(bare)
    with pytest.raises(LookupError, match="images 0 to 0, not 3"):
        image_file(watched, 3)


def test_real_frames_of_six_cameras_show_their_agents(recorded_data):
    source = recorded_data / "nuscenes_mini" / "tracks" / "scene-0061.npz"
    recording = IMPORTERS["track_archive"].read(source)
    scenario = recording.scenario(Tag(frame=30, scenario_type="on_intersection"))
    strip = camera_strip(scenario)
    assert len(strip["names"]) == 6
    assert len(strip["images"]) == 6
    front = next(image for image in strip["images"] if strip["names"][image["camera"]] in ("CAM_FRONT", "CAM_F0"))
    assert len(front["boxes"]) > 5


def test_small_images_for_a_saved_page_are_few_and_small(watched, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (540, 960, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "front.jpg")
    one = watched.cameras
    many = replace(
        one,
        cameras=np.zeros(300, dtype=np.int64),
        time_us=np.arange(300) * 50_000 + watched.start_time_us,
        global_from_ego=np.repeat(one.global_from_ego, 300, axis=0),
        paths=one.paths * 300,
    )
    strip, small = small_strip(replace(watched, cameras=many))
    assert [image["frame"] for image in strip["images"]] == list(small) == list(range(0, 300, 3))
    assert sum(len(content) for content in small.values()) <= SMALL_BYTES
    with Image.open(io.BytesIO(small[0])) as image:
        assert image.size == (320, 180)


def test_small_images_that_are_too_many_bytes_become_fewer(watched, monkeypatch):
    one = watched.cameras
    many = replace(
        one,
        cameras=np.zeros(40, dtype=np.int64),
        time_us=np.arange(40) * 100_000 + watched.start_time_us,
        global_from_ego=np.repeat(one.global_from_ego, 40, axis=0),
        paths=one.paths * 40,
    )
    size = len(small_strip(watched)[1][0])
    monkeypatch.setattr("simulation.viewer.cameras.SMALL_BYTES", 15 * size)
    assert list(small_strip(replace(watched, cameras=many))[1]) == list(range(0, 40, 4))
