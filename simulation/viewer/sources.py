"""What the viewer was given to show: results folders, and data sets that nobody has driven yet."""

import json
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from driving.map import MapGraph
from driving.nuplan.data import DataRoot
from driving.nuplan.filters import ScenarioFilter
from driving.nuplan.scenarios import list_scenarios
from driving.scenario import Scenario
from simulation.benchmark.store import ResultStore
from simulation.log import SimulationLog
from simulation.viewer.datasets import Dataset, dataset_of_run
from simulation.viewer.recent import Recent
from simulation.viewer.rows import DriveRow, RowReader

KEPT_LOGS = 32


class Source(Protocol):
    """A folder to show. Everything in it is asked for by keys that its own rows name, never by paths."""

    name: str

    def rows(self) -> Sequence[DriveRow]:
        """What there is, as it is now.

        Raises:
            OSError: When the folder cannot be read.
            ValueError: When it holds nothing to show.
        """
        ...

    def facts(self) -> dict[str, Any]:
        """What the page says about the folder."""
        ...

    def row(self, key: str) -> DriveRow:
        """One row.

        Raises:
            LookupError: When there is none of that key.
        """
        ...

    def log(self, key: str) -> SimulationLog | None:
        """The drive; None where nobody has driven."""
        ...

    def scenario(self, key: str) -> Scenario:
        """The scenario that was driven.

        Raises:
            FileNotFoundError: When log or map are not there.
            ValueError: When they are damaged.
        """
        ...

    def map(self, key: str) -> MapGraph:
        """The map alone, cheaper than the scenario."""
        ...


class ResultsSource:
    """A results folder of a benchmark."""

    def __init__(self, name: str, folder: Path, data: Path | None = None, maps: Path | None = None) -> None:
        self.name = name
        self.folder = folder
        self._store = ResultStore(folder)
        self._reader = RowReader(self._store)
        self._data, self._maps = data, maps
        self._dataset: Dataset | None = None
        self._rows: dict[str, DriveRow] = {}
        self._logs: Recent[str, SimulationLog] = Recent(KEPT_LOGS)
        self._lock = threading.Lock()

    def rows(self) -> Sequence[DriveRow]:
        """All drives; read again each time, because a run may still be going on."""
        if not self.folder.is_dir():
            raise FileNotFoundError(f"There is no folder {self.folder} (any more).")
        rows = self._reader.read()
        self._rows = {row.key: row for row in rows}
        if not rows:
            raise ValueError(self._nothing())
        return rows

    def facts(self) -> dict[str, Any]:
        """The run's command, planners and settings, and what is odd about the folder."""
        run = self._run()
        notices = []
        if run is None:
            notices.append(
                "There is no readable run.json, so that map, route and logged ego are only found by --data."
            )
        else:
            notices += self._unfinished(run)
        try:
            self._open_dataset()
        except (OSError, ValueError) as error:
            notices.append(str(error))
        keys = ("command", "commit", "started", "scenarios", "probes", "settings")
        return {"notices": notices, "run": {key: (run or {}).get(key) for key in keys}}

    def row(self, key: str) -> DriveRow:
        """One row, from the last listing."""
        if key not in self._rows:
            self.rows()
        if key not in self._rows:
            raise LookupError(f"{self.name} has no drive {key!r}.")
        return self._rows[key]

    def log(self, key: str) -> SimulationLog | None:
        """Read a drive.

        Raises:
            FileNotFoundError: When the scenario failed, or its log is gone.
            ValueError: When the log is damaged or of a newer version.
        """
        row = self.row(key)
        if not row.has_log:
            raise FileNotFoundError(row.reason or f"There is no log of {key}.")
        return self._logs.get(key, lambda: SimulationLog.load(self._store.log_file(key)))

    def scenario(self, key: str) -> Scenario:
        """Open the scenario of a drive."""
        row = self.row(key)
        return self._open_dataset().scenario(row.scenario, row.scenario_type, row.log_name)

    def map(self, key: str) -> MapGraph:
        """Open the map of a drive."""
        log = self.log(key)
        assert log is not None
        return self._open_dataset().map(log.map_name)

    def _open_dataset(self) -> Dataset:
        with self._lock:
            if self._dataset is None:
                self._dataset = dataset_of_run(self._run() or {}, self.folder, self._data, self._maps)
            return self._dataset

    def _run(self) -> dict[str, Any] | None:
        try:
            run = self._store.read_run()
        except (OSError, ValueError):
            return None
        return run if isinstance(run, dict) else None

    def _nothing(self) -> str:
        if self._run() is not None:
            return f"{self.folder} holds no finished scenario yet. Go on with the run by --resume."
        return (
            f"{self.folder} holds no benchmark results: there is no run.json and no log. Name the --output folder"
            " of scripts/benchmark.py, or show scenarios by --data."
        )

    def _unfinished(self, run: dict[str, Any]) -> list[str]:
        settings = run.get("settings") or {}
        planners = len(settings.get("planners") or ()) + len(run.get("probes") or ())
        expected = int(run.get("scenarios") or 0) * planners * len(settings.get("traffic") or ())
        done = sum(row.status in ("succeeded", "failed") for row in self._rows.values())
        if done >= expected:
            return []
        return [f"The run is unfinished: {done} of {expected} drives are there. Go on with it by --resume."]


class ScenariosSource:
    """Scenarios of a data set, as they were recorded."""

    def __init__(self, name: str, data: Path, maps: Path | None = None, chosen: ScenarioFilter | None = None) -> None:
        self.name = name
        self._dataset = Dataset(DataRoot.find(data, maps))
        self._chosen = chosen
        self._rows: dict[str, DriveRow] = {}

    def rows(self) -> Sequence[DriveRow]:
        """All scenarios; listed once."""
        if not self._rows:
            self._rows = {
                entry.token: DriveRow(
                    key=entry.token,
                    scenario=entry.token,
                    scenario_type=entry.scenario_type,
                    log_name=entry.log_name,
                    status="logged",
                )
                for entry in list_scenarios(self._dataset.root, self._chosen)
            }
        return list(self._rows.values())

    def facts(self) -> dict[str, Any]:
        """Nothing is odd about a data set that could be opened."""
        return {"notices": [], "run": None}

    def row(self, key: str) -> DriveRow:
        """One row."""
        self.rows()
        if key not in self._rows:
            raise LookupError(f"{self.name} has no scenario {key!r}.")
        return self._rows[key]

    def log(self, key: str) -> SimulationLog | None:
        """Nobody has driven."""
        self.row(key)
        return None

    def scenario(self, key: str) -> Scenario:
        """Open a scenario."""
        row = self.row(key)
        return self._dataset.scenario(row.scenario, row.scenario_type, row.log_name)

    def map(self, key: str) -> MapGraph:
        """Its map."""
        return self.scenario(key).map


def open_sources(
    results: Sequence[Path], data: Path | None, maps: Path | None, chosen: ScenarioFilter | None = None
) -> list[Source]:
    """Sources of the command line: results folders, which find their scenarios in `data`; or `data` alone.

    Raises:
        FileNotFoundError: When a folder is not there.
        ValueError: When nothing was named.
    """
    for folder in results:
        if not folder.is_dir():
            raise FileNotFoundError(f"There is no folder {folder}. Name the --output folder of scripts/benchmark.py.")
    if results:
        names = _names([folder.resolve() for folder in results])
        return [ResultsSource(name, folder, data, maps) for name, folder in zip(names, results, strict=True)]
    if data is None:
        raise ValueError("Name a results folder, or a data set by --data.")
    return [ScenariosSource(_names([data.resolve()])[0], data, maps, chosen)]


def _names(folders: Sequence[Path]) -> list[str]:
    """A short name per folder, fit for a URL, each different."""
    names: list[str] = []
    for folder in folders:
        plain = re.sub(r"[^A-Za-z0-9_-]+", "-", folder.name).strip("-") or "results"
        name, count = plain, 2
        while name in names:
            name, count = f"{plain}-{count}", count + 1
        names.append(name)
    return names


def listing(sources: Sequence[Source]) -> dict[str, Any]:
    """The list of the page: columns of all drives, and what is to be said about each folder."""
    described: list[dict[str, Any]] = []
    rows: list[tuple[int, DriveRow]] = []
    for number, source in enumerate(sources):
        try:
            rows.extend((number, row) for row in source.rows())
            error = ""
        except (OSError, ValueError) as problem:
            error = str(problem)
        described.append({"name": source.name, "error": error, **source.facts()})
    metrics = sorted({name for _, row in rows for name in row.metrics})
    return {
        "sources": described,
        "metrics": metrics,
        "rows": [
            [
                number,
                row.key,
                row.scenario,
                row.scenario_type,
                row.log_name,
                row.planner,
                row.traffic,
                row.status,
                _finite(row.score),
                [_finite(row.metrics.get(name)) for name in metrics],
                [[name, row.violation_times_s.get(name), text] for name, text in row.sentences.items()],
                row.reason,
                row.has_log,
            ]
            for number, row in rows
        ],
    }


def _finite(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), 6)


def as_json(content: Any) -> bytes:
    """Compact JSON.

    Raises:
        ValueError: When a number is not finite, which no browser reads.
    """
    return json.dumps(content, separators=(",", ":"), allow_nan=False).encode()
