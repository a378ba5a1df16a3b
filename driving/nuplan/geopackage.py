"""Layers of a GeoPackage as arrays: geometry projected to metres, attributes by column.

A GeoPackage is a SQLite file with geometry as WKB after a short header. A geometry is unusable when it is NULL or
empty, of another type, without area or length, or when coordinates are not finite. It is then read as None.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import shapely
from jaxtyping import Bool, Int64

from driving.map import Ragged
from driving.names import listed

MIN_LINE_M = 1e-3
"""A shorter line is unusable."""
MIN_MEAN_WIDTH_M = 1e-3
"""A polygon with a smaller ratio of area to boundary length is unusable. So is one that is as thin in degrees."""
DEGREE_M = 1e5
"""About the length of a degree."""

_ENVELOPE_BYTES = (0, 32, 48, 48, 64)
"""By the envelope code of the header's flags."""
_HEADER_BYTES = 8
_WGS84 = 4326
_INT64 = 2**63


class Shape(StrEnum):
    """Geometry types that a layer may hold."""

    AREA = "polygon"
    LINE = "line"


_TYPES = {
    Shape.AREA: (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON),
    Shape.LINE: (shapely.GeometryType.LINESTRING, shapely.GeometryType.MULTILINESTRING),
}


class Effect(StrEnum):
    """Treatment of rows that cannot be used unchanged; the first word of a note's key."""

    IGNORED = "ignored"
    REPAIRED = "repaired"


@dataclass(frozen=True, kw_only=True)
class Column:
    """How an attribute is read."""

    missing: int | float | str
    """Value for NULL, and for an empty text in a column of numbers. Its type is the type of the column."""
    is_nullable: bool = False
    """Whether NULL has a meaning in nuPlan's format. Otherwise it is noted."""
    is_optional: bool = False
    """Whether the layer may lack the column. All values are then `missing`."""
    is_positive: bool = False
    """Whether numbers must be above 0; others are read as `missing` and noted."""
    choices: type[IntEnum] | None = None
    """Allowed numbers; others are read as `missing` and noted."""

    def value(self, raw: Any) -> int | float | str | None:
        """The value of a field; None when it is NULL, empty or not allowed.

        Raises:
            ValueError, TypeError, OverflowError: When it is of another type.
        """
        if isinstance(self.missing, str):
            return None if raw is None else str(raw or "")
        if raw is None or raw in ("", b""):
            return None
        number = type(self.missing)(raw)
        if isinstance(number, int) and abs(number) >= _INT64:
            raise OverflowError
        if not np.isfinite(number) or (self.is_positive and number <= 0):
            return None
        return None if self.choices and number not in self.choices.__members__.values() else number


REFERENCE = Column(missing=0, is_nullable=True)
"""The fid of a row in another layer, or 0. `LayerReader.note_dangling` notes values that name no row."""
NOT_THERE = -1
"""A reference to nothing on purpose: with NULL the devkit would read the whole column as decimals."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """Rows of one layer in the order of their ids."""

    name: str
    ids: Int64[np.ndarray, "rows"]
    geometries: np.ndarray
    """(rows,) shapely geometries [m, global], None where a row has no usable geometry."""
    columns: Mapping[str, Any]
    """(rows,) int64 or float64 arrays, lists of text."""

    @property
    def has_geometry(self) -> Bool[np.ndarray, "rows"]:
        """Rows with a usable geometry."""
        return ~shapely.is_missing(self.geometries)

    def lines(self) -> Ragged:
        """The vertices of each line; parts of multi-lines are concatenated. Unusable lines have no vertex."""
        points, rows = shapely.get_coordinates(self.geometries, return_index=True)
        counts = np.bincount(rows, minlength=len(self.geometries))
        return Ragged(points, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))


class LayerReader:
    """Reads layers of one open GeoPackage into the projected coordinates that its `meta` table names."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.path = path
        self.meta: dict[str, str] = {}
        """All entries of the table `meta`."""
        self.notes: dict[str, str] = {}
        """Ignored and repaired rows: sentences by `<effect> <layer>`."""
        self._connection = connection
        self._tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        self.epsg = self._projected_epsg()
        self._transformers: dict[int, pyproj.Transformer] = {}

    def note(
        self,
        effect: Effect,
        layer: str,
        ids: Sequence[int] | Int64[np.ndarray, "rows"],
        sentence: str,
        what: str = "fid",
    ) -> None:
        """Keep a note on rows of a layer, named by ids of `what`; none when `ids` is empty."""
        if len(ids):
            key = f"{effect} {layer}"
            said = f"{self.notes[key]}; " if key in self.notes else f"layer `{layer}`: "
            self.notes[key] = f"{said}{sentence} ({what} {listed(ids)})"

    def note_dangling(self, layer: Layer, column: str, target: Int64[np.ndarray, "targets"]) -> None:
        """Note rows with a reference that is NULL or no fid of the other layer."""
        values = layer.columns[column]
        is_dangling = ~np.isin(values, target) & (values != NOT_THERE)
        self.note(Effect.IGNORED, layer.name, layer.ids[is_dangling], f"{column} names no row")

    def _projected_epsg(self) -> int:
        self._require("meta")
        self.meta = {str(key): str(value) for key, value in self._connection.execute("SELECT key, value FROM meta")}
        named = self.meta.get("projectedCoordSystem", "nothing")
        code = named.lower().removeprefix("epsg:").strip()
        if not (code.isascii() and code.isdigit()):
            raise ValueError(
                f"{self.path}: the table `meta` must name projectedCoordSystem, for example epsg:32611, got {named}."
            )
        return int(code)

    def _require(self, layer: str) -> None:
        if layer not in self._tables:
            raise ValueError(
                f"{self.path} has no layer `{layer}`, which nuPlan's maps have. The file is incomplete:"
                " get it again, or write the layer (it may be empty)."
            )

    def read(self, layer: str, shape: Shape, columns: Mapping[str, Column] | None = None) -> Layer:
        """Read one layer. Fields without a usable value are noted.

        Raises:
            ValueError: When the file has no such layer or column, or a geometry or value that cannot be decoded.
        """
        self._require(layer)
        columns = columns or {}
        present = {row[1] for row in self._connection.execute(f'PRAGMA table_info("{layer}")')}
        required = {name for name, column in columns.items() if not column.is_optional}
        absent = sorted({"fid", "geom", *required} - present)
        if absent:
            raise ValueError(f"{self.path}: layer `{layer}` has no column {absent}, which nuPlan's maps have.")
        found = [name for name in columns if name in present]
        fields = "".join(f', "{name}"' for name in found)
        rows = self._connection.execute(f'SELECT fid, geom{fields} FROM "{layer}" ORDER BY fid').fetchall()  # noqa: S608
        fids, blobs, *values = zip(*rows, strict=True) if rows else [()] * (2 + len(found))
        if not all(isinstance(fid, int) for fid in fids):
            raise ValueError(f"{self.path}: layer `{layer}` has a fid that is no integer. Get the file again.")
        ids = np.array(fids, dtype=np.int64)
        raw = dict(zip(found, values, strict=True))
        return Layer(
            name=layer,
            ids=ids,
            geometries=self._geometries(layer, shape, ids, blobs),
            columns={name: self._column(layer, ids, name, columns[name], raw.get(name)) for name in columns},
        )

    def _column(
        self, layer: str, ids: Int64[np.ndarray, "rows"], name: str, column: Column, raw: Sequence[Any] | None
    ) -> Any:
        values: list[Any] = [None] * len(ids)
        if raw is not None:
            values = [self._value(layer, name, column, *item) for item in zip(ids.tolist(), raw, strict=True)]
            is_meant = np.array([column.is_nullable and given is None for given in raw], dtype=bool)
            is_lost = np.array([value is None for value in values], dtype=bool) & ~is_meant
            self.note(Effect.IGNORED, layer, ids[is_lost], f"no usable {name}")
        filled = [column.missing if value is None else value for value in values]
        return filled if isinstance(column.missing, str) else np.array(filled, dtype=type(column.missing))

    def _value(self, layer: str, name: str, column: Column, fid: int, raw: Any) -> int | float | str | None:
        try:
            return column.value(raw)
        except (ValueError, TypeError, OverflowError) as error:
            raise ValueError(
                f"{self.path}: layer `{layer}`, fid {fid}: {name} must be a number, got {raw!r}. Get the file again."
            ) from error

    def _geometries(
        self, layer: str, shape: Shape, ids: Int64[np.ndarray, "rows"], blobs: Sequence[Any]
    ) -> np.ndarray:
        if not blobs:
            return np.zeros(0, dtype=object)
        given = [blob or None for blob in blobs]
        wkb = np.array([self._wkb(layer, *item) for item in zip(ids.tolist(), given, strict=True)], dtype=object)
        with np.errstate(invalid="ignore"):
            geometries = shapely.force_2d(shapely.from_wkb(wkb, on_invalid="ignore"))
        damaged = shapely.is_missing(geometries) & np.array([blob is not None for blob in given])
        if damaged.any():
            raise ValueError(
                f"{self.path}: layer `{layer}` has damaged geometries (fid {listed(ids[damaged])}). Get it again."
            )
        geometries[~np.isfinite(_sum_of_coordinates(geometries))] = None
        epsg = self._epsg_of(given)
        geometries[~_is_usable(geometries, shape, 1.0 if epsg == self.epsg else DEGREE_M)] = None
        points = shapely.get_coordinates(geometries)
        x, y = self._transformer(layer, epsg).transform(points[:, 0], points[:, 1])
        geometries = shapely.set_coordinates(geometries, np.column_stack([x, y]))
        outside = ~np.isfinite(_sum_of_coordinates(geometries))
        if outside.any():
            raise ValueError(
                f"{self.path}: layer `{layer}` is outside of EPSG:{self.epsg} (fid {listed(ids[outside])})."
            )
        geometries[~_is_usable(geometries, shape, 1.0)] = None
        return geometries

    def _wkb(self, layer: str, fid: int, blob: Any) -> bytes | None:
        if blob is None:
            return None
        is_header = isinstance(blob, bytes) and len(blob) > _HEADER_BYTES and blob.startswith(b"GP")
        envelope = blob[3] >> 1 & 7 if is_header else len(_ENVELOPE_BYTES)
        if envelope >= len(_ENVELOPE_BYTES):
            raise ValueError(
                f"{self.path}: layer `{layer}` has a geometry that is not in GeoPackage form (fid {fid})."
            )
        return blob[_HEADER_BYTES + _ENVELOPE_BYTES[envelope] :]

    def _epsg_of(self, blobs: Sequence[bytes | None]) -> int:
        first = next((blob for blob in blobs if blob is not None), None)
        if first is None:
            return _WGS84
        epsg = int.from_bytes(first[4:8], "little" if first[3] & 1 else "big", signed=True)
        return epsg if epsg > 0 else _WGS84

    def _transformer(self, layer: str, epsg: int) -> pyproj.Transformer:
        if epsg not in self._transformers:
            try:
                self._transformers[epsg] = pyproj.Transformer.from_crs(epsg, self.epsg, always_xy=True)
            except pyproj.exceptions.ProjError as error:
                raise ValueError(
                    f"{self.path}: layer `{layer}` is in EPSG:{epsg} and the map in EPSG:{self.epsg}, which cannot be"
                    f" converted into each other ({error})."
                ) from error
        return self._transformers[epsg]


def _sum_of_coordinates(geometries: np.ndarray) -> np.ndarray:
    """(rows,) not finite where some coordinate is not; 0 for None."""
    points, rows = shapely.get_coordinates(geometries, return_index=True)
    return np.bincount(rows, weights=points.sum(axis=1), minlength=len(geometries))


def _is_usable(geometries: np.ndarray, shape: Shape, unit_m: float) -> Bool[np.ndarray, "rows"]:
    is_type = np.isin(shapely.get_type_id(geometries), _TYPES[shape])
    length_m = unit_m * np.nan_to_num(shapely.length(geometries))
    if shape is Shape.LINE:
        return is_type & (length_m >= MIN_LINE_M)
    return is_type & (unit_m**2 * np.nan_to_num(shapely.area(geometries)) > MIN_MEAN_WIDTH_M * length_m)
