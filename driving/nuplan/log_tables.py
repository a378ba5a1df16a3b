"""Tables and rows of a nuPlan log file, from a recording at log rate (20 Hz)."""

import hashlib
import pickle
import re
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product

import numpy as np
from jaxtyping import Float64, Int64

from driving.agents import AgentKind, LightStatus
from driving.nuplan.log_images import ImageRows
from driving.nuplan.log_scenes import SceneRow
from driving.nuplan.logs import headings_of
from driving.recording import Recording, frame_token

_TILTS = (0.0, 7.5e-9, 1.06e-8, 1.3e-8, 1.5e-8)
_LAST_DIGITS = (0, 1, -1, 2, -2)

_NAMED = "token BLOB NOT NULL"
_KEY = "PRIMARY KEY (token)"
_TO_LOG = "FOREIGN KEY(log_token) REFERENCES log (token)"
_TO_FRAME = "FOREIGN KEY(lidar_pc_token) REFERENCES lidar_pc (token)"


def _links(table: str) -> str:
    return ", ".join(f"FOREIGN KEY({way}_token) REFERENCES {table} (token)" for way in ("next", "prev"))


def _to(table: str, column: str | None = None) -> str:
    return f"FOREIGN KEY({column or table + '_token'}) REFERENCES {table} (token)"


LOG_TABLES = {
    "log": f"{_NAMED}, vehicle_name VARCHAR(64), date VARCHAR(64), timestamp INTEGER, logfile VARCHAR(64),"
    f" location VARCHAR(64), map_version VARCHAR(64), {_KEY}",
    "category": f"{_NAMED}, name VARCHAR(64), description TEXT, {_KEY}",
    "camera": f"{_NAMED}, log_token BLOB NOT NULL, channel VARCHAR(64), model VARCHAR(64), translation BLOB,"
    f" rotation BLOB, intrinsic BLOB, distortion BLOB, width INTEGER, height INTEGER, {_KEY}, {_TO_LOG}",
    "ego_pose": f"{_NAMED}, timestamp INTEGER, x FLOAT, y FLOAT, z FLOAT, qw FLOAT, qx FLOAT, qy FLOAT, qz FLOAT,"
    " vx FLOAT, vy FLOAT, vz FLOAT, acceleration_x FLOAT, acceleration_y FLOAT, acceleration_z FLOAT,"
    " angular_rate_x FLOAT, angular_rate_y FLOAT, angular_rate_z FLOAT, epsg INTEGER, log_token BLOB NOT NULL,"
    f" {_KEY}, {_TO_LOG}",
    "image": f"{_NAMED}, next_token BLOB, prev_token BLOB, ego_pose_token BLOB NOT NULL, camera_token BLOB NOT NULL,"
    f" filename_jpg VARCHAR(128), timestamp INTEGER, {_KEY}, {_links('image')}, {_to('ego_pose')}, {_to('camera')}",
    "lidar": f"{_NAMED}, log_token BLOB NOT NULL, channel VARCHAR(64), model VARCHAR(64), translation BLOB,"
    f" rotation BLOB, {_KEY}, {_TO_LOG}",
    "lidar_pc": f"{_NAMED}, next_token BLOB, prev_token BLOB, ego_pose_token BLOB NOT NULL,"
    f" lidar_token BLOB NOT NULL, scene_token BLOB, filename VARCHAR(128), timestamp INTEGER, {_KEY},"
    f" {_links('lidar_pc')}, {_to('ego_pose')}, {_to('lidar')}, {_to('scene')}",
    "lidar_box": f"{_NAMED}, lidar_pc_token BLOB NOT NULL, track_token BLOB NOT NULL, next_token BLOB,"
    " prev_token BLOB, x FLOAT, y FLOAT, z FLOAT, width FLOAT, length FLOAT, height FLOAT, vx FLOAT, vy FLOAT,"
    f" vz FLOAT, yaw FLOAT, confidence FLOAT, {_KEY}, {_TO_FRAME}, {_to('track')}, {_links('lidar_box')}",
    "track": f"{_NAMED}, category_token BLOB NOT NULL, width FLOAT, length FLOAT, height FLOAT, {_KEY},"
    f" {_to('category')}",
    "scene": f"{_NAMED}, log_token BLOB NOT NULL, name TEXT, goal_ego_pose_token BLOB, roadblock_ids TEXT, {_KEY},"
    f" {_TO_LOG}, {_to('ego_pose', 'goal_ego_pose_token')}",
    "scenario_tag": f"{_NAMED}, lidar_pc_token BLOB NOT NULL, type TEXT, agent_track_token BLOB, {_KEY}, {_TO_FRAME},"
    f" {_to('track', 'agent_track_token')}",
    "traffic_light_status": f"{_NAMED}, lidar_pc_token BLOB NOT NULL, lane_connector_id INTEGER, status VARCHAR(8),"
    f" {_KEY}, {_TO_FRAME}",
    "recording_metadata": "key TEXT NOT NULL PRIMARY KEY, value TEXT",
}
"""nuPlan's twelve tables, and `recording_metadata`, which the devkit ignores."""

LOG_INDICES = (
    "CREATE INDEX idx_lidar_box_pc ON lidar_box(lidar_pc_token)",
    "CREATE INDEX idx_tl_pc ON traffic_light_status(lidar_pc_token)",
)
"""Not in nuPlan's files: a look-up instead of a scan of the table at each simulated step."""

CATEGORIES = {
    AgentKind.VEHICLE: ("vehicle", "Motor vehicles with four or more wheels, and trailers."),
    AgentKind.BICYCLE: ("bicycle", "Bicycles and motorcycles with their riders."),
    AgentKind.PEDESTRIAN: ("pedestrian", "People on foot, also with prams and wheelchairs."),
    AgentKind.TRAFFIC_CONE: ("traffic_cone", "Cones that direct traffic."),
    AgentKind.BARRIER: ("barrier", "Barriers that close a way."),
    AgentKind.CZONE_SIGN: ("czone_sign", "Signs that announce a construction zone."),
    AgentKind.GENERIC_OBJECT: ("generic_object", "Anything else on the road."),
}

NO_FRAME = bytes(8)
"""Token after the last frame and before the first. With NULL the devkit fails when a scenario reaches the end of its
log."""

UNTAGGED_TYPE = "unknown"
"""nuPlan's type of a frame without a tag. It is not stored as a tag."""

_LIGHT_NAMES = {LightStatus.GREEN: "green", LightStatus.YELLOW: "yellow", LightStatus.RED: "red"}
_LIDAR = "MergedPointCloud"
_HEX_TOKEN = re.compile(r"[0-9a-f]{16}")
_NO_TRANSLATION, _NO_ROTATION = [0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]


@dataclass(frozen=True, kw_only=True)
class LogKeys:
    """Tokens of the rows of a log, to which other rows refer."""

    log: bytes
    lidar: bytes
    frames: list[bytes]
    """Of `lidar_pc`, one per frame."""
    ego_poses: list[bytes]
    """One per frame."""
    tracks: dict[str, bytes]
    """By track id."""


def log_keys(recording: Recording) -> LogKeys:
    """Tokens of a log, the same in every process and on every machine.

    Raises:
        ValueError: When two frames or two tracks have the same token.
    """
    name = recording.log_name
    named = {tag.frame: recording.token(tag) for tag in recording.tags}
    frames = [named.get(frame) or frame_token(name, time) for frame, time in enumerate(recording.time_us.tolist())]
    if len(set(frames)) != len(frames):
        double = next(token for token in frames if frames.count(token) > 1)
        raise ValueError(
            f"Log {name}: two frames have the token {double}. Give each tag a token of its own, or none."
        )
    tracks = {track_id: track_token(name, track_id) for track_id in recording.agents.track_ids}
    if len(set(tracks.values())) != len(tracks):
        raise ValueError(f"Log {name}: two tracks have the same token. Give one of them another id.")
    return LogKeys(
        log=tokens(name, "log", 1)[0],
        lidar=tokens(name, "lidar", 1)[0],
        frames=[bytes.fromhex(token) for token in frames],
        ego_poses=tokens(name, "ego_pose", len(frames)),
        tracks=tracks,
    )


def track_token(log_name: str, track_id: str) -> bytes:
    """The token of a track: its id if it is one (16 lower-case hex digits), else a hash of log and id."""
    if _HEX_TOKEN.fullmatch(track_id):
        return bytes.fromhex(track_id)
    return hashlib.blake2b(f"{log_name}/track/{track_id}".encode(), digest_size=8).digest()


def tokens(log_name: str, table: str, count: int) -> list[bytes]:
    """Tokens of the rows of a table: consecutive numbers from a hash of log and table on.

    Tokens increase from row to row, so that SQLite appends to the index.
    """
    start = int.from_bytes(hashlib.blake2b(f"{log_name}/{table}".encode(), digest_size=8).digest(), "big")
    return (np.arange(count, dtype=np.uint64) + np.uint64(start)).astype(">u8").view("V8").tolist()


def fill_log(
    connection: sqlite3.Connection,
    recording: Recording,
    keys: LogKeys,
    scenes: list[SceneRow],
    images: ImageRows | None,
) -> None:
    """Create the tables of a log and fill them."""
    for table, columns in LOG_TABLES.items():
        connection.execute(f"CREATE TABLE {table} ({columns})")
    _insert(connection, "log", [_log_row(recording, keys)])
    _insert(connection, "ego_pose", _ego_pose_rows(recording, keys, scenes, images))
    if images is not None:
        _insert(connection, "camera", _camera_rows(keys, images))
        _insert(connection, "image", images.rows(recording.log_name, keys.ego_poses))
    no_pose = (pickle.dumps(_NO_TRANSLATION, 4), pickle.dumps(_NO_ROTATION, 4))
    _insert(connection, "lidar", [(keys.lidar, keys.log, _LIDAR, _LIDAR, *no_pose)])
    _insert_frames(connection, recording, keys, scenes)
    _insert_agents(connection, recording, keys)
    _insert(connection, "traffic_light_status", _light_rows(recording, keys))
    _insert(connection, "scenario_tag", _tag_rows(recording, keys))
    _insert(connection, "recording_metadata", sorted(recording.metadata.items()))
    for statement in LOG_INDICES:
        connection.execute(statement)


def _insert(connection: sqlite3.Connection, table: str, rows: Iterable[tuple]) -> None:
    rows = iter(rows)
    first = next(rows, None)
    if first is not None:
        statement = f"INSERT INTO {table} VALUES ({', '.join('?' * len(first))})"  # noqa: S608
        connection.execute(statement, first)
        connection.executemany(statement, rows)


def _log_row(recording: Recording, keys: LogKeys) -> tuple:
    start_us = int(recording.time_us[0])
    vehicle = re.search(r"veh-\d+", recording.log_name)
    return (
        keys.log,
        vehicle.group() if vehicle else "veh-00",
        datetime.fromtimestamp(start_us / 1e6, UTC).strftime("%Y-%m-%d"),
        start_us,
        recording.log_name,
        recording.map.name,
        # Despite its name this column has the name of the map.
        recording.map.name,
    )


# ---------------------------------------------------------------------- ego and frames


def _ego_pose_rows(
    recording: Recording, keys: LogKeys, scenes: list[SceneRow], images: ImageRows | None
) -> Iterator[tuple]:
    ego, time_us, epsg = recording.ego, recording.time_us, recording.map.epsg
    poses = ego.rear_axle_poses[0]
    z_m, quaternions = np.zeros(len(poses)), quaternions_of(poses[:, 2])
    if images is not None:
        z_m[images.shared_frames], quaternions[images.shared_frames] = images.shared_z_m, images.shared_quaternions
    turning_radps = np.gradient(np.unwrap(poses[:, 2]), (time_us - time_us[0]) / 1e6)
    zeros = np.zeros(len(poses))
    columns = (
        *poses[:, :2].T,
        z_m,
        *quaternions.T,
        *ego.velocities_mps[0].T,
        zeros,
        *ego.accelerations_mps2[0].T,
        zeros,
        zeros,
        zeros,
        turning_radps,
    )
    for token, time, *values in zip(
        keys.ego_poses, time_us.tolist(), *(column.tolist() for column in columns), strict=True
    ):
        yield (token, time, *values, epsg, keys.log)
    still = (0.0,) * 9
    goals = {scene.goal_token: scene.goal_pose for scene in scenes if scene.goal_pose is not None}
    for goal_token, pose in goals.items():
        placed = (*pose[:2].tolist(), 0.0, *quaternions_of(pose[2:])[0].tolist())
        yield (goal_token, int(time_us[-1]), *placed, *still, epsg, keys.log)
    if images is not None:
        for token, time, placed in images.own_poses():
            yield (token, time, *placed, *still, epsg, keys.log)


def quaternions_of(headings: Float64[np.ndarray, "poses"]) -> Float64[np.ndarray, "poses 4"]:
    """Quaternions (w, x, y, z) of turns about the z axis, from which `headings_of` computes exactly these headings.

    Rounding moves one heading in five by its last digit. Its quaternion is then changed by up to two last digits and,
    near a quarter turn, by a tilt of up to 3e-8 rad.
    """
    zeros = np.zeros(len(headings))
    exact = np.stack([np.cos(headings / 2), zeros, zeros, np.sin(headings / 2)], axis=-1)
    quaternions = exact.copy()
    left = np.flatnonzero(headings_of(exact) != headings)
    for y, w_digits, z_digits in product(_TILTS, _LAST_DIGITS, _LAST_DIGITS):
        if not len(left):
            break
        tried = exact[left]
        tried[:, 0] += w_digits * np.spacing(np.abs(tried[:, 0]))
        tried[:, 2] = y
        tried[:, 3] += z_digits * np.spacing(np.abs(tried[:, 3]))
        is_exact = headings_of(tried) == headings[left]
        quaternions[left[is_exact]] = tried[is_exact]
        left = left[~is_exact]
    return quaternions


def _insert_frames(
    connection: sqlite3.Connection, recording: Recording, keys: LogKeys, scenes: list[SceneRow]
) -> None:
    _insert(
        connection,
        "scene",
        ((scene.token, keys.log, scene.name, scene.goal_token, scene.roadblock_ids) for scene in scenes),
    )
    scene_of_frame = [scene.token for scene in scenes for _ in range(scene.start, scene.stop)]
    chain = zip(keys.frames, [*keys.frames[1:], NO_FRAME], [NO_FRAME, *keys.frames[:-1]], strict=True)
    columns = zip(chain, keys.ego_poses, scene_of_frame, recording.time_us.tolist(), strict=True)
    _insert(
        connection,
        "lidar_pc",
        (
            (*links, pose, keys.lidar, scene, f"{recording.log_name}/{_LIDAR}/{links[0].hex()}.pcd", time)
            for links, pose, scene, time in columns
        ),
    )


def _camera_rows(keys: LogKeys, images: ImageRows) -> Iterator[tuple]:
    for token, channel, calibration, (width, height) in images.cameras():
        blobs = (pickle.dumps(values, 4) for values in calibration)
        yield (token, keys.log, channel, "pinhole", *blobs, width, height)


# ---------------------------------------------------------------------- agents, lights, tags


def _insert_agents(connection: sqlite3.Connection, recording: Recording, keys: LogKeys) -> None:
    agents, name = recording.agents, recording.log_name
    category_tokens = dict(zip(CATEGORIES, tokens(name, "category", len(CATEGORIES)), strict=True))
    _insert(connection, "category", ((category_tokens[kind], *words) for kind, words in CATEGORIES.items()))
    track_keys = [keys.tracks[track_id] for track_id in agents.track_ids]
    known = agents.valid[..., np.newaxis]
    sizes = np.where(known, agents.sizes, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    rows = zip(track_keys, agents.kinds.tolist(), sizes.tolist(), agents.heights_m.tolist(), strict=True)
    _insert(
        connection,
        "track",
        (
            (token, category_tokens[AgentKind(kind)], width, length, height)
            for token, kind, (length, width), height in rows
        ),
    )
    agent, frame = _boxes_in_order(recording)
    box_keys = tokens(name, "lidar_box", len(agent))
    after, before = _links_within_tracks(agent)
    poses, velocities = agents.poses[agent, frame], agents.velocities_mps[agent, frame]
    sizes = agents.sizes[agent, frame]
    zeros, ones = [0.0] * len(agent), [1.0] * len(agent)
    _insert(
        connection,
        "lidar_box",
        zip(
            box_keys,
            [keys.frames[one] for one in frame.tolist()],
            [track_keys[one] for one in agent.tolist()],
            [None if one < 0 else box_keys[one] for one in after.tolist()],
            [None if one < 0 else box_keys[one] for one in before.tolist()],
            *poses[:, :2].T.tolist(),
            agents.z_m[agent, frame].tolist(),
            sizes[:, 1].tolist(),
            sizes[:, 0].tolist(),
            agents.heights_m[agent].tolist(),
            *velocities.T.tolist(),
            zeros,
            poses[:, 2].tolist(),
            ones,
            strict=True,
        ),
    )


def _boxes_in_order(recording: Recording) -> tuple[Int64[np.ndarray, "boxes"], Int64[np.ndarray, "boxes"]]:
    """Agent and frame of each box, ordered by frame and then as in the source."""
    agent, frame = np.nonzero(recording.agents.valid)
    sequence = np.lexsort((agent, recording.agents.order[agent, frame], frame))
    return agent[sequence], frame[sequence]


def _links_within_tracks(
    agent: Int64[np.ndarray, "boxes"],
) -> tuple[Int64[np.ndarray, "boxes"], Int64[np.ndarray, "boxes"]]:
    """Next and previous box of the same agent; -1 at the ends."""
    by_track = np.argsort(agent, kind="stable")
    is_same = agent[by_track[:-1]] == agent[by_track[1:]]
    after, before = np.full(len(agent), -1), np.full(len(agent), -1)
    after[by_track[:-1][is_same]] = by_track[1:][is_same]
    before[by_track[1:][is_same]] = by_track[:-1][is_same]
    return after, before


def _light_rows(recording: Recording, keys: LogKeys) -> Iterator[tuple]:
    lights = recording.traffic_lights
    counts = np.diff(lights.offsets)
    frames = np.repeat(np.arange(len(counts)), counts)
    names = {int(status): _LIGHT_NAMES.get(status, "unknown") for status in LightStatus}
    return zip(
        tokens(recording.log_name, "traffic_light_status", len(frames)),
        [keys.frames[frame] for frame in frames.tolist()],
        lights.lane_connector_ids.tolist(),
        [names[status] for status in lights.statuses.tolist()],
        strict=True,
    )


def _tag_rows(recording: Recording, keys: LogKeys) -> Iterator[tuple]:
    tags = [tag for tag in recording.tags if tag.scenario_type != UNTAGGED_TYPE]
    for token, tag in zip(tokens(recording.log_name, "scenario_tag", len(tags)), tags, strict=True):
        track = None if tag.track_id is None else keys.tracks[tag.track_id]
        yield (token, keys.frames[tag.frame], tag.scenario_type, track)
