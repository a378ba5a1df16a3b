"""The cameras of a nuPlan log: calibration, and paths of the images.

No run needs them to drive: cameras and images with NULL in a column are ignored with a warning.
"""

import logging
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from driving.cameras import CameraFrames, CameraRig
from driving.nuplan.database import has_table
from driving.nuplan.logs import log_name_of, numbers
from driving.nuplan.safe_pickle import decode_numbers

logger = logging.getLogger(__name__)

LEAD_US = 50_000
"""An image is taken up to this long before the sweep of its frame."""

_SHAPES = {"translation": (3,), "rotation": (4,), "intrinsic": (3, 3), "distortion": (5,)}
_CAMERA_COLUMNS = ("token", "channel", *_SHAPES, "width", "height")
_IMAGE_COLUMNS = ("camera_token", "timestamp", "filename_jpg")


def read_cameras(
    connection: sqlite3.Connection, path: Path, sensor_root: str, time_us: Int64[np.ndarray, "time"]
) -> CameraFrames | None:
    """Images that belong to the frames between the first and the last of some times; None without any camera.

    Args:
        connection: To the log.
        path: Of the log.
        sensor_root: The folder of the images of all logs.
        time_us: Times of frames.

    Raises:
        ValueError: When a calibration is not made of numbers.
    """
    if not (has_table(connection, "camera") and has_table(connection, "image")):
        return None
    query = f"SELECT {', '.join(_CAMERA_COLUMNS)} FROM camera ORDER BY rowid"  # noqa: S608
    cameras = [camera for camera in connection.execute(query) if _is_complete(path, camera)]
    if not cameras:
        return None
    images, poses = _images(connection, path, [camera[0] for camera in cameras], time_us)
    row_of_camera = {camera[0]: row for row, camera in enumerate(cameras)}
    log_name = log_name_of(path)
    return CameraFrames(
        rig=_rig(path, cameras),
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


def _is_complete(path: Path, camera: tuple[Any, ...]) -> bool:
    empty = [column for column, value in zip(_CAMERA_COLUMNS, camera, strict=True) if value in (None, "", b"")]
    if empty:
        logger.warning("%s: table `camera`: camera %s has no %s and is ignored.", path, camera[1], ", ".join(empty))
    return not empty


def _images(
    connection: sqlite3.Connection, path: Path, camera_tokens: list[bytes], time_us: Int64[np.ndarray, "time"]
) -> tuple[list[tuple[Any, ...]], Float64[np.ndarray, "images 7"]]:
    """Camera token, time and file name of the usable images in time order; their ego poses (x, y, z, quaternion)."""
    found = connection.execute(
        "SELECT i.camera_token, i.timestamp, i.filename_jpg, ep.x, ep.y, ep.z, ep.qw, ep.qx, ep.qy, ep.qz"
        " FROM image AS i LEFT OUTER JOIN ego_pose AS ep ON ep.token = i.ego_pose_token"
        " WHERE i.timestamp BETWEEN ? AND ? OR typeof(i.timestamp) <> 'integer' ORDER BY i.timestamp, i.rowid",
        (int(time_us[0]) - LEAD_US, int(time_us[-1])),
    ).fetchall()
    poses = numbers([image[3:] for image in found], 7)
    is_usable = np.isfinite(poses).all(axis=1) & poses[:, 3:].any(axis=1)
    is_usable &= np.array(
        [
            token in camera_tokens and isinstance(time, int) and isinstance(name, str) and name != ""
            for token, time, name, *_ in found
        ],
        dtype=bool,
    )
    if not is_usable.all():
        logger.warning(
            "%s: table `image`: %d images without a camera, time, file name or ego pose are ignored.",
            path,
            (~is_usable).sum(),
        )
    return [found[row] for row in np.flatnonzero(is_usable)], poses[is_usable]


def _rig(path: Path, cameras: list[tuple[Any, ...]]) -> CameraRig:
    decoded = [
        [_decoded(path, str(camera[1]), column, camera[2 + i]) for i, column in enumerate(_SHAPES)]
        for camera in cameras
    ]
    translations, rotations, intrinsics, distortions = (np.stack(column) for column in zip(*decoded, strict=True))
    for camera in cameras:
        if not all(isinstance(pixels, int) and pixels > 0 for pixels in camera[6:8]):
            raise ValueError(
                f"{path}: table `camera`, camera {camera[1]} has the size {camera[6:8]}, expected pixels."
            )
    return CameraRig(
        names=tuple(str(camera[1]) for camera in cameras),
        intrinsics=intrinsics,
        distortion=distortions,
        ego_from_camera=_transforms(translations, rotations),
        image_sizes=np.array([camera[6:8] for camera in cameras], dtype=np.int64),
    )


def _decoded(path: Path, channel: str, column: str, blob: object) -> np.ndarray:
    place = f"{path}: table `camera`, camera {channel}, column {column}"
    try:
        values = np.array(decode_numbers(blob), dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{place}: {error}") from error
    if values.shape != _SHAPES[column]:
        raise ValueError(f"{place} must have shape {_SHAPES[column]}, got {values.shape}.")
    if not np.isfinite(values).all() or (column == "rotation" and not values.any()):
        raise ValueError(f"{place} must hold finite numbers and no quaternion of zeros, got {values.tolist()}.")
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
