"""A `MapGraph` as the devkit's map API: its `NuPlanMap` on tables made from the graph.

The devkit's map objects read geopandas tables. Tables of the same form keep their behaviour, need no maps of other
cities, and work for maps that were never a file.
"""

from collections.abc import Callable
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import geopandas as gpd
import numpy as np
import shapely
from nuplan.common.maps.nuplan_map.nuplan_map import NuPlanMap

from driving.map import AreaLayer, MapGraph

_maps: WeakKeyDictionary[MapGraph, NuPlanMap] = WeakKeyDictionary()


def devkit_map(map_graph: MapGraph) -> NuPlanMap:
    """The devkit's map API over a map; the same object for the same map, since it caches its map objects."""
    if map_graph not in _maps:
        _maps[map_graph] = NuPlanMap(MapLayers(map_graph), map_graph.name)
    return _maps[map_graph]


class MapLayers:
    """The part of the devkit's maps database that `NuPlanMap` calls: tables by layer name."""

    def __init__(self, map_graph: MapGraph) -> None:
        self._map = map_graph
        areas: dict[str, AreaLayer] = {
            "lane_groups_polygons": map_graph.roadblocks,
            "crosswalks": map_graph.crosswalks,
            "walkways": map_graph.walkways,
            "carpark_areas": map_graph.carparks,
            "road_segments": map_graph.road_segments,
            "generic_drivable_areas": map_graph.generic_drivable_areas,
        }
        self._makers: dict[str, Callable[[], gpd.GeoDataFrame]] = {
            name: partial(self._areas, layer) for name, layer in areas.items()
        }
        self._makers |= {
            "intersections": lambda: self._areas(map_graph.intersections, "intersection_type_fid"),
            "stop_polygons": lambda: self._areas(map_graph.stop_lines, "stop_polygon_type_fid"),
            "lane_group_connectors": self._roadblock_connectors,
            "lanes_polygons": self._lanes,
            "lane_connectors": self._lane_connectors,
            "gen_lane_connectors_scaled_width_polygons": self._connector_polygons,
            "baseline_paths": self._baselines,
            "boundaries": self._boundaries,
        }

    def load_vector_layer(self, location: str, layer_name: str) -> gpd.GeoDataFrame:
        """One layer as a table, indexed by id in text form as the devkit's own reader does.

        Raises:
            ValueError: When there is no such layer.
        """
        if layer_name not in self._makers:
            raise ValueError(f"No vector layer {layer_name!r} in map {location!r}. Known: {sorted(self._makers)}.")
        return self._makers[layer_name]()

    def load_layer(self, location: str, layer_name: str) -> Any:
        """Raster layers, which a `MapGraph` lacks.

        Raises:
            ValueError: Always.
        """
        raise ValueError(f"Map {location!r} has no raster layer {layer_name!r}: camber keeps vector layers only.")

    def _table(self, ids: np.ndarray, geometries: np.ndarray, **columns: Any) -> gpd.GeoDataFrame:
        index = [str(area_id) for area_id in ids.tolist()]
        return gpd.GeoDataFrame(
            {**columns, "fid": index}, index=index, geometry=list(geometries), crs=f"EPSG:{self._map.epsg}"
        )

    def _areas(self, layer: AreaLayer, kind_column: str | None = None) -> gpd.GeoDataFrame:
        columns = {} if kind_column is None else {kind_column: layer.kinds.astype(int)}
        return self._table(layer.ids, layer.polygons, **columns)

    def _roadblock_connectors(self) -> gpd.GeoDataFrame:
        before, behind, intersection = self._map.roadblock_edges.T
        layer = self._map.roadblock_connectors
        return self._table(
            layer.ids,
            layer.polygons,
            from_lane_group_fid=before,
            to_lane_group_fid=behind,
            intersection_fid=intersection,
        )

    @property
    def _is_lane(self) -> np.ndarray:
        return np.arange(len(self._map.lanes)) < self._map.lanes.num_lanes

    def _left_boundary_ids(self) -> np.ndarray:
        return 2 * np.arange(len(self._map.lanes)) + 1

    def _lanes(self) -> gpd.GeoDataFrame:
        lanes, keep = self._map.lanes, self._is_lane
        return self._table(
            lanes.ids[keep],
            lanes.areas.polygons[keep],
            lane_fid=lanes.ids[keep],
            lane_group_fid=lanes.roadblock_ids[keep],
            lane_index=lanes.lane_index[keep],
            speed_limit_mps=lanes.speed_limit_mps[keep],
            left_boundary_fid=self._left_boundary_ids()[keep],
            right_boundary_fid=self._left_boundary_ids()[keep] + 1,
        )

    def _lane_connectors(self) -> gpd.GeoDataFrame:
        lanes, rows = self._map.lanes, np.flatnonzero(~self._is_lane).tolist()
        stop_lines = [",".join(str(line) for line in lanes.stop_line_ids[row]) for row in rows]
        has_lights = lanes.has_traffic_lights[rows]
        return self._table(
            lanes.ids[rows],
            np.array([shapely.LineString(lanes.connector_lines[row]) for row in rows], dtype=object),
            # The devkit names lanes as seen from the connector: `exit_lane` is the one before it.
            exit_lane_fid=[lanes.ids[lanes.predecessors[row][0]] for row in rows],
            entry_lane_fid=[lanes.ids[lanes.successors[row][0]] for row in rows],
            lane_group_connector_fid=lanes.roadblock_ids[rows],
            intersection_fid=lanes.intersection_ids[rows],
            turn_type_fid=lanes.turn_kinds[rows].astype(int),
            traffic_light_stop_line_fids=[
                text if lit else "" for text, lit in zip(stop_lines, has_lights, strict=True)
            ],
            speed_limit_mps=lanes.speed_limit_mps[rows],
        )

    def _connector_polygons(self) -> gpd.GeoDataFrame:
        lanes, keep = self._map.lanes, ~self._is_lane
        return self._table(
            np.arange(1, keep.sum() + 1),
            lanes.areas.polygons[keep],
            lane_connector_fid=lanes.ids[keep],
            left_boundary_fid=self._left_boundary_ids()[keep],
            right_boundary_fid=self._left_boundary_ids()[keep] + 1,
        )

    def _baselines(self) -> gpd.GeoDataFrame:
        lanes, is_lane = self._map.lanes, self._is_lane
        lines = np.array([shapely.LineString(lanes.centerlines[row]) for row in range(len(lanes))], dtype=object)
        # The devkit compares these columns as integers, so a missing id is 0, not NaN.
        return self._table(
            np.arange(1, len(lanes) + 1),
            lines,
            lane_fid=np.where(is_lane, lanes.ids, 0),
            lane_connector_fid=np.where(is_lane, 0, lanes.ids),
        )

    def _boundaries(self) -> gpd.GeoDataFrame:
        lanes = self._map.lanes
        lines = [
            shapely.LineString(side[row])
            for row in range(len(lanes))
            for side in (lanes.left_boundaries, lanes.right_boundaries)
        ]
        return self._table(np.arange(1, len(lines) + 1), np.array(lines, dtype=object))
