"""The state of a sweep: pieces, placed agents, counts, and the arrays that a decision's inputs are written to.

A scene is drawn in passes over the pieces, downstream first: vehicles and bicycles in lanes, then everything beside
the lanes. At each piece the decision is the class of the next agent, or none; then the piece is left.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from simulation.generation.learned.scales import NUM_POSES
from simulation.generation.learned.vocabulary import GAP, NUM_CLASSES, POSITION
from simulation.geometry.compiling import njit

IN_LANES, BESIDE_LANES, EGO_PASS = 0, 1, 2
NUM_PASSES = 3
NUM_NEAR = 12
"""Placed agents that a decision sees, the nearest ones."""
NEAR_M = 60.0
"""Distance up to which agents are seen, and the search for leaders reaches."""
NUM_NEAR_FEATURES = 12 + NUM_CLASSES
NUM_COUNTED = 4
"""Counts that a condition can name: vehicles, parked, bicycles, pedestrians."""
NUM_RUNNING = 8
SWEPT, IN_LANE, STANDING, RATIO, NUM_PARKED, NUM_BICYCLES, NUM_PEDESTRIANS, TOTAL_M = range(NUM_RUNNING)
"""Entries of `Progress.running`; TOTAL_M is the length of all pieces [m]."""
NUM_ROW_FEATURES = 18 + 3 * NUM_COUNTED
NUM_SPEED_FEATURES = 10
NUM_GAP_BINS, NUM_POSITIONS = len(GAP), len(POSITION)


class Road(NamedTuple):
    """Pieces of a window in its frame."""

    length: Float64[np.ndarray, "pieces"]
    limit: Float64[np.ndarray, "pieces"]
    """Speed limit [m/s]."""
    poses: Float64[np.ndarray, "pieces 5 3"]
    """Headings are unwrapped within a piece."""
    next_offsets: Int64[np.ndarray, "pieces_and_end"]
    next_places: Int64[np.ndarray, "links"]
    before_offsets: Int64[np.ndarray, "pieces_and_end"]
    before_places: Int64[np.ndarray, "links"]


class Placed(NamedTuple):
    """Agents in coordinates of the pieces and in the window's frame; `first`, `following` link those of a piece."""

    place: Int64[np.ndarray, "agents"]
    along: Float64[np.ndarray, "agents"]
    lateral: Float64[np.ndarray, "agents"]
    pose: Float64[np.ndarray, "agents 3"]
    speed: Float64[np.ndarray, "agents"]
    size: Float64[np.ndarray, "agents 2"]
    kind: Int64[np.ndarray, "agents"]
    """Values of `AgentClass`."""
    is_ego: Bool[np.ndarray, "agents"]
    first: Int64[np.ndarray, "pieces"]
    """First agent of each piece; -1 for none."""
    following: Int64[np.ndarray, "agents"]
    num: Int64[np.ndarray, "1"]
    """Number of visible agents."""


class Progress(NamedTuple):
    """How far a drawing is."""

    running: Float64[np.ndarray, "8"]
    targets: Float64[np.ndarray, "4"]
    """Wanted counts; NaN for none."""


class Rows(NamedTuple):
    """Inputs of the network, one row for each decision."""

    place: Int64[np.ndarray, "rows"]
    features: Float32[np.ndarray, "rows features"]
    near: Float32[np.ndarray, "rows near features"]
    is_near: Bool[np.ndarray, "rows near"]


class Slots(NamedTuple):
    """Inputs for the attributes of one agent, beyond those of its decision."""

    is_free: Bool[np.ndarray, "rows positions"]
    """Positions within the piece and not beyond the agent ahead that was placed before."""
    gap_ahead: Int64[np.ndarray, "rows positions"]
    """Bin of `GAP` to the next agent ahead, from each position."""
    gap_behind: Int64[np.ndarray, "rows positions"]
    speed: Float32[np.ndarray, "rows features"]
    """For the speed: gaps and speeds of the agents ahead and behind."""
    lead_speed: Float32[np.ndarray, "rows"]
    """Speed of the next agent ahead [m/s]; NaN without one."""


def empty_rows(count: int) -> Rows:
    """Rows to be written."""
    return Rows(
        place=np.zeros(count, dtype=np.int64),
        features=np.zeros((count, NUM_ROW_FEATURES), dtype=np.float32),
        near=np.zeros((count, NUM_NEAR, NUM_NEAR_FEATURES), dtype=np.float32),
        is_near=np.zeros((count, NUM_NEAR), dtype=np.bool_),
    )


def empty_slots(count: int) -> Slots:
    """Slots to be written."""
    return Slots(
        is_free=np.zeros((count, NUM_POSITIONS), dtype=np.bool_),
        gap_ahead=np.zeros((count, NUM_POSITIONS), dtype=np.int64),
        gap_behind=np.zeros((count, NUM_POSITIONS), dtype=np.int64),
        speed=np.zeros((count, NUM_SPEED_FEATURES), dtype=np.float32),
        lead_speed=np.zeros(count, dtype=np.float32),
    )


def empty_placed(num_pieces: int, capacity: int) -> Placed:
    """Room for a number of agents."""
    return Placed(
        place=np.zeros(capacity, dtype=np.int64),
        along=np.zeros(capacity),
        lateral=np.zeros(capacity),
        pose=np.zeros((capacity, 3)),
        speed=np.zeros(capacity),
        size=np.zeros((capacity, 2)),
        kind=np.zeros(capacity, dtype=np.int64),
        is_ego=np.zeros(capacity, dtype=np.bool_),
        first=np.full(num_pieces, -1, dtype=np.int64),
        following=np.full(capacity, -1, dtype=np.int64),
        num=np.zeros(1, dtype=np.int64),
    )


@njit(cache=True)
def link(placed: Placed, agent: int) -> None:
    """Make an agent visible after its values are written."""
    placed.following[agent] = placed.first[placed.place[agent]]
    placed.first[placed.place[agent]] = agent
    placed.num[0] += 1


@njit(cache=True)
def pose_on(road: Road, place: int, along: float) -> tuple[float, float, float]:
    """Pose of the centerline in the window's frame, interpolated between the piece's poses."""
    share = min(max(along / road.length[place], 0.0), 1.0) * (NUM_POSES - 1)
    k = min(int(share), NUM_POSES - 2)
    a, b, part = road.poses[place, k], road.poses[place, k + 1], share - k
    return a[0] + part * (b[0] - a[0]), a[1] + part * (b[1] - a[1]), a[2] + part * (b[2] - a[2])
