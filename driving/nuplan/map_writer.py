"""Map graphs as nuPlan map packages, which the official devkit opens.

    maps/nuplan-maps-v1.0.json                 version and raster of each map
    maps/<name>/<version>/map.gpkg             vector layers, longitude and latitude
    maps/<name>/<version>/drivable_area.npy.npz

The devkit opens a map of any name that the json lists, in any UTM zone. It also requires the four official locations:
`write_official_placeholders` writes a map without roads for each absent one. Each name has one version per folder.
"""

import contextlib
import fcntl
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from jaxtyping import Float64

from driving.map import AreaLayer, Lanes, MapGraph, Ragged
from driving.nuplan.cache import replacing
from driving.nuplan.drivable_raster import drivable_raster
from driving.nuplan.geopackage import Effect
from driving.nuplan.map_tables import CREATOR, MapTable, map_tables
from driving.nuplan.maps import VERSION_FILE, MapFile, find_map
from driving.nuplan.stored_map import WGS84, degrees_and_meters, original_of
from driving.nuplan.writable import check_map

OFFICIAL_LOCATIONS = {
    "sg-one-north": ("9.17.1964", 32648),
    "us-ma-boston": ("9.12.1817", 32619),
    "us-nv-las-vegas-strip": ("9.15.1915", 32611),
    "us-pa-pittsburgh-hazelwood": ("9.17.1937", 32617),
}
"""Version and projected coordinate system (EPSG) of nuPlan's own maps."""

PLACEHOLDER_KEY = "placeholder"
"""Key in the `meta` table of a placeholder, which a real map may replace."""

_MAX_ROUND_TRIP_M = 5e-4
_FIXED_TIME = "2020-01-01T00:00:00.000Z"
_SQLITE_HEADER_BYTES = 100
_RESERVED_KEYS = ("projectedCoordSystem", "geographicCoordSystem", "creator", f"{Effect.IGNORED} ")
"""Prefixes of the keys of `MapGraph.metadata` that are not written: notes on ignored rows, and keys set here."""
_WGS84_DEFINITION = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,AUTHORITY["EPSG","7030"]],'
    'AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],'
    'UNIT["degree",0.0174532925199433,AUTHORITY["EPSG","9122"]],'
    'AXIS["Latitude",NORTH],AXIS["Longitude",EAST],AUTHORITY["EPSG","4326"]]'
)
_GEOPACKAGE_TABLES = (
    "CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT NOT NULL, srs_id INTEGER NOT NULL PRIMARY KEY,"
    " organization TEXT NOT NULL, organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL,"
    " description TEXT)",
    "CREATE TABLE gpkg_contents (table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL,"
    " identifier TEXT UNIQUE, description TEXT DEFAULT '',"
    " last_change DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')),"
    " min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE, srs_id INTEGER,"
    " CONSTRAINT fk_gc_r_srs_id FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id))",
    "CREATE TABLE gpkg_geometry_columns (table_name TEXT NOT NULL, column_name TEXT NOT NULL,"
    " geometry_type_name TEXT NOT NULL, srs_id INTEGER NOT NULL, z TINYINT NOT NULL, m TINYINT NOT NULL,"
    " CONSTRAINT pk_geom_cols PRIMARY KEY (table_name, column_name),"
    " CONSTRAINT uk_gc_table_name UNIQUE (table_name),"
    " CONSTRAINT fk_gc_tn FOREIGN KEY (table_name) REFERENCES gpkg_contents(table_name),"
    " CONSTRAINT fk_gc_srs FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys (srs_id))",
    "CREATE TABLE meta (fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, key TEXT, value TEXT)",
)


def write_map(map_graph: MapGraph, maps_root: Path) -> Path:
    """Write a map package and its entry in the json; an equal package in that place is kept.

    The package of a map that was opened and not changed is copied.

    Returns:
        The `.gpkg` file.

    Raises:
        ValueError: When the map cannot be stored (see `check_map`), its coordinates do not lie in its UTM zone, or
            `maps_root` holds another map of that name.
        OSError: When the folder is not writable.
    """
    map_graph = original_of(map_graph)
    origin = opened_from(map_graph)
    if origin is None:
        check_map(map_graph)
    path = maps_root / map_graph.name / map_graph.version / "map.gpkg"
    listed = _read_listed(maps_root).get(map_graph.name)
    if listed is not None and listed["version"] != map_graph.version:
        other = maps_root / map_graph.name / listed["version"] / "map.gpkg"
        if other.is_file() and not _is_placeholder(other):
            raise ValueError(
                f"{maps_root} has version {listed['version']} of map {map_graph.name}, so that version"
                f" {map_graph.version} cannot be added. Write to another folder, or give the map another name."
            )
    tables = [] if origin else [_in_degrees(table, map_graph) for table in map_tables(map_graph)]
    with replacing(path) as temporary:
        if origin is not None:
            shutil.copyfile(origin, temporary)
        else:
            _write_package(temporary, map_graph, tables)
        if path.is_file() and _is_same(path, temporary):
            # Caches of the map depend on size and time of the file.
            shutil.copystat(path, temporary)
        elif path.is_file() and not _is_placeholder(path):
            raise ValueError(
                f"{path} exists and is a different map. Write to another folder, or give the map another"
                " name or version."
            )
    layers: dict[str, Any] = {}
    raster = drivable_raster(map_graph.drivable_area)
    if raster is not None:
        with replacing(path.parent / "drivable_area.npy.npz") as temporary:
            np.savez_compressed(temporary, data=raster.cells)
        layers["drivable_area"] = {
            "shape": list(raster.cells.shape),
            "transform_matrix": raster.cell_from_global.tolist(),
        }
    _list_map(maps_root, map_graph.name, {"version": map_graph.version, "layers": layers})
    return path


def write_official_placeholders(maps_root: Path) -> None:
    """Write a map without roads for each absent official location of nuPlan: the devkit requires all four."""
    for name, (version, epsg) in OFFICIAL_LOCATIONS.items():
        listed = _read_listed(maps_root).get(name)
        if listed is None or not (maps_root / name / listed["version"] / "map.gpkg").is_file():
            metadata = {PLACEHOLDER_KEY: "no roads; nuPlan's devkit opens no folder without this location"}
            write_map(replace(empty_map(name, version, epsg), metadata=metadata), maps_root)


def empty_map(name: str, version: str, epsg: int) -> MapGraph:
    """A map without roads."""
    no_points = Ragged.from_rows([], np.zeros((0, 2)))
    no_ids = Ragged.from_rows([], np.zeros(0, dtype=np.int64))
    none = np.zeros(0, dtype=np.int64)
    return MapGraph(
        name=name,
        version=version,
        epsg=epsg,
        lanes=Lanes(
            areas=AreaLayer.empty(),
            num_lanes=0,
            roadblock_ids=none,
            lane_index=none,
            speed_limit_mps=np.zeros(0),
            centerlines=no_points,
            left_boundaries=no_points,
            right_boundaries=no_points,
            successors=no_ids,
            predecessors=no_ids,
            turn_kinds=np.zeros(0, dtype=np.int8),
            intersection_ids=none,
            has_traffic_lights=np.zeros(0, dtype=bool),
            stop_line_ids=no_ids,
            connector_lines=no_points,
        ),
        roadblocks=AreaLayer.empty(),
        roadblock_connectors=AreaLayer.empty(),
        roadblock_edges=np.zeros((0, 3), dtype=np.int64),
    )


def opened_from(map_graph: MapGraph) -> Path | None:
    """The package of a map that was opened and not changed; None for other maps."""
    source = map_graph.source
    if not isinstance(source, MapFile):
        return None
    try:
        is_unchanged = source.open() is map_graph
    except FileNotFoundError:
        # The package was deleted; the map in memory is complete.
        return None
    return find_map(Path(source.maps_root), source.name)[0] if is_unchanged else None


# ---------------------------------------------------------------------- the package


def _in_degrees(table: MapTable, map_graph: MapGraph) -> MapTable:
    degrees_from_meters, meters_from_degrees = degrees_and_meters(map_graph.epsg)

    def to_degrees(points: Float64[np.ndarray, "points 2"]) -> Float64[np.ndarray, "points 2"]:
        degrees = np.stack(degrees_from_meters.transform(points[:, 0], points[:, 1]), axis=-1)
        round_trip = np.stack(meters_from_degrees.transform(degrees[:, 0], degrees[:, 1]), axis=-1)
        # Written so that inf and NaN fail too.
        if not np.all(np.abs(round_trip - points) <= _MAX_ROUND_TRIP_M):
            raise ValueError(
                f"Map {map_graph.name}: {table.name} do not lie in the UTM zone of EPSG {map_graph.epsg},"
                f" for example ({points[0, 0]:.1f}, {points[0, 1]:.1f}). Move the map to a real place in the zone."
            )
        return degrees

    if not len(table.geometries):
        return table
    return replace(table, geometries=np.atleast_1d(shapely.transform(table.geometries, to_degrees)))


def _write_package(path: Path, map_graph: MapGraph, tables: list[MapTable]) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        for pragma in (
            "journal_mode = OFF",
            "synchronous = OFF",
            "application_id = 1196444487",
            "user_version = 10200",
        ):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN")
        for statement in _GEOPACKAGE_TABLES:
            connection.execute(statement)
        connection.executemany(
            "INSERT INTO gpkg_spatial_ref_sys VALUES (?, ?, ?, ?, ?, '')",
            [
                ("Undefined cartesian SRS", -1, "NONE", -1, "undefined"),
                ("Undefined geographic SRS", 0, "NONE", 0, "undefined"),
                ("WGS 84 geodetic", WGS84, "EPSG", WGS84, _WGS84_DEFINITION),
            ],
        )
        _insert_contents(connection, "meta", "attributes", None)
        meta = {
            "projectedCoordSystem": f"epsg:{map_graph.epsg}",
            "geographicCoordSystem": f"epsg:{WGS84}",
            "creator": CREATOR,
            **{key: text for key, text in map_graph.metadata.items() if not key.startswith(_RESERVED_KEYS)},
        }
        connection.executemany("INSERT INTO meta (key, value) VALUES (?, ?)", meta.items())
        for table in tables:
            _write_table(connection, table)
        connection.execute("COMMIT")
    finally:
        connection.close()


def _write_table(connection: sqlite3.Connection, table: MapTable) -> None:
    columns = "".join(f', "{name}" {kind}' for name, (kind, _) in table.columns.items())
    connection.execute(
        f'CREATE TABLE "{table.name}" (fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,'
        f" geom {table.geometry_type}{columns})"
    )
    marks = ", ".join("?" * (2 + len(table.columns)))
    values = [column for _, column in table.columns.values()]
    rows = zip(table.fids, _blobs(table.geometries), *values, strict=True)
    connection.executemany(f'INSERT INTO "{table.name}" VALUES ({marks})', rows)  # noqa: S608
    bounds = shapely.total_bounds(table.geometries).tolist() if len(table.geometries) else None
    _insert_contents(connection, table.name, "features", bounds)
    connection.execute(
        "INSERT INTO gpkg_geometry_columns VALUES (?, 'geom', ?, ?, 0, 0)", (table.name, table.geometry_type, WGS84)
    )


def _insert_contents(connection: sqlite3.Connection, name: str, kind: str, bounds: list[float] | None) -> None:
    srs_id = WGS84 if kind == "features" else 0
    connection.execute(
        "INSERT INTO gpkg_contents VALUES (?, ?, ?, '', ?, ?, ?, ?, ?, ?)",
        (name, kind, name, _FIXED_TIME, *(bounds or (None, None, None, None)), srs_id),
    )


def _blobs(geometries: np.ndarray) -> Iterator[bytes]:
    """GeoPackage geometry: magic, version 0, flags (little endian, envelope of x and y), reference system, WKB."""
    head = b"GP\x00\x03" + WGS84.to_bytes(4, "little")
    envelopes = shapely.bounds(geometries)[:, [0, 2, 1, 3]].astype("<f8").tobytes()
    for row, body in enumerate(shapely.to_wkb(geometries, byte_order=1, output_dimension=2, flavor="iso")):
        yield head + envelopes[32 * row : 32 * row + 32] + body


def _is_same(first: Path, second: Path) -> bool:
    """Whether two packages are equal except for their headers, which depend on the version of SQLite."""
    return first.read_bytes()[_SQLITE_HEADER_BYTES:] == second.read_bytes()[_SQLITE_HEADER_BYTES:]


def _is_placeholder(path: Path) -> bool:
    with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute("SELECT 1 FROM meta WHERE key = ?", (PLACEHOLDER_KEY,)).fetchone() is not None


# ---------------------------------------------------------------------- the list of maps


def _read_listed(maps_root: Path) -> dict[str, Any]:
    path = maps_root / VERSION_FILE
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not valid JSON ({error}). Delete it or write to another folder.") from error


def _list_map(maps_root: Path, name: str, entry: dict[str, Any]) -> None:
    with _locked(maps_root):
        listed = {**_read_listed(maps_root), name: entry}
        with replacing(maps_root / VERSION_FILE) as temporary:
            temporary.write_text(json.dumps(listed, indent=1, sort_keys=True) + "\n")


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock the folder against other processes that change the list."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
