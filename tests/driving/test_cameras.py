from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from driving import CameraFrames, CameraRig
from driving.cameras import MissingImageError, camera_poses

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


POINTS = np.array([[11.5, 0.0, 1.6], [11.5, 3.0, 1.2], [21.5, -8.0, 4.0]])
DISTORTION = (-0.3, 0.1, 0.002, -0.001, 0.02)


@pytest.mark.parametrize("scale", [0.25, 0.5, 2.0])
def test_a_point_lands_at_the_resized_pixel(scale):
    full = rig(DISTORTION)
    small = full.resized(scale=scale)
    assert small.image_sizes.tolist() == [[1920 * scale, 1080 * scale]]
    expected = (full.project(0, POINTS)[0] + 0.5) * scale - 0.5
    np.testing.assert_allclose(small.project(0, POINTS)[0], expected, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(small.distortion, full.distortion)


def test_the_centre_of_an_image_stays_its_centre():
    # Pixel centres are integers: the centre of 1920 px is 959.5, and that of 480 px is 239.5.
    centred = replace(rig(), intrinsics=np.array([[[1000.0, 0, 959.5], [0, 1000, 539.5], [0, 0, 1]]]))
    small = centred.resized(sizes=(480, 270))
    np.testing.assert_allclose(small.intrinsics[0], [[250, 0, 239.5], [0, 250, 134.5], [0, 0, 1]])


def test_intrinsics_follow_the_size_that_a_scale_is_rounded_to():
    small = rig().resized(scale=0.1234)
    assert small.image_sizes.tolist() == [[237, 133]]
    np.testing.assert_allclose(small.intrinsics[0][[0, 1], [0, 1]], [1000 * 237 / 1920, 1000 * 133 / 1080])


def test_a_point_lands_at_the_cropped_pixel():
    full = rig(DISTORTION)
    part = full.cropped((100, 200, 1600, 700))
    assert part.image_sizes.tolist() == [[1600, 700]]
    np.testing.assert_allclose(part.project(0, POINTS)[0], full.project(0, POINTS)[0] - [100, 200], atol=1e-9)


def test_a_resize_is_undone_by_the_inverse_resize():
    full = rig(DISTORTION)
    back = full.resized(sizes=(352, 128)).resized(sizes=(1920, 1080))
    np.testing.assert_allclose(back.intrinsics, full.intrinsics, atol=1e-9)
    np.testing.assert_array_equal(back.image_sizes, full.image_sizes)


def test_a_crop_then_a_resize_equals_a_resize_then_the_scaled_crop():
    first = rig().cropped((480, 240, 960, 480)).resized(scale=0.5)
    second = rig().resized(scale=0.5).cropped((240, 120, 480, 240))
    np.testing.assert_allclose(first.intrinsics, second.intrinsics, atol=1e-9)
    np.testing.assert_array_equal(first.image_sizes, second.image_sizes)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({}, "either a scale or sizes, got scale None and sizes None"),
        ({"scale": 0.5, "sizes": (10, 10)}, "either a scale or sizes"),
        ({"scale": -1.0}, "positive number, got -1.0"),
        ({"sizes": (0, 10)}, r"Camera CAM_F0 of \[1920, 1080\] px cannot be resized to \[0, 10\]"),
    ],
)
def test_a_wrong_size_is_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        rig().resized(**arguments)


@pytest.mark.parametrize("window", [(-1, 0, 10, 10), (0, 0, 1921, 10), (0, 1000, 10, 81), (5, 5, 0, 3)])
def test_a_window_beyond_the_image_names_the_camera(window):
    with pytest.raises(ValueError, match="Camera CAM_F0 has an image of 1920 x 1080 px, which does not contain"):
        rig().cropped(window)


def test_pitch_turns_down_and_yaw_to_the_left():
    # A camera that turns down by 1 degree has a point of the old axis above its centre: smaller v.
    angle_rad = np.radians(1.0)
    ahead = np.array([[11.5, 0.0, 1.6]])
    shift_px = 1000 * np.tan(angle_rad)
    np.testing.assert_allclose(rig().shifted(pitch_rad=angle_rad).project(0, ahead)[0], [[960, 540 - shift_px]])
    np.testing.assert_allclose(rig().shifted(yaw_rad=angle_rad).project(0, ahead)[0], [[960 + shift_px, 540]])
    np.testing.assert_allclose(rig().shifted(height_m=0.3).project(0, ahead)[0], [[960, 570]])


def test_poses_follow_from_angles():
    angles_rad = np.radians([0.0, 90.0])
    poses = camera_poses(np.array([[1.5, 0, 1.6], [0, 1, 1]]), angles_rad, np.radians([0.0, 30.0]))
    np.testing.assert_allclose(poses[0], FORWARD, atol=1e-12)
    np.testing.assert_allclose(poses[1][:3, 2], [0, np.cos(np.pi / 6), -0.5], atol=1e-12)
    np.testing.assert_allclose(poses[1][:3, 0], [1, 0, 0], atol=1e-12)


def test_noise_is_the_same_for_the_same_seed():
    first, same, other = (rig().with_noise(angle_sd_rad=0.01, height_sd_m=0.1, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.ego_from_camera, same.ego_from_camera)
    assert np.abs(first.ego_from_camera - other.ego_from_camera).max() > 1e-4
    turns = first.ego_from_camera[0, :3, :3]
    np.testing.assert_allclose(turns @ turns.T, np.eye(3), atol=1e-12)


def test_a_rig_with_too_few_rows_says_which_array():
    with pytest.raises(
        ValueError, match=r"intrinsics of a rig of 2 cameras must have shape \(2, 3, 3\), got \(1, 3, 3\)"
    ):
        replace(rig(), names=("CAM_F0", "CAM_B0"))


def test_later_images_are_left_out():
    past = replace(frames(""), is_logged=False).until(100_000)
    assert not past.is_logged
    assert past.paths == ("0.png", "1.png")
    assert len(past.time_us) == len(past.cameras) == len(past.global_from_ego) == 2


def small(images):
    """Frames whose rig has images of 4 x 3 px."""
    return replace(images, rig=images.rig.resized(sizes=(4, 3)))


def test_an_image_is_read_lazily(tmp_path):
    Image.new("RGB", (4, 3), (255, 0, 0)).save(tmp_path / "1.png")
    image = small(frames(str(tmp_path))).image(1)
    assert image.shape == (3, 4, 3)
    assert image[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        (Image.new("L", (4, 3)), "Camera CAM_F0: image .*0.png has pixels of mode L, expected 8-bit colour"),
        (Image.new("I;16", (4, 3)), "mode I;16, expected 8-bit colour"),
        (
            Image.new("RGB", (8, 6)),
            r"has 8 x 6 px, the rig names 4 x 3. Use the rig of these images. .* `rig.resized",
        ),
    ],
)
def test_an_image_of_another_kind_or_size_is_a_sentence_on_camera_and_file(tmp_path, image, sentence):
    image.save(tmp_path / "0.png")
    with pytest.raises(ValueError, match=sentence):
        small(frames(str(tmp_path))).image(0)


def test_a_truncated_image_is_a_sentence_on_camera_and_file(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (3, 4, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "whole.jpg")
    (tmp_path / "0.png").write_bytes((tmp_path / "whole.jpg").read_bytes()[:-40])
    (tmp_path / "1.png").write_bytes(b"no image")
    for frame in (0, 1):
        with pytest.raises(ValueError, match=f"Camera CAM_F0: image .*{frame}.png cannot be read: .* again."):
            small(frames(str(tmp_path))).image(frame)


def test_resampled_images_show_a_point_where_the_new_rig_projects_it(tmp_path):
    whole = replace(frames(str(tmp_path)), rig=rig(DISTORTION).resized(scale=0.1))
    (pixel,) = whole.rig.project(0, POINTS[1:2])[0]
    rows, columns = np.mgrid[:108, :192]
    spot = np.exp(-((columns - pixel[0]) ** 2 + (rows - pixel[1]) ** 2) / 50)
    Image.fromarray(np.repeat((255 * spot).astype(np.uint8)[..., np.newaxis], 3, axis=2)).save(tmp_path / "0.png")
    smaller = whole.rig.cropped((20, 10, 150, 90)).resized(scale=0.7)
    image = whole.resampled(smaller).image(0)[..., 0].astype(np.float64)
    assert image.shape == (63, 105)
    rows, columns = np.mgrid[:63, :105]
    centre = np.array([(columns * image).sum(), (rows * image).sum()]) / image.sum()
    np.testing.assert_allclose(centre, smaller.project(0, POINTS[1:2])[0][0], atol=0.1)


def test_images_are_not_resampled_to_a_rig_with_another_pose():
    with pytest.raises(ValueError, match="Images of camera CAM_F0 cannot be resampled"):
        frames("").resampled(rig().shifted(height_m=0.1))


def test_a_missing_image_names_its_file(tmp_path):
    with pytest.raises(MissingImageError, match=r"Camera CAM_F0 has no image .*sensor_blobs/"):
        frames(str(tmp_path)).image(0)
