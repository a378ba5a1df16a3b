"""The cameras of a nuPlan log: calibration, and where the images are."""

import sqlite3

import numpy as np
from jaxtyping import Float64, Int64

from driving.cameras import CameraFrames, CameraRig
from driving.nuplan.safe_pickle import decode_numbers

LEAD_US = 50_000
"""Cameras fire up to this long before the sweep whose frame they belong to."""


def read_cameras(
    connection: sqlite3.Connection, log_name: str, sensor_root: str, time_us: Int64[np.ndarray, "time"]
) -> CameraFrames | None:
    """Images that belong to the frames between the first and the last of some times; None without any camera.

    Raises:
        ValueError: When a calibration is not made of numbers.
    """
    cameras = connection.execute(
        "SELECT token, channel, translation, rotation, intrinsic, distortion, width, height FROM camera"
        " ORDER BY rowid"
    ).fetchall()
    if not cameras:
        return None
    rig = _rig(cameras)
    images = connection.execute(
        "SELECT i.camera_token, i.timestamp, i.filename_jpg, ep.x, ep.y, ep.z, ep.qw, ep.qx, ep.qy, ep.qz"
        " FROM image AS i INNER JOIN ego_pose AS ep ON ep.token = i.ego_pose_token"
        " WHERE i.timestamp BETWEEN ? AND ? ORDER BY i.timestamp, i.rowid",
        (int(time_us[0]) - LEAD_US, int(time_us[-1])),
    ).fetchall()
    row_of_camera = {camera[0]: row for row, camera in enumerate(cameras)}
    images = [image for image in images if image[0] in row_of_camera]
    poses = np.array([image[3:] for image in images], dtype=np.float64).reshape(-1, 7)
    return CameraFrames(
        rig=rig,
        cameras=np.array([row_of_camera[image[0]] for image in images], dtype=np.int64),
        time_us=np.array([image[1] for image in images], dtype=np.int64),
        global_from_ego=_transforms(poses[:, :3], poses[:, 3:]),
        # The devkit takes names from the sensor root on; some logs leave their own name out.
        paths=tuple(
            name if name.startswith(f"{log_name}/") else f"{log_name}/{name}"
            for name in (image[2] for image in images)
        ),
        root=sensor_root,
    )


def _rig(cameras: list[tuple]) -> CameraRig:
    decoded = [[_decoded(camera[1], column, camera[2 + i]) for i, column in enumerate(_SHAPES)] for camera in cameras]
    translations, rotations, intrinsics, distortions = (np.stack(column) for column in zip(*decoded, strict=True))
    return CameraRig(
        names=tuple(str(camera[1]) for camera in cameras),
        intrinsics=intrinsics,
        distortion=distortions,
        ego_from_camera=_transforms(translations, rotations),
        image_sizes=np.array([camera[6:8] for camera in cameras], dtype=np.int64),
    )


_SHAPES = {"translation": (3,), "rotation": (4,), "intrinsic": (3, 3), "distortion": (5,)}


def _decoded(channel: str, column: str, blob: bytes) -> np.ndarray:
    try:
        values = np.array(decode_numbers(blob), dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise ValueError(f"Camera {channel}, column {column}: {error}") from error
    if values.shape != _SHAPES[column]:
        raise ValueError(f"Camera {channel}: {column} must have shape {_SHAPES[column]}, got {values.shape}.")
    return values


def _transforms(
    translations: Float64[np.ndarray, "poses 3"], quaternions: Float64[np.ndarray, "poses 4"]
) -> Float64[np.ndarray, "poses 4 4"]:
    """Homogeneous transforms of positions and quaternions (w, x, y, z)."""
    w, x, y, z = (quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)).T
    transforms = np.zeros((len(translations), 4, 4))
    transforms[:, 0, :3] = np.stack([1 - 2 * (y**2 + z**2), 2 * (x * y - w * z), 2 * (x * z + w * y)], axis=-1)
    transforms[:, 1, :3] = np.stack([2 * (x * y + w * z), 1 - 2 * (x**2 + z**2), 2 * (y * z - w * x)], axis=-1)
    transforms[:, 2, :3] = np.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x**2 + y**2)], axis=-1)
    transforms[:, :3, 3] = translations
    transforms[:, 3, 3] = 1.0
    return transforms
