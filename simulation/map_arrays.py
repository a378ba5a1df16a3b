"""A map's polygons as flat arrays for compiled kernels, made once per map and process."""

import weakref
from functools import cached_property

from driving import AreaLayer, MapGraph
from simulation.kernels.polygons import FlatPolygons, flatten_polygons


class MapArrays:
    """Rows are those of the map's layers. Each layer is laid out when first asked for."""

    def __init__(self, map_graph: MapGraph) -> None:
        # Weak, because the table below holds this object for as long as the map lives.
        self._map = weakref.ref(map_graph)

    def _layer(self, name: str) -> FlatPolygons:
        map_graph = self._map()
        assert map_graph is not None, "asked for the arrays of a map that is gone"
        layer: AreaLayer = getattr(map_graph, name)
        return flatten_polygons(layer.polygons)

    @cached_property
    def lanes(self) -> FlatPolygons:
        """Lanes and lane connectors."""
        map_graph = self._map()
        assert map_graph is not None, "asked for the arrays of a map that is gone"
        return flatten_polygons(map_graph.lanes.areas.polygons)

    @cached_property
    def roadblocks(self) -> FlatPolygons:
        """Roadblocks."""
        return self._layer("roadblocks")

    @cached_property
    def roadblock_connectors(self) -> FlatPolygons:
        """Roadblock connectors."""
        return self._layer("roadblock_connectors")

    @cached_property
    def intersections(self) -> FlatPolygons:
        """Intersections."""
        return self._layer("intersections")

    @cached_property
    def carparks(self) -> FlatPolygons:
        """Car parks."""
        return self._layer("carparks")


_ARRAYS: weakref.WeakKeyDictionary[MapGraph, MapArrays] = weakref.WeakKeyDictionary()


def arrays_of(map_graph: MapGraph) -> MapArrays:
    """The arrays of a map, the same object at each call."""
    arrays = _ARRAYS.get(map_graph)
    if arrays is None:
        arrays = _ARRAYS[map_graph] = MapArrays(map_graph)
    return arrays
