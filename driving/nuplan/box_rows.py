"""Rows of a large table by frame, also without an index on the frames.

A log holds up to millions of boxes. With an index on `lidar_pc_token` SQLite finds those of a frame at once. Without
one, the table is read once from end to end, and the user's cache folder keeps the stretches of rows of each frame.
Boxes are stored frame by frame, so that the list is short.
"""

import hashlib
import logging
import sqlite3
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt64

from driving.nuplan.cache import cache_folder, replacing
from driving.nuplan.database import has_index, reading
from driving.nuplan.logs import LogIndex

logger = logging.getLogger(__name__)

FORMAT = 1
"""Rises when the meaning of the cached arrays changes."""

TOKEN_BYTES = 8
_SMALL_GAP_ROWS = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class Stretches:
    """Stretches of consecutive rows of one frame each, in row order."""

    frame_keys: UInt64[np.ndarray, "stretches"]
    """Token of the frame as a number."""
    first_row_ids: Int64[np.ndarray, "stretches"]
    last_row_ids: Int64[np.ndarray, "stretches"]


def rows_of_frames(
    connection: sqlite3.Connection, index: LogIndex, table: str, columns: str, frame_tokens: tuple[bytes, ...]
) -> list[list[tuple[Any, ...]]]:
    """The rows of a table for each frame, in the order of the file.

    Args:
        connection: To the log.
        index: Of the log; its path and stamp name the cached look-up.
        table: Has a column `lidar_pc_token`.
        columns: To select.
        frame_tokens: Tokens of `lidar_pc`.
    """
    if has_index(connection, table, "lidar_pc_token"):
        query = f"SELECT {columns} FROM {table} WHERE lidar_pc_token = ? ORDER BY rowid"  # noqa: S608
        return [connection.execute(query, (token,)).fetchall() for token in frame_tokens]
    stretches = _stretches(index.path, index.stamp, table)
    found: dict[bytes, list[tuple[Any, ...]]] = {token: [] for token in frame_tokens}
    picked = np.isin(stretches.frame_keys, as_keys(frame_tokens))
    query = f"SELECT lidar_pc_token, {columns} FROM {table} WHERE rowid BETWEEN ? AND ? ORDER BY rowid"  # noqa: S608
    for first, last in _joined(stretches.first_row_ids[picked], stretches.last_row_ids[picked]):
        for row in connection.execute(query, (first, last)):
            rows = found.get(row[0])
            if rows is not None:
                rows.append(row[1:])
    return [found[token] for token in frame_tokens]


def _joined(first: Int64[np.ndarray, "ranges"], last: Int64[np.ndarray, "ranges"]) -> list[tuple[int, int]]:
    """Merge ranges with small gaps: reading the rows between is faster than a new query."""
    ranges: list[tuple[int, int]] = []
    for start, stop in zip(first.tolist(), last.tolist(), strict=True):
        if ranges and start - ranges[-1][1] <= _SMALL_GAP_ROWS:
            ranges[-1] = (ranges[-1][0], stop)
        else:
            ranges.append((start, stop))
    return ranges


def _scan(path: Path, table: str) -> Stretches:
    logger.warning("%s: table `%s` has no index on its frames and is read once to find them.", path, table)
    row_ids, keys, ignored = [], [], 0
    with reading(path) as connection:
        cursor = connection.execute(f"SELECT rowid, lidar_pc_token FROM {table} ORDER BY rowid")  # noqa: S608
        while chunk := cursor.fetchmany(100_000):
            rows = [row for row in chunk if isinstance(row[1], bytes) and len(row[1]) == TOKEN_BYTES]
            ignored += len(chunk) - len(rows)
            row_ids.append(np.array([row[0] for row in rows], dtype=np.int64))
            keys.append(as_keys([row[1] for row in rows]))
    if ignored:
        logger.warning("%s: table `%s`: %d rows belong to no frame and are ignored.", path, table, ignored)
    joined = np.concatenate([np.zeros(0, dtype=np.uint64), *keys])
    joined_ids = np.concatenate([np.zeros(0, dtype=np.int64), *row_ids])
    is_start = np.concatenate([[True], joined[1:] != joined[:-1]])[: len(joined)]
    is_stop = np.concatenate([joined[1:] != joined[:-1], [True]])[-len(joined) :] if len(joined) else is_start
    return Stretches(
        frame_keys=joined[is_start], first_row_ids=joined_ids[is_start], last_row_ids=joined_ids[is_stop]
    )


def as_keys(tokens: Sequence[bytes]) -> UInt64[np.ndarray, "tokens"]:
    """Tokens of 8 bytes as numbers, which arrays can hold and compare."""
    joined = b"".join(tokens)
    assert len(joined) == TOKEN_BYTES * len(tokens)
    return np.frombuffer(joined, dtype=">u8").astype(np.uint64)


def _file(path: Path, table: str) -> Path:
    name = hashlib.blake2b(str(path.resolve()).encode(), digest_size=12).hexdigest()
    return cache_folder() / "logs" / f"{path.stem}-{name}-{table}.npz"


@lru_cache(maxsize=8)
def _stretches(path: Path, stamp: tuple[int, int], table: str) -> Stretches:
    stretches = _kept(path, stamp, table)
    if stretches is None:
        stretches = _scan(path, table)
        _keep(stretches, path, stamp, table)
    return stretches


def _kept(path: Path, stamp: tuple[int, int], table: str) -> Stretches | None:
    """The cached look-up; None when there is none for this version of the file."""
    file = _file(path, table)
    try:
        with np.load(file, allow_pickle=False) as arrays:
            if arrays["stamp"].tolist() != [FORMAT, *stamp]:
                return None
            return Stretches(
                frame_keys=arrays["frame_keys"],
                first_row_ids=arrays["first_row_ids"],
                last_row_ids=arrays["last_row_ids"],
            )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        logger.warning("The cached look-up %s is damaged (%s) and is made again.", file, error)
        return None


def _keep(stretches: Stretches, path: Path, stamp: tuple[int, int], table: str) -> None:
    file = _file(path, table)
    try:
        with replacing(file) as temporary:
            np.savez(
                temporary,
                stamp=np.array([FORMAT, *stamp], dtype=np.int64),
                frame_keys=stretches.frame_keys,
                first_row_ids=stretches.first_row_ids,
                last_row_ids=stretches.last_row_ids,
            )
    except OSError as error:
        logger.warning("Cannot cache the look-up of %s: %s", path.name, error)
