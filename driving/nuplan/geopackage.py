"""Layers of a GeoPackage as arrays: geometry projected to metres, attributes by column.

A GeoPackage is a SQLite file whose geometry is WKB behind a short header.
"""

import logging
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import shapely
from jaxtyping import Float64, Int64

from driving.map import Ragged

logger = logging.getLogger(__name__)

_ENVELOPE_BYTES = (0, 32, 48, 48, 64)
"""By the envelope code of the header's flags."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """Rows of one layer in the order of their ids."""

    name: str
    ids: Int64[np.ndarray, "rows"]
    geometries: np.ndarray
    """(rows,) shapely geometries [m, global]."""
    columns: dict[str, list[Any]]

    def integers(self, column: str, missing: int = 0) -> Int64[np.ndarray, "rows"]:
        """An integer column; `missing` where it is NULL."""
        values = self.columns[column]
        return np.array([missing if value is None else int(value) for value in values], dtype=np.int64)

    def floats(self, column: str) -> Float64[np.ndarray, "rows"]:
        """A real column; NaN where it is NULL."""
        return np.array([np.nan if value in (None, "") else float(value) for value in self.columns[column]])

    def lines(self) -> Ragged:
        """The vertices of each line; those of multi-lines one behind the other."""
        points, rows = shapely.get_coordinates(self.geometries, return_index=True)
        counts = np.bincount(rows, minlength=len(self.geometries))
        return Ragged(points, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))


class LayerReader:
    """Reads layers of one open GeoPackage into the projected coordinates that its `meta` table names."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self.meta: dict[str, str] = {}
        """All entries of the table `meta`."""
        self._tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        self.epsg = self._projected_epsg()
        self._transformers: dict[int, pyproj.Transformer] = {}

    def _projected_epsg(self) -> int:
        self._require("meta")
        self.meta = {str(key): str(value) for key, value in self._connection.execute("SELECT key, value FROM meta")}
        named = self.meta.get("projectedCoordSystem", "nothing")
        code = named.lower().removeprefix("epsg:").strip()
        if not code.isdigit():
            raise ValueError(
                f"{self._path}: the table `meta` must name projectedCoordSystem, for example epsg:32611, got {named}."
            )
        return int(code)

    def _require(self, layer: str) -> None:
        if layer not in self._tables:
            raise ValueError(
                f"{self._path} has no layer `{layer}`, which nuPlan's maps have. The file is incomplete:"
                " get it again, or write the layer (it may be empty)."
            )

    def read(self, layer: str, columns: tuple[str, ...] = (), optional: tuple[str, ...] = ()) -> Layer:
        """Read one layer.

        Args:
            layer: Name of the table.
            columns: Attributes besides id and geometry.
            optional: More of them, which are NULL throughout where the layer has no such column.

        Raises:
            ValueError: When the file has no such layer or column, or a geometry that cannot be read.
        """
        self._require(layer)
        present = {row[1] for row in self._connection.execute(f'PRAGMA table_info("{layer}")')}
        absent = sorted({"fid", "geom", *columns} - present)
        if absent:
            raise ValueError(f"{self._path}: layer `{layer}` has no column {absent}, which nuPlan's maps have.")
        columns = (*columns, *optional)
        fields = "".join(f', "{column}"' if column in present else ", NULL" for column in columns)
        rows = self._connection.execute(f'SELECT fid, geom{fields} FROM "{layer}" ORDER BY fid').fetchall()  # noqa: S608
        by_column = list(zip(*rows, strict=True)) if rows else [()] * (2 + len(columns))
        return Layer(
            name=layer,
            ids=np.array(by_column[0], dtype=np.int64),
            geometries=self._geometries(layer, by_column[1]),
            columns={column: list(by_column[2 + i]) for i, column in enumerate(columns)},
        )

    def _geometries(self, layer: str, blobs: tuple[bytes | None, ...]) -> np.ndarray:
        if not blobs:
            return np.zeros(0, dtype=object)
        wkb = np.array([self._wkb(layer, blob) for blob in blobs], dtype=object)
        try:
            geometries = shapely.force_2d(shapely.from_wkb(wkb))
        except shapely.errors.ShapelyError as error:
            raise ValueError(f"{self._path}: layer `{layer}` has a damaged geometry ({error}).") from error
        missing = shapely.is_missing(geometries)
        if missing.any():
            logger.warning("%s: %d rows of layer %s have no geometry.", self._path, missing.sum(), layer)
            geometries[missing] = shapely.Polygon()
        points = shapely.get_coordinates(geometries)
        x, y = self._transformer(self._epsg_of(blobs)).transform(points[:, 0], points[:, 1])
        projected = np.column_stack([x, y])
        if not np.isfinite(projected).all():
            raise ValueError(f"{self._path}: layer `{layer}` has coordinates outside of EPSG:{self.epsg}.")
        return shapely.set_coordinates(geometries, projected)

    def _wkb(self, layer: str, blob: bytes | None) -> bytes | None:
        if blob is None:
            return None
        envelope = blob[3] >> 1 & 7 if len(blob) > 8 else 7
        if not blob.startswith(b"GP") or envelope >= len(_ENVELOPE_BYTES):
            raise ValueError(f"{self._path}: layer `{layer}` has a geometry that is not in GeoPackage form.")
        return blob[8 + _ENVELOPE_BYTES[envelope] :]

    def _epsg_of(self, blobs: tuple[bytes | None, ...]) -> int:
        first = next((blob for blob in blobs if blob is not None), None)
        if first is None:
            return 4326
        epsg = int.from_bytes(first[4:8], "little" if first[3] & 1 else "big", signed=True)
        return epsg if epsg > 0 else 4326

    def _transformer(self, epsg: int) -> pyproj.Transformer:
        if epsg not in self._transformers:
            self._transformers[epsg] = pyproj.Transformer.from_crs(epsg, self.epsg, always_xy=True)
        return self._transformers[epsg]
