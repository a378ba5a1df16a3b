"""Maps and measures for the tests of props."""

from dataclasses import replace
from functools import cache

import numpy as np
import shapely

from driving.map import AreaLayer, MapGraph
from driving.synthetic.proving_ground import proving_ground
from simulation.generation.town.layout import plan_town, small_town
from simulation.generation.town.roads import build_roads
from simulation.rendering.props import Props


@cache
def town_map(seed: int) -> MapGraph:
    """Map of a small town, of the first plan that can be built."""
    rng = np.random.default_rng(seed)
    for _ in range(20):
        try:
            return build_roads(rng, plan_town(rng, small_town()), small_town(), "us-nv-las-vegas-strip").map
        except ValueError:
            continue
    raise ValueError(f"No town can be built from seed {seed}.")


@cache
def maps() -> dict[str, MapGraph]:
    """Towns, the hand-made map, and maps that lack layers."""
    hand_made = proving_ground().map
    bare = replace(
        hand_made,
        road_segments=AreaLayer.empty(),
        intersections=AreaLayer.empty(),
        generic_drivable_areas=AreaLayer.empty(),
        walkways=AreaLayer.empty(),
    )
    areas = hand_made.lanes.areas
    no_polygons = np.full(len(areas), shapely.Polygon(), dtype=object)
    lines = replace(hand_made.lanes, areas=AreaLayer(ids=areas.ids, polygons=no_polygons))
    return {
        "town": town_map(1),
        "second town": town_map(5),
        "hand-made": hand_made,
        "no drivable area": bare,
        "no lane polygons": replace(hand_made, lanes=lines),
    }


def paved_ground(graph: MapGraph) -> shapely.Geometry:
    """Drivable area, lanes, connectors and crosswalks."""
    layers = (graph.drivable_area, graph.lanes.areas, graph.crosswalks)
    return shapely.union_all(np.concatenate([layer.polygons for layer in layers]))


def vertices_of(props: Props, row: int) -> np.ndarray:
    """Vertices of an instance, global."""
    part = props.mesh.vertices_m[props.vertex_offsets[row] : props.vertex_offsets[row + 1]].astype(np.float64)
    return part + np.append(props.origin, 0.0)
