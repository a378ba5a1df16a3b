import pickle
import sqlite3

import numpy as np
import pytest

from driving.nuplan.cameras import read_cameras
from driving.nuplan.database import reading

START_US = 1_626_000_000_000_000


def read(log_file, start_s=0.0, end_s=1.0):
    times = np.array([START_US + round(start_s * 1e6), START_US + round(end_s * 1e6)])
    with reading(log_file) as connection:
        return read_cameras(connection, log_file, "/blobs", times)


def test_images_between_the_first_and_the_last_frame_are_listed(log_file):
    frames = read(log_file)
    assert frames.time_us.tolist() == [START_US + 100_000 * number for number in range(11)]
    np.testing.assert_allclose(np.diff(frames.global_from_ego[:, 0, 3]), 1.0)


def test_an_image_is_taken_up_to_50_ms_before_its_frame(log_file):
    assert len(read(log_file, 0.15, 0.35).time_us) == 3
    assert len(read(log_file, 0.151, 0.35).time_us) == 2


def test_file_names_have_the_log_name_once(log_file, change):
    name = log_file.stem
    change(f"UPDATE image SET filename_jpg = '{name}/' || filename_jpg WHERE rowid = 2")
    paths = read(log_file).paths
    assert all(path.startswith(f"{name}/CAM_F0/") for path in paths)


def test_a_camera_without_calibration_is_ignored_with_its_images(log_file, change, caplog):
    change(
        "INSERT INTO camera SELECT x'0000000000000063', log_token, 'CAM_B0', model, translation, NULL, intrinsic,"
        " distortion, width, height FROM camera"
    )
    change("UPDATE image SET camera_token = x'0000000000000063' WHERE rowid = 3")
    frames = read(log_file)
    assert frames.rig.names == ("CAM_F0",)
    assert len(frames.time_us) == 10
    assert "camera CAM_B0 has no rotation and is ignored" in caplog.text
    assert "1 images without a camera, time, file name or ego pose are ignored" in caplog.text


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        ("rotation", pickle.dumps([0.0] * 4), "must hold finite numbers and no quaternion of zeros"),
        ("translation", pickle.dumps([1.0, float("nan"), 0.0]), "must hold finite numbers"),
        ("intrinsic", pickle.dumps([[1.0, 0.0], [0.0, 1.0]]), r"must have shape \(3, 3\), got \(2, 2\)"),
        ("distortion", "text", "A pickled column holds str, expected bytes"),
        ("width", -5, r"has the size \(-5, 1120\), expected pixels"),
    ],
)
def test_a_wrong_calibration_names_the_camera(log_file, column, value, sentence):
    with sqlite3.connect(log_file) as connection:
        connection.execute(f"UPDATE camera SET {column} = ?", (value,))
    with pytest.raises(ValueError, match=rf"table `camera`, camera CAM_F0.*{sentence}"):
        read(log_file)


def test_a_log_without_cameras_has_no_images(log_file, change):
    change("DELETE FROM camera")
    assert read(log_file) is None
