import numpy as np
import pytest
from PIL import Image

from driving import CameraFrames, CameraRig

# Camera axes in the ego frame: x to the right, y down, z forward.
FORWARD = np.array([[0.0, 0, 1, 1.5], [-1, 0, 0, 0], [0, -1, 0, 1.6], [0, 0, 0, 1]])


def rig(distortion: tuple[float, ...] = (0, 0, 0, 0, 0)) -> CameraRig:
    """One camera 1.5 m before and 1.6 m above the rear axle, which looks ahead."""
    return CameraRig(
        names=("CAM_F0",),
        intrinsics=np.array([[[1000.0, 0, 960], [0, 1000, 540], [0, 0, 1]]]),
        distortion=np.array([distortion], dtype=np.float64),
        ego_from_camera=FORWARD[np.newaxis],
        image_sizes=np.array([[1920, 1080]]),
    )


def frames(root: str, count: int = 3) -> CameraFrames:
    return CameraFrames(
        rig=rig(),
        cameras=np.zeros(count, dtype=np.int64),
        time_us=np.arange(count) * 100_000,
        global_from_ego=np.tile(np.eye(4), (count, 1, 1)),
        paths=tuple(f"{number}.png" for number in range(count)),
        root=root,
    )


def test_a_point_ahead_projects_to_the_centre_and_left_points_to_the_left():
    pixels, depth = rig().project(0, np.array([[11.5, 0.0, 1.6], [11.5, 1.0, 1.6], [11.5, 0.0, 0.6]]))
    np.testing.assert_allclose(depth, [10.0, 10.0, 10.0])
    np.testing.assert_allclose(pixels, [[960, 540], [860, 540], [960, 640]])


def test_points_behind_the_camera_have_no_pixel():
    pixels, depth = rig().project(0, np.array([[-3.0, 0.0, 1.6]]))
    assert depth[0] < 0
    assert np.isnan(pixels).all()


def test_barrel_distortion_shifts_points_towards_the_centre():
    # At x = -0.5: r2 = 0.25, 1 + k1 r2 = 0.975, so that 500 px become 487.5.
    pixels, _ = rig(distortion=(-0.1, 0, 0, 0, 0)).project(0, np.array([[11.5, 5.0, 1.6]]))
    np.testing.assert_allclose(pixels, [[960 - 487.5, 540]])


def test_later_images_are_left_out():
    past = frames("").until(100_000)
    assert past.paths == ("0.png", "1.png")
    assert len(past.time_us) == len(past.cameras) == len(past.global_from_ego) == 2


def test_an_image_is_read_lazily(tmp_path):
    Image.new("RGB", (4, 3), (255, 0, 0)).save(tmp_path / "1.png")
    image = frames(str(tmp_path)).image(1)
    assert image.shape == (3, 4, 3)
    assert image[0, 0].tolist() == [255, 0, 0]


def test_a_missing_image_names_its_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="sensor_blobs/"):
        frames(str(tmp_path)).image(0)
