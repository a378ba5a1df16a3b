"""Static objects beside the road: buildings, trees, lamp posts, traffic signs and signal heads, by map and seed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import shapely
from jaxtyping import Float64, Int8, Int32, Int64

from driving.map import MapGraph, Ragged
from simulation.rendering import scenery
from simulation.rendering.free_ground import FreeGround, Region, kerb_stations
from simulation.rendering.mesh_parts import Mesh
from simulation.rendering.placement import (
    MAX_REACH_M,
    Places,
    PropKind,
    joined_places,
    places_beside,
    without_overlap,
)
from simulation.rendering.signals import SignalHead, head_mesh, sight_lines, signal_heads
from simulation.rendering.stamping import Copies, Template, joined, ranges, stamped

GABLED_BELOW_M = 10.5
"""Buildings below this height have gabled roofs."""
CONIFER_SHARE = 0.3
TREE_VARIANTS = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Props:
    """P instances in one mesh. The triangles and the vertices of an instance are consecutive."""

    origin: Float64[np.ndarray, "2"]
    """Global position of the origin of the mesh [m]; z = 0 is the ground."""
    mesh: Mesh
    instance_of_triangle: Int32[np.ndarray, "triangles"]
    kinds: Int8[np.ndarray, "instances"]
    """Values of `PropKind`."""
    centres: Float64[np.ndarray, "instances 2"]
    """Global [m]."""
    radii_m: Float64[np.ndarray, "instances"]
    """Largest horizontal distance of a vertex from the centre."""
    heights_m: Float64[np.ndarray, "instances"]
    connector_ids: Ragged
    """Of each instance: the lane connectors of a signal head, else none."""
    triangle_offsets: Int64[np.ndarray, "instances_plus_one"]
    vertex_offsets: Int64[np.ndarray, "instances_plus_one"]

    def __len__(self) -> int:
        return len(self.kinds)

    def near(self, point_global: Float64[np.ndarray, "2"], radius_m: float) -> Int64[np.ndarray, "found"]:
        """Rows of the instances that reach into a circle, in ascending order."""
        dx, dy = self.centres[:, 0] - point_global[0], self.centres[:, 1] - point_global[1]
        return np.flatnonzero(dx * dx + dy * dy <= (radius_m + self.radii_m) ** 2)

    def triangle_rows(self, rows: Int64[np.ndarray, "rows"]) -> Int64[np.ndarray, "triangles"]:
        """Rows of the triangles of instances."""
        return ranges(self.triangle_offsets[rows], self.triangle_offsets[rows + 1])

    def mesh_of(self, rows: Int64[np.ndarray, "rows"]) -> tuple[Mesh, Int32[np.ndarray, "triangles"]]:
        """Mesh of some instances, relative to `origin`, and the instance of each triangle."""
        taken = self.triangle_rows(rows)
        vertices = ranges(self.vertex_offsets[rows], self.vertex_offsets[rows + 1])
        owners = self.instance_of_triangle[taken]
        counts = self.vertex_offsets[rows + 1] - self.vertex_offsets[rows]
        shift = np.zeros(len(self), dtype=np.int64)
        shift[rows] = np.cumsum(counts) - counts - self.vertex_offsets[rows]
        mesh = Mesh(
            vertices_m=self.mesh.vertices_m[vertices],
            triangles=(self.mesh.triangles[taken] + shift[owners, np.newaxis]).astype(np.int32),
            colours=self.mesh.colours[taken],
            materials=self.mesh.materials[taken],
            uv_m=self.mesh.uv_m[taken],
        )
        return mesh, owners


def place_props(
    graph: MapGraph,
    seed: int,
    region: Region | None = None,
    *,
    lit_connector_ids: Iterable[int] = (),
    keep_free: Float64[np.ndarray, "points 2"] | None = None,
) -> Props:
    """Place static objects beside the road.

    No vertex is closer than `free_ground.CLEARANCE_M` to drivable areas, lanes, connectors, crosswalks and walkways;
    only a signal head may stand on a walkway, or hang more than 5 m above the road. An instance in the middle of a
    region is the same in each region that contains its surroundings. A map without lanes has no props.

    Args:
        graph: The map.
        seed: Of places, shapes and colours.
        region: Where props are wanted; None for the whole map.
        lit_connector_ids: Connectors with traffic lights that the map does not flag, as in recordings.
        keep_free: Positions that props keep 3 m away from: those of recorded agents, which also stand off the mapped
            road, where a building would hide them.
    """
    if region is None:
        whole = shapely.total_bounds(graph.lanes.areas.polygons) if len(graph.lanes) else np.zeros(4)
        region = tuple((whole + MAX_REACH_M * np.array([-1, -1, 1, 1])).tolist())
    x_min, y_min, x_max, y_max = (float(limit) for limit in region)
    bounds = (x_min - MAX_REACH_M, y_min - MAX_REACH_M, x_max + MAX_REACH_M, y_max + MAX_REACH_M)
    ground = FreeGround.around(graph, bounds, np.zeros((0, 2)) if keep_free is None else keep_free)
    heads = signal_heads(graph, ground, bounds, lit_connector_ids)
    places = places_beside(ground, kerb_stations(graph, ground, bounds), bounds, seed)
    places = places.take(without_overlap(places, sight_lines(heads)))

    low, high = np.array([x_min, y_min]), np.array([x_max, y_max])
    heads = [head for head in heads if _within(head.position[np.newaxis], low, high)[0]]
    return _assembled((low + high) / 2, heads, places.take(_within(places.centres, low, high)))


def _within(points: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    return np.all((points >= low) & (points <= high), axis=1)


def _assembled(origin: np.ndarray, heads: list[SignalHead], places: Places) -> Props:
    """Meshes of all heads and places in one."""
    meshes = [head_mesh(head, origin) for head in heads]
    triangle_counts, vertex_counts = [len(mesh) for mesh in meshes], [len(mesh.vertices_m) for mesh in meshes]
    order = []
    for rows, template, colours, scales in _copies(places):
        part = places.take(rows)
        copies = Copies(part.centres - origin, part.headings, scales(part), colours(part))
        meshes.append(stamped(template, copies))
        order.append(rows)
        triangle_counts += [len(template.mesh)] * len(rows)
        vertex_counts += [len(template.mesh.vertices_m)] * len(rows)
    mesh = joined(meshes)
    places = joined_places([places.take(rows) for rows in order]) if order else places
    centres = np.concatenate([np.array([head.position for head in heads]).reshape(-1, 2), places.centres])
    count = len(centres)
    vertex_offsets = np.cumsum([0, *vertex_counts])
    triangle_offsets = np.cumsum([0, *triangle_counts])
    radii, heights = np.zeros(count), np.zeros(count)
    if count:
        owner = np.repeat(np.arange(count), vertex_counts)
        away = np.hypot(*(mesh.vertices_m[:, :2] - (centres - origin)[owner]).T)
        radii = np.maximum.reduceat(away, vertex_offsets[:-1])
        heights = np.maximum.reduceat(mesh.vertices_m[:, 2], vertex_offsets[:-1]).astype(np.float64)
    connectors = [np.array(head.connector_ids, dtype=np.int64) for head in heads]
    connectors += [np.zeros(0, dtype=np.int64)] * len(places.kinds)
    return Props(
        origin=origin,
        mesh=mesh,
        instance_of_triangle=np.repeat(np.arange(count, dtype=np.int32), triangle_counts),
        kinds=np.concatenate([np.full(len(heads), PropKind.SIGNAL_HEAD, dtype=np.int8), places.kinds]),
        centres=centres,
        radii_m=radii,
        heights_m=heights,
        connector_ids=Ragged.from_rows(connectors, np.zeros(0, dtype=np.int64)),
        triangle_offsets=triangle_offsets,
        vertex_offsets=vertex_offsets,
    )


_Numbers = Callable[[Places], np.ndarray]


def _copies(places: Places) -> list[tuple[np.ndarray, Template, _Numbers, _Numbers]]:
    """Rows, template, colours and scales of each shape that occurs."""
    kind, shape = places.kinds, places.draws[:, 2]
    is_low = places.sizes_m[:, 2] < GABLED_BELOW_M
    variant = np.floor(shape * 1e3).astype(np.int64) % TREE_VARIANTS
    buildings, trees = kind == PropKind.BUILDING, kind == PropKind.TREE
    conifers = shape < CONIFER_SHARE
    shapes: list[tuple[np.ndarray, Template, _Numbers, _Numbers]] = [
        (buildings & is_low, scenery.gabled_building(), _building_colours, _size),
        (buildings & ~is_low, scenery.block_building(), _building_colours, _size),
        (kind == PropKind.LAMP_POST, scenery.lamp_post(), _board_colours, _height_only),
        (kind == PropKind.SIGN, scenery.sign_post(), _board_colours, _height_only),
    ]
    for number in range(TREE_VARIANTS):
        rows = trees & (variant == number)
        shapes.append((rows & ~conifers, scenery.broadleaf_tree(number), _crown_colours, _size))
        shapes.append((rows & conifers, scenery.conifer_tree(number), _crown_colours, _size))
    return [
        (np.flatnonzero(mask), template, colours, scales) for mask, template, colours, scales in shapes if mask.any()
    ]


def _size(places: Places) -> np.ndarray:
    return places.sizes_m


def _height_only(places: Places) -> np.ndarray:
    scales = np.ones((len(places.kinds), 3))
    scales[:, 2] = places.sizes_m[:, 2]
    return scales


def _building_colours(places: Places) -> np.ndarray:
    walls = _drawn(scenery.WALLS, places.draws[:, 1]) * (0.85 + 0.3 * places.draws[:, :1])
    return np.stack([np.clip(walls, 0, 245), _drawn(scenery.ROOFS, places.draws[:, 2])], axis=1).astype(np.uint8)


def _crown_colours(places: Places) -> np.ndarray:
    crowns = _drawn(scenery.CROWNS, places.draws[:, 1]) * (0.8 + 0.4 * places.draws[:, :1])
    return crowns[:, np.newaxis].astype(np.uint8)


def _board_colours(places: Places) -> np.ndarray:
    return _drawn(scenery.BOARDS, places.draws[:, 1])[:, np.newaxis]


def _drawn(palette: np.ndarray, draws: np.ndarray) -> np.ndarray:
    return palette[np.floor(draws * len(palette)).astype(np.int64)]
