"""SQLite files, opened read-only without side files. Every error is one sentence with the path."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

LOCK_TIMEOUT_S = 2.0
"""Longest wait for a lock of another process."""

_HEADER_BYTES = 100


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A read-only connection to a SQLite file.

    Raises:
        FileNotFoundError: When there is no such file.
        OSError: When another process holds a lock on it.
        ValueError: When it is truncated, damaged, or lacks a table or column that the block reads.
    """
    check_whole(path)
    connection = None
    try:
        connection = sqlite3.connect(_address(path), uri=True, timeout=LOCK_TIMEOUT_S)
        connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        yield connection
    except sqlite3.Error as error:
        raise _explained(path, error) from error
    finally:
        if connection is not None:
            connection.close()


def check_whole(path: Path) -> None:
    """Check by its header that a file is a SQLite database of full length.

    SQLite itself reports missing pages only when a query needs them.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When it is no SQLite file, or shorter than its header states.
    """
    if not path.is_file():
        raise FileNotFoundError(f"No file {path}.")
    size = path.stat().st_size
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
    if len(header) < _HEADER_BYTES or not header.startswith(b"SQLite format 3\0"):
        raise ValueError(
            f"{path} is no SQLite database, or truncated within its header ({size} bytes). Get it again."
        )
    page_bytes = int.from_bytes(header[16:18], "big")
    page_bytes = 65536 if page_bytes == 1 else page_bytes
    pages = int.from_bytes(header[28:32], "big")
    # The page count is valid only when the "valid for" number equals the change counter.
    is_counted = header[24:28] == header[92:96]
    if is_counted and size < pages * page_bytes:
        raise ValueError(
            f"{path} is truncated: it has {size} of {pages * page_bytes} bytes. Download or copy it again."
        )


def has_index(connection: sqlite3.Connection, table: str, column: str) -> bool:
    """Whether an index of the table starts with the column, so that a look-up needs no scan."""
    for row in connection.execute(f"PRAGMA index_list({table})").fetchall():
        first = connection.execute("SELECT * FROM pragma_index_info(?)", (row[1],)).fetchone()
        if first is not None and first[2] == column:
            return True
    return False


def has_table(connection: sqlite3.Connection, table: str) -> bool:
    """Whether the file holds a table (or view) of this name."""
    query = "SELECT COUNT(*) FROM sqlite_master WHERE type IN ('table', 'view') AND name = ?"
    return bool(connection.execute(query, (table,)).fetchone()[0])


def placeholders(count: int) -> str:
    """`?,?,?` for the values of an IN clause."""
    return ",".join("?" * count)


def _address(path: Path) -> str:
    address = f"file:{quote(os.fsencode(path.resolve()))}?mode=ro"
    with path.open("rb") as file:
        is_write_ahead = file.read(20)[18:20] == b"\x02\x02"
    log = path.with_name(path.name + "-wal")
    # Without `immutable`, a reader of such a file creates two side files.
    if is_write_ahead and not (log.exists() and log.stat().st_size):
        address += "&immutable=1"
    return address


def _explained(path: Path, error: sqlite3.Error) -> Exception:
    text = str(error)
    if "locked" in text or "busy" in text:
        return OSError(f"{path} is locked by another process ({text}). Close the program that writes to it.")
    if "no such table" in text or "no such column" in text:
        return ValueError(f"{path} is not in nuPlan's format: {text}. Was it written by another version?")
    if "unable to open" in text or "readonly" in text:
        return OSError(
            f"{path} cannot be read without side files ({text}): another program left it open."
            " Copy it with its -wal or -journal file to a folder of yours."
        )
    return ValueError(f"{path} is damaged ({text}). Download or copy it again.")
