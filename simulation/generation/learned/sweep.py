"""What the network sees before each decision of a scene: the agents placed so far, as compiled functions.

The same functions serve training, where the next agent is that of the data, and drawing.
"""

import math

import numpy as np

from simulation.generation.learned.lane_neighbours import next_ahead, next_behind, on_other_pieces, with_own_piece
from simulation.generation.learned.scales import MAX_PIECE_M, SPEED_SCALE_MPS
from simulation.generation.learned.sweep_state import (
    BESIDE_LANES,
    IN_LANE,
    IN_LANES,
    NEAR_M,
    NUM_BICYCLES,
    NUM_COUNTED,
    NUM_GAP_BINS,
    NUM_NEAR,
    NUM_PARKED,
    NUM_PEDESTRIANS,
    NUM_POSITIONS,
    RATIO,
    STANDING,
    SWEPT,
    TOTAL_M,
    Placed,
    Progress,
    Road,
    Rows,
    Slots,
    pose_on,
)
from simulation.generation.learned.vocabulary import GAP, NUM_CLASSES, POSITION, STANDING_MPS
from simulation.geometry.compiling import njit

_GAP_EDGES, _POSITION_MIDDLES, _POSITION_EDGES = GAP.edges, POSITION.middles, POSITION.edges
_VEHICLE, _BICYCLE, _PARKED, _OFF_LANE_BICYCLE, _PEDESTRIAN = range(NUM_CLASSES)


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
        on_other_pieces(road, placed, place, line, True),
        on_other_pieces(road, placed, place, line, False),
    )
    for k in range(NUM_POSITIONS):
        middle = _POSITION_MIDDLES[k]
        slots.is_free[row, k] = _POSITION_EDGES[k] < min(top, road.length[place]) or k == 0
        if not slots.is_free[row, k]:
            slots.gap_ahead[row, k] = slots.gap_behind[row, k] = NUM_GAP_BINS - 1
            continue
        far = (beyond[0], beyond[1] + road.length[place] - middle, 1.0)
        lead, ahead = with_own_piece(placed, place, middle, line, far)
        after, behind = with_own_piece(placed, place, middle, line, (before[0], before[1] + middle, -1.0))
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
