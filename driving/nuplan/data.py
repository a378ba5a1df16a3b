"""Logs, maps and images of a nuPlan data set."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from driving.nuplan.cache import is_temporary
from driving.nuplan.logs import log_name_of

DATASET_FOLDER = "nuplan-v1.1"
MAP_FILE_PATTERN = "*/*/map.gpkg"
_MAX_PARENTS = 4


@dataclass(frozen=True, kw_only=True)
class DataRoot:
    """The files of one data set."""

    log_files: tuple[Path, ...]
    """Ordered by path; each log name once."""
    maps_root: Path
    sensor_root: Path
    """Contains `<log name>/<channel>/<token>.jpg`; may be absent."""

    @classmethod
    def find(cls, data: Path | str, maps: Path | str | None = None) -> "DataRoot":
        """Find the logs, maps and images of a data set.

        Args:
            data: A nuPlan data root (with `nuplan-v1.1/splits/<split>/` or `nuplan-v1.1/<split>/` and `maps/`),
                a folder of `.db` files, or one `.db` file.
            maps: The maps folder; by default `maps/` inside, next to or above `data`.

        Raises:
            FileNotFoundError: When there are no logs or no maps.
        """
        data = Path(data).expanduser()
        if not data.exists():
            raise FileNotFoundError(f"No data at {data}. Give a nuPlan data root, or a folder of .db files.")
        logs = _logs(data)
        if not logs:
            raise FileNotFoundError(
                f"No logs in {data}: expected {DATASET_FOLDER}/splits/<split>/*.db, {DATASET_FOLDER}/<split>/*.db,"
                " or .db files in the folder itself."
            )
        by_name: dict[str, Path] = {}
        for log in logs:
            by_name.setdefault(log_name_of(log), log)
        return cls(
            log_files=tuple(by_name.values()), maps_root=_maps_root(data, maps), sensor_root=_sensor_root(data)
        )


def _logs(data: Path) -> list[Path]:
    if data.is_file():
        return [data] if data.suffix == ".db" else []
    dataset = data / DATASET_FOLDER if (data / DATASET_FOLDER).is_dir() else data
    direct = _complete(dataset.glob("*.db"))
    return direct or _complete([*dataset.glob("splits/*/*.db"), *dataset.glob("*/*.db")])


def _complete(logs: Iterable[Path]) -> list[Path]:
    return sorted(log for log in logs if not is_temporary(log))


def _maps_root(data: Path, maps: Path | str | None) -> Path:
    if maps is not None:
        root = Path(maps).expanduser()
        if not root.is_dir():
            raise FileNotFoundError(f"No maps folder {root}.")
        if next(root.glob(MAP_FILE_PATTERN), None) is None:
            raise FileNotFoundError(f"No map in {root}: expected <location>/<version>/map.gpkg.")
        return root
    for folder in _upwards(data):
        if next((folder / "maps").glob(MAP_FILE_PATTERN), None) is not None:
            return folder / "maps"
    raise FileNotFoundError(
        f"No maps inside, next to or above {data}: expected maps/<location>/<version>/map.gpkg."
        " Give the folder with --maps."
    )


def _sensor_root(data: Path) -> Path:
    for folder in _upwards(data):
        for place in (folder / DATASET_FOLDER / "sensor_blobs", folder / "sensor_blobs"):
            if place.is_dir():
                return place
    has_dataset = (data / DATASET_FOLDER).is_dir()
    return (data / DATASET_FOLDER if has_dataset else data if data.is_dir() else data.parent) / "sensor_blobs"


def _upwards(data: Path) -> list[Path]:
    start = data.resolve()
    return [start, *start.parents][: _MAX_PARENTS + 1]
