"""A map with the coordinates that a map package gives back.

A package stores degrees of longitude and latitude, which are projected to metres when it is read. The round trip
moves a coordinate by up to 3e-9 m: enough to decide whether a point on the line between two lanes is inside of one.
A generated recording therefore holds the map in the form that its file gives back.
"""

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import shapely
from jaxtyping import Float64
from pyproj import Transformer

from driving.map import AreaLayer, MapGraph, Ragged

WGS84 = 4326
_LINES = ("centerlines", "left_boundaries", "right_boundaries", "connector_lines")


@lru_cache(maxsize=8)
def degrees_and_meters(epsg: int) -> tuple[Transformer, Transformer]:
    """The projections of an UTM zone: from metres to degrees and from degrees to metres."""
    return (
        Transformer.from_crs(epsg, WGS84, always_xy=True),
        Transformer.from_crs(WGS84, epsg, always_xy=True),
    )


class StoredForm:
    """Source of a map in stored form. Workers and the map writer receive the original map."""

    def __init__(self, original: MapGraph) -> None:
        self.original = original
        self._stored: MapGraph | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return StoredForm, (self.original,)

    def open(self) -> MapGraph:
        """The map in stored form, the same object at each call."""
        if self._stored is None:
            self._stored = _round_trip(self.original, self)
        return self._stored


@lru_cache(maxsize=16)
def as_stored(map_graph: MapGraph) -> MapGraph:
    """The map with the coordinates that its package gives back; a map that was opened from a package is returned."""
    return StoredForm(map_graph).open() if map_graph.source is None else map_graph


def original_of(map_graph: MapGraph) -> MapGraph:
    """The map that `as_stored` was given for an unchanged map in stored form; other maps are returned."""
    source = map_graph.source
    is_stored = isinstance(source, StoredForm) and source.open() is map_graph
    return source.original if is_stored else map_graph  # type: ignore[union-attr]


def _round_trip(map_graph: MapGraph, source: StoredForm) -> MapGraph:
    to_degrees, to_meters = degrees_and_meters(map_graph.epsg)

    def moved(points: Float64[np.ndarray, "points 2"]) -> Float64[np.ndarray, "points 2"]:
        return np.stack(to_meters.transform(*to_degrees.transform(points[:, 0], points[:, 1])), axis=-1)

    def area(layer: AreaLayer) -> AreaLayer:
        return replace(layer, polygons=shapely.transform(layer.polygons, moved)) if len(layer) else layer

    def line(lines: Ragged) -> Ragged:
        return replace(lines, values=moved(lines.values)) if len(lines.values) else lines

    lanes = map_graph.lanes
    layers: dict[str, Any] = {name: area(layer) for name, layer in map_graph.area_layers.items()}
    moved_lines: dict[str, Any] = {name: line(getattr(lanes, name)) for name in _LINES}
    return replace(map_graph, lanes=replace(lanes, areas=area(lanes.areas), **moved_lines), **layers, source=source)
