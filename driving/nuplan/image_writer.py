"""A copy of a nuPlan log with images of a flat world, for example rendered ones.

The copy differs from the log in three tables. `camera` and `image` hold the new cameras and images only. In
`lidar_box`, each box stands on the plane of the ego at its frame, as in the images: `z` is the height of the ego plus
half the height of the box. An ego pose that is tilted gets a level twin, to which its images refer.
"""

import pickle
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from driving.cameras import CameraFrames
from driving.nuplan.cache import replacing
from driving.nuplan.database import has_table, reading
from driving.nuplan.log_images import ImageRows
from driving.nuplan.log_tables import LOG_TABLES, quaternions_of, tokens
from driving.nuplan.logs import headings_of, log_name_of, numbers

LEVEL_WITHIN = 1e-6
"""Largest x or y of the quaternion of a level ego pose."""

_CAMERA_COLUMNS = "token, log_token, channel, model, translation, rotation, intrinsic, distortion, width, height"
_IMAGE_COLUMNS = "token, next_token, prev_token, ego_pose_token, camera_token, filename_jpg, timestamp"


def new_images(log_name: str, frames: CameraFrames) -> ImageRows:
    """Rows and file names of images that a log is to have; tokens are the same in every process.

    Args:
        log_name: Of the log.
        frames: The images, taken at frames of the log; they need no files.
    """
    count = frames.num_frames
    return ImageRows(
        frames=replace(frames, source=None, paths=()),
        camera_tokens=tokens(log_name, "camera", len(frames.rig.names)),
        image_tokens=tokens(log_name, "image", count),
        pose_tokens=tokens(log_name, "view", count),
        frame_of_image=np.arange(count),
        shared_frames=np.zeros(0, dtype=np.int64),
        shared_z_m=np.zeros(0),
        shared_quaternions=np.zeros((0, 4)),
    )


def copy_log_with_images(source: Path, target: Path, images: ImageRows) -> None:
    """Copy a log and replace its images.

    Args:
        source: The log; it stays as it is.
        target: The copy, complete or absent.
        images: From `new_images`.

    Raises:
        OSError: When the log is locked, or the target cannot be written.
        ValueError: When the log is damaged, or has no frame at the time of an image.
    """
    with replacing(target) as temporary:
        connection = sqlite3.connect(temporary, isolation_level=None)
        try:
            with reading(source) as original:
                original.backup(connection)
            # If writing fails the temporary file is deleted: no journal is needed.
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("BEGIN")
            _replace_images(connection, source, images)
            _place_boxes(connection)
            connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise OSError(f"Cannot write {target}: {error}. Is the disk full?") from error
        finally:
            connection.close()


def _replace_images(connection: sqlite3.Connection, source: Path, images: ImageRows) -> None:
    for table in ("image", "camera"):
        if has_table(connection, table):
            connection.execute(f"DELETE FROM {table}")  # noqa: S608
        else:
            connection.execute(f"CREATE TABLE {table} ({LOG_TABLES[table]})")
    (log_token,) = connection.execute("SELECT token FROM log").fetchone()
    connection.executemany(
        f"INSERT INTO camera ({_CAMERA_COLUMNS}) VALUES (?, ?, ?, 'pinhole', ?, ?, ?, ?, ?, ?)",  # noqa: S608
        (
            (token, log_token, channel, *(pickle.dumps(values, 4) for values in calibration), *size)
            for token, channel, calibration, size in images.cameras()
        ),
    )
    poses = _level_poses(connection, source, images)
    connection.executemany(
        f"INSERT INTO image ({_IMAGE_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        images.rows(log_name_of(source), poses),
    )


def _level_poses(connection: sqlite3.Connection, source: Path, images: ImageRows) -> list[bytes]:
    """Token of the level ego pose of each image."""
    times = sorted(set(images.frames.time_us.tolist()))
    found = connection.execute(
        "SELECT lp.timestamp, ep.token, ep.qw, ep.qx, ep.qy, ep.qz FROM lidar_pc AS lp"
        " INNER JOIN ego_pose AS ep ON ep.token = lp.ego_pose_token WHERE lp.timestamp BETWEEN ? AND ?",
        (times[0], times[-1]),
    ).fetchall()
    pose_at = {row[0]: row[1:] for row in found}
    missing = [time for time in times if time not in pose_at]
    if missing:
        raise ValueError(f"{source} has no frame with an ego pose at {missing[0]} us, at which there is an image.")
    columns = [row[1] for row in connection.execute("PRAGMA table_info(ego_pose)")]
    token_at: dict[int, bytes] = {}
    for time, new in zip(times, images.pose_tokens, strict=False):
        token, *quaternion = pose_at[time]
        token_at[time] = token
        if max(abs(quaternion[1]), abs(quaternion[2])) > LEVEL_WITHIN:
            level = quaternions_of(headings_of(numbers([quaternion], 4)))[0]
            _copy_pose(connection, columns, token, [new, *level.tolist()])
            token_at[time] = new
    return [token_at[time] for time in images.frames.time_us.tolist()]


def _copy_pose(
    connection: sqlite3.Connection, columns: Sequence[str], token: bytes, values: Sequence[object]
) -> None:
    """Copy an ego pose with a new token and quaternion."""
    changed = ("token", "qw", "qx", "qy", "qz")
    parts = ", ".join(f"?{changed.index(name) + 1}" if name in changed else name for name in columns)
    connection.execute(
        f"INSERT INTO ego_pose ({', '.join(columns)}) SELECT {parts} FROM ego_pose WHERE token = ?6",  # noqa: S608
        (*values, token),
    )


def _place_boxes(connection: sqlite3.Connection) -> None:
    connection.execute(
        "UPDATE lidar_box SET z = height / 2.0 + (SELECT ep.z FROM lidar_pc AS lp INNER JOIN ego_pose AS ep"
        " ON ep.token = lp.ego_pose_token WHERE lp.token = lidar_box.lidar_pc_token)"
        " WHERE typeof(height) IN ('real', 'integer')"
    )
