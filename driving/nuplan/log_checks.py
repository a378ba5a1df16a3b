"""Rows of a log that cannot be used: ignored with a warning, or the reason to refuse the log.

The rules cover the small tables and the references between tables. Ego poses and boxes are checked when the frames of
a scenario are read.
"""

import logging
import sqlite3
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from driving.names import listed
from driving.nuplan.database import has_index, has_table, reading

logger = logging.getLogger(__name__)

MASTER_CHANNEL = "MergedPointCloud"
"""The lidar of nuPlan's frames: each sweep is a frame."""
OPTIONAL_TABLES = ("scenario_tag", "traffic_light_status", "camera", "image", "recording_metadata")
"""A log without them can be opened and driven."""


def is_token(column: str) -> str:
    """SQL: whether a column holds a token, 8 bytes."""
    return f"(typeof({column}) = 'blob' AND length({column}) = 8)"


def is_number(column: str) -> str:
    """SQL: whether a column holds a finite number. SQLite stores NaN as NULL."""
    return f"(typeof({column}) IN ('real', 'integer') AND abs({column}) <= 1e300)"


def _refers(column: str, table: str) -> str:
    return f"EXISTS (SELECT 1 FROM {table} AS target WHERE target.token = t.{column})"  # noqa: S608


@dataclass(frozen=True, kw_only=True)
class _Rule:
    """Requirement on the rows of a table, and the effect of its violation."""

    table: str
    condition: str
    """SQL on the table `t`."""
    sentence: str
    """Follows the word "rows"."""
    refuses: bool = False
    """Whether the log cannot be used at all."""


_POSE = " AND ".join(is_number(f"p.{name}") for name in ("x", "y", "qw", "qx", "qy", "qz"))
_RULES = (
    _Rule(
        table="log",
        condition="typeof(t.map_version) = 'text' AND t.map_version <> ''",
        sentence="name no map in `map_version`",
        refuses=True,
    ),
    _Rule(
        table="lidar",
        condition=f"t.channel IS NOT '{MASTER_CHANNEL}' OR {_refers('log_token', 'log')}",
        sentence="refer to no log, which names the map",
        refuses=True,
    ),
    _Rule(
        table="lidar_pc",
        condition=f"typeof(t.timestamp) = 'integer' AND {is_token('t.token')}",
        sentence="are frames without a time stamp or without a token of 8 bytes",
        refuses=True,
    ),
    _Rule(
        table="lidar_pc",
        condition=_refers("lidar_token", "lidar"),
        sentence="are frames of no lidar and are ignored",
    ),
    _Rule(
        table="scene",
        condition="length(t.name) > 0",
        sentence="have no name; the order of the names decides which frames are scenarios",
        refuses=True,
    ),
    _Rule(
        table="scene",
        condition=f"t.goal_ego_pose_token IS NULL OR {_refers('goal_ego_pose_token', 'ego_pose')}",
        sentence="refer to a goal that is not in `ego_pose` and have no goal",
    ),
    _Rule(
        table="scene",
        condition="NOT EXISTS (SELECT 1 FROM ego_pose AS p"  # noqa: S608
        f" WHERE p.token = t.goal_ego_pose_token AND NOT ({_POSE}))",
        sentence="have a goal pose that is not made of numbers and have no goal",
    ),
    _Rule(
        table="scenario_tag",
        condition="typeof(t.type) = 'text' AND t.type <> ''",
        sentence="have no type and are ignored",
    ),
    _Rule(
        table="scenario_tag",
        condition=_refers("lidar_pc_token", "lidar_pc"),
        sentence="tag no frame and are ignored",
    ),
    _Rule(
        table="scenario_tag",
        condition="NOT EXISTS (SELECT 1 FROM lidar_pc AS p WHERE p.token = t.lidar_pc_token AND NOT"
        " EXISTS (SELECT 1 FROM scene AS s WHERE s.token = p.scene_token))",
        sentence="tag a frame of no scene and are ignored",
    ),
    _Rule(
        table="scenario_tag",
        condition=f"t.agent_track_token IS NULL OR {_refers('agent_track_token', 'track')}",
        sentence="refer to an agent that is not in `track`; the tag names no agent",
    ),
    _Rule(
        table="track",
        condition=f"{is_token('t.token')} AND {_refers('category_token', 'category')}",
        sentence="have no token or no category; their boxes are ignored",
    ),
)


def check_log_tables(path: Path) -> None:
    """Warn of rows that are ignored, once a process and file.

    Raises:
        FileNotFoundError: When there is no such file.
        OSError: When it is locked.
        ValueError: When the log cannot be used, with file, table and row.
    """
    status = path.stat() if path.is_file() else None
    _check(path, status and (status.st_size, status.st_mtime_ns))


@lru_cache(maxsize=4096)
def _check(path: Path, stamp: tuple[int, int] | None) -> None:
    with reading(path) as connection:
        absent = {table for table in OPTIONAL_TABLES if not has_table(connection, table)}
        if "traffic_light_status" in absent:
            logger.warning("%s has no table `traffic_light_status`: no light is observed.", path)
        if "scenario_tag" in absent:
            logger.warning("%s has no table `scenario_tag`: filters by scenario type select no frame of it.", path)
        # No rule below reads it where it has no index; without the table this raises.
        connection.execute("SELECT 1 FROM lidar_box LIMIT 1")
        for rule in _RULES:
            if rule.table not in absent:
                _apply(path, rule, _failing(connection, rule))
        for table in ("lidar_box", "traffic_light_status"):
            # Without an index these are noticed when the table is read from end to end. Blobs sort after other types.
            if table not in absent and has_index(connection, table, "lidar_pc_token"):
                query = f"SELECT rowid FROM {table} WHERE lidar_pc_token IS NULL OR lidar_pc_token <= x''"  # noqa: S608
                rule = _Rule(table=table, condition="", sentence="belong to no frame and are ignored")
                _apply(path, rule, [f"row {row[0]}" for row in connection.execute(query)])


def _failing(connection: sqlite3.Connection, rule: _Rule) -> list[str]:
    query = f"SELECT t.token, t.rowid FROM {rule.table} AS t WHERE ({rule.condition}) IS NOT TRUE"  # noqa: S608
    return [token.hex() if isinstance(token, bytes) else f"row {row}" for token, row in connection.execute(query)]


def _apply(path: Path, rule: _Rule, rows: list[str]) -> None:
    if not rows:
        return
    sentence = f"{path}: table `{rule.table}`: rows {rule.sentence} ({listed(rows)})."
    if rule.refuses:
        raise ValueError(f"{sentence} Leave this log out, or get it again.")
    logger.warning("%s", sentence)
