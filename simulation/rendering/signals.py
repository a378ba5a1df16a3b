"""Signal heads: groups of connectors with one head, its place beside the road, and its mesh."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
import shapely
from jaxtyping import Float64, Shaped

from driving.map import MapGraph, TurnKind
from simulation.rendering.free_ground import CLEARANCE_M, FreeGround, Region, octagons
from simulation.rendering.mesh_parts import Colour, Material, Mesh, MeshBuilder, box_rings, column_rings, tube_rings

HEAD_RADIUS_M = 0.36
"""Of the ground below a head on its post."""
POST_M, HEAD_LOW_M, HEAD_HIGH_M = 3.0, 2.7, 4.0
ARM_LOW_M, ARM_HIGH_M = 5.4, 6.7
"""Lower and upper end of a head that hangs from a mast arm above the road."""
MAX_FAR_M = 45.0
"""Longest way across a junction to a head on its far side."""
SIDE_OFFSETS_M = np.arange(2.5, 16.0, 1.0)
"""Distances from the middle of the lane."""
FAR_STEPS_M, NEAR_STEPS_M = (1.0, 4.0), (0.0, 3.0)
"""Along the street, from the far side of the junction and from the stop line."""
MAST_OFFSETS_M = np.arange(3.0, 30.0, 1.0)
MAST_RADIUS_M = 0.13
MIN_SPACING_M = 0.9
SIGHT_M = 35.0
"""Length before the stop line from which no prop hides the head."""
BODY: Colour = (34, 36, 34)
STEEL: Colour = (110, 114, 118)
LAMPS: tuple[tuple[Material, Colour], ...] = (
    (Material.SIGNAL_RED, (150, 24, 20)),
    (Material.SIGNAL_YELLOW, (160, 120, 20)),
    (Material.SIGNAL_GREEN, (24, 130, 80)),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class SignalHead:
    """One head and the connectors with its state."""

    connector_ids: tuple[int, ...]
    position: Float64[np.ndarray, "2"]
    """Of the head, global."""
    heading: float
    """Of the approaching traffic, which the head faces."""
    mast: Float64[np.ndarray, "2"] | None
    """Foot of the mast of a head above the road; None for a head on a post, and where no place for a mast is free."""
    is_above_road: bool
    stop: Float64[np.ndarray, "2"]
    """End of the lane before the stop line."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Approach:
    """Connectors of one approach that share a head."""

    connector_ids: tuple[int, ...]
    stop: np.ndarray
    heading: float
    far_m: float
    """From the stop line to the far side of the junction."""
    is_left: bool


def signal_heads(
    graph: MapGraph, ground: FreeGround, bounds: Region, lit_connector_ids: Iterable[int]
) -> list[SignalHead]:
    """One head for the left turns and one for the other connectors of each approach with traffic lights.

    Args:
        graph: The map.
        ground: Obstacles within the bounds.
        bounds: Approaches that end within get heads.
        lit_connector_ids: Connectors with lights besides those that the map flags; unknown ids have no effect.
    """
    approaches = _approaches(graph, bounds, lit_connector_ids)
    if not approaches:
        return []
    candidates = np.stack([_candidates(approach) for approach in approaches])
    off_road = np.zeros(candidates.shape[:3], dtype=bool)
    chosen: dict[int, np.ndarray] = {}
    for block in range(candidates.shape[1]):
        pending = [row for row in range(len(approaches)) if row not in chosen]
        shapes = octagons(candidates[pending, block].reshape(-1, 2), HEAD_RADIUS_M + CLEARANCE_M)
        masks = [mask.reshape(len(pending), candidates.shape[2]) for mask in ground.off_road_and_walkways(shapes)]
        off_road[pending, block] = masks[0]
        for row, is_free in zip(pending, masks[1], strict=True):
            _choose(chosen, row, candidates[row, block][is_free])
    for row in range(len(approaches)):
        if row not in chosen:
            _choose(chosen, row, candidates[row][off_road[row]])
    return [
        _on_post(approach, chosen[row]) if row in chosen else _on_mast(approach, ground)
        for row, approach in enumerate(approaches)
    ]


def _choose(chosen: dict[int, np.ndarray], row: int, places: np.ndarray) -> None:
    """Give an approach the first place that is not too close to another head, if there is one."""
    taken = np.array(list(chosen.values())).reshape(-1, 2)
    far_enough = (np.linalg.norm(places[:, np.newaxis] - taken, axis=-1) > MIN_SPACING_M).all(axis=1)
    if far_enough.any():
        chosen[row] = places[far_enough.argmax()]


def _approaches(graph: MapGraph, bounds: Region, lit_connector_ids: Iterable[int]) -> list[_Approach]:
    lanes = graph.lanes
    lit = lanes.has_traffic_lights.copy()
    lit[: lanes.num_lanes] = False
    rows = [lanes.areas.row(int(connector_id)) for connector_id in lit_connector_ids]
    lit[[row for row in rows if row is not None and lanes.is_connector(row)]] = True
    groups: dict[tuple[int, bool], list[int]] = {}
    x_min, y_min, x_max, y_max = bounds
    for row in np.flatnonzero(lit).tolist():
        line = lanes.centerlines[row]
        if len(line) < 2 or not (x_min <= line[0, 0] <= x_max and y_min <= line[0, 1] <= y_max):
            continue
        before = lanes.predecessors[row]
        street = int(lanes.roadblock_ids[before[0]]) if len(before) else -1 - row
        is_left = int(lanes.turn_kinds[row]) in (TurnKind.LEFT, TurnKind.UTURN)
        groups.setdefault((street, is_left), []).append(row)
    far_of: dict[int, float] = {}
    found = []
    for (street, is_left), members in sorted(groups.items()):
        starts = np.array([lanes.centerlines[row][0] for row in members])
        ahead = np.sum([_direction(lanes.centerlines[row][:2]) for row in members], axis=0)
        ahead = ahead / max(float(np.hypot(*ahead)), 1e-9)
        right = np.array([ahead[1], -ahead[0]])
        # The head of left turns belongs to the leftmost lane, the other one to the rightmost.
        stop = starts[np.argmin(starts @ right) if is_left else np.argmax(starts @ right)]
        reach = max(float((lanes.centerlines[row][-1] - stop) @ ahead) for row in members)
        far_of[street] = max(reach, far_of.get(street, 0.0))
        ids = tuple(sorted(int(lanes.ids[row]) for row in members))
        found.append((street, ids, stop, float(np.arctan2(ahead[1], ahead[0])), is_left))
    return [
        _Approach(connector_ids=ids, stop=stop, heading=heading, far_m=far_of[street], is_left=is_left)
        for street, ids, stop, heading, is_left in found
    ]


def _direction(points: np.ndarray) -> np.ndarray:
    step = points[1] - points[0]
    return step / max(float(np.hypot(*step)), 1e-9)


def _axes(approach: _Approach) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors forward and to the right."""
    forward = np.array([np.cos(approach.heading), np.sin(approach.heading)])
    return forward, np.array([forward[1], -forward[0]])


def _candidates(approach: _Approach) -> Float64[np.ndarray, "blocks candidates 2"]:
    """Places of a head, a block for each corner: the far side first, and of it the own side of the street."""
    forward, right = _axes(approach)
    own = -1.0 if approach.is_left else 1.0
    far = approach.stop + forward * approach.far_m
    anchors = [(far, FAR_STEPS_M), (approach.stop, NEAR_STEPS_M)]
    if approach.far_m > MAX_FAR_M:
        anchors.reverse()
    places = []
    for anchor, steps in anchors:
        for side in (own, -own):
            across = side * SIDE_OFFSETS_M[:, np.newaxis, np.newaxis] * right
            places.append((anchor + np.array(steps)[:, np.newaxis] * forward + across).reshape(-1, 2))
    return np.stack(places)


def _on_post(approach: _Approach, position: np.ndarray) -> SignalHead:
    return SignalHead(
        connector_ids=approach.connector_ids,
        position=position,
        heading=approach.heading,
        mast=None,
        is_above_road=False,
        stop=approach.stop,
    )


def _on_mast(approach: _Approach, ground: FreeGround) -> SignalHead:
    """A head above the own lane, on an arm from the nearest free place on either side."""
    forward, right = _axes(approach)
    position = approach.stop + forward * min(approach.far_m, MAX_FAR_M / 2)
    across = np.stack([MAST_OFFSETS_M, -MAST_OFFSETS_M], axis=-1).reshape(-1, 1) * right
    feet = position + across
    free, _ = ground.off_road_and_walkways(octagons(feet, MAST_RADIUS_M + CLEARANCE_M))
    return SignalHead(
        connector_ids=approach.connector_ids,
        position=position,
        heading=approach.heading,
        mast=feet[free.argmax()] if free.any() else None,
        is_above_road=True,
        stop=approach.stop,
    )


def sight_lines(heads: list[SignalHead]) -> Shaped[np.ndarray, "heads"]:
    """Strips of ground that stay empty, so that the traffic has each head in view."""
    ends = np.array([head.position for head in heads]).reshape(-1, 2)
    headings = np.array([head.heading for head in heads])
    begins = np.array([head.stop for head in heads]).reshape(-1, 2)
    begins = begins - SIGHT_M * np.stack([np.cos(headings), np.sin(headings)], axis=-1)
    along = ends - begins
    along /= np.maximum(np.hypot(*along.T), 1e-9)[:, np.newaxis]
    aside = HEAD_RADIUS_M * np.stack([-along[:, 1], along[:, 0]], axis=-1)
    ends = ends + HEAD_RADIUS_M * along
    return shapely.polygons(np.stack([begins - aside, ends - aside, ends + aside, begins + aside], axis=1))


def head_mesh(head: SignalHead, origin: Float64[np.ndarray, "2"]) -> Mesh:
    """Mesh of a head at its place, relative to an origin."""
    cos, sin = np.cos(head.heading), np.sin(head.heading)
    if not head.is_above_road:
        local = _post_head()
    else:
        foot = None
        if head.mast is not None:
            offset = head.mast - head.position
            foot = (float(offset @ (cos, sin)), float(offset @ (-sin, cos)))
        local = _hanging_head(foot)
    vertices = local.vertices_m.astype(np.float64)
    x, y = vertices[:, 0].copy(), vertices[:, 1].copy()
    vertices[:, 0] = cos * x - sin * y + head.position[0] - origin[0]
    vertices[:, 1] = sin * x + cos * y + head.position[1] - origin[1]
    return Mesh(
        vertices_m=vertices.astype(np.float32),
        triangles=local.triangles,
        colours=local.colours,
        materials=local.materials,
        uv_m=local.uv_m,
    )


@cache
def _post_head() -> Mesh:
    builder = MeshBuilder()
    _add_head(builder, HEAD_LOW_M, HEAD_HIGH_M)
    post = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, POST_M]])
    builder.loft(column_rings(post, np.full((2, 2), 0.07), 5), STEEL, has_caps=False)
    return builder.build()


def _hanging_head(foot: tuple[float, float] | None) -> Mesh:
    builder = MeshBuilder()
    _add_head(builder, ARM_LOW_M, ARM_HIGH_M)
    if foot is not None:
        mast = np.array([[*foot, 0.0], [*foot, ARM_HIGH_M + 0.1]])
        builder.loft(column_rings(mast, np.array([[MAST_RADIUS_M] * 2, [0.09, 0.09]]), 5), STEEL)
        builder.loft(tube_rings((*foot, ARM_HIGH_M), (0.1, 0.0, ARM_HIGH_M), 0.06, 4), STEEL, has_caps=False)
    return builder.build()


def _add_head(builder: MeshBuilder, low_m: float, high_m: float) -> None:
    """A back plate with three lamps, red above, which faces -x."""
    builder.loft(box_rings((-0.12, -0.30, low_m), (0.06, 0.30, high_m)), BODY)
    step = (high_m - low_m) / 3
    angles = (np.arange(8) + 0.5) * (np.pi / 4)
    for row, (material, colour) in enumerate(LAMPS):
        z = high_m - (row + 0.5) * step
        rim = np.stack([np.full(8, -0.13), -0.17 * np.cos(angles), z + 0.17 * np.sin(angles)], axis=-1)
        builder.polygon(rim, colour, material)
