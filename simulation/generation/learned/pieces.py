"""The lanes of a map cut into pieces of at most 20 m: the places that a scene's agents are anchored to.

Pieces are cut once per map. Their features are those that need no frame; `window.py` adds position and direction.
"""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from driving.map import MapGraph, Ragged, TurnKind
from simulation.generation.learned.scales import DISTANCE_SCALE_M, MAX_PIECE_M, NUM_POSES, SPEED_SCALE_MPS
from simulation.geometry.angles import wrap
from simulation.geometry.lane_anchors import LaneAnchors, anchored_poses, lane_lengths

MIN_CUT_M = 5.0
"""Shortest limit of a lane's pieces in `cut_short`."""
PROFILE_M = np.arange(-10.5, 10.6, 1.5)
"""Lateral offsets, left positive, at which the profile samples the areas beside a piece's middle."""
PROFILE_LAYERS = ("drivable_area", "walkways", "crosswalks", "carparks")
NUM_PROFILE = len(PROFILE_M) * len(PROFILE_LAYERS)
NUM_INTERSECTION_KINDS = 6
NUM_STATIC = 12 + 2 * NUM_INTERSECTION_KINDS + len(TurnKind)
LIGHT_COLUMNS = (4, 5)
"""Static features that tell of traffic lights, at the piece's lane and ahead."""
KIND_COLUMNS = (12, 12 + NUM_INTERSECTION_KINDS)
"""First static feature of the kind of the piece's intersection, and of that ahead."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LanePieces:
    """N pieces, lane by lane in the row order of the map, each lane from begin to end."""

    lane_rows: Int64[np.ndarray, "pieces"]
    first_piece: Int64[np.ndarray, "lanes_and_end"]
    """First piece of each lane."""
    begin_m: Float64[np.ndarray, "pieces"]
    """Arc length of the piece's begin on the lane's centerline."""
    length_m: Float64[np.ndarray, "pieces"]
    poses: Float64[np.ndarray, "pieces 5 3"]
    """At equal distances along the centerline, global."""
    speed_limit_mps: Float64[np.ndarray, "pieces"]
    """`DEFAULT_LIMIT_MPS` where the map has none."""
    successors: Ragged
    """Pieces that follow, of the same lane or of the next ones."""
    predecessors: Ragged
    left: Int64[np.ndarray, "pieces"]
    """The piece beside, of the left neighbour lane; -1 without one."""
    right: Int64[np.ndarray, "pieces"]
    static: Float32[np.ndarray, "pieces static"]
    profile: Float32[np.ndarray, "pieces profile"]
    """Filled by `profile_of` where it was needed."""
    has_profile: Bool[np.ndarray, "pieces"]

    def __len__(self) -> int:
        return len(self.lane_rows)

    def of(self, anchors: LaneAnchors) -> tuple[Int64[np.ndarray, "poses"], Float64[np.ndarray, "poses"]]:
        """The piece of each anchor, -1 without a lane, and the distance along it [m]."""
        rows = np.maximum(anchors.rows, 0)
        count = self.first_piece[rows + 1] - self.first_piece[rows]
        lengths = self.length_m[self.first_piece[rows]]
        along = np.nan_to_num(anchors.along_m)
        pieces = self.first_piece[rows] + np.clip((along / lengths).astype(np.int64), 0, count - 1)
        return np.where(anchors.rows >= 0, pieces, -1), along - self.begin_m[pieces]


DEFAULT_LIMIT_MPS = 13.9
"""Speed limit of lanes without one."""
_PIECES: WeakKeyDictionary[MapGraph, LanePieces] = WeakKeyDictionary()


def lane_pieces(map_graph: MapGraph) -> LanePieces:
    """The pieces of a map, cached as long as the map exists."""
    found = _PIECES.get(map_graph)
    if found is None:
        found = _PIECES[map_graph] = _cut(map_graph)
    return found


def cut_short(map_graph: MapGraph, rng: np.random.Generator) -> None:
    """Cut the lanes of a map into pieces of at most 5 to 20 m, another length for each lane.

    Recorded maps have shorter lanes than towns, whose pieces are mostly near 20 m. Call it before the first scene of
    the map, as scenes hold the numbers of pieces.
    """
    _PIECES[map_graph] = _cut(map_graph, rng.uniform(MIN_CUT_M, MAX_PIECE_M, len(map_graph.lanes)))


def profile_of(map_graph: MapGraph, rows: Int64[np.ndarray, "rows"]) -> Float32[np.ndarray, "rows profile"]:
    """For some pieces, whether each layer of `PROFILE_LAYERS` covers each offset of `PROFILE_M` at their middles."""
    pieces = lane_pieces(map_graph)
    missing = rows[~pieces.has_profile[rows]]
    if len(missing):
        middle = pieces.poses[missing, NUM_POSES // 2]
        left = np.stack([-np.sin(middle[:, 2]), np.cos(middle[:, 2])], axis=-1)
        points = (middle[:, np.newaxis, :2] + PROFILE_M[:, np.newaxis] * left[:, np.newaxis]).reshape(-1, 2)
        inside = [getattr(map_graph, name).contains(points).reshape(len(missing), -1) for name in PROFILE_LAYERS]
        pieces.profile[missing] = np.concatenate(inside, axis=1)
        pieces.has_profile[missing] = True
    return pieces.profile[rows]


def _cut(map_graph: MapGraph, max_piece_m: float | Float64[np.ndarray, "lanes"] = MAX_PIECE_M) -> LanePieces:
    lanes = map_graph.lanes
    lengths = lane_lengths(map_graph)
    counts = np.maximum(np.ceil(lengths / max_piece_m - 1e-9), 1).astype(np.int64)
    first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    rows = np.repeat(np.arange(len(lanes)), counts)
    number = np.arange(len(rows)) - first[rows]
    piece_m = (lengths / counts)[rows]
    begin = number * piece_m
    along = begin[:, np.newaxis] + piece_m[:, np.newaxis] * np.linspace(0.0, 1.0, NUM_POSES)
    flat = np.repeat(rows, NUM_POSES)
    # A hair inside: at the very end the heading is that of the last segment, and not that beyond it.
    inside = np.minimum(along.reshape(-1), lengths[flat] - 1e-6)
    zeros = np.zeros(len(flat))
    poses = anchored_poses(map_graph, flat, inside, zeros, zeros).reshape(len(rows), NUM_POSES, 3)
    limit = np.where(np.isnan(lanes.speed_limit_mps), DEFAULT_LIMIT_MPS, lanes.speed_limit_mps)[rows]
    is_last = number == counts[rows] - 1
    successors = [
        first[lanes.successors[rows[piece]]] if is_last[piece] else np.array([piece + 1])
        for piece in range(len(rows))
    ]
    before: list[list[int]] = [[] for _ in rows]
    for piece, after in enumerate(successors):
        for other in after.tolist():
            before[other].append(piece)
    left, right = (_beside(find, rows, number, counts, first) for find in _neighbours(map_graph))
    empty = np.zeros(0, dtype=np.int64)
    return LanePieces(
        lane_rows=rows,
        first_piece=first,
        begin_m=begin,
        length_m=piece_m,
        poses=poses,
        speed_limit_mps=limit,
        successors=Ragged.from_rows(successors, empty),
        predecessors=Ragged.from_rows([np.array(found, dtype=np.int64) for found in before], empty),
        left=left,
        right=right,
        static=_static(map_graph, rows, np.stack([begin, lengths[rows] - begin], axis=-1), poses, (left, right)),
        profile=np.zeros((len(rows), NUM_PROFILE), dtype=np.float32),
        has_profile=np.zeros(len(rows), dtype=bool),
    )


def _neighbours(map_graph: MapGraph) -> tuple[Int64[np.ndarray, "lanes"], Int64[np.ndarray, "lanes"]]:
    """Rows of the left and right neighbours of all lanes; -1 without one."""
    rows = range(len(map_graph.lanes))
    sides = (map_graph.left_neighbor, map_graph.right_neighbor)
    left, right = (
        np.array([-1 if (one := find(row)) is None else one for row in rows], dtype=np.int64) for find in sides
    )
    return left, right


def _beside(
    neighbour: Int64[np.ndarray, "lanes"],
    rows: Int64[np.ndarray, "pieces"],
    number: Int64[np.ndarray, "pieces"],
    counts: Int64[np.ndarray, "lanes"],
    first: Int64[np.ndarray, "lanes_and_end"],
) -> Int64[np.ndarray, "pieces"]:
    """The piece of the neighbour lane at the same share of its length."""
    other = np.maximum(neighbour[rows], 0)
    place = ((number + 0.5) / counts[rows] * counts[other]).astype(np.int64)
    return np.where(neighbour[rows] >= 0, first[other] + np.minimum(place, counts[other] - 1), -1)


def _static(
    map_graph: MapGraph,
    rows: Int64[np.ndarray, "pieces"],
    ends_m: Float64[np.ndarray, "pieces 2"],
    poses: Float64[np.ndarray, "pieces 5 3"],
    beside: tuple[Int64[np.ndarray, "pieces"], Int64[np.ndarray, "pieces"]],
) -> Float32[np.ndarray, "pieces static"]:
    """Features of the pieces that need no frame.

    Args:
        map_graph: The map.
        rows: Lane of each piece.
        ends_m: Distance from the lane's begin and to its end.
        poses: Along each piece.
        beside: Pieces to the left and to the right.
    """
    lanes = map_graph.lanes
    own, ahead = _intersection_kinds(map_graph)
    has_light_ahead = np.array(
        [bool(lanes.has_traffic_lights[lanes.successors[row]].any()) for row in range(len(lanes))]
    )
    num_next = np.diff(lanes.successors.offsets)
    length_m = np.hypot(*(poses[:, -1, :2] - poses[:, 0, :2]).T)
    columns = [
        length_m / MAX_PIECE_M,
        np.nan_to_num(lanes.speed_limit_mps, nan=DEFAULT_LIMIT_MPS)[rows] / SPEED_SCALE_MPS,
        np.isnan(lanes.speed_limit_mps)[rows],
        rows >= lanes.num_lanes,
        lanes.has_traffic_lights[rows],
        has_light_ahead[rows],
        np.minimum(ends_m[:, 0] / DISTANCE_SCALE_M, 2.0),
        np.minimum(ends_m[:, 1] / DISTANCE_SCALE_M, 2.0),
        beside[0] >= 0,
        beside[1] >= 0,
        np.minimum(num_next[rows], 4) / 4.0,
        np.array([wrap(turn) for turn in poses[:, -1, 2] - poses[:, 0, 2]]),
    ]
    columns += [own[rows] == kind for kind in range(NUM_INTERSECTION_KINDS)]
    columns += [ahead[rows] == kind for kind in range(NUM_INTERSECTION_KINDS)]
    columns += [(lanes.turn_kinds[rows] == kind) & (rows >= lanes.num_lanes) for kind in TurnKind]
    found = np.stack(columns, axis=-1).astype(np.float32)
    assert found.shape[1] == NUM_STATIC
    return found


def _intersection_kinds(map_graph: MapGraph) -> tuple[Int64[np.ndarray, "lanes"], Int64[np.ndarray, "lanes"]]:
    """`IntersectionKind` of the intersection that each connector crosses and that each lane leads to; -1 for none."""
    lanes, layer = map_graph.lanes, map_graph.intersections
    own = np.full(len(lanes), -1, dtype=np.int64)
    for row in range(lanes.num_lanes, len(lanes)):
        place = layer.row(int(lanes.intersection_ids[row]))
        if place is not None:
            own[row] = layer.kinds[place]
    ahead = np.array([max((int(own[one]) for one in lanes.successors[row]), default=-1) for row in range(len(lanes))])
    return own, ahead
