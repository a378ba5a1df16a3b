"""nuPlan's maps: one city in a GeoPackage, opened as a `MapGraph`.

Reading and projecting a city takes a second or two, so that the result is kept in the user's cache folder.
"""

import json
import logging
import re
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import shapely
from jaxtyping import Bool, Int8, Int64

from driving.map import AreaLayer, Lanes, MapGraph, Ragged, TurnKind
from driving.nuplan.database import reading
from driving.nuplan.geopackage import Layer, LayerReader
from driving.nuplan.map_cache import load_map, store_map

logger = logging.getLogger(__name__)

VERSION_FILE = "nuplan-maps-v1.0.json"
"""Names the version of each location's map."""

_TECHNICAL_KEYS = ("projectedCoordSystem", "geographicCoordSystem", "creator")
"""Entries of a map's `meta` table that say nothing about how its content came about."""

_LINE = np.zeros((0, 2))
_IDS = np.zeros(0, dtype=np.int64)
_ROWS = np.zeros(0, dtype=np.int64)

_open_maps: dict[tuple[str, str], tuple[tuple[int, int], MapGraph]] = {}
_opening = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class MapFile:
    """A map on disk, which travels to workers in place of the map itself."""

    maps_root: str
    name: str

    def open(self) -> MapGraph:
        """Open the map, or hand out the one that this process has open already."""
        return open_map(Path(self.maps_root), self.name)


def open_map(maps_root: Path, name: str) -> MapGraph:
    """Open the map of a location: from memory, else from the cache folder, else from its GeoPackage.

    The other locations of `maps_root` need not be there.

    Args:
        maps_root: Holds `<location>/<version>/map.gpkg`, and usually `nuplan-maps-v1.0.json`.
        name: Location, for example `us-nv-las-vegas-strip`.

    Raises:
        FileNotFoundError: When the location or its version is not there.
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
        map_graph = replace(map_graph, source=MapFile(maps_root=key[0], name=name))
        _open_maps[key] = (stamp, map_graph)
        return map_graph


def find_map(maps_root: Path, name: str) -> tuple[Path, str]:
    """The GeoPackage of a location, and its version.

    Raises:
        FileNotFoundError: When there is none; says which there are.
    """
    name = name.removesuffix(".gpkg")
    root = Path(maps_root)
    present = sorted(file.parent.relative_to(root).as_posix() for file in root.glob("*/*/map.gpkg"))
    if not root.is_dir():
        raise FileNotFoundError(f"No maps folder {root}. Name the one that holds nuPlan's maps with --maps.")
    versions = [entry.split("/")[1] for entry in present if entry.startswith(f"{name}/")]
    if not versions:
        raise FileNotFoundError(
            f"No map of {name!r} in {root}: {name}/<version>/map.gpkg is missing."
            f" There: {present or 'no map at all'}."
        )
    wanted = _stated_version(root, name)
    if wanted is None:
        if len(versions) > 1:
            raise FileNotFoundError(
                f"{root} holds the versions {versions} of {name}, and no {VERSION_FILE} says which is meant."
                " Put that file there, or remove all versions but one."
            )
        wanted = versions[0]
    if wanted not in versions:
        raise FileNotFoundError(
            f"{VERSION_FILE} asks for version {wanted} of {name}, but {root / name} holds only {versions}."
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


def read_map(path: Path, name: str, version: str) -> MapGraph:
    """Read and project a map from its GeoPackage, past all caches.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When it is damaged, or lacks a layer.
    """
    with reading(path) as connection:
        reader = LayerReader(connection, path)
        notes = {key: text for key, text in reader.meta.items() if key not in _TECHNICAL_KEYS}
        connectors = reader.read(
            "lane_group_connectors", ("from_lane_group_fid", "to_lane_group_fid", "intersection_fid")
        )
        return MapGraph(
            name=name,
            version=version,
            epsg=reader.epsg,
            lanes=_lanes(reader, notes),
            roadblocks=_areas(reader.read("lane_groups_polygons")),
            roadblock_connectors=_areas(connectors),
            roadblock_edges=np.column_stack([connectors.integers(column) for column in connectors.columns]),
            intersections=_areas(reader.read("intersections", optional=("intersection_type_fid",))),
            stop_lines=_areas(reader.read("stop_polygons", ("stop_polygon_type_fid",))),
            crosswalks=_areas(reader.read("crosswalks")),
            walkways=_areas(reader.read("walkways")),
            carparks=_areas(reader.read("carpark_areas")),
            road_segments=_areas(reader.read("road_segments")),
            generic_drivable_areas=_areas(reader.read("generic_drivable_areas")),
            metadata=notes,
        )


def _areas(layer: Layer) -> AreaLayer:
    kind = next((column for column in layer.columns if column.endswith("_type_fid")), None)
    kinds = np.zeros(len(layer.ids), dtype=np.int8) if kind is None else layer.integers(kind).astype(np.int8)
    return AreaLayer(ids=layer.ids, polygons=layer.geometries, kinds=kinds)


def _lanes(reader: LayerReader, notes: dict[str, str]) -> Lanes:
    lanes = reader.read(
        "lanes_polygons",
        ("lane_group_fid", "lane_index", "left_boundary_fid", "right_boundary_fid", "speed_limit_mps"),
    )
    connectors = reader.read(
        "lane_connectors",
        (
            "exit_lane_fid",
            "entry_lane_fid",
            "lane_group_connector_fid",
            "traffic_light_stop_line_fids",
            "speed_limit_mps",
        ),
        optional=("intersection_fid", "turn_type_fid"),
    )
    shapes = reader.read(
        "gen_lane_connectors_scaled_width_polygons", ("lane_connector_fid", "left_boundary_fid", "right_boundary_fid")
    )
    shape_of_connector = _first_rows(shapes.integers("lane_connector_fid"), connectors.ids)
    centerlines = _centerlines(reader, lanes, connectors, notes)
    boundaries = reader.read("boundaries")
    boundary_lines = boundaries.lines()
    left, right = (
        _boundaries(
            boundaries.ids,
            boundary_lines,
            np.concatenate([lanes.integers(column), _picked(shapes.integers(column), shape_of_connector)]),
            centerlines,
        )
        for column in ("left_boundary_fid", "right_boundary_fid")
    )
    successors, predecessors = _links(lanes, connectors)
    lights = [str(text or "") for text in connectors.columns["traffic_light_stop_line_fids"]]
    nothing = [_IDS] * len(lanes.ids)
    zeros = np.zeros(len(lanes.ids), dtype=np.int64)
    return Lanes(
        areas=AreaLayer(
            ids=np.concatenate([lanes.ids, connectors.ids]),
            polygons=np.concatenate(
                [lanes.geometries, _connector_shapes(connectors, shapes, shape_of_connector, notes)]
            ),
        ),
        num_lanes=len(lanes.ids),
        roadblock_ids=np.concatenate(
            [lanes.integers("lane_group_fid"), connectors.integers("lane_group_connector_fid")]
        ),
        lane_index=np.concatenate([lanes.integers("lane_index"), np.zeros(len(connectors.ids), dtype=np.int64)]),
        speed_limit_mps=np.concatenate([lanes.floats("speed_limit_mps"), connectors.floats("speed_limit_mps")]),
        centerlines=centerlines,
        left_boundaries=left,
        right_boundaries=right,
        successors=successors,
        predecessors=predecessors,
        turn_kinds=_turn_kinds(lanes, connectors),
        intersection_ids=np.concatenate([zeros, connectors.integers("intersection_fid")]),
        has_traffic_lights=_flags(len(lanes.ids), [bool(text) for text in lights]),
        stop_line_ids=Ragged.from_rows([*nothing, *(_numbers(text) for text in lights)], _IDS),
        connector_lines=Ragged.from_rows([*([_LINE] * len(lanes.ids)), *_rows(connectors.lines())], _LINE),
    )


def _flags(num_lanes: int, flags: list[bool]) -> Bool[np.ndarray, "lanes"]:
    return np.concatenate([np.zeros(num_lanes, dtype=bool), np.array(flags, dtype=bool)])


def _turn_kinds(lanes: Layer, connectors: Layer) -> Int8[np.ndarray, "lanes"]:
    turns = connectors.integers("turn_type_fid", missing=int(TurnKind.UNKNOWN))
    straight = np.full(len(lanes.ids), int(TurnKind.STRAIGHT))
    return np.concatenate([straight, turns]).astype(np.int8)


def _numbers(text: str) -> Int64[np.ndarray, "numbers"]:
    return np.array([int(number) for number in re.findall(r"\d+", text)], dtype=np.int64)


def _rows(ragged: Ragged) -> list[np.ndarray]:
    return [ragged[row] for row in range(len(ragged))]


def _first_rows(keys: Int64[np.ndarray, "rows"], wanted: Int64[np.ndarray, "wanted"]) -> Int64[np.ndarray, "wanted"]:
    """For each wanted key the first row that has it, or -1."""
    first: dict[int, int] = {}
    for row, key in enumerate(keys.tolist()):
        first.setdefault(key, row)
    return np.array([first.get(key, -1) for key in wanted.tolist()], dtype=np.int64)


def _picked(values: Int64[np.ndarray, "rows"], rows: Int64[np.ndarray, "wanted"]) -> Int64[np.ndarray, "wanted"]:
    """Values at rows; 0, which is no id, for row -1."""
    return np.append(values, 0)[rows]


def _centerlines(reader: LayerReader, lanes: Layer, connectors: Layer, notes: dict[str, str]) -> Ragged:
    paths = reader.read("baseline_paths", ("lane_fid", "lane_connector_fid"))
    points = paths.lines()
    of_lanes = _first_rows(paths.integers("lane_fid", missing=-1), lanes.ids)
    of_connectors = _first_rows(paths.integers("lane_connector_fid", missing=-1), connectors.ids)
    if (of_lanes < 0).any():
        missing = lanes.ids[of_lanes < 0][:5].tolist()
        raise ValueError(
            f"Map layer `baseline_paths` has no path for {(of_lanes < 0).sum()} lanes, for example {missing}."
            " The map is incomplete: get it again."
        )
    lines = [points[row] for row in of_lanes]
    own = connectors.lines()
    lines += [points[row] if row >= 0 else own[i] for i, row in enumerate(of_connectors.tolist())]
    if (of_connectors < 0).any():
        _note(
            notes, "centerline", f"{(of_connectors < 0).sum()} lane connectors without a baseline use their own line"
        )
    return Ragged.from_rows(lines, _LINE)


def _connector_shapes(
    connectors: Layer, shapes: Layer, shape_of_connector: Int64[np.ndarray, "connectors"], notes: dict[str, str]
) -> np.ndarray:
    polygons = np.append(shapes.geometries, [None])[shape_of_connector]
    missing = shape_of_connector < 0
    if missing.any():
        # Half a lane to each side; the devkit would fail where it meets such a connector.
        polygons[missing] = shapely.buffer(connectors.geometries[missing], 1.75, cap_style="flat")
        _note(notes, "polygon", f"{missing.sum()} lane connectors without a polygon are 3.5 m wide")
    return polygons


def _note(notes: dict[str, str], key: str, sentence: str) -> None:
    logger.warning("Map: %s.", sentence)
    notes[key] = sentence


def _boundaries(
    ids: Int64[np.ndarray, "boundaries"],
    lines: Ragged,
    wanted: Int64[np.ndarray, "lanes"],
    centerlines: Ragged,
) -> Ragged:
    """The boundary of each lane, turned to its driving direction; empty where the map names none."""
    rows = _first_rows(ids, wanted)
    has_points = np.append(np.diff(lines.offsets) > 0, False)
    lanes = np.flatnonzero(has_points[rows] & (np.diff(centerlines.offsets) > 0))
    starts, ends = _ends(lines, rows[lanes])
    lane_starts, lane_ends = _ends(centerlines, lanes)
    same = np.abs(starts - lane_starts).sum(axis=1) + np.abs(ends - lane_ends).sum(axis=1)
    opposite = np.abs(starts - lane_ends).sum(axis=1) + np.abs(ends - lane_starts).sum(axis=1)
    turned = [_LINE] * len(wanted)
    for lane, is_turned in zip(lanes.tolist(), (opposite < same).tolist(), strict=True):
        line = lines[rows[lane]]
        turned[lane] = line[::-1] if is_turned else line
    return Ragged.from_rows(turned, _LINE)


def _ends(lines: Ragged, rows: Int64[np.ndarray, "rows"]) -> tuple[np.ndarray, np.ndarray]:
    """First and last points of lines, none of which is empty."""
    return lines.values[lines.offsets[rows]], lines.values[lines.offsets[rows + 1] - 1]


def _links(lanes: Layer, connectors: Layer) -> tuple[Ragged, Ragged]:
    """Rows that follow and that come before: connectors of lanes, lanes of connectors."""
    num_lanes = len(lanes.ids)
    come_from = _first_rows(lanes.ids, connectors.integers("exit_lane_fid", missing=-1)).tolist()
    lead_to = _first_rows(lanes.ids, connectors.integers("entry_lane_fid", missing=-1)).tolist()
    after: list[list[int]] = [[] for _ in range(num_lanes + len(connectors.ids))]
    before: list[list[int]] = [[] for _ in range(num_lanes + len(connectors.ids))]
    for i, (start, end) in enumerate(zip(come_from, lead_to, strict=True)):
        connector = num_lanes + i
        if start >= 0:
            after[start].append(connector)
            before[connector].append(start)
        if end >= 0:
            before[end].append(connector)
            after[connector].append(end)
    return tuple(  # type: ignore[return-value]
        Ragged.from_rows([np.array(row, dtype=np.int64) for row in rows], _ROWS) for rows in (after, before)
    )
