"""One nuPlan log: a drive of minutes in a `.db` file, read as arrays.

The master clock is the table `lidar_pc` (20 Hz); each of its rows is a frame. Boxes and lights hang on
frames. A file is never written to. Where it has no index on the frames of its boxes, where they lie is
looked up once and kept in the user's cache folder.
"""

import logging
import math
import sqlite3
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from driving.agents import AgentKind, AgentTracks, LightStatus, TrafficLights, static_mask
from driving.ego import EgoMotion
from driving.nuplan.box_rows import as_keys, rows_of_frames
from driving.nuplan.database import placeholders, reading

logger = logging.getLogger(__name__)

MASTER_CHANNEL = "MergedPointCloud"
"""The lidar whose sweeps are nuPlan's frames."""

KIND_OF_CATEGORY = {
    "vehicle": AgentKind.VEHICLE,
    "pedestrian": AgentKind.PEDESTRIAN,
    "bicycle": AgentKind.BICYCLE,
    "traffic_cone": AgentKind.TRAFFIC_CONE,
    "barrier": AgentKind.BARRIER,
    "czone_sign": AgentKind.CZONE_SIGN,
    "generic_object": AgentKind.GENERIC_OBJECT,
}

_LIGHTS = {"green": LightStatus.GREEN, "yellow": LightStatus.YELLOW, "red": LightStatus.RED}
_BOX_COLUMNS = "track_token, x, y, yaw, vx, vy, length, width, height, z"


@dataclass(frozen=True, kw_only=True, eq=False)
class LogIndex:
    """What is needed of a log again and again: when its frames are, and what its tracks are."""

    path: Path
    stamp: tuple[int, int]
    """Size and modification time of the file, which tell whether it is still the same."""
    time_us: Int64[np.ndarray, "rows"]
    """Of all frames at 20 Hz, rising."""
    row_ids: Int64[np.ndarray, "rows"]
    """SQLite's rowids of the same frames."""
    kinds: dict[bytes, int]
    """Track token to `AgentKind`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameRows:
    """F frames of a log with the ego at them."""

    tokens: tuple[bytes, ...]
    time_us: Int64[np.ndarray, "frames"]
    ego: EgoMotion


@dataclass(frozen=True, kw_only=True)
class LogMission:
    """Route and goal of a scene, as the log states them."""

    roadblock_ids: tuple[str, ...]
    goal_pose: tuple[float, float, float] | None


def log_name_of(path: Path) -> str:
    """The name that nuPlan gives a log: that of its file, without `.db`."""
    return path.name.removesuffix(".db")


def log_index(path: Path) -> LogIndex:
    """Read the frame times and tracks of a log, or hand out what was read of it lately.

    Raises:
        FileNotFoundError: When there is no such file.
        OSError: When it is locked.
        ValueError: When it is damaged or no nuPlan log.
    """
    if not path.is_file():
        raise FileNotFoundError(f"No log {path}.")
    status = path.stat()
    return _read_index(path, (status.st_size, status.st_mtime_ns))


@lru_cache(maxsize=32)
def _read_index(path: Path, stamp: tuple[int, int]) -> LogIndex:
    with reading(path) as connection:
        lidar = connection.execute("SELECT token FROM lidar WHERE channel = ?", (MASTER_CHANNEL,)).fetchone()
        if lidar is None:
            raise ValueError(f"{path} has no lidar {MASTER_CHANNEL!r}, whose sweeps are nuPlan's frames.")
        frames = connection.execute(
            "SELECT timestamp, rowid FROM lidar_pc WHERE lidar_token = ? ORDER BY timestamp, rowid", lidar
        ).fetchall()
        tracks = connection.execute(
            "SELECT t.token, c.name FROM track AS t INNER JOIN category AS c ON c.token = t.category_token"
        ).fetchall()
    unknown = {name for _, name in tracks} - KIND_OF_CATEGORY.keys()
    if unknown:
        raise ValueError(f"{path} has tracks of unknown categories {sorted(map(str, unknown))}.")
    if frames and frames[0][0] is None:
        raise ValueError(
            f"{path} has frames without a time stamp in `lidar_pc`. Leave this log out, or get it again."
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
    """Tokens, times and ego states of some frames, given by their places in the index.

    As the devkit reads them: the time is that of the frame, not of the ego pose; steering and yaw rates are 0.

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
    values = np.array([row[2:] for row in ordered], dtype=np.float64).reshape(-1, 10)
    time_us = index.time_us[rows]
    if not np.isfinite(values).all():
        bad = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
        raise ValueError(
            f"Log {log_name_of(index.path)}: the ego pose at {time_us[bad]} us is missing or not a number."
            " Leave this log out, or get it again."
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


def headings_of(quaternions: Float64[np.ndarray, "poses 4"]) -> Float64[np.ndarray, "poses"]:
    """Headings of quaternions (w, x, y, z), by the same arithmetic as pyquaternion's `yaw_pitch_roll`.

    Source:
        pyquaternion 0.9.9. Its formula has w z - x y where the usual one has w z + x y; the devkit lives with it.
    """
    # np.dot of each row and the C library's arctangent: numpy's fast forms differ in the last digit.
    squared = np.array([np.dot(quaternion, quaternion) for quaternion in quaternions])
    is_off = (np.abs(1.0 - squared) >= 1e-14) & (squared > 0)
    norms = np.where(is_off, np.sqrt(np.where(is_off, squared, 1.0)), 1.0)
    w, x, y, z = (quaternions / norms[:, np.newaxis]).T
    sines, cosines = 2 * (w * z - x * y), 1 - 2 * (y**2 + z**2)
    return np.array([math.atan2(sine, cosine) for sine, cosine in zip(sines, cosines, strict=True)], dtype=np.float64)


def read_agents(connection: sqlite3.Connection, index: LogIndex, frames: FrameRows) -> AgentTracks:
    """All boxes at some frames. Tracks are numbered in the order in which the file shows them first.

    Within a frame boxes are ordered by kind and then as in the file, because the devkit's `TrackedObjects` sorts them
    so; its reactive traffic and PDM-Closed go through them in that order.

    Raises:
        ValueError: When a box has a pose, size or velocity that is not a number.
    """
    found = rows_of_frames(connection, index.path, index.stamp, "lidar_box", _BOX_COLUMNS, frames.tokens)
    steps = np.repeat(np.arange(len(found)), [len(rows) for rows in found])
    boxes = list(chain.from_iterable(found))
    tokens = [box[0] for box in boxes]
    values = np.array([value for box in boxes for value in box[1:]], dtype=np.float64).reshape(-1, 9)
    _, first, agents = np.unique(as_keys(tokens), return_index=True, return_inverse=True)
    by_appearance = np.argsort(first)
    agents = np.argsort(by_appearance)[agents]
    track_tokens = [tokens[row] for row in first[by_appearance]]
    if any(token not in index.kinds for token in track_tokens):
        # As the devkit's joins do: a box whose track or category is not listed is not there.
        is_known = np.array([token in index.kinds for token in track_tokens])
        kept = is_known[agents]
        steps, values = steps[kept], values[kept]
        agents = (np.cumsum(is_known) - 1)[agents[kept]]
        track_tokens = [token for token in track_tokens if token in index.kinds]
    kinds = np.array([index.kinds[token] for token in track_tokens], dtype=np.int8)
    by_kind = np.lexsort((kinds[agents], steps))
    steps, agents, values = steps[by_kind], agents[by_kind], values[by_kind]
    values[static_mask(kinds)[agents], 3:5] = 0.0
    if not np.isfinite(values[:, :7]).all():
        bad = int(np.flatnonzero(~np.isfinite(values[:, :7]).all(axis=1))[0])
        token = track_tokens[agents[bad]].hex()
        raise ValueError(
            f"Log {log_name_of(index.path)}: the box of track {token} at {frames.time_us[steps[bad]]} us has a pose,"
            " size or velocity that is missing or not a number. Leave this log out, or get it again."
        )
    return _tracks(values, steps, agents, tuple(token.hex() for token in track_tokens), kinds, len(frames.tokens))


def check_boxes(connection: sqlite3.Connection, index: LogIndex, frames: FrameRows) -> None:
    """See whether all boxes of some frames have poses, at a fraction of the time that reading them takes.

    Raises:
        ValueError: When one has none.
    """
    # SQLite keeps what is not a number as NULL.
    condition = "x IS NULL OR y IS NULL OR yaw IS NULL"
    found = rows_of_frames(connection, index.path, index.stamp, "lidar_box", condition, frames.tokens)
    for time_us, rows in zip(frames.time_us.tolist(), found, strict=True):
        if any(row[0] for row in rows):
            raise ValueError(
                f"Log {log_name_of(index.path)}: a box at {time_us} us has a pose that is missing or not a number."
                " Leave this log out, or get it again."
            )


def _tracks(
    values: Float64[np.ndarray, "boxes 9"],
    steps: Int64[np.ndarray, "boxes"],
    agents: Int64[np.ndarray, "boxes"],
    track_ids: tuple[str, ...],
    kinds: Any,
    num_steps: int,
) -> AgentTracks:
    num_agents = len(track_ids)
    dense = np.full((num_agents, num_steps, 9), np.nan)
    dense[agents, steps] = values
    valid = np.zeros((num_agents, num_steps), dtype=bool)
    valid[agents, steps] = True
    if valid.sum() < len(steps):
        logger.warning(
            "%d boxes are the second of their track in one frame; the last counts.", len(steps) - valid.sum()
        )
    counts = np.bincount(steps, minlength=num_steps)
    firsts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
    order = np.zeros((num_agents, num_steps), dtype=np.int32)
    order[agents, steps] = np.arange(len(steps)) - firsts[steps]
    heights = np.full(num_agents, np.nan)
    heights[agents[::-1]] = values[::-1, 7]
    return AgentTracks(
        track_ids=track_ids,
        kinds=kinds,
        poses=dense[..., 0:3].copy(),
        velocities_mps=dense[..., 3:5].copy(),
        sizes=dense[..., 5:7].copy(),
        valid=valid,
        order=order,
        heights_m=np.where(np.isfinite(heights), heights, 1.6),
        z_m=np.where(valid & ~np.isfinite(dense[..., 8]), 0.0, dense[..., 8]),
    )


def read_traffic_lights(connection: sqlite3.Connection, index: LogIndex, frames: FrameRows) -> TrafficLights:
    """Observed states of lane connectors at some frames; a state that is no colour is UNKNOWN."""
    columns = "lane_connector_id, status"
    found = rows_of_frames(connection, index.path, index.stamp, "traffic_light_status", columns, frames.tokens)
    rows = list(chain.from_iterable(found))
    return TrafficLights(
        offsets=np.cumsum([0, *(len(rows) for rows in found)], dtype=np.int64),
        lane_connector_ids=np.array([int(row[0]) for row in rows], dtype=np.int64),
        statuses=np.array([_LIGHTS.get(row[1], LightStatus.UNKNOWN) for row in rows], dtype=np.int8),
    )


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
    goal = None
    if row[1] is not None and row[2] is not None:
        heading = headings_of(np.array([row[3:]], dtype=np.float64))[0]
        goal = (float(row[1]), float(row[2]), float(heading))
    return LogMission(roadblock_ids=tuple((row[0] or "").split()), goal_pose=goal)


def read_about_track(connection: sqlite3.Connection, frame_token: bytes, scenario_type: str) -> str | None:
    """Id of the track that a frame's tag of a type is about, named as by `read_agents`; None where it names none.

    Of several such tags the one with the smallest track token counts, so that the order of rows does not matter.
    """
    query = "SELECT MIN(agent_track_token) FROM scenario_tag WHERE lidar_pc_token = ? AND type = ?"
    token = connection.execute(query, (frame_token, scenario_type)).fetchone()[0]
    return None if token is None else token.hex()


def read_metadata(connection: sqlite3.Connection) -> dict[str, str]:
    """Notes on origin and assumptions that our writer leaves in a log; nuPlan's own logs have none."""
    query = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'recording_metadata'"
    if not connection.execute(query).fetchone()[0]:
        return {}
    return {str(key): str(value) for key, value in connection.execute("SELECT key, value FROM recording_metadata")}
