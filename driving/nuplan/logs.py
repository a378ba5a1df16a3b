"""Frames, ego poses, missions and tags of a nuPlan log: a drive of minutes in a `.db` file.

The master clock is the table `lidar_pc` (20 Hz): each of its rows is a frame, to which boxes and lights refer. Files
are never written to.
"""

import math
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from driving.agents import AgentKind
from driving.ego import EgoMotion
from driving.nuplan.database import has_table, placeholders, reading
from driving.nuplan.log_checks import MASTER_CHANNEL, check_log_tables, is_token

KIND_OF_CATEGORY = {
    "vehicle": AgentKind.VEHICLE,
    "pedestrian": AgentKind.PEDESTRIAN,
    "bicycle": AgentKind.BICYCLE,
    "traffic_cone": AgentKind.TRAFFIC_CONE,
    "barrier": AgentKind.BARRIER,
    "czone_sign": AgentKind.CZONE_SIGN,
    "generic_object": AgentKind.GENERIC_OBJECT,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class LogIndex:
    """Times of a log's frames and kinds of its tracks."""

    path: Path
    stamp: tuple[int, int]
    """Size and modification time of the file, to notice a change."""
    time_us: Int64[np.ndarray, "rows"]
    """Times of all frames at 20 Hz, increasing."""
    row_ids: Int64[np.ndarray, "rows"]
    """SQLite's rowids of the same frames."""
    kinds: dict[bytes, int]
    """Track token to `AgentKind`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameRows:
    """F frames of a log and the ego's motion over them."""

    tokens: tuple[bytes, ...]
    time_us: Int64[np.ndarray, "frames"]
    ego: EgoMotion


@dataclass(frozen=True, kw_only=True)
class LogMission:
    """Route and goal of a scene as in the log."""

    roadblock_ids: tuple[str, ...]
    goal_pose: tuple[float, float, float] | None


def log_name_of(path: Path) -> str:
    """NuPlan's name of a log: the file name without `.db`."""
    return path.name.removesuffix(".db")


def log_index(path: Path) -> LogIndex:
    """Frame times and tracks of a log, cached while the file is unchanged.

    Raises:
        FileNotFoundError: When there is no such file.
        OSError: When it is locked.
        ValueError: When it is damaged or no nuPlan log.
    """
    if not path.is_file():
        raise FileNotFoundError(f"No log {path}.")
    check_log_tables(path)
    status = path.stat()
    return _read_index(path, (status.st_size, status.st_mtime_ns))


@lru_cache(maxsize=32)
def _read_index(path: Path, stamp: tuple[int, int]) -> LogIndex:
    with reading(path) as connection:
        lidar = connection.execute("SELECT token FROM lidar WHERE channel = ?", (MASTER_CHANNEL,)).fetchone()
        if lidar is None:
            raise ValueError(
                f"{path} has no lidar {MASTER_CHANNEL!r} in table `lidar`; its sweeps are nuPlan's frames."
            )
        frames = connection.execute(
            "SELECT timestamp, rowid FROM lidar_pc WHERE lidar_token = ? ORDER BY timestamp, rowid", lidar
        ).fetchall()
        tracks = connection.execute(
            "SELECT t.token, c.name FROM track AS t"  # noqa: S608
            f" INNER JOIN category AS c ON c.token = t.category_token WHERE {is_token('t.token')}"
        ).fetchall()
    for token, name in tracks:
        if name not in KIND_OF_CATEGORY:
            raise ValueError(
                f"{path}: track {token.hex()} is of the unknown category {name!r} (table `category`)."
                f" Known: {sorted(KIND_OF_CATEGORY)}."
            )
    stamps = np.array(frames, dtype=np.int64).reshape(-1, 2)
    return LogIndex(
        path=path,
        stamp=stamp,
        time_us=stamps[:, 0].copy(),
        row_ids=stamps[:, 1].copy(),
        kinds={token: int(KIND_OF_CATEGORY[name]) for token, name in tracks},
    )


def read_frames(connection: sqlite3.Connection, index: LogIndex, rows: Int64[np.ndarray, "frames"]) -> FrameRows:
    """Tokens, times and ego states of frames, given by their rows in the index.

    As in the devkit, the time is that of the frame and not of the ego pose; steering and yaw rates are 0.

    Raises:
        ValueError: When an ego pose is missing or not a number.
    """
    row_ids = index.row_ids[rows].tolist()
    found = connection.execute(
        "SELECT lp.rowid, lp.token, ep.x, ep.y, ep.qw, ep.qx, ep.qy, ep.qz, ep.vx, ep.vy,"  # noqa: S608
        " ep.acceleration_x, ep.acceleration_y FROM lidar_pc AS lp"
        " LEFT OUTER JOIN ego_pose AS ep ON ep.token = lp.ego_pose_token"
        f" WHERE lp.rowid IN ({placeholders(len(row_ids))})",
        row_ids,
    ).fetchall()
    by_row = {row[0]: row for row in found}
    ordered = [by_row[row_id] for row_id in row_ids]
    values = numbers([row[2:] for row in ordered], 10)
    time_us = index.time_us[rows]
    if (np.diff(time_us) <= 0).any():
        twice_us = time_us[np.argmin(np.diff(time_us))]
        raise ValueError(f"{index.path}: table `lidar_pc` has two frames at {twice_us} us. Leave this log out.")
    is_usable = np.isfinite(values).all(axis=1) & values[:, 2:6].any(axis=1)
    if not is_usable.all():
        bad = int(np.flatnonzero(~is_usable)[0])
        raise ValueError(
            f"{index.path}: the ego pose at {time_us[bad]} us is missing or not a number (table `ego_pose`, frame"
            f" {ordered[bad][1].hex()} of `lidar_pc`). Leave this log out, or get it again."
        )
    return FrameRows(
        tokens=tuple(row[1] for row in ordered),
        time_us=time_us,
        ego=EgoMotion.from_log(
            time_us=time_us,
            rear_axle_poses=np.column_stack([values[:, :2], headings_of(values[:, 2:6])]),
            velocities_mps=values[:, 6:8].copy(),
            accelerations_mps2=values[:, 8:10].copy(),
        ),
    )


def numbers(rows: Sequence[Sequence[Any]], width: int) -> Float64[np.ndarray, "rows width"]:
    """Fields of a table as numbers; NaN for NULL and other types."""
    try:
        return np.array(rows, dtype=np.float64).reshape(-1, width)
    except (ValueError, TypeError):
        fields = [[one if isinstance(one, int | float) else np.nan for one in row] for row in rows]
        return np.array(fields, dtype=np.float64).reshape(-1, width)


def headings_of(quaternions: Float64[np.ndarray, "poses 4"]) -> Float64[np.ndarray, "poses"]:
    """Headings of quaternions (w, x, y, z) by the formula of pyquaternion, which the devkit uses.

    Source:
        pyquaternion 0.9.9, `yaw_pitch_roll`: it has w z - x y where the correct formula has w z + x y.
    """
    # np.dot of each row and the C library's arctangent: numpy's vectorised forms differ in the last digit.
    squared = np.array([np.dot(quaternion, quaternion) for quaternion in quaternions])
    is_off = (np.abs(1.0 - squared) >= 1e-14) & (squared > 0)
    norms = np.where(is_off, np.sqrt(np.where(is_off, squared, 1.0)), 1.0)
    w, x, y, z = (quaternions / norms[:, np.newaxis]).T
    sines, cosines = 2 * (w * z - x * y), 1 - 2 * (y**2 + z**2)
    return np.array([math.atan2(sine, cosine) for sine, cosine in zip(sines, cosines, strict=True)], dtype=np.float64)


def read_mission(connection: sqlite3.Connection, frame_token: bytes) -> LogMission:
    """Route and goal of the scene that a frame belongs to.

    Raises:
        KeyError: When the log has no such frame.
    """
    row = connection.execute(
        "SELECT s.roadblock_ids, ep.x, ep.y, ep.qw, ep.qx, ep.qy, ep.qz FROM lidar_pc AS lp"
        " LEFT OUTER JOIN scene AS s ON s.token = lp.scene_token"
        " LEFT OUTER JOIN ego_pose AS ep ON ep.token = s.goal_ego_pose_token WHERE lp.token = ?",
        (frame_token,),
    ).fetchone()
    if row is None:
        raise KeyError(f"The log has no frame {frame_token.hex()}.")
    pose = numbers([row[1:]], 6)[0]
    goal = None
    if np.isfinite(pose).all():
        heading = headings_of(pose[np.newaxis, 2:])[0]
        goal = (float(pose[0]), float(pose[1]), float(heading))
    return LogMission(roadblock_ids=tuple(str(row[0] or "").split()), goal_pose=goal)


def read_tags(connection: sqlite3.Connection) -> list[tuple[bytes, str]]:
    """Frame token and type of each usable tag; none where the log has no tags."""
    if not has_table(connection, "scenario_tag"):
        return []
    query = (
        "SELECT lidar_pc_token, type FROM scenario_tag"  # noqa: S608
        f" WHERE typeof(type) = 'text' AND type <> '' AND {is_token('lidar_pc_token')}"
    )
    return connection.execute(query).fetchall()


def read_about_track(connection: sqlite3.Connection, frame_token: bytes, scenario_type: str) -> str | None:
    """Track id of the agent that a frame's tag of a type refers to; None where it refers to none.

    The smallest track token of several such tags is returned, independent of the order of rows.
    """
    if not has_table(connection, "scenario_tag"):
        return None
    query = (
        "SELECT MIN(agent_track_token) FROM scenario_tag"  # noqa: S608
        f" WHERE lidar_pc_token = ? AND type = ? AND {is_token('agent_track_token')}"
    )
    token = connection.execute(query, (frame_token, scenario_type)).fetchone()[0]
    return None if token is None else token.hex()


def read_metadata(connection: sqlite3.Connection) -> dict[str, str]:
    """Metadata of a recording that our writer stores in a log; empty for nuPlan's own logs."""
    if not has_table(connection, "recording_metadata"):
        return {}
    rows = connection.execute("SELECT key, value FROM recording_metadata WHERE value IS NOT NULL")
    return {str(key): str(value) for key, value in rows}
