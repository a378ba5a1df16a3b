"""Damage every column of a log and a map, one at a time, and drive: a run is unaffected, or states the damage.

    python benchmarks/damaged_data.py                        # all columns, all damages, all rows and one row
    python benchmarks/damaged_data.py --tables lidar_box ego_pose

A damaged world is listed, opened and driven for 5 steps by IDM and PDM-Closed. Driven poses and scores must equal
those of the undamaged world, or a warning or error must name the file and the table. No error of numpy, sqlite or
Python may appear. Prints each violation; the exit code is 1 when there are any.
"""

import logging
import os
import re
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import shapely
import tyro

from driving.cameras import CameraFrames, CameraRig
from driving.nuplan import maps
from driving.nuplan.data import DataRoot
from driving.nuplan.filters import ScenarioFilter
from driving.nuplan.scenarios import list_scenarios, open_scenario, summarize
from driving.nuplan.writer import write_world
from driving.recording import Recording
from driving.scenario_types import KNOWN_SCENARIO_TYPES
from driving.synthetic.scenes import SCENES
from planning.registry import load_planner
from simulation.metrics.score import score_simulation
from simulation.rollout import run_rollout

PLANNERS = ("idm", "pdm_closed")
NUM_FRAMES = 6
"""Frames of a drive: 5 steps."""
LOG, MAP = "log", "map"

NULLABLE = {
    ("lanes_polygons", "speed_limit_mps"),
    ("lane_connectors", "speed_limit_mps"),
    ("scene", "goal_ego_pose_token"),
    ("scenario_tag", "agent_track_token"),
}
"""Columns in which NULL has a meaning of its own, so that no line is needed."""

FOREIGN_ERRORS = re.compile(
    r"NoneType|Traceback|dtype|out of bounds|unsupported operand|not supported between|sqlite|ufunc|has no attribute"
    r"|could not convert|invalid literal|broadcast|must be real|a bytes-like object|shapely|geos|index \d+ is",
    re.IGNORECASE,
)
"""Texts of errors of numpy, sqlite, shapely or Python."""


def _wkb(geometry: shapely.Geometry) -> bytes:
    return b"GP\0\x01" + (4326).to_bytes(4, "little") + shapely.to_wkb(geometry, byte_order=1)


def _with_nan(geometry: shapely.Geometry) -> shapely.Geometry:
    points = shapely.get_coordinates(geometry)
    points[1, 0] = np.nan
    with np.errstate(invalid="ignore"):
        return shapely.set_coordinates(geometry, points)


FIELDS: dict[str, str | bytes | float | None] = {
    "NULL": None,
    "empty text": "",
    "text": "x y",
    "infinity": np.inf,
    "empty blob": b"",
}
"""Damages of a field."""
TEXTS: dict[str, str | bytes | float | None] = {"NULL": None, "empty text": "", "empty blob": b""}
"""Damages of a text."""
SIZES_AND_REFERENCES: dict[str, str | bytes | float | None] = {**FIELDS, "zero": 0}
"""Damages of a size or of a reference to another table."""
GEOMETRIES: dict[str, str | bytes | None] = {
    "NULL": None,
    "empty text": "",
    "empty polygon": _wkb(shapely.Polygon()),
    "empty line": _wkb(shapely.LineString()),
    "point": _wkb(shapely.Point(9.0, 48.0)),
    "line of no length": _wkb(shapely.LineString([(9.0, 48.0)] * 2)),
    "polygon of no area": _wkb(shapely.Polygon([(9.0, 48.0), (9.1, 48.0), (9.2, 48.0)])),
    "polygon with NaN": _wkb(_with_nan(shapely.Polygon([(9, 48), (9.1, 48), (9.1, 48.1)]))),
    "line with NaN": _wkb(_with_nan(shapely.LineString([(9, 48), (9.1, 48)]))),
    "damaged": b"GP\0\x01\xe6\x10\0\0\x01\x03\0",
}
"""Damages of a geometry."""


@dataclass(frozen=True, kw_only=True)
class Damage:
    """One value written into one column, of all rows or of one that the scenario uses."""

    file: str
    """`log` or `map`."""
    table: str
    column: str
    kind: str
    value: str | bytes | float | None
    all_rows: bool

    def __str__(self) -> str:
        return f"{self.table}.{self.column} {self.kind} in {'all rows' if self.all_rows else 'one row'}"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run gave."""

    poses: np.ndarray
    """(planners, steps, 4) driven poses, and the score at each step; no rows when the run failed."""
    error: str
    """Empty when the run succeeded."""
    lines: tuple[str, ...]
    """Warnings."""


class DamagedWorld:
    """A small world of one scenario, of which a damaged copy is driven."""

    def __init__(self, folder: Path, planners: Sequence[str] = PLANNERS) -> None:
        self._whole, self._damaged, self._planners = folder / "whole", folder / "damaged", planners
        write_world([_with_cameras(SCENES["red_light"](), folder)], self._whole, fill_locations=False)
        _add_areas(self.path(MAP, whole=True))
        for file in (LOG, MAP):
            _drop_constraints(self.path(file, whole=True))
        shutil.copytree(self._whole, self._damaged)

    def path(self, file: str, whole: bool = False) -> Path:
        """The log or the map."""
        pattern = "nuplan-v1.1/splits/*/*.db" if file == LOG else "maps/*/*/map.gpkg"
        return next((self._whole if whole else self._damaged).glob(pattern))

    @cached_property
    def reference(self) -> Outcome:
        """The undamaged run."""
        outcome = self._run()
        assert (outcome.error, outcome.lines) == ("", ()), outcome
        return outcome

    def damages(self) -> Iterator[Damage]:
        """Every column, every damage, all rows and one row."""
        for file in (LOG, MAP):
            with sqlite3.connect(self.path(file, whole=True)) as connection:
                tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
                for table in tables:
                    if table.startswith(("gpkg_", "sqlite_")):
                        continue
                    for _, column, sql_type, _, _, is_key in connection.execute(
                        f"PRAGMA table_info({table})"
                    ).fetchall():
                        if column == "fid" and is_key:
                            continue
                        is_reference = column in ("length", "width") or column.endswith(("fid", "token"))
                        fields = SIZES_AND_REFERENCES if is_reference else FIELDS
                        fields = TEXTS if sql_type.startswith(("TEXT", "VARCHAR")) else fields
                        values = GEOMETRIES if column == "geom" else fields
                        for kind, value in values.items():
                            for all_rows in (True, False):
                                yield Damage(
                                    file=file, table=table, column=column, kind=kind, value=value, all_rows=all_rows
                                )

    def outcome(self, damage: Damage) -> Outcome | None:
        """Drive with one damage; None where the column cannot hold the value or the table has no rows."""
        path, whole = self.path(damage.file), self.path(damage.file, whole=True)
        shutil.copyfile(whole, path)
        connection = sqlite3.connect(path)
        try:
            for name in ("ST_IsEmpty", "ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY"):
                connection.create_function(name, 1, lambda blob: 0.0)
            where = "" if damage.all_rows else f" WHERE rowid = ({_used_row(damage.table)})"
            statement = f"UPDATE {damage.table} SET {damage.column} = ?{where}"  # noqa: S608
            changed = connection.execute(statement, (damage.value,)).rowcount
            connection.commit()
        except sqlite3.IntegrityError:
            changed = 0
        finally:
            connection.close()
        outcome = self._run() if changed else None
        shutil.copyfile(whole, path)
        return outcome

    def without_table(self, table: str) -> Outcome:
        """Drive a log that lacks a table."""
        return self._changed(f"DROP TABLE {table}")

    def without_goals(self) -> Outcome:
        """Drive a log without mission goals."""
        return self._changed("UPDATE scene SET goal_ego_pose_token = NULL")

    def _changed(self, statement: str) -> Outcome:
        path = self.path(LOG)
        with sqlite3.connect(path) as connection:
            connection.execute(statement)
        connection.close()
        outcome = self._run(ScenarioFilter(scenario_types=tuple(KNOWN_SCENARIO_TYPES), remove_invalid_goals=False))
        shutil.copyfile(self.path(LOG, whole=True), path)
        return outcome

    def _run(self, chosen: ScenarioFilter | None = None) -> Outcome:
        lines: list[str] = []
        handler = logging.Handler(logging.WARNING)
        handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
        logging.getLogger().addHandler(handler)
        try:
            poses, error = self._driven(chosen), ""
        except Exception as failure:  # noqa: BLE001  (judged by the caller)
            poses, error = np.zeros((0, NUM_FRAMES - 1, 4)), f"{type(failure).__name__}: {failure}"
        finally:
            logging.getLogger().removeHandler(handler)
        return Outcome(poses=poses, error=error, lines=tuple(lines))

    def _driven(self, chosen: ScenarioFilter | None) -> np.ndarray:
        if self.path(MAP).read_bytes() == self.path(MAP, whole=True).read_bytes():
            shutil.copystat(self.path(MAP, whole=True), self.path(MAP))
        else:
            maps._open_maps.clear()
        (entry,) = list_scenarios(DataRoot.find(self._damaged), chosen)
        summarize(entry)
        scenario = replace(open_scenario(entry), num_frames=NUM_FRAMES)
        drives = []
        for name in self._planners:
            log = run_rollout(scenario, load_planner(name))
            poses = log.ego.rear_axle_poses[0]
            score = np.full((len(poses), 1), score_simulation(log, scenario).score)
            drives.append(np.concatenate([poses, score], axis=1))
        return np.stack(drives)

    def violation(self, damage: Damage) -> str | None:
        """Why the outcome of a damage is not acceptable; None when it is."""
        outcome = self.outcome(damage)
        if outcome is None:
            return None
        said = " ".join([outcome.error, *outcome.lines])
        is_ours = outcome.error.startswith(("ValueError", "OSError", "FileNotFoundError")) or not outcome.error
        if FOREIGN_ERRORS.search(said) or not is_ours:
            return f"{damage}: {said}"
        is_same = np.array_equal(outcome.poses, self.reference.poses)
        # A missing key is noticed in the table that refers to it.
        is_named = re.search(r"`\w+`", said) and str(self.path(damage.file)) in said
        is_named = is_named or (damage.column == "map_version" and "No map of" in said)
        if is_same or is_named or (damage.table, damage.column) in NULLABLE:
            return None
        return f"{damage}: {'the drive differs' if len(outcome.poses) else 'the run fails'} without a line: {said}"


def _used_row(table: str) -> str:
    """SQL: one row that the scenario uses; the middle row of a log's table is near the tagged frame."""
    lane = "(SELECT MIN(exit_lane_fid) FROM lane_connectors)"
    connector = f"(SELECT MIN(fid) FROM lane_connectors WHERE exit_lane_fid = {lane})"  # noqa: S608
    conditions = {
        "lanes_polygons": f"fid = {lane}",
        "lane_connectors": f"fid = {connector}",
        "baseline_paths": f"lane_fid = {lane}",
        "gen_lane_connectors_scaled_width_polygons": f"lane_connector_fid = {connector}",
        "lane_groups_polygons": f"fid = (SELECT lane_group_fid FROM lanes_polygons WHERE fid = {lane})",  # noqa: S608
        "boundaries": f"fid = (SELECT left_boundary_fid FROM lanes_polygons WHERE fid = {lane})",  # noqa: S608
    }
    where = conditions.get(table, "TRUE")
    count = f"(SELECT COUNT(*) / 2 FROM {table} WHERE {where})"  # noqa: S608
    return f"SELECT rowid FROM {table} WHERE {where} ORDER BY rowid LIMIT 1 OFFSET {count}"  # noqa: S608


def _with_cameras(recording: Recording, folder: Path) -> Recording:
    rig = CameraRig(
        names=("CAM_F0",),
        intrinsics=np.array([[[1545.0, 0, 960], [0, 1545.0, 560], [0, 0, 1]]]),
        distortion=np.zeros((1, 5)),
        ego_from_camera=np.array([[[0.0, 0, 1, 1.7], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]]]),
        image_sizes=np.array([[1920, 1080]]),
    )
    time_us = recording.time_us[::20].copy()
    poses = np.tile(np.eye(4), (len(time_us), 1, 1))
    poses[:, :2, 3] = recording.ego.rear_axle_poses[0, ::20, :2]
    frames = CameraFrames(
        rig=rig,
        cameras=np.zeros(len(time_us), dtype=np.int64),
        time_us=time_us,
        global_from_ego=poses,
        paths=tuple(f"CAM_F0/{time}.jpg" for time in time_us),
        root=str(folder),
    )
    return replace(recording, cameras=frames)


def _add_areas(path: Path) -> None:
    """Rows for the layers that the hand-made map leaves empty."""
    with sqlite3.connect(path) as connection:
        for layer in ("carpark_areas", "generic_drivable_areas"):
            query = f"INSERT INTO {layer} (fid, geom) SELECT 900000 + fid, geom FROM crosswalks LIMIT 3"  # noqa: S608
            connection.execute(query)


def _drop_constraints(path: Path) -> None:
    """Foreign files may have columns without NOT NULL."""
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = replace(sql, ' NOT NULL', '')"
            " WHERE type = 'table' AND name NOT LIKE 'gpkg%'"
        )


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What to damage."""

    tables: tuple[str, ...] = ()
    """Tables and layers; without them all."""


def main(arguments: Arguments) -> int:
    """Damage, drive, print."""
    with tempfile.TemporaryDirectory() as name:
        os.environ["CAMBER_CACHE"] = str(Path(name) / "cache")
        world = DamagedWorld(Path(name))
        damages = [one for one in world.damages() if not arguments.tables or one.table in arguments.tables]
        violations = []
        for damage in damages:
            violation = world.violation(damage)
            if violation:
                violations.append(violation)
                print(violation, flush=True)
    print(f"{len(damages)} damages, {len(violations)} violations")
    return int(bool(violations))


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Arguments, description=__doc__)))
