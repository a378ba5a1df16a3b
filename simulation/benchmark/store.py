"""The results folder: a row file and a simulation log per finished scenario, written as soon as it is finished.

    run.json                what was run, on what, by which command
    rows/<job>.parquet      one row each; what is there is finished and is never run again
    logs/<job>.simlog       the drive
    scores.parquet ...      the report, made from the rows

Nothing in it names its own place, so that the folder can be moved.
"""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

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
        """What was run."""
        return self.folder / "run.json"

    def create(self, run: dict[str, Any]) -> None:
        """Make the folder.

        Raises:
            FileExistsError: When it holds another run already.
        """
        if self.run_file.exists():
            raise FileExistsError(
                f"{self.folder} holds a run already. Go on with it by --resume, or name another --output."
            )
        self.rows_folder.mkdir(parents=True, exist_ok=True)
        self.logs_folder.mkdir(exist_ok=True)
        self.write_run(run)

    def write_run(self, run: dict[str, Any]) -> None:
        """Keep what was run."""
        write_atomically(self.run_file, json.dumps(run, indent=2).encode())

    def read_run(self) -> dict[str, Any]:
        """What was run.

        Raises:
            FileNotFoundError: When the folder holds no run.
        """
        if not self.run_file.is_file():
            raise FileNotFoundError(f"{self.folder} holds no benchmark results: there is no {self.run_file.name}.")
        content: dict[str, Any] = json.loads(self.run_file.read_text(encoding="utf-8"))
        return content

    def finished(self) -> set[str]:
        """Keys of the finished jobs."""
        return {path.stem for path in self.rows_folder.glob("*.parquet")}

    def write(self, key: str, result: JobResult) -> None:
        """Keep a finished job: first the drive, then the row that says it is there."""
        if result.log_bytes is not None:
            write_atomically(self.log_file(key), result.log_bytes)
        values = {name: [getattr(result, name)] for name in _SCHEMA.names}
        for name in _MAPS:
            values[name] = [list(values[name][0].items())]
        sink = pa.BufferOutputStream()
        # One row gains nothing from packing, and a listing of thousands of such files is quicker without.
        table = pa.table(values, schema=_SCHEMA)
        pq.write_table(table, sink, compression="none", use_dictionary=False, write_statistics=False)
        write_atomically(self.rows_folder / f"{key}.parquet", sink.getvalue().to_pybytes())

    def remove(self, key: str) -> None:
        """Forget a job, so that it is run again."""
        (self.rows_folder / f"{key}.parquet").unlink(missing_ok=True)
        self.log_file(key).unlink(missing_ok=True)

    def read(self, key: str) -> JobResult:
        """One finished job, without its drive."""
        return self._results_of(pq.read_table(self.rows_folder / f"{key}.parquet"))[0]

    def read_all(self) -> list[JobResult]:
        """All finished jobs, ordered by their keys."""
        paths = sorted(self.rows_folder.glob("*.parquet"))
        return [self._results_of(pq.read_table(path))[0] for path in paths]

    def log_file(self, key: str) -> Path:
        """Where the drive of a job is."""
        return self.logs_folder / f"{key}.simlog"

    @staticmethod
    def _results_of(table: pa.Table) -> list[JobResult]:
        rows = table.to_pylist()
        for row in rows:
            row.update({name: dict(row[name]) for name in _MAPS})
        return [JobResult(**row) for row in rows]


assert set(_SCHEMA.names) == {field.name for field in fields(JobResult)} - {"log_bytes"}
