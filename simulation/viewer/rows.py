"""Rows of the viewer's list: one row per drive of a results folder."""

import hashlib
import json
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from driving.nuplan.cache import cache_folder, replacing
from simulation.benchmark.jobs import JobResult
from simulation.benchmark.store import ResultStore
from simulation.log import SUFFIX, read_header

logger = logging.getLogger(__name__)

CACHE_VERSION = 1
Entry = tuple[str, dict[str, Any]]
"""Modification time and size of a file, and its content; `error` holds the reason of an unreadable file."""
Status = Literal["succeeded", "failed", "damaged", "unscored", "logged"]
_MAPS = ("metrics", "sentences", "violation_times_s")
_COLUMNS = ("planner", "scenario", "log_name", "scenario_type", "traffic", "status", "score", "reason", *_MAPS)
_FROM_HEADER = {
    "scenario": "scenario_id",
    "scenario_type": "scenario_type",
    "log_name": "log_name",
    "planner": "planner_name",
    "traffic": "traffic",
}


@dataclass(frozen=True, kw_only=True)
class DriveRow:
    """One drive, or one logged scenario without a drive."""

    key: str
    scenario: str
    scenario_type: str
    log_name: str
    planner: str = ""
    traffic: str = ""
    status: Status = "succeeded"
    score: float | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)
    sentences: dict[str, str] = field(default_factory=dict)
    violation_times_s: dict[str, float] = field(default_factory=dict)
    reason: str = ""
    """Why the score or the simulation log is missing, as a sentence."""
    has_log: bool = True

    @property
    def sort_score(self) -> float:
        """Key of the worst-first order: damaged, failed, then by score; drives without a score come last."""
        if self.status in ("damaged", "failed"):
            return -2.0 if self.status == "damaged" else -1.0
        return 2.0 if self.score is None or not isfinite(self.score) else self.score


class RowReader:
    """Reads the rows of a results folder; a file is read again only after it has changed.

    The rows are cached in one file in the user's cache folder: 2,000 row files take a second to read.
    """

    def __init__(self, store: ResultStore) -> None:
        self._store = store
        digest = hashlib.blake2b(str(store.folder.resolve()).encode(), digest_size=8).hexdigest()
        self._cache_file = cache_folder() / "viewer" / f"rows-{CACHE_VERSION}-{digest}.json"
        self._known = self._read_cache()
        self._lock = threading.Lock()

    def read(self) -> list[DriveRow]:
        """All drives: finished, failed, damaged and unscored ones, sorted by key.

        Raises:
            OSError: When the folder cannot be read.
        """
        with self._lock:
            before = self._known
            tables = self._read_changed("tables", self._store.rows_folder, ".parquet", _read_table)
            logs = self._read_changed("logs", self._store.logs_folder, SUFFIX, _read_log)
            self._known = {"tables": tables, "logs": logs}
            if self._known != before:
                self._write_cache()
        found = [
            _with_log_state(_row(key, values), logs.get(key, (None, None))[1]) for key, (_, values) in tables.items()
        ]
        found += [_unscored(key, values) for key, (_, values) in logs.items() if key not in tables]
        return sorted(found, key=lambda row: row.key)

    def _read_changed(
        self, part: str, folder: Path, suffix: str, read: Callable[[Path], dict[str, Any]]
    ) -> dict[str, Entry]:
        known = self._known.get(part, {})
        found: dict[str, Entry] = {}
        if not folder.is_dir():
            return {}
        changed: dict[str, tuple[str, Path]] = {}
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or not entry.name.endswith(suffix):
                    continue
                key, state = entry.name.removesuffix(suffix), entry.stat()
                stamp = f"{state.st_mtime_ns}/{state.st_size}"
                if key in known and known[key][0] == stamp:
                    found[key] = known[key]
                else:
                    changed[key] = stamp, folder / entry.name
        # Sequential, because opening small files is bound by the interpreter lock: threads gain nothing.
        for key, (stamp, path) in changed.items():
            found[key] = stamp, read(path)
        return found

    def _read_cache(self) -> dict[str, dict[str, Entry]]:
        try:
            content = json.loads(self._cache_file.read_bytes())
            return {
                part: {key: (stamp, values) for key, (stamp, values) in rows.items()}
                for part, rows in content.items()
            }
        except (OSError, ValueError, AttributeError):
            # Missing, or not a cache of this version: all files are read again.
            return {}

    def _write_cache(self) -> None:
        try:
            with replacing(self._cache_file) as temporary:
                temporary.write_bytes(json.dumps(self._known).encode())
        except OSError as error:
            logger.info("cannot write the list to the cache folder: %s", error)


def _read_table(path: Path) -> dict[str, Any]:
    try:
        table = pq.ParquetFile(pa.py_buffer(path.read_bytes())).read(columns=list(_COLUMNS), use_threads=False)
        values: dict[str, Any] = table.to_pylist()[0]
    except (pa.ArrowException, OSError, IndexError, KeyError) as error:
        return {"error": f"{path.name} is damaged: {error}. Delete it and --resume the run."}
    missing = [name for name in _COLUMNS if name not in values]
    if missing:
        return {"error": f"{path.name} lacks {', '.join(missing)}: it is not a result row of a benchmark."}
    return {**values, **{name: dict(values[name]) for name in _MAPS}}


def _read_log(path: Path) -> dict[str, Any]:
    try:
        header = read_header(path)
        return {column: str(header[name]) for column, name in _FROM_HEADER.items()}
    except (ValueError, KeyError, OSError) as error:
        return {"error": str(error)}


def _row(key: str, values: dict[str, Any]) -> DriveRow:
    return _damaged(key, values["error"]) if "error" in values else DriveRow(key=key, **values)


def _damaged(key: str, reason: str) -> DriveRow:
    planner, _, rest = key.partition(".")
    traffic, _, scenario = rest.partition(".")
    return DriveRow(
        key=key,
        scenario=scenario,
        scenario_type="",
        log_name="",
        planner=planner,
        traffic=traffic,
        status="damaged",
        reason=reason,
        has_log=False,
    )


def _with_log_state(row: DriveRow, log: dict[str, Any] | None) -> DriveRow:
    """The row; a missing or damaged log is marked in it."""
    if row.status == "damaged":
        return row
    if log is None:
        reason = "Its log is not in the folder logs/, so only its scores are available."
        return replace(row, has_log=False, reason=row.reason or reason)
    if "error" in log:
        return replace(row, status="damaged", has_log=False, reason=log["error"])
    return row


def _unscored(key: str, log: dict[str, Any]) -> DriveRow:
    if "error" in log:
        return _damaged(key, log["error"])
    reason = "The log has no score: the run ended before the metrics were computed."
    return DriveRow(key=key, **log, status="unscored", reason=reason)


assert set(_COLUMNS) <= set(JobResult.__dataclass_fields__)
