"""A small log and a small map, written by hand so that every value in them is known."""

import pickle
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import shapely
from pyproj import Transformer

LOCATION, VERSION = "us-nv-las-vegas-strip", "9.15.1915"
LOG_NAME = "2021.07.16.20.00.00_veh-35_00000_00050"
START_US = 1_626_000_000_000_000
ORIGIN = np.array([664_000.0, 3_998_000.0])
LOG_TABLES = {
    "log": "token BLOB, vehicle_name, date, timestamp INTEGER, logfile, location, map_version",
    "category": "token BLOB PRIMARY KEY, name, description",
    "track": "token BLOB PRIMARY KEY, category_token BLOB, width, length, height",
    "lidar": "token BLOB PRIMARY KEY, log_token BLOB, channel, model, translation, rotation",
    "camera": "token BLOB PRIMARY KEY, log_token BLOB, channel, model, translation, rotation, intrinsic, distortion,"
    " width INTEGER, height INTEGER",
    "image": "token BLOB PRIMARY KEY, next_token, prev_token, ego_pose_token BLOB, camera_token BLOB, filename_jpg,"
    " timestamp INTEGER",
    "ego_pose": "token BLOB PRIMARY KEY, timestamp INTEGER, x, y, z, qw, qx, qy, qz, vx, vy, acceleration_x,"
    " acceleration_y",
    "lidar_pc": "token BLOB PRIMARY KEY, ego_pose_token BLOB, lidar_token BLOB, scene_token BLOB, timestamp INTEGER",
    "lidar_box": "token BLOB PRIMARY KEY, lidar_pc_token BLOB, track_token BLOB, x, y, z, width, length, height,"
    " vx, vy, yaw",
    "scene": "token BLOB PRIMARY KEY, log_token BLOB, name, goal_ego_pose_token BLOB, roadblock_ids TEXT",
    "scenario_tag": "token BLOB PRIMARY KEY, lidar_pc_token BLOB, type TEXT, agent_track_token BLOB",
    "traffic_light_status": "token BLOB PRIMARY KEY, lidar_pc_token BLOB, lane_connector_id INTEGER, status TEXT",
}


def token(kind: int, number: int = 0) -> bytes:
    """A token made of a number for the table and the number of the row."""
    return (kind * 1_000_000 + number).to_bytes(8, "big")


def frame_token(row: int) -> str:
    """Token of the frame at a row of the log."""
    return token(1, row).hex()


def write_log(
    path: Path,
    tags: tuple[tuple[int, str], ...] = ((500, "changing_lane"),),
    rows: int = 1000,
    with_index: bool = True,
    map_name: str = LOCATION,
) -> Path:
    """50 s at 20 Hz in five scenes, of which the third (rows 400 to 599) holds scenarios.

    The ego drives east at 10 m/s from `ORIGIN`. A car drives 20 m ahead of it, a cone stands at (200, 5), and the two
    boxes change places from row to row. From row 500 on connector 30 is red, before it is green.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = connected(path)
    for name, columns in LOG_TABLES.items():
        connection.execute(f"CREATE TABLE {name} ({columns})")
    log, lidar, camera = token(9), token(8), token(7)
    numbers = [pickle.dumps(value) for value in ([1.5, 0.0, 1.6], [0.5, -0.5, 0.5, -0.5])]
    lens = [
        pickle.dumps(value) for value in ([[1500.0, 0, 960.0], [0, 1500.0, 560.0], [0, 0, 1]], [-0.3, 0.1, 0, 0, 0.0])
    ]
    into(connection, "log", [(log, "veh-35", "2021-07-16", START_US, LOG_NAME, "las_vegas", map_name)])
    into(connection, "lidar", [(lidar, log, "MergedPointCloud", "", *numbers)])
    into(connection, "camera", [(camera, log, "CAM_F0", "", *numbers, *lens, 1920, 1120)])
    into(connection, "category", [(token(6, i), name, "") for i, name in enumerate(("vehicle", "traffic_cone"))])
    into(connection, "track", [(token(5, i), token(6, i), 2.0, 4.0, 1.5) for i in range(2)])
    into(connection, "scene", [(token(4, i), log, f"scene-{i:04}", token(2, rows - 1), "10 40 11") for i in range(5)])
    into(connection, "scenario_tag", [(token(3, i), token(1, row), name, None) for i, (row, name) in enumerate(tags)])
    poses, frames, boxes, lights, images = [], [], [], [], []
    for row in range(rows):
        x, y = ORIGIN + np.array([0.5 * row, 0.0])
        time_us = START_US + 50_000 * row
        poses.append((token(2, row), time_us - 1500, x, y, 600.0, 1.0, 0.0, 0.0, 0.0, 10.0, 0.0, 0.25, 0.0))
        frames.append((token(1, row), token(2, row), lidar, token(4, row // 200), time_us))
        car = (token(1, row), token(5, 0), x + 20, y, 601.0, 2.0, 4.0, 1.5, 10.0, 0.0, 0.0)
        cone = (token(1, row), token(5, 1), ORIGIN[0] + 200, y + 5, 600.5, 0.5, 0.4, 0.8, 0.1, 0.1, 3.5)
        boxes += [cone, car] if row % 4 else [car, cone]
        lights.append((token(1, row), 30, "red" if row >= 500 else "green"))
        if row % 2 == 0:
            images.append((token(12, row), None, None, token(2, row), camera, f"CAM_F0/{row:016x}.jpg", time_us))
    into(connection, "ego_pose", poses)
    into(connection, "lidar_pc", frames)
    into(connection, "lidar_box", [(token(10, i), *box) for i, box in enumerate(boxes)])
    into(connection, "traffic_light_status", [(token(11, i), *light) for i, light in enumerate(lights)])
    into(connection, "image", images)
    if with_index:
        connection.execute("CREATE INDEX boxes_of_frame ON lidar_box (lidar_pc_token)")
        connection.execute("CREATE INDEX lights_of_frame ON traffic_light_status (lidar_pc_token)")
    connection.commit()
    connection.close()
    return path


def connected(path: Path) -> sqlite3.Connection:
    """A new file, written without waiting for the disk."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN")
    return connection


def into(connection: sqlite3.Connection, table: str, rows: list[tuple]) -> None:
    """Insert whole rows."""
    if rows:
        connection.executemany(f"INSERT INTO {table} VALUES ({','.join('?' * len(rows[0]))})", rows)


def box(x: float, y: float, length_m: float, width_m: float = 4.0) -> shapely.Polygon:
    """A rectangle that starts at (x, y +- width / 2) and runs east."""
    return shapely.box(x, y - width_m / 2, x + length_m, y + width_m / 2)


def line(x: float, y: float, length_m: float, turned: bool = False) -> shapely.LineString:
    """A line east, or west when turned."""
    ends = [(x, y), (x + length_m / 2, y), (x + length_m, y)]
    return shapely.LineString(ends[::-1] if turned else ends)


def map_layers() -> dict[str, tuple[str, list[tuple]]]:
    """Columns and rows of each layer: lane 20 (x 0 to 300), connector 30 (to 320), lane 21 (to 700).

    The left boundary of lane 21 is drawn against the driving direction; lane 21 has no speed limit.
    """
    lane_columns = "lane_group_fid, lane_index, left_boundary_fid, right_boundary_fid, speed_limit_mps"
    connector_columns = (
        "exit_lane_fid, entry_lane_fid, lane_group_connector_fid, intersection_fid, turn_type_fid,"
        " traffic_light_stop_line_fids, speed_limit_mps"
    )
    lanes = [
        (20, box(0, 0, 300), 10, 0, 1, 2, 13.5),
        (21, box(320, 0, 380), 11, 0, 3, 4, None),
    ]
    two = shapely.MultiPolygon([box(0, 0, 300), box(320, 0, 380)])
    return {
        "lanes_polygons": (lane_columns, lanes),
        "lane_connectors": (connector_columns, [(30, line(300, 0, 20), 20, 21, 40, 50, 1, "60, 61", 9.0)]),
        "gen_lane_connectors_scaled_width_polygons": (
            "lane_connector_fid, left_boundary_fid, right_boundary_fid",
            [(1, box(300, 0, 20), 30, 5, -1)],
        ),
        "baseline_paths": (
            "lane_fid, lane_connector_fid",
            [(1, line(0, 0, 300), 20, None), (2, line(320, 0, 380), 21, None), (3, line(300, 0, 20), None, 30)],
        ),
        "boundaries": (
            "boundary_type_fid",
            [
                (1, line(0, 2, 300), 0),
                (2, line(0, -2, 300), 0),
                (3, line(320, 2, 380, turned=True), 0),
                (4, line(320, -2, 380), 0),
                (5, line(300, 2, 20), 0),
            ],
        ),
        "lane_groups_polygons": ("creator_id", [(10, box(0, 0, 300), ""), (11, box(320, 0, 380), "")]),
        "lane_group_connectors": (
            "from_lane_group_fid, to_lane_group_fid, intersection_fid",
            [(40, box(300, 0, 20), 10, 11, 50)],
        ),
        "intersections": ("intersection_type_fid", [(50, box(300, 0, 20, 20), 1)]),
        "stop_polygons": ("stop_polygon_type_fid", [(60, box(298, 0, 2), 2), (61, box(298, 50, 2), 2)]),
        "crosswalks": ("creator_id", [(70, box(305, 0, 3, 20), "")]),
        "walkways": ("creator_id", []),
        "carpark_areas": ("creator_id", [(80, box(0, 30, 50), "")]),
        "generic_drivable_areas": ("creator_id", []),
        "road_segments": ("creator_id", [(90, two, "")]),
    }


def write_map(maps_root: Path, layers: dict[str, tuple[str, list[tuple]]] | None = None, epsg: int = 32611) -> Path:
    """Write the layers as a GeoPackage of the location, in longitude and latitude with a third coordinate."""
    path = maps_root / LOCATION / VERSION / "map.gpkg"
    path.parent.mkdir(parents=True)
    (maps_root / "nuplan-maps-v1.0.json").write_text(f'{{"{LOCATION}": {{"version": "{VERSION}"}}}}')
    to_degrees = Transformer.from_crs(epsg, 4326, always_xy=True)
    connection = connected(path)
    connection.execute("CREATE TABLE meta (fid INTEGER PRIMARY KEY, key TEXT, value TEXT)")
    connection.execute("INSERT INTO meta (key, value) VALUES ('projectedCoordSystem', ?)", (f"epsg:{epsg}",))
    for name, (columns, rows) in (layers or map_layers()).items():
        connection.execute(f"CREATE TABLE {name} (fid INTEGER PRIMARY KEY, geom BLOB, {columns})")
        into(connection, name, [(row[0], as_blob(row[1], to_degrees), *row[2:]) for row in rows])
    connection.commit()
    connection.close()
    return path


def as_blob(geometry: shapely.Geometry, to_degrees: Transformer) -> bytes:
    """GeoPackage form: header without envelope, then WKB."""
    points = shapely.get_coordinates(geometry) + ORIGIN
    degrees = np.column_stack(to_degrees.transform(points[:, 0], points[:, 1]))
    with np.errstate(invalid="ignore"):
        placed = shapely.force_3d(shapely.set_coordinates(geometry, degrees), 7.0)
    return b"GP\0\x01" + (4326).to_bytes(4, "little") + shapely.to_wkb(placed, byte_order=1)


@pytest.fixture
def data_root(tmp_path: Path) -> Path:
    """A nuPlan data root with one log and one map."""
    write_log(tmp_path / "nuplan-v1.1" / "splits" / "mini" / f"{LOG_NAME}.db")
    write_map(tmp_path / "maps")
    return tmp_path


@pytest.fixture
def set_geometry(data_root: Path) -> Callable[..., None]:
    """Replaces the geometry of one row (or of all rows) of a map layer; None is NULL."""

    def run(layer: str, geometry: shapely.Geometry | None, fid: int | None = None) -> None:
        to_degrees = Transformer.from_crs(32611, 4326, always_xy=True)
        blob = None if geometry is None else as_blob(geometry, to_degrees)
        where = "" if fid is None else f" WHERE fid = {fid}"
        with sqlite3.connect(data_root / "maps" / LOCATION / VERSION / "map.gpkg") as connection:
            assert connection.execute(f"UPDATE {layer} SET geom = ?{where}", (blob,)).rowcount

    return run


@pytest.fixture
def log_file(data_root: Path) -> Path:
    """The log of the data root."""
    return data_root / "nuplan-v1.1" / "splits" / "mini" / f"{LOG_NAME}.db"


@pytest.fixture
def change(log_file: Path) -> Callable[[str], None]:
    """Runs SQL on the log."""

    def run(sql: str) -> None:
        with sqlite3.connect(log_file) as connection:
            connection.executescript(sql)

    return run
