"""Sources of the viewer: results folders of benchmarks, and data sets of logged scenarios."""

import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from driving.map import MapGraph
from driving.nuplan.data import DataRoot
from driving.nuplan.filters import ScenarioFilter
from driving.nuplan.scenarios import list_scenarios
from driving.scenario import Scenario
from simulation.benchmark.store import ResultStore
from simulation.log import SimulationLog
from simulation.scenario_notes import NOTES_FOLDER, SUFFIX
from simulation.viewer.datasets import Dataset, dataset_of_run
from simulation.viewer.notes import NotesFolders
from simulation.viewer.recent import Recent
from simulation.viewer.rows import DriveRow, RowReader
from simulation.viewer.source import Source

KEPT_LOGS = 32


class ResultsSource:
    """A results folder of a benchmark."""

    def __init__(
        self,
        name: str,
        folder: Path,
        data: Path | None = None,
        maps: Path | None = None,
        *,
        notes: Path | None = None,
    ) -> None:
        self.name = name
        self.folder = folder
        self._notes = None if notes is None else NotesFolders([notes])
        self._store = ResultStore(folder)
        self._reader = RowReader(self._store)
        self._data, self._maps = data, maps
        self._dataset: Dataset | None = None
        self._rows: dict[str, DriveRow] = {}
        self._logs: Recent[str, SimulationLog] = Recent(KEPT_LOGS)
        self._lock = threading.Lock()

    @property
    def notes(self) -> NotesFolders:
        """Notes in the named folder; by default those of the results folder, then those of the data set."""
        if self._notes is None:
            folders = [self.folder / NOTES_FOLDER]
            try:
                folders.append(self._open_dataset().notes_folder)
            except (OSError, ValueError):
                # `facts` reports the missing data set.
                return NotesFolders(folders)
            self._notes = NotesFolders(folders)
        return self._notes

    def rows(self) -> Sequence[DriveRow]:
        """All drives; read anew at each call, because the run may be unfinished."""
        if not self.folder.is_dir():
            raise FileNotFoundError(f"There is no folder {self.folder}.")
        rows = self._reader.read()
        self._rows = {row.key: row for row in rows}
        if not rows:
            raise ValueError(self._reason_for_no_rows())
        return rows

    def facts(self) -> dict[str, Any]:
        """The run's command, planners and settings, and notices about missing files."""
        run = self._run()
        notices = [] if run is None else self._unfinished(run)
        try:
            self._open_dataset()
        except (OSError, ValueError) as error:
            if run is None:
                needed = "--data must name the data set that holds map, route and logged ego."
                notices.append(f"There is no readable run.json: {needed}")
            notices.append(str(error))
        keys = ("command", "commit", "started", "scenarios", "probes", "settings")
        return {"notices": notices, "run": {key: (run or {}).get(key) for key in keys}}

    def row(self, key: str) -> DriveRow:
        """The row of a key, from the last listing."""
        if key not in self._rows:
            self.rows()
        if key not in self._rows:
            raise LookupError(f"{self.name} has no drive {key!r}.")
        return self._rows[key]

    def log(self, key: str) -> SimulationLog | None:
        """Read the simulation log of a drive.

        Raises:
            FileNotFoundError: When the scenario failed, or its log is missing.
            ValueError: When the log is damaged or has a newer version.
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

    def _reason_for_no_rows(self) -> str:
        if self._run() is not None:
            return f"{self.folder} holds no finished scenario yet. Continue the run by --resume."
        return (
            f"{self.folder} holds no benchmark results: there is no run.json and no log. Name the --output folder"
            " of scripts/benchmark.py, or name logged scenarios by --data."
        )

    def _unfinished(self, run: dict[str, Any]) -> list[str]:
        settings = run.get("settings") or {}
        planners = len(settings.get("planners") or ()) + len(run.get("probes") or ())
        expected = int(run.get("scenarios") or 0) * planners * len(settings.get("traffic") or ())
        done = sum(row.status in ("succeeded", "failed") for row in self._rows.values())
        if done >= expected:
            return []
        return [f"The run is unfinished: {done} of {expected} drives are there. Continue it by --resume."]


class ScenariosSource:
    """Logged scenarios of a data set."""

    def __init__(
        self,
        name: str,
        data: Path,
        maps: Path | None = None,
        chosen: ScenarioFilter | None = None,
        *,
        notes: Path | None = None,
    ) -> None:
        self.name = name
        self._dataset = Dataset(DataRoot.find(data, maps))
        self._notes = NotesFolders([notes or self._dataset.notes_folder])
        self._chosen = chosen
        self._rows: dict[str, DriveRow] = {}

    @property
    def notes(self) -> NotesFolders:
        """Notes in the named folder; by default those of the data set."""
        return self._notes

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
        """A data set that was opened needs no notices."""
        return {"notices": [], "run": None}

    def row(self, key: str) -> DriveRow:
        """The row of a scenario token."""
        self.rows()
        if key not in self._rows:
            raise LookupError(f"{self.name} has no scenario {key!r}.")
        return self._rows[key]

    def log(self, key: str) -> SimulationLog | None:
        """None: a data set holds no drives."""
        self.row(key)
        return None

    def scenario(self, key: str) -> Scenario:
        """Open a scenario."""
        row = self.row(key)
        return self._dataset.scenario(row.scenario, row.scenario_type, row.log_name)

    def map(self, key: str) -> MapGraph:
        """The map of a scenario."""
        return self.scenario(key).map


def open_sources(
    results: Sequence[Path],
    data: Path | None,
    maps: Path | None,
    chosen: ScenarioFilter | None = None,
    *,
    notes: Path | None = None,
) -> list[Source]:
    """Open the sources that the command line names: results folders, or a data set alone.

    Args:
        results: Results folders of benchmarks.
        data: The data set of their scenarios, or the data set to list when there are no results.
        maps: Maps folder, when it is not part of `data`.
        chosen: Filter of the scenarios of `data`.
        notes: Folder of notes about the scenarios; None takes `notes/` of the results and of the data set.

    Raises:
        FileNotFoundError: When a folder is missing.
        ValueError: When neither results nor data are named.
    """
    if notes is not None and not notes.is_dir():
        raise FileNotFoundError(f"There is no folder {notes}. --notes names a folder of files *{SUFFIX}.")
    for folder in results:
        if not folder.is_dir():
            raise FileNotFoundError(f"There is no folder {folder}. Name the --output folder of scripts/benchmark.py.")
    if results:
        names = _names([folder.resolve() for folder in results])
        return [
            ResultsSource(name, folder, data, maps, notes=notes) for name, folder in zip(names, results, strict=True)
        ]
    if data is None:
        raise ValueError("Name a results folder, or a data set by --data.")
    return [ScenariosSource(_names([data.resolve()])[0], data, maps, chosen, notes=notes)]


def _names(folders: Sequence[Path]) -> list[str]:
    """A short, distinct name per folder, valid in a URL."""
    names: list[str] = []
    for folder in folders:
        plain = re.sub(r"[^A-Za-z0-9_-]+", "-", folder.name).strip("-") or "results"
        name, count = plain, 2
        while name in names:
            name, count = f"{plain}-{count}", count + 1
        names.append(name)
    return names
