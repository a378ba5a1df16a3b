"""nuPlan's maps: one location in a GeoPackage, opened as a `MapGraph`.

Reading and projecting a city takes a second or two; the result is cached in the user's cache folder.
"""

import json
import logging
import threading
from dataclasses import dataclass, replace
from pathlib import Path

from driving.map import MapGraph
from driving.nuplan.geopackage import Effect
from driving.nuplan.map_cache import load_map, store_map
from driving.nuplan.map_reader import read_map

logger = logging.getLogger(__name__)

VERSION_FILE = "nuplan-maps-v1.0.json"
"""Names the version of each location's map."""

_open_maps: dict[tuple[str, str], tuple[tuple[int, int], MapGraph]] = {}
_opening = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class MapFile:
    """Reference to a map on disk, sent to workers in place of the map."""

    maps_root: str
    name: str

    def open(self) -> MapGraph:
        """The map, opened once in each process."""
        return open_map(Path(self.maps_root), self.name)


def open_map(maps_root: Path, name: str) -> MapGraph:
    """The map of a location: from memory, else from the cache folder, else from its GeoPackage.

    Ignored and repaired rows are logged as warnings. Other locations may be absent from `maps_root`.

    Args:
        maps_root: Contains `<location>/<version>/map.gpkg`, and usually `nuplan-maps-v1.0.json`.
        name: Location, for example `us-nv-las-vegas-strip`.

    Raises:
        FileNotFoundError: When the location or its version is absent.
        ValueError: When the file is damaged, or lacks a layer.
    """
    path, version = find_map(maps_root, name)
    name = path.parent.parent.name
    status = path.stat()
    stamp = (status.st_size, status.st_mtime_ns)
    key = (str(Path(maps_root).resolve()), name)
    with _opening:
        known = _open_maps.get(key)
        if known is not None and known[0] == stamp:
            return known[1]
        map_graph = load_map(path, name, version)
        if map_graph is None:
            map_graph = read_map(path, name, version)
            store_map(map_graph, path)
        for key_of_note, sentence in map_graph.metadata.items():
            if key_of_note.startswith(tuple(Effect)):
                logger.warning("%s: %s.", path, sentence)
        map_graph = replace(map_graph, source=MapFile(maps_root=key[0], name=name))
        _open_maps[key] = (stamp, map_graph)
        return map_graph


def find_map(maps_root: Path, name: str) -> tuple[Path, str]:
    """The GeoPackage of a location, and its version.

    Raises:
        FileNotFoundError: When it is absent; lists the present maps.
    """
    name = name.removesuffix(".gpkg")
    root = Path(maps_root)
    present = sorted(file.parent.relative_to(root).as_posix() for file in root.glob("*/*/map.gpkg"))
    if not root.is_dir():
        raise FileNotFoundError(f"No maps folder {root}. Give the folder of nuPlan's maps with --maps.")
    versions = [entry.split("/")[1] for entry in present if entry.startswith(f"{name}/")]
    if not versions:
        raise FileNotFoundError(
            f"No map of {name!r} in {root}: {name}/<version>/map.gpkg is missing. Present: {present or 'no map'}."
        )
    wanted = _stated_version(root, name)
    if wanted is None:
        if len(versions) > 1:
            raise FileNotFoundError(
                f"{root} has the versions {versions} of {name} and no {VERSION_FILE} that selects one."
                " Add that file, or remove all versions but one."
            )
        wanted = versions[0]
    if wanted not in versions:
        raise FileNotFoundError(
            f"{VERSION_FILE} selects version {wanted} of {name}, but {root / name} has only {versions}."
            " Get that version, or correct the file."
        )
    return root / name / wanted / "map.gpkg", wanted


def _stated_version(root: Path, name: str) -> str | None:
    file = root / VERSION_FILE
    if not file.is_file():
        return None
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))
        entry = entries.get(name)
        return None if entry is None else str(entry["version"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f'{file} must hold {{"<location>": {{"version": "..."}}}}, but is damaged ({error}). Get it again.'
        ) from error
