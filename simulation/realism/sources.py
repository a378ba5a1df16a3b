"""Scenarios to measure: of a nuPlan data root, or of a folder of recordings in a format that can be imported."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from driving.importers.registry import importer_of
from driving.map import MapGraph
from driving.nuplan.data import DATASET_FOLDER, DataRoot
from driving.nuplan.scenarios import open_scenario, select_scenarios
from driving.scenario import Scenario
from driving.vehicle import PACIFICA
from simulation.realism.maps import MapStatistics, windows_of
from simulation.realism.rollouts import RolloutStatistics, constant_velocity, joined, rollout_statistics, with_ego
from simulation.realism.snapshots import SceneSnapshot, snapshots_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """What realism is computed from, of a set of scenarios; by source, which is the log name."""

    snapshots: tuple[SceneSnapshot, ...]
    rollouts: dict[str, RolloutStatistics]
    """Logged motion of the ego and all agents."""
    straight: dict[str, RolloutStatistics] = field(default_factory=dict)
    """The same agents at constant velocity."""
    maps: dict[str, MapGraph] = field(default_factory=dict)

    @property
    def sources(self) -> list[str]:
        """Names of the recordings, sorted."""
        return sorted(self.rollouts)

    def map_statistics(self) -> list[MapStatistics]:
        """Windows of the maps around the places of the ego."""
        places: dict[str, list[np.ndarray]] = {name: [] for name in self.maps}
        for snapshot in self.snapshots:
            places[snapshot.source].append(snapshot.poses[0, :2])
        found: list[MapStatistics] = []
        for name in sorted(places):
            found += windows_of(self.maps[name], np.array(places[name]))
        return found

    def of(self, sources: Sequence[str]) -> "Measured":
        """The part of some sources."""
        chosen = set(sources)
        return Measured(
            snapshots=tuple(one for one in self.snapshots if one.source in chosen),
            rollouts={name: found for name, found in self.rollouts.items() if name in chosen},
            straight={name: found for name, found in self.straight.items() if name in chosen},
            maps={name: found for name, found in self.maps.items() if name in chosen},
        )


def measure(scenarios: Iterator[Scenario], every_s: float = 1.0) -> Measured:
    """Take snapshots and motion of scenarios.

    Raises:
        ValueError: When there is no scenario.
    """
    snapshots: list[SceneSnapshot] = []
    parts: dict[str, list[RolloutStatistics]] = {}
    straight: dict[str, list[RolloutStatistics]] = {}
    maps: dict[str, MapGraph] = {}
    for scenario in scenarios:
        snapshots += snapshots_of(scenario, every_s)
        frames = scenario.frames
        size = (PACIFICA.length_m, PACIFICA.width_m)
        tracks = with_ego(
            scenario.agents.steps(frames.start, frames.stop), scenario.ego.center_poses()[0, frames], size
        )
        parts.setdefault(scenario.log_name, []).append(rollout_statistics(tracks, scenario.map))
        straight.setdefault(scenario.log_name, []).append(rollout_statistics(constant_velocity(tracks), scenario.map))
        maps[scenario.log_name] = scenario.map
    if not snapshots:
        raise ValueError("No scenario to measure. List the data with scripts/list_scenarios.py --allow-short.")
    return Measured(
        snapshots=tuple(snapshots),
        rollouts={name: joined(found) for name, found in parts.items()},
        straight={name: joined(found) for name, found in straight.items()},
        maps=maps,
    )


def scenarios_in(folder: Path, maps: Path | None = None) -> Iterator[Scenario]:
    """The scenarios of a nuPlan data root, else of all recordings below the folder that can be imported.

    Scenarios that the end of their log cuts off are included. Recordings that cannot be read are logged and left out.

    Raises:
        FileNotFoundError: When the folder holds neither.
    """
    if not folder.exists():
        raise FileNotFoundError(f"No folder {folder}. Give a nuPlan data root or a folder of recordings.")
    if (folder / DATASET_FOLDER).is_dir() or next(folder.glob("*.db"), None) is not None:
        yield from _stored(folder, maps)
        return
    formats = [(name, list(find(folder))) for name, find in _FINDERS.items()]
    if not any(sources for _, sources in formats):
        raise FileNotFoundError(
            f"{folder} is no nuPlan data root ({DATASET_FOLDER}/ and maps/) and holds no recordings of the formats"
            f" {', '.join(_FINDERS)}. See docs/importing.md."
        )
    for name, sources in formats:
        importer = importer_of(name)
        for source in sources:
            for recording in importer.find(source):
                try:
                    yield from importer.read(recording).scenarios()
                except (OSError, ValueError, LookupError) as error:
                    logger.warning("Left out %s: %s", recording, error)


def _stored(folder: Path, maps: Path | None) -> Iterator[Scenario]:
    selection = select_scenarios(DataRoot.find(folder, maps), None)
    # A log is read faster while its index is in memory.
    for entry in sorted(selection.entries, key=lambda entry: (entry.log_file, entry.token)):
        yield open_scenario(entry, allow_short=True, with_cameras=False)


_FINDERS: dict[str, Callable[[Path], list[Path]]] = {
    "argoverse2": lambda folder: sorted(path.parent for path in folder.rglob("city_SE3_egovehicle.feather")),
    "track_archive": lambda folder: sorted({path.parent.parent for path in folder.rglob("tracks/*.npz")}),
    "commonroad": lambda folder: sorted(folder.rglob("*.xml")),
}
"""Places of recordings below a folder, by format."""


def folds_of(sources: Sequence[str], num_folds: int) -> list[list[str]]:
    """Distribute recordings over folds: every n-th name in alphabetic order, so that data sets are split evenly.

    Raises:
        ValueError: With fewer than 2 folds, or fewer recordings than folds.
    """
    names = sorted(sources)
    if num_folds < 2 or len(names) < num_folds:
        raise ValueError(
            f"Held-out folds need at least 2 folds and a recording in each, got {num_folds} folds of {len(names)}"
            " recordings."
        )
    return [names[start::num_folds] for start in range(num_folds)]
