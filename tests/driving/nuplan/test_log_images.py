from dataclasses import replace

import numpy as np
import pytest

from driving.cameras import CameraFrames, CameraRig
from driving.geometry import shifted_along_heading
from driving.nuplan.log_images import image_rows
from driving.synthetic.scenes import SCENES


@pytest.fixture(scope="module")
def red_light():
    return SCENES["red_light"]()


def with_images(recording, poses, time_us):
    """A recording with images of two cameras in turn, taken at the given ego poses and times."""
    transforms = np.tile(np.eye(4), (len(poses), 1, 1))
    cos, sin = np.cos(poses[:, 2]), np.sin(poses[:, 2])
    transforms[:, 0, 0], transforms[:, 0, 1], transforms[:, 1, 0], transforms[:, 1, 1] = cos, -sin, sin, cos
    transforms[:, :2, 3] = poses[:, :2]
    rig = CameraRig(
        names=("CAM_F0", "CAM_B0"),
        intrinsics=np.tile(np.eye(3), (2, 1, 1)),
        distortion=np.zeros((2, 5)),
        ego_from_camera=np.tile(np.eye(4), (2, 1, 1)),
        image_sizes=np.full((2, 2), 100),
    )
    frames = CameraFrames(
        rig=rig,
        cameras=np.arange(len(poses)) % 2,
        time_us=time_us,
        global_from_ego=transforms,
        paths=tuple(f"{number}.png" for number in range(len(poses))),
    )
    return replace(recording, cameras=frames)


def keys(count):
    return [bytes([number] * 8) for number in range(count)]


def table(recording):
    count = len(recording.cameras.time_us)
    return image_rows(recording, keys(2), keys(count), keys(count))


def test_an_image_at_a_frame_shares_its_ego_pose(red_light):
    poses, time_us = red_light.ego.rear_axle_poses[0, 10:13], red_light.time_us[10:13]
    images = table(with_images(red_light, poses, time_us))
    assert images.frame_of_image.tolist() == [10, 11, 12]
    assert list(images.own_poses()) == []


@pytest.mark.parametrize("change", ["time", "position", "heading"])
def test_an_image_away_from_a_frame_has_a_pose_of_its_own(red_light, change):
    poses, time_us = red_light.ego.rear_axle_poses[0, 10:12].copy(), red_light.time_us[10:12].copy()
    if change == "time":
        time_us[1] += 20_000
    elif change == "position":
        poses[1] = shifted_along_heading(poses[1], 0.01)
    else:
        poses[1, 2] += 1e-3
    images = table(with_images(red_light, poses, time_us))
    assert images.frame_of_image.tolist() == [10, -1]
    ((token, time, (x, y, *_)),) = images.own_poses()
    assert (token, time, x, y) == (bytes([1] * 8), time_us[1], poses[1, 0], poses[1, 1])


def test_images_are_linked_within_their_camera(red_light):
    images = table(with_images(red_light, red_light.ego.rear_axle_poses[0, :4], red_light.time_us[:4]))
    links = [(row[1], row[2]) for row in images.rows("log", keys(20))]
    one, two, three, four = keys(4)
    assert links == [(three, None), (four, None), (None, one), (None, two)]


def test_file_names_keep_the_suffix(red_light):
    images = table(with_images(red_light, red_light.ego.rear_axle_poses[0, :2], red_light.time_us[:2]))
    assert images.file_name("a-log", 1) == "a-log/CAM_B0/0101010101010101.png"


def test_a_recording_without_cameras_has_no_images(red_light):
    assert image_rows(red_light, [], [], []) is None
