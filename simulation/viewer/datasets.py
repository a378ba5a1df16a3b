"""Finds the scenario of a drive again: its log file and its map, also after folders were moved."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from driving.map import MapGraph
from driving.nuplan.data import DataRoot
from driving.nuplan.entries import ScenarioEntry
from driving.nuplan.filters import ScenarioFilter
from driving.nuplan.logs import log_name_of
from driving.nuplan.maps import open_map
from driving.nuplan.scenarios import list_scenarios, open_scenario
from driving.scenario import Scenario
from simulation.viewer.recent import Recent

KEPT_SCENARIOS = 12
_MOVED_PARTS = 3
"""So many last parts of the data's path are looked for beside a results folder that was moved."""


class Dataset:
    """One nuPlan data root, whose scenarios are opened by their tokens."""

    def __init__(self, root: DataRoot) -> None:
        self.root = root
        self._log_files = {log_name_of(path): path for path in root.log_files}
        self._scenarios: Recent[tuple[str, str], Scenario] = Recent(KEPT_SCENARIOS)

    def map(self, map_name: str) -> MapGraph:
        """A map of the data set.

        Raises:
            FileNotFoundError: When it has none of that name.
            ValueError: When the map is damaged.
        """
        return open_map(self.root.maps_root, map_name)

    def scenario(self, token: str, scenario_type: str, log_name: str) -> Scenario:
        """Open a scenario.

        Raises:
            FileNotFoundError: When its log or map is not there.
            ValueError: When the log holds no such scenario, or log or map are damaged.
        """

        def opened() -> Scenario:
            return open_scenario(self._entry(token, scenario_type, log_name), allow_short=True)

        return self._scenarios.get((token, scenario_type), opened)

    def _entry(self, token: str, scenario_type: str, log_name: str) -> ScenarioEntry:
        path = self._log_files.get(log_name)
        if path is None:
            raise FileNotFoundError(
                f"The data set has no log {log_name} (any more); without it there is no map, no route and no logged"
                " ego. Name the folder that holds it by --data."
            )
        root = DataRoot(log_files=(path,), maps_root=self.root.maps_root, sensor_root=self.root.sensor_root)
        wanted = ScenarioFilter(scenario_tokens=(token,), remove_invalid_goals=False)
        # The type decides where a scenario starts; of several tags on a frame the run may have meant another.
        return replace(list_scenarios(root, wanted)[0], scenario_type=scenario_type)


def dataset_of_run(run: dict[str, Any], folder: Path, data: Path | None, maps: Path | None) -> Dataset:
    """The data set that a benchmark ran on.

    Args:
        run: Content of `run.json`.
        folder: Of the results.
        data: Where the data set is now; None looks where it was, and beside the results.
        maps: Where the maps are now.

    Raises:
        FileNotFoundError: When it is not found.
    """
    if data is not None:
        return Dataset(DataRoot.find(data, maps))
    settings = run.get("settings") or {}
    stated = settings.get("data")
    if not isinstance(stated, str):
        raise FileNotFoundError("run.json does not say which data was driven. Name it by --data.")
    stated_maps = settings.get("maps")
    for place in _places(Path(stated), folder):
        if place.exists():
            found_maps = maps or (Path(stated_maps) if stated_maps and Path(stated_maps).is_dir() else None)
            return Dataset(DataRoot.find(place, found_maps))
    raise FileNotFoundError(
        f"The data of this run is not at {stated} any more, so that map, route and logged ego are missing."
        " Name its folder by --data."
    )


def _places(stated: Path, folder: Path) -> list[Path]:
    """Where the data may be: as stated, seen from the results folder or one above, or moved together with it."""
    above = [folder.resolve(), *folder.resolve().parents]
    places = [stated] if stated.is_absolute() else [Path.cwd() / stated, *(parent / stated for parent in above)]
    tails = [Path(*stated.parts[-count:]) for count in range(1, min(_MOVED_PARTS, len(stated.parts)) + 1)]
    return places + [parent / tail for parent in above[:4] for tail in reversed(tails)]
