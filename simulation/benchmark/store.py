"""The results folder: a row and a simulation log per finished job, written when the job finishes.

    run.json                settings, command, data version, hardware
    rows/<job>.parquet      one row each; a job with a row is finished and does not run again
    logs/<job>.simlog       the simulation log
    scores.parquet ...      the report, made from the rows

No file names its own place, so that the folder can be moved.
"""

import json
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from driving.nuplan.cache import is_temporary
from simulation.benchmark.jobs import JobResult
from simulation.files import write_atomically

_SCHEMA = pa.schema(
    [
        ("planner", pa.string()),
        ("scenario", pa.string()),
        ("log_name", pa.string()),
        ("scenario_type", pa.string()),
        ("traffic", pa.string()),
        ("status", pa.string()),
        ("score", pa.float64()),
        ("metrics", pa.map_(pa.string(), pa.float64())),
        ("sentences", pa.map_(pa.string(), pa.string())),
        ("violation_times_s", pa.map_(pa.string(), pa.float64())),
        ("violation_tracks", pa.map_(pa.string(), pa.string())),
        ("reason", pa.string()),
        ("traceback", pa.string()),
        ("stage_time_s", pa.map_(pa.string(), pa.float64())),
        ("worker_pid", pa.int64()),
        ("memory_mib", pa.float64()),
    ]
)
_MAPS = ("metrics", "sentences", "violation_times_s", "violation_tracks", "stage_time_s")


class ResultStore:
    """Reads and writes one results folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows_folder = folder / "rows"
        self.logs_folder = folder / "logs"

    @property
    def run_file(self) -> Path:
        """The description of the run."""
        return self.folder / "run.json"

    def create(self, run: dict[str, Any]) -> None:
        """Make the folder.

        Raises:
            FileExistsError: When it holds another run already.
        """
        if self.run_file.exists():
            raise FileExistsError(
                f"{self.folder} holds a run already. Continue it with --resume, or name another --output."
            )
        self.rows_folder.mkdir(parents=True, exist_ok=True)
        self.logs_folder.mkdir(exist_ok=True)
        self.write_run(run)

    def write_run(self, run: dict[str, Any]) -> None:
        """Write the description of the run."""
        write_atomically(self.run_file, json.dumps(run, indent=2).encode())

    def read_run(self) -> dict[str, Any]:
        """Read the description of the run.

        Raises:
            FileNotFoundError: When the folder holds no run.
        """
        if not self.run_file.is_file():
            raise FileNotFoundError(f"{self.folder} holds no benchmark results: there is no {self.run_file.name}.")
        content: dict[str, Any] = json.loads(self.run_file.read_text(encoding="utf-8"))
        return content

    def finished(self) -> set[str]:
        """Keys of the finished jobs."""
        return {path.stem for path in self._row_files()}

    def write(self, key: str, result: JobResult) -> None:
        """Store a finished job: first its simulation log, then the row that marks it as finished."""
        if result.log_bytes is not None:
            write_atomically(self.log_file(key), result.log_bytes)
        values = {name: [_stored(getattr(result, name))] for name in _SCHEMA.names}
        sink = pa.BufferOutputStream()
        # Compression saves nothing on one row, and reading thousands of such files is faster without.
        table = pa.table(values, schema=_SCHEMA)
        pq.write_table(table, sink, compression="none", use_dictionary=False, write_statistics=False)
        write_atomically(self.rows_folder / f"{key}.parquet", sink.getvalue().to_pybytes())

    def remove(self, key: str) -> None:
        """Delete a job, so that it runs again."""
        (self.rows_folder / f"{key}.parquet").unlink(missing_ok=True)
        self.log_file(key).unlink(missing_ok=True)

    def read(self, key: str) -> JobResult:
        """One finished job, without its simulation log.

        Raises:
            OSError: When the row cannot be read.
            ValueError: When it is damaged.
        """
        return _read_row(self.rows_folder / f"{key}.parquet")

    def read_all(self) -> list[JobResult]:
        """All finished jobs, ordered by their keys."""
        return [_read_row(path) for path in sorted(self._row_files())]

    def log_file(self, key: str) -> Path:
        """The file of a job's simulation log."""
        return self.logs_folder / f"{key}.simlog"

    def _row_files(self) -> Iterable[Path]:
        return (path for path in self.rows_folder.glob("*.parquet") if not is_temporary(path))


def storable(text: str) -> str:
    """The text without characters that no file can store: an exception or a file name may hold lone surrogates."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _stored(value: Any) -> Any:
    if isinstance(value, dict):
        return [(name, _stored(entry)) for name, entry in value.items()]
    return storable(value) if isinstance(value, str) else value


def _read_row(path: Path) -> JobResult:
    try:
        (row,) = pq.read_table(path).to_pylist()
        return JobResult(**{**row, **{name: dict(row[name]) for name in _MAPS}})
    except (pa.ArrowException, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error}). Delete it and continue the run with --resume.") from error


assert set(_SCHEMA.names) == {field.name for field in fields(JobResult)} - {"log_bytes", "warnings"}
