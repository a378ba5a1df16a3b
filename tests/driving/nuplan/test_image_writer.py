"""Copies of logs with new images."""

import numpy as np
import pytest

from driving.cameras import CameraFrames
from driving.nuplan.cameras import read_cameras
from driving.nuplan.database import reading
from driving.nuplan.image_writer import copy_log_with_images, new_images
from driving.rigs import NUSCENES_6

START_US = 1_626_000_000_000_000
TIMES_US = START_US + 50_000 * np.array([500, 502])


def frames_at(time_us):
    """One image of the first two cameras at each time."""
    return CameraFrames(
        rig=NUSCENES_6,
        cameras=np.tile([0, 1], len(time_us)),
        time_us=np.repeat(time_us, 2),
        global_from_ego=np.tile(np.eye(4), (2 * len(time_us), 1, 1)),
    )


def copied(log_file, target, time_us=TIMES_US):
    copy_log_with_images(log_file, target, new_images(log_file.stem, frames_at(time_us)))
    with reading(target) as connection:
        return read_cameras(connection, target, "blobs", time_us)


def test_the_copy_holds_the_new_cameras_and_images_only(log_file, tmp_path):
    before = log_file.read_bytes()
    frames = copied(log_file, tmp_path / "out" / log_file.name)
    assert frames.rig.names == NUSCENES_6.names
    np.testing.assert_allclose(frames.rig.ego_from_camera, NUSCENES_6.ego_from_camera, atol=1e-12)
    assert frames.time_us.tolist() == np.repeat(TIMES_US, 2).tolist()
    assert [path.split("/")[:2] for path in frames.paths] == 2 * [
        [log_file.stem, "CAM_FRONT"],
        [log_file.stem, "CAM_FRONT_LEFT"],
    ]
    assert log_file.read_bytes() == before


def test_boxes_stand_on_the_plane_of_the_ego(log_file, tmp_path):
    target = tmp_path / "out" / log_file.name
    copied(log_file, target)
    with reading(target) as connection:
        found = connection.execute("SELECT DISTINCT z, height FROM lidar_box").fetchall()
        (poses,) = connection.execute("SELECT COUNT(*) FROM ego_pose").fetchone()
    assert all(z == 600.0 + height / 2 for z, height in found)
    assert poses == 1000


def test_images_of_a_tilted_ego_get_a_level_pose(log_file, change, tmp_path):
    tilted = (np.cos(0.1), 0.0, np.sin(0.1), 0.0)
    change(
        f"UPDATE ego_pose SET qw = {tilted[0]}, qx = 0, qy = {tilted[2]}, qz = 0 WHERE token ="
        f" (SELECT ego_pose_token FROM lidar_pc WHERE timestamp = {TIMES_US[1]})"
    )
    frames = copied(log_file, tmp_path / "out" / log_file.name)
    np.testing.assert_allclose(frames.global_from_ego[:, :3, :3], np.tile(np.eye(3), (4, 1, 1)), atol=1e-7)
    np.testing.assert_allclose(frames.global_from_ego[:, 2, 3], 600.0)
    with reading(tmp_path / "out" / log_file.name) as connection:
        (kept,) = connection.execute(
            "SELECT ep.qy FROM lidar_pc AS lp INNER JOIN ego_pose AS ep ON ep.token = lp.ego_pose_token"
            " WHERE lp.timestamp = ?",
            (int(TIMES_US[1]),),
        ).fetchone()
    assert kept == tilted[2]


def test_an_image_between_frames_is_refused_and_leaves_no_copy(log_file, tmp_path):
    target = tmp_path / "out" / log_file.name
    with pytest.raises(ValueError, match="has no frame with an ego pose at"):
        copied(log_file, target, TIMES_US + 7)
    assert not target.exists()
