"""What the network sees before each decision of a scene: the agents placed so far, as compiled functions.

A scene is drawn in passes over the pieces, downstream first: vehicles and bicycles in lanes, then everything beside
the lanes. At each piece the decision is the class of the next agent, or none; then the piece is left. The same
functions serve training, where the next agent is that of the data, and drawing.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from simulation.generation.learned.pieces import MAX_PIECE_M, NUM_POSES, SPEED_SCALE_MPS
from simulation.generation.learned.vocabulary import GAP, NUM_CLASSES, POSITION, STANDING_MPS
from simulation.geometry.compiling import njit

IN_LANES, BESIDE_LANES, EGO_PASS = 0, 1, 2
NUM_PASSES = 3
NUM_NEAR = 12
"""Placed agents that a decision sees, the nearest ones."""
NEAR_M = 60.0
"""Distance up to which agents are seen, and the search for leaders reaches."""
SAME_LINE_M = 1.5
"""Difference of lateral offsets up to which two agents beside a lane stand one behind the other."""
NUM_NEAR_FEATURES = 12 + NUM_CLASSES
NUM_COUNTED = 4
"""Counts that a condition can name: vehicles, parked, bicycles, pedestrians."""
NUM_RUNNING = 8
SWEPT, IN_LANE, STANDING, RATIO, NUM_PARKED, NUM_BICYCLES, NUM_PEDESTRIANS, TOTAL_M = range(NUM_RUNNING)
"""Entries of `Progress.running`; TOTAL_M is the length of all pieces [m]."""
NUM_ROW_FEATURES = 18 + 3 * NUM_COUNTED
NUM_SPEED_FEATURES = 10
NUM_GAP_BINS, NUM_POSITIONS = len(GAP), len(POSITION)
_GAP_EDGES, _POSITION_MIDDLES, _POSITION_EDGES = GAP.edges, POSITION.middles, POSITION.edges
_VEHICLE, _BICYCLE, _PARKED, _OFF_LANE_BICYCLE, _PEDESTRIAN = range(NUM_CLASSES)
_MAX_SEARCHED = 64


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


@njit(cache=True)
def next_ahead(road: Road, placed: Placed, place: int, along: float, line: tuple[int, float]) -> tuple[int, float]:
    """The nearest agent ahead on the piece and those that follow: its number and the distance to its rear [m].

    Args:
        road: Pieces.
        placed: Agents.
        place: Piece of the position.
        along: Of the position; agents exactly there count as ahead.
        line: Pass, and a lateral offset from which agents differ by less than `SAME_LINE_M` (NaN for all of them).

    Returns:
        -1 and 0 without an agent within `NEAR_M`.
    """
    beyond = _on_other_pieces(road, placed, place, line, True)
    return _with_own_piece(placed, place, along, line, (beyond[0], beyond[1] + road.length[place] - along, 1.0))


@njit(cache=True)
def next_behind(road: Road, placed: Placed, place: int, along: float, line: tuple[int, float]) -> tuple[int, float]:
    """The nearest agent behind a position and the distance to its front [m]; see `next_ahead`."""
    before = _on_other_pieces(road, placed, place, line, False)
    return _with_own_piece(placed, place, along, line, (before[0], before[1] + along, -1.0))


@njit(cache=True)
def _with_own_piece(
    placed: Placed, place: int, along: float, line: tuple[int, float], beyond: tuple[int, float, float]
) -> tuple[int, float]:
    """The nearest of one agent on other pieces and those of the own piece; `beyond` ends with the direction."""
    best, best_m, sign = beyond
    if best < 0:
        best_m = NEAR_M
    agent = placed.first[place]
    while agent >= 0:
        apart = sign * (placed.along[agent] - along)
        if (apart > 0.0 or (apart == 0.0 and sign > 0.0)) and _is_on_line(placed, agent, line):
            gap = apart - 0.5 * placed.size[agent, 0]
            if gap < best_m:
                best, best_m = agent, gap
        agent = placed.following[agent]
    return (best, best_m) if best >= 0 and best_m < NEAR_M else (-1, 0.0)


@njit(cache=True)
def _on_other_pieces(
    road: Road, placed: Placed, place: int, line: tuple[int, float], is_ahead: bool
) -> tuple[int, float]:
    """The nearest agent on the pieces that follow or precede a piece, and its distance from the end towards them [m].

    Distances are those of the agent's rear ahead, and of its front behind.
    """
    offsets = road.next_offsets if is_ahead else road.before_offsets
    places = road.next_places if is_ahead else road.before_places
    best, best_m = -1, NEAR_M
    stack_place, stack_m = np.empty(_MAX_SEARCHED, dtype=np.int64), np.empty(_MAX_SEARCHED)
    depth, searched = 0, 0
    for k in range(offsets[place], offsets[place + 1]):
        stack_place[depth], stack_m[depth] = places[k], 0.0
        depth += 1
    while depth > 0 and searched < _MAX_SEARCHED:
        depth -= 1
        searched += 1
        here, offset = stack_place[depth], stack_m[depth]
        agent = placed.first[here]
        while agent >= 0:
            reach = offset + placed.along[agent] if is_ahead else offset + road.length[here] - placed.along[agent]
            gap = reach - 0.5 * placed.size[agent, 0]
            if gap < best_m and _is_on_line(placed, agent, line):
                best, best_m = agent, gap
            agent = placed.following[agent]
        offset += road.length[here]
        if offset < best_m + 6.0 and offset < NEAR_M:
            for k in range(offsets[here], offsets[here + 1]):
                if depth < _MAX_SEARCHED:
                    stack_place[depth], stack_m[depth] = places[k], offset
                    depth += 1
    return best, best_m


@njit(cache=True)
def _is_on_line(placed: Placed, agent: int, line: tuple[int, float]) -> bool:
    is_beside = placed.kind[agent] > _BICYCLE
    if is_beside != (line[0] == BESIDE_LANES):
        return False
    return math.isnan(line[1]) or abs(placed.lateral[agent] - line[1]) < SAME_LINE_M


@njit(cache=True)
def add_running(progress: Progress, kind: int, speed: float, limit: float) -> None:
    """Count an agent."""
    running = progress.running
    if kind <= _BICYCLE:
        running[IN_LANE] += 1.0
        running[STANDING] += speed < STANDING_MPS
        running[RATIO] += speed / limit
    if kind == _PARKED:
        running[NUM_PARKED] += 1.0
    if kind in (_BICYCLE, _OFF_LANE_BICYCLE):
        running[NUM_BICYCLES] += 1.0
    if kind == _PEDESTRIAN:
        running[NUM_PEDESTRIANS] += 1.0


@njit(cache=True)
def write_row(
    road: Road, placed: Placed, progress: Progress, at: tuple[int, int, float], out: tuple[Rows, int]
) -> None:
    """Write what a decision depends on.

    Args:
        road: Pieces.
        placed: Agents so far.
        progress: Counts so far.
        at: Pass, piece, and the distance along it up to which it is still free.
        out: Rows, and the row to write.
    """
    number, place, top = at
    rows, row = out
    rows.place[row] = place
    f = rows.features[row]
    f[:] = 0.0
    f[0] = top / MAX_PIECE_M
    lead, gap = next_ahead(road, placed, place, top, (number if number == BESIDE_LANES else IN_LANES, np.nan))
    if lead >= 0:
        f[1], f[2] = 1.0, gap / 20.0
        f[3] = placed.speed[lead] / SPEED_SCALE_MPS
        f[4] = placed.speed[lead] < STANDING_MPS
        f[5] = placed.size[lead, 0] / 10.0
        f[6] = math.exp(-max(gap, 0.0) / 5.0)
    agent = placed.first[place]
    while agent >= 0:
        f[7 if placed.along[agent] >= top else 8] += 0.33
        agent = placed.following[agent]
    running = progress.running
    swept = running[SWEPT] / 100.0
    count = running[IN_LANE]
    f[9] = (
        (count + 1.0) / (running[SWEPT] / 100.0 + 1.0) if number == IN_LANES else count / (running[TOTAL_M] / 100.0)
    )
    f[10] = running[STANDING] / (count + 1.0)
    f[11] = running[RATIO] / (count + 1.0)
    f[12] = running[NUM_PARKED] / (swept + 1.0)
    f[13] = running[NUM_PEDESTRIANS] / (swept + 1.0)
    f[14] = 1.0 - running[SWEPT] / running[TOTAL_M]
    f[15 + number] = 1.0
    left_m = running[TOTAL_M] - running[SWEPT]
    counts = (count - running[NUM_BICYCLES], running[NUM_PARKED], running[NUM_BICYCLES], running[NUM_PEDESTRIANS])
    for k in range(NUM_COUNTED):
        target = progress.targets[k]
        if not math.isnan(target):
            missing = target - max(counts[k], 0.0)
            f[18 + 3 * k] = 1.0
            f[19 + 3 * k] = missing / 20.0
            f[20 + 3 * k] = min(missing / (left_m / 100.0 + 0.2), 20.0) / 5.0
    _write_near(placed, pose_on(road, place, top), rows, row)


@njit(cache=True)
def _write_near(placed: Placed, pose: tuple[float, float, float], rows: Rows, row: int) -> None:
    """Write the nearest agents in the frame of a pose."""
    chosen, distance = np.full(NUM_NEAR, -1, dtype=np.int64), np.full(NUM_NEAR, NEAR_M)
    x, y, heading = pose
    for agent in range(placed.num[0]):
        apart = math.hypot(placed.pose[agent, 0] - x, placed.pose[agent, 1] - y)
        k = NUM_NEAR
        while k > 0 and apart < distance[k - 1]:
            k -= 1
        if k < NUM_NEAR:
            for j in range(NUM_NEAR - 1, k, -1):
                chosen[j], distance[j] = chosen[j - 1], distance[j - 1]
            chosen[k], distance[k] = agent, apart
    cos, sin = math.cos(heading), math.sin(heading)
    for k in range(NUM_NEAR):
        agent = chosen[k]
        out = rows.near[row, k]
        out[:] = 0.0
        rows.is_near[row, k] = agent >= 0
        if agent < 0:
            continue
        dx, dy = placed.pose[agent, 0] - x, placed.pose[agent, 1] - y
        turn = placed.pose[agent, 2] - heading
        out[0], out[1] = (cos * dx + sin * dy) / 20.0, (cos * dy - sin * dx) / 20.0
        out[2], out[3] = (cos * dx + sin * dy) / 5.0, (cos * dy - sin * dx) / 5.0
        out[2], out[3] = math.tanh(out[2]), math.tanh(out[3])
        out[4], out[5] = math.cos(turn), math.sin(turn)
        out[6] = distance[k] / 20.0
        out[7] = placed.speed[agent] / SPEED_SCALE_MPS
        out[8] = placed.speed[agent] < STANDING_MPS
        out[9], out[10] = placed.size[agent, 0] / 10.0, placed.size[agent, 1] / 3.0
        out[11] = placed.is_ego[agent]
        out[12 + placed.kind[agent]] = 1.0


@njit(cache=True)
def write_slots(
    road: Road, placed: Placed, at: tuple[int, int, float], box: tuple[float, float], out: tuple[Slots, int]
) -> None:
    """Write which positions of a piece are free, and the gaps ahead and behind from each.

    Args:
        road: Pieces.
        placed: Agents so far.
        at: Pass, piece, and the distance along it up to which it is still free.
        box: Lateral offset and length of the new agent.
        out: Slots, and the row to write.
    """
    number, place, top = at
    lateral, length = box
    slots, row = out
    line = (IN_LANES, np.nan) if number != BESIDE_LANES else (BESIDE_LANES, lateral)
    beyond, before = (
        _on_other_pieces(road, placed, place, line, True),
        _on_other_pieces(road, placed, place, line, False),
    )
    for k in range(NUM_POSITIONS):
        middle = _POSITION_MIDDLES[k]
        slots.is_free[row, k] = _POSITION_EDGES[k] < min(top, road.length[place]) or k == 0
        if not slots.is_free[row, k]:
            slots.gap_ahead[row, k] = slots.gap_behind[row, k] = NUM_GAP_BINS - 1
            continue
        far = (beyond[0], beyond[1] + road.length[place] - middle, 1.0)
        lead, ahead = _with_own_piece(placed, place, middle, line, far)
        after, behind = _with_own_piece(placed, place, middle, line, (before[0], before[1] + middle, -1.0))
        slots.gap_ahead[row, k] = _gap_bin(ahead - 0.5 * length) if lead >= 0 else NUM_GAP_BINS - 1
        slots.gap_behind[row, k] = _gap_bin(behind - 0.5 * length) if after >= 0 else NUM_GAP_BINS - 1


@njit(cache=True)
def _gap_bin(gap: float) -> int:
    return max(int(np.searchsorted(_GAP_EDGES, min(gap, NEAR_M), side="right")) - 1, 0)


@njit(cache=True)
def write_speed_inputs(
    road: Road, placed: Placed, at: tuple[int, int, float], box: tuple[float, float], out: tuple[Slots, int]
) -> None:
    """Write what the speed depends on besides the decision; `at` holds pass, piece and the agent's position."""
    number, place, along = at
    lateral, length = box
    slots, row = out
    line = (IN_LANES, np.nan) if number != BESIDE_LANES else (BESIDE_LANES, lateral)
    f = slots.speed[row]
    f[:] = 0.0
    f[0] = along / MAX_PIECE_M
    slots.lead_speed[row] = np.nan
    lead, gap = next_ahead(road, placed, place, along + 1e-6, line)
    if lead >= 0:
        gap -= 0.5 * length
        f[1], f[2], f[3] = 1.0, gap / 20.0, math.exp(-max(gap, 0.0) / 5.0)
        f[4], f[5] = placed.speed[lead] / SPEED_SCALE_MPS, placed.speed[lead] < STANDING_MPS
        slots.lead_speed[row] = placed.speed[lead]
    after, gap = next_behind(road, placed, place, along, line)
    if after >= 0:
        gap -= 0.5 * length
        f[6], f[7], f[8] = 1.0, gap / 20.0, placed.speed[after] / SPEED_SCALE_MPS
    f[9] = road.limit[place] / SPEED_SCALE_MPS


@njit(cache=True)
def trace(
    road: Road,
    agents: Placed,
    is_kept: Bool[np.ndarray, "agents"],
    progress: Progress,
    out: tuple[Rows, Slots, Int64[np.ndarray, "rows"]],
) -> int:
    """Write the decisions that draw a scene, in their order.

    Args:
        road: Pieces.
        agents: All agents in the order of drawing; only their values are read. The ego, if any, is drawn first, on
            its own, and is seen by all others.
        is_kept: Agents that are given and not drawn.
        progress: Counts; changed.
        out: Rows, slots, and for each row the agent that is drawn there (-1 for none).

    Returns:
        Number of rows.
    """
    rows, _, drawn = out
    num_agents = len(agents.place)
    first, following = np.full(len(road.length), -1, dtype=np.int64), np.full(num_agents, -1, dtype=np.int64)
    placed = Placed(
        np.zeros_like(agents.place), np.zeros_like(agents.along), np.zeros_like(agents.lateral),
        np.zeros_like(agents.pose), np.zeros_like(agents.speed), np.zeros_like(agents.size),
        np.zeros_like(agents.kind), np.zeros_like(agents.is_ego), first, following, np.zeros(1, dtype=np.int64),
    )  # fmt: skip
    row = 0
    for agent in range(num_agents):
        if agents.is_ego[agent]:
            row = _draw(road, placed, progress, (agents, agent, EGO_PASS), (out, row))
    for agent in range(num_agents):
        if is_kept[agent] and not agents.is_ego[agent]:
            _place(placed, agents, agent)
            add_running(progress, agents.kind[agent], agents.speed[agent], road.limit[agents.place[agent]])
    for number in range(2):
        progress.running[SWEPT] = 0.0
        agent = 0
        for place in range(len(road.length)):
            top = road.length[place]
            while agent < num_agents and _is_up(agents, agent, number, place):
                is_of_pass = (agents.kind[agent] > _BICYCLE) == (number == BESIDE_LANES)
                if is_of_pass and not (is_kept[agent] or agents.is_ego[agent]):
                    row = _draw(road, placed, progress, (agents, agent, number), (out, row), top)
                    top = agents.along[agent]
                agent += 1
            write_row(road, placed, progress, (number, place, top), (rows, row))
            drawn[row] = -1
            row += 1
            progress.running[SWEPT] += road.length[place]
    return row


@njit(cache=True)
def _is_up(agents: Placed, agent: int, number: int, place: int) -> bool:
    """Whether the next agent of the order belongs to the piece, or to an earlier one, of a pass."""
    is_beside = agents.kind[agent] > _BICYCLE
    if is_beside != (number == BESIDE_LANES):
        return not is_beside
    return agents.place[agent] <= place


@njit(cache=True)
def _draw(
    road: Road,
    placed: Placed,
    progress: Progress,
    what: tuple[Placed, int, int],
    out: tuple[tuple[Rows, Slots, np.ndarray], int],
    top: float = -1.0,
) -> int:
    """Write the decision for an agent and its attributes, then place it. Returns the next row."""
    agents, agent, number = what
    (rows, slots, drawn), row = out
    place, along = agents.place[agent], agents.along[agent]
    box = (agents.lateral[agent], agents.size[agent, 0])
    free = top if top >= 0.0 else along
    write_row(road, placed, progress, (number, place, free), (rows, row))
    write_slots(road, placed, (number, place, free), box, (slots, row))
    write_speed_inputs(road, placed, (number, place, along), box, (slots, row))
    drawn[row] = agent
    _place(placed, agents, agent)
    if number != EGO_PASS:
        add_running(progress, agents.kind[agent], agents.speed[agent], road.limit[place])
    return row + 1


@njit(cache=True)
def _place(placed: Placed, agents: Placed, agent: int) -> None:
    """Copy an agent and make it visible."""
    n = placed.num[0]
    placed.place[n], placed.along[n], placed.lateral[n] = (
        agents.place[agent],
        agents.along[agent],
        agents.lateral[agent],
    )
    placed.pose[n] = agents.pose[agent]
    placed.speed[n], placed.size[n], placed.kind[n] = agents.speed[agent], agents.size[agent], agents.kind[agent]
    placed.is_ego[n] = agents.is_ego[agent]
    link(placed, n)
