"""The lane pieces around a centre, in the order in which a scene is drawn, and their features for the network.

Pieces are ordered downstream first: an agent's leader, on its own piece or on those that follow, is placed before it.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64, Shaped

from driving.agents import LightStatus
from driving.geometry import poses_in_frame_of
from driving.map import IntersectionKind, MapGraph, Ragged
from simulation.generation.learned.pieces import (
    KIND_COLUMNS,
    LIGHT_COLUMNS,
    NUM_PROFILE,
    NUM_STATIC,
    PROFILE_LAYERS,
    PROFILE_M,
    LanePieces,
    lane_pieces,
    profile_of,
)
from simulation.generation.learned.scales import DISTANCE_SCALE_M, NUM_POSES

WINDOW_M = 100.0
"""Pieces whose middle is this near to the centre are part of the scene."""
MIN_PIECES, MAX_PIECES = 4, 384
_SHOWN_POSES = (0, NUM_POSES // 2, NUM_POSES - 1)
NUM_FRAME = 4 * len(_SHOWN_POSES) + 1
"""Features of position and direction in the window's frame."""
NUM_LIGHT = 2 * len(LightStatus)
NUM_FEATURES = NUM_STATIC + NUM_PROFILE + NUM_FRAME + NUM_LIGHT
NEIGHBOURS = ("successors", "predecessors", "left", "right")
MAX_NEXT = 6
"""Successors and predecessors of a piece that the network takes into account."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SceneWindow:
    """P pieces of a map around a centre, downstream first."""

    map: MapGraph
    center: Float64[np.ndarray, "3"]
    """Origin and direction of the frame, global: a pose on a centerline."""
    center_piece: int
    """The place in `pieces` of the piece that the centre lies on."""
    center_along_m: float
    """Distance of the centre along that piece."""
    pieces: Int64[np.ndarray, "pieces"]
    """Rows of `lane_pieces(map)`."""
    successors: Ragged
    """Places, in `pieces`, of the pieces that follow."""
    neighbours: Int64[np.ndarray, "pieces 14"]
    """Places of successors, predecessors (`MAX_NEXT` each), left and right piece; -1 for none."""

    def __len__(self) -> int:
        return len(self.pieces)

    @property
    def lane_m(self) -> float:
        """Length of all pieces together."""
        return float(lane_pieces(self.map).length_m[self.pieces].sum())


def scene_window(map_graph: MapGraph, lane_row: int, along_m: float) -> SceneWindow:
    """The pieces around a place on a lane.

    Args:
        map_graph: The map.
        lane_row: Row of a lane or lane connector.
        along_m: Arc length of the centre on its centerline.

    Raises:
        ValueError: When there are fewer than `MIN_PIECES` or more than `MAX_PIECES` pieces.
    """
    pieces = lane_pieces(map_graph)
    middles = pieces.poses[:, NUM_POSES // 2, :2]
    first, end = pieces.first_piece[lane_row], pieces.first_piece[lane_row + 1]
    own = int(first + np.clip(int(along_m / pieces.length_m[first]), 0, end - first - 1))
    center = _pose_on(pieces, own, along_m - pieces.begin_m[own])
    near = np.hypot(*(middles - center[:2]).T) < WINDOW_M
    near[own] = True
    found = np.flatnonzero(near)
    if not MIN_PIECES <= len(found) <= MAX_PIECES:
        raise ValueError(
            f"Within {WINDOW_M:.0f} m of ({center[0]:.0f}, {center[1]:.0f}) map {map_graph.name} has {len(found)}"
            f" lane pieces of up to 20 m; scenes need {MIN_PIECES} to {MAX_PIECES}. Choose another place or map."
        )
    order = found[_downstream_first(pieces, found)]
    place_of = np.full(len(pieces), -1, dtype=np.int64)
    place_of[order] = np.arange(len(order))
    after = [place_of[pieces.successors[piece]] for piece in order]
    neighbours = np.full((len(order), 2 * MAX_NEXT + 2), -1, dtype=np.int64)
    for place, piece in enumerate(order.tolist()):
        for begin, rows in ((0, pieces.successors[piece]), (MAX_NEXT, pieces.predecessors[piece])):
            inside = place_of[rows][:MAX_NEXT]
            neighbours[place, begin : begin + len(inside)] = inside
    for column, beside in ((2 * MAX_NEXT, pieces.left), (2 * MAX_NEXT + 1, pieces.right)):
        rows = beside[order]
        neighbours[:, column] = np.where(rows >= 0, place_of[np.maximum(rows, 0)], -1)
    return SceneWindow(
        map=map_graph,
        center=center,
        center_piece=int(place_of[own]),
        center_along_m=float(along_m - pieces.begin_m[own]),
        pieces=order,
        successors=Ragged.from_rows([rows[rows >= 0] for rows in after], np.zeros(0, dtype=np.int64)),
        neighbours=neighbours,
    )


def window_features(
    window: SceneWindow, lights: dict[int, LightStatus] | None = None
) -> Float32[np.ndarray, "pieces features"]:
    """Features of the pieces: static ones, the areas beside, position and direction, and the lights.

    Args:
        window: The pieces.
        lights: Status by lane connector id; connectors without an entry have no known light.
    """
    pieces = lane_pieces(window.map)
    rows = window.pieces
    local = poses_in_frame_of(pieces.poses[rows][:, _SHOWN_POSES].reshape(-1, 3), window.center)
    local = local.reshape(len(rows), len(_SHOWN_POSES), 3)
    middle = local[:, 1]
    frame = np.concatenate(
        [
            (local[..., :2] / DISTANCE_SCALE_M).reshape(len(rows), -1),
            np.cos(local[..., 2]),
            np.sin(local[..., 2]),
            np.hypot(middle[:, :1], middle[:, 1:2]) / DISTANCE_SCALE_M,
        ],
        axis=1,
    )
    parts = [pieces.static[rows], profile_of(window.map, rows), frame, _light_features(window, lights or {})]
    found = np.concatenate(parts, axis=1).astype(np.float32)
    assert found.shape[1] == NUM_FEATURES
    return found


def without_layers(
    features: Shaped[np.ndarray, "pieces features"], layers: Collection[str]
) -> Shaped[np.ndarray, "pieces features"]:
    """`window_features` of the same map without some of `PROFILE_LAYERS` beside its lanes."""
    found = features.copy()
    for place, name in enumerate(PROFILE_LAYERS):
        if name in layers:
            begin = NUM_STATIC + place * len(PROFILE_M)
            found[:, begin : begin + len(PROFILE_M)] = 0.0
    return found


def without_lights(features: Shaped[np.ndarray, "pieces features"]) -> Shaped[np.ndarray, "pieces features"]:
    """`window_features` of the same map without traffic lights: its intersections become default ones."""
    found = features.copy()
    found[:, list(LIGHT_COLUMNS)] = 0.0
    for begin in KIND_COLUMNS:
        lit = begin + IntersectionKind.TRAFFIC_LIGHT
        found[:, begin + IntersectionKind.DEFAULT] += found[:, lit]
        found[:, lit] = 0.0
    found[:, -NUM_LIGHT:] = 0.0
    return found


def _light_features(window: SceneWindow, lights: dict[int, LightStatus]) -> Float64[np.ndarray, "pieces light"]:
    """One-hot status of the piece's own light, and the share of each status among the lights that follow its lane."""
    lanes, rows = window.map.lanes, lane_pieces(window.map).lane_rows[window.pieces]
    kinds = len(LightStatus)
    found = np.zeros((len(rows), NUM_LIGHT))
    if not lights:
        return found
    for row in np.unique(rows).tolist():
        own = lights.get(int(lanes.ids[row]))
        ahead = [int(lights[one]) for one in lanes.ids[lanes.successors[row]].tolist() if one in lights]
        if own is None and not ahead:
            continue
        of_row = rows == row
        if own is not None:
            found[of_row, int(own)] = 1.0
        if ahead:
            found[of_row, kinds:] = np.bincount(ahead, minlength=kinds) / len(ahead)
    return found


def _pose_on(pieces: LanePieces, piece: int, along_m: float) -> Float64[np.ndarray, "3"]:
    """A pose on a piece, interpolated between its poses."""
    places = np.linspace(0.0, pieces.length_m[piece], NUM_POSES)
    poses = pieces.poses[piece]
    headings = np.unwrap(poses[:, 2])
    return np.array([np.interp(along_m, places, column) for column in (poses[:, 0], poses[:, 1], headings)])


def _downstream_first(pieces: LanePieces, found: Int64[np.ndarray, "found"]) -> Int64[np.ndarray, "found"]:
    """Order of pieces such that successors come before: depth first, cut at cycles."""
    place_of = {piece: place for place, piece in enumerate(found.tolist())}
    is_done = [False] * len(found)
    order: list[int] = []
    for start in range(len(found)):
        stack = [(start, False)]
        while stack:
            place, is_left = stack.pop()
            if is_left:
                order.append(place)
                continue
            if is_done[place]:
                continue
            is_done[place] = True
            stack.append((place, True))
            after = [place_of[piece] for piece in pieces.successors[int(found[place])].tolist() if piece in place_of]
            stack.extend((other, False) for other in reversed(after) if not is_done[other])
    return np.array(order, dtype=np.int64)
