"""Places of buildings, trees, lamp posts and traffic signs along the kerbs and behind, without overlap."""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
import shapely
from jaxtyping import Bool, Float64, Int8, Shaped

from simulation.rendering.free_ground import CLEARANCE_M, FreeGround, KerbStations, Region, noise, octagons
from simulation.rendering.scenery import LAMP_ARM_M, SIGN_RADIUS_M

BEHIND_WALKWAY_M = 3.6
"""Second distance that is tried for a place where the first one is not free."""
BEHIND_GAP_M = 4.0
"""Least distance of props behind the streets from road and walkways."""
CELL_M = 17.0
"""Side of the cells behind the streets that hold one building or tree each."""
MAX_FROM_ROAD_M = 75.0
"""Distance of cells from the bounding boxes of the road."""
GAP_M = 0.2
"""Least distance between props."""
URBAN_SHARE = 0.55
"""Share of the streets with high buildings close to the walkway; the others have low houses and gardens."""
MAX_HEIGHT_M, MAX_RADIUS_M = 31.0, 14.0
"""Bounds of the height of all places, and of the largest horizontal distance of a vertex from the centre."""
MAX_REACH_M = 75.0
"""Reach of the influence of a lane on places."""


class PropKind(IntEnum):
    """Kinds of static objects beside the road, the most important first."""

    SIGNAL_HEAD = 0
    LAMP_POST = 1
    SIGN = 2
    BUILDING = 3
    TREE = 4


Sizes = tuple[float | np.ndarray, float | np.ndarray, float | np.ndarray]


class Places(NamedTuple):
    """N places of props."""

    kinds: Int8[np.ndarray, "places"]
    centres: Float64[np.ndarray, "places 2"]
    headings: Float64[np.ndarray, "places"]
    """Of x of the mesh: along the street for a building, towards the road for a lamp, with the traffic for a sign."""
    sizes_m: Float64[np.ndarray, "places 3"]
    """Extent along x and y and height."""
    draws: Float64[np.ndarray, "places 3"]
    """Uniform numbers for shape and colours."""
    priorities: Float64[np.ndarray, "places"]
    """The higher of two that overlap stays."""

    def take(self, rows: np.ndarray) -> "Places":
        """The places of rows or of a mask."""
        return Places(*(values[rows] for values in self))


def joined_places(parts: list[Places]) -> Places:
    """Places of several lists."""
    return Places(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def outlines(places: Places, margin_m: float) -> Shaped[np.ndarray, "places"]:
    """Polygon of the ground below each prop, enlarged by a margin: a rectangle of a building, else an octagon."""
    is_building = places.kinds == PropKind.BUILDING
    shapes = np.empty(len(places.kinds), dtype=object)
    half = places.sizes_m[:, :2] / 2 + margin_m
    shapes[~is_building] = octagons(places.centres[~is_building], half[~is_building, 0])
    local = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half[is_building, np.newaxis]
    cos, sin = (turned(places.headings[is_building])[:, np.newaxis] for turned in (np.cos, np.sin))
    x, y = cos * local[..., 0] - sin * local[..., 1], sin * local[..., 0] + cos * local[..., 1]
    shapes[is_building] = shapely.polygons(np.stack([x, y], axis=-1) + places.centres[is_building, np.newaxis])
    return shapes


def places_beside(ground: FreeGround, stations: KerbStations, bounds: Region, seed: int) -> Places:
    """Free places along the streets and behind them; they may overlap each other."""
    along, behind = _beside_streets(stations, seed), _behind_streets(ground, bounds, seed)
    shapes = np.concatenate([outlines(along, CLEARANCE_M), outlines(behind, BEHIND_GAP_M)])
    free = ground.is_free(shapes)
    at_kerb = free[: len(along.kinds)]
    moved = _moved(along.take(~at_kerb), BEHIND_WALKWAY_M)
    moved = moved.take(ground.is_free(outlines(moved, CLEARANCE_M)))
    return joined_places([along.take(at_kerb), moved, behind.take(free[len(along.kinds) :])])


def _moved(places: Places, offset_m: float) -> Places:
    """Moved away from the road: the side of a building, the back of a lamp, the right of a sign."""
    turn = np.where(places.kinds == PropKind.LAMP_POST, np.pi, np.pi / 2)
    outward = places.headings + turn
    step = offset_m * np.stack([np.cos(outward), np.sin(outward)], axis=-1)
    return places._replace(centres=places.centres + step)


def _beside_streets(stations: KerbStations, seed: int) -> Places:
    """Candidates of each kind at the first free distance from the kerb."""
    count = len(stations)
    urban, greenery, phase, row, poles = noise(seed, 5, stations.road_ids)
    draw = noise(seed, 17, stations.lane_ids, stations.places)
    is_urban = urban < URBAN_SHARE
    tangent = np.stack([stations.outward[:, 1], -stations.outward[:, 0]], axis=-1)
    towards, along = stations.headings + np.pi, stations.headings - np.pi / 2

    def places(kind: PropKind, keep: np.ndarray, size: Sizes, setback: np.ndarray, jitter_m: float) -> Places:
        """Candidates of a kind; `setback` is the distance between the kerb and the near side."""
        sizes = np.stack([np.broadcast_to(side, count) for side in size], axis=-1)
        shift = jitter_m * (2 * draw[3] - 1)
        centres = stations.points + (setback + sizes[:, 1] / 2)[:, np.newaxis] * stations.outward
        return Places(
            kinds=np.full(count, kind, dtype=np.int8),
            centres=centres + shift[:, np.newaxis] * tangent,
            headings=towards if kind == PropKind.LAMP_POST else along,
            sizes_m=sizes,
            draws=draw[:3].T,
            priorities=10.0 - kind + draw[4 + kind],
        ).take(keep)

    width = np.where(is_urban, 14.0 + 6.5 * draw[9], 10.0 + 5.0 * draw[9])
    depth = np.where(is_urban, 12.0 + 5.0 * draw[10], 9.0 + 3.0 * draw[10])
    height = np.where(is_urban, 12.0 + 18.0 * draw[0] ** 2, 6.0 + 3.5 * draw[0])
    setback = np.where(is_urban, 3.8 + 1.5 * row, 4.5 + 4.0 * row)
    crown = np.where(is_urban, 2.2 + 0.8 * draw[11], 2.4 + 2.2 * draw[11])
    lamp, sign, close = 2 * LAMP_ARM_M, 2 * SIGN_RADIUS_M, np.full(count, CLEARANCE_M + 0.08)
    has_lamp = (stations.places + np.floor(4 * phase)) % 4 == 0
    has_building = (stations.places % 3 == 1) & (draw[12] < 0.9)
    has_tree = draw[13] < np.where(greenery < 0.6, 0.75, 0.25)
    parts = [
        places(PropKind.LAMP_POST, has_lamp, (lamp, lamp, 6.5 + 2.0 * poles), close, 0.0),
        places(PropKind.SIGN, draw[14] < 0.14, (sign, sign, 2.3 + 0.5 * draw[15]), close, 2.5),
        places(PropKind.BUILDING, has_building, (width, depth, height), setback, 1.5),
        places(PropKind.TREE, has_tree, (crown, crown, (1.7 + 0.9 * draw[16]) * crown), close, 2.0),
    ]
    return joined_places(parts)


def _behind_streets(ground: FreeGround, bounds: Region, seed: int) -> Places:
    """A building or a tree in each cell of a global grid, not farther than `MAX_FROM_ROAD_M` from the road."""
    low, high = np.floor(np.array(bounds).reshape(2, 2) / CELL_M).astype(np.int64)
    grid = np.meshgrid(np.arange(low[0], high[0] + 1), np.arange(low[1], high[1] + 1))
    cells = np.stack([axis.ravel() for axis in grid], axis=-1)
    draw = noise(seed, 12, *cells.T)
    is_building = draw[0] < 0.4
    crown = 3.0 + 3.0 * draw[1]
    low_m, tall_m = 6.0 + 4.0 * draw[2], 14.0 + 16.0 * draw[2]
    building = np.stack([9.0 + 7.0 * draw[3], 8.0 + 5.0 * draw[4], np.where(draw[5] < 0.3, tall_m, low_m)], axis=-1)
    tree = np.stack([crown, crown, 2.0 * crown], axis=-1)
    places = Places(
        kinds=np.where(is_building, PropKind.BUILDING, PropKind.TREE).astype(np.int8),
        centres=(cells + 0.25 + 0.5 * draw[6:8].T) * CELL_M,
        headings=2 * np.pi * noise(seed, 1, *(cells // 10).T)[0],
        sizes_m=np.where(is_building[:, np.newaxis], building, tree),
        draws=draw[8:11].T,
        priorities=draw[11],
    )
    boxes = shapely.bounds(ground.road) + MAX_FROM_ROAD_M * np.array([-1, -1, 1, 1])
    nearby = np.zeros(grid[0].shape, dtype=bool)
    ranges = np.floor(boxes.reshape(-1, 2, 2) / CELL_M).astype(np.int64) - low
    for (column, row), (last_column, last_row) in np.maximum(ranges, 0):
        nearby[row : last_row + 1, column : last_column + 1] = True
    return places.take(nearby.ravel())


def without_overlap(places: Places, blockers: Shaped[np.ndarray, "blockers"]) -> Bool[np.ndarray, "places"]:
    """Mask of places of which no two overlap, and none touches a blocker.

    A place stays where it has the highest priority of all that overlap it. This is done twice, so that a place comes
    back where all that displaced it were displaced themselves. The result depends on near places only.
    """
    shapes = outlines(places, GAP_M / 2)
    undecided, kept = np.ones(len(shapes), dtype=bool), np.zeros(len(shapes), dtype=bool)
    if not len(shapes):
        return kept
    tree = shapely.STRtree(shapes)
    if len(blockers):
        undecided[tree.query(blockers, predicate="intersects")[1]] = False
    first, second = tree.query(shapes, predicate="intersects")
    wins = places.priorities[first] > places.priorities[second]
    winner, loser = first[wins], second[wins]
    for _ in range(2):
        is_beaten = np.zeros(len(shapes), dtype=bool)
        is_beaten[loser[undecided[winner] & undecided[loser]]] = True
        kept |= undecided & ~is_beaten
        undecided &= is_beaten
        undecided[loser[kept[winner]]] = False
        undecided[winner[kept[loser]]] = False
    return kept
