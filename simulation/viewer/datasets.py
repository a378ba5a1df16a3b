"""The data set of a benchmark run: finds log file and map of a drive, even after folders were moved."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from driving.map import MapGraph
from driving.nuplan.data import MAP_FILE_PATTERN, DataRoot
from driving.nuplan.entries import ScenarioEntry
from driving.nuplan.filters import ScenarioFilter
from driving.nuplan.logs import log_name_of
from driving.nuplan.maps import open_map
from driving.nuplan.scenarios import list_scenarios, open_scenario
from driving.scenario import Scenario
from simulation.scenario_notes import NOTES_FOLDER
from simulation.viewer.recent import Recent

KEPT_SCENARIOS = 12
_MOVED_PARTS = 3
"""Number of last path parts of the data that are searched beside a moved results folder."""


class Dataset:
    """A nuPlan data root; scenarios are opened by token."""

    def __init__(self, root: DataRoot) -> None:
        self.root = root
        self._log_files = {log_name_of(path): path for path in root.log_files}
        self._scenarios: Recent[tuple[str, str], Scenario] = Recent(KEPT_SCENARIOS)

    @property
    def notes_folder(self) -> Path:
        """Where generators write notes about the scenarios: beside the maps."""
        return self.root.maps_root.parent / NOTES_FOLDER

    def map(self, map_name: str) -> MapGraph:
        """A map of the data set.

        Raises:
            FileNotFoundError: When there is none of that name.
            ValueError: When the map is damaged.
        """
        return open_map(self.root.maps_root, map_name)

    def scenario(self, token: str, scenario_type: str, log_name: str) -> Scenario:
        """Open a scenario.

        Raises:
            FileNotFoundError: When its log or map is missing.
            ValueError: When the log holds no such scenario, or log or map are damaged.
        """

        def make() -> Scenario:
            return open_scenario(self._entry(token, scenario_type, log_name), allow_short=True)

        return self._scenarios.get((token, scenario_type), make)

    def _entry(self, token: str, scenario_type: str, log_name: str) -> ScenarioEntry:
        path = self._log_files.get(log_name)
        if path is None:
            raise FileNotFoundError(
                f"The data set has no log {log_name}, which holds map, route and logged ego of this drive."
                " Name its folder by --data."
            )
        root = DataRoot(log_files=(path,), maps_root=self.root.maps_root, sensor_root=self.root.sensor_root)
        wanted = ScenarioFilter(scenario_tokens=(token,), remove_invalid_goals=False)
        # A frame may have several tags; the type of the run decides where the scenario starts.
        return replace(list_scenarios(root, wanted)[0], scenario_type=scenario_type)


def dataset_of_run(run: dict[str, Any], folder: Path, data: Path | None, maps: Path | None) -> Dataset:
    """The data set of a benchmark run.

    Args:
        run: Content of `run.json`.
        folder: Results folder.
        data: Folder of the data set; None takes the results folder if it is a data root itself, else searches the
            path in `run.json`, then beside the results.
        maps: Maps folder; None takes the one of the data set or of `run.json`.

    Raises:
        FileNotFoundError: When the data set is not found.
    """
    if data is not None:
        return Dataset(DataRoot.find(data, maps))
    if next((folder / "maps").glob(MAP_FILE_PATTERN), None) is not None:
        return Dataset(DataRoot.find(folder, maps))
    settings = run.get("settings") or {}
    stated = settings.get("data")
    if not isinstance(stated, str):
        raise FileNotFoundError("run.json does not name the data set of this run. Name it by --data.")
    stated_maps = settings.get("maps")
    for candidate in _candidate_folders(Path(stated), folder):
        if candidate.exists():
            found_maps = maps or (Path(stated_maps) if stated_maps and Path(stated_maps).is_dir() else None)
            return Dataset(DataRoot.find(candidate, found_maps))
    raise FileNotFoundError(
        f"The data of this run is no longer at {stated}: map, route and logged ego are missing."
        " Name its folder by --data."
    )


def _candidate_folders(stated: Path, folder: Path) -> list[Path]:
    """Possible data folders: as stated, below the results folder or its parents, or moved with the results."""
    above = [folder.resolve(), *folder.resolve().parents]
    folders = [stated] if stated.is_absolute() else [Path.cwd() / stated, *(parent / stated for parent in above)]
    tails = [Path(*stated.parts[-count:]) for count in range(1, min(_MOVED_PARTS, len(stated.parts)) + 1)]
    return folders + [parent / tail for parent in above[:4] for tail in reversed(tails)]
