"""Projected maps in the user's cache folder, keyed by the content of the GeoPackage.

Each map is one file of plain arrays, without pickles and with checksums, renamed into place when it is complete. Two
processes may write the same map at once: both write the same content.
"""

import dataclasses
import hashlib
import json
import logging
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from driving.map import AreaLayer, Lanes, MapGraph, Ragged
from driving.nuplan.cache import cache_folder, replacing

logger = logging.getLogger(__name__)

FORMAT = 3
"""Rises when the cached arrays, or the reader of maps, change."""

_AREAS = tuple(field.name for field in dataclasses.fields(MapGraph) if field.type in (AreaLayer, "AreaLayer"))
_RAGGED = tuple(field.name for field in dataclasses.fields(Lanes) if field.type in (Ragged, "Ragged"))
_FLAT = tuple(field.name for field in dataclasses.fields(Lanes) if field.name not in (*_RAGGED, "areas", "num_lanes"))


def content_key(path: Path) -> str:
    """Hash of a file's content, cached by path, size and time so that large files are read once."""
    status = path.stat()
    stamp = [str(path.resolve()), status.st_size, status.st_mtime_ns]
    name = hashlib.blake2b(str(path.resolve()).encode(), digest_size=12).hexdigest()
    file = cache_folder() / "maps" / "known" / f"{name}.json"
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        if known["stamp"] == stamp:
            return str(known["key"])
    except (OSError, ValueError, KeyError, TypeError):
        # The hash is computed below.
        logger.debug("No cached hash of %s.", path)
    with path.open("rb") as source:
        key = hashlib.file_digest(source, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    try:
        with replacing(file) as temporary:
            temporary.write_text(json.dumps({"stamp": stamp, "key": key}), encoding="utf-8")
    except OSError as error:
        logger.warning("Cannot cache the hash of %s: %s", path, error)
    return key


def cache_file(path: Path, name: str) -> Path:
    """Cache file of the projected map of a GeoPackage."""
    return cache_folder() / "maps" / f"{name}-{content_key(path)}-{FORMAT}.npz"


def load_map(path: Path, name: str, version: str) -> MapGraph | None:
    """The cached map of a GeoPackage; None when it is absent or damaged."""
    file = cache_file(path, name)
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return _from_arrays({key: arrays[key] for key in arrays.files}, name, version)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, shapely.errors.ShapelyError) as error:
        logger.warning("The cached map %s is damaged (%s) and is made again.", file, error)
        return None


def store_map(map_graph: MapGraph, path: Path) -> None:
    """Cache a map that was read from a GeoPackage. A cache that cannot be written is logged as a warning."""
    file = cache_file(path, map_graph.name)
    try:
        with replacing(file) as temporary, temporary.open("wb") as target:
            np.savez(target, **_to_arrays(map_graph))
    except OSError as error:
        logger.warning("Cannot cache the map %s: %s", map_graph.name, error)


def _to_arrays(map_graph: MapGraph) -> dict[str, Any]:
    lanes = map_graph.lanes
    arrays: dict[str, Any] = {
        "epsg": np.array(map_graph.epsg),
        "num_lanes": np.array(lanes.num_lanes),
        "roadblock_edges": map_graph.roadblock_edges,
        "metadata": np.array(json.dumps(map_graph.metadata)),
    }
    layers = {"lanes": lanes.areas, **map_graph.area_layers}
    for name, layer in layers.items():
        blobs = shapely.to_wkb(layer.polygons).tolist()
        arrays[f"area.{name}.ids"] = layer.ids
        arrays[f"area.{name}.kinds"] = layer.kinds
        arrays[f"area.{name}.wkb"] = np.frombuffer(b"".join(blobs), dtype=np.uint8)
        arrays[f"area.{name}.offsets"] = np.cumsum([0, *(len(blob) for blob in blobs)])
    for name in _RAGGED:
        arrays[f"lane.{name}.values"] = getattr(lanes, name).values
        arrays[f"lane.{name}.offsets"] = getattr(lanes, name).offsets
    for name in _FLAT:
        arrays[f"lane.{name}"] = getattr(lanes, name)
    return arrays


def _from_arrays(arrays: dict[str, Any], name: str, version: str) -> MapGraph:
    columns: dict[str, Any] = {key: arrays[f"lane.{key}"] for key in _FLAT}
    columns |= {key: Ragged(arrays[f"lane.{key}.values"], arrays[f"lane.{key}.offsets"]) for key in _RAGGED}
    layers: dict[str, Any] = {layer: _area(arrays, layer) for layer in _AREAS}
    lanes = Lanes(
        areas=_area(arrays, "lanes"),
        num_lanes=int(arrays["num_lanes"]),
        **columns,
    )
    return MapGraph(
        name=name,
        version=version,
        epsg=int(arrays["epsg"]),
        lanes=lanes,
        roadblock_edges=arrays["roadblock_edges"],
        metadata=json.loads(str(arrays["metadata"])),
        **layers,
    )


def _area(arrays: dict[str, Any], name: str) -> AreaLayer:
    data = arrays[f"area.{name}.wkb"].tobytes()
    offsets = arrays[f"area.{name}.offsets"].tolist()
    blobs = np.empty(len(offsets) - 1, dtype=object)
    blobs[:] = [data[start:stop] for start, stop in pairwise(offsets)]
    polygons = shapely.from_wkb(blobs) if len(blobs) else blobs
    return AreaLayer(ids=arrays[f"area.{name}.ids"], polygons=polygons, kinds=arrays[f"area.{name}.kinds"])
