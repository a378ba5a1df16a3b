"""The next agents ahead of and behind a position, along the pieces that follow and precede it."""

import math

import numpy as np

from simulation.generation.learned.sweep_state import BESIDE_LANES, NEAR_M, Placed, Road
from simulation.generation.learned.vocabulary import LAST_IN_LANE
from simulation.geometry.compiling import njit

SAME_LINE_M = 1.5
"""Difference of lateral offsets up to which two agents beside a lane stand one behind the other."""
_MAX_SEARCHED = 64


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
    beyond = on_other_pieces(road, placed, place, line, True)
    return with_own_piece(placed, place, along, line, (beyond[0], beyond[1] + road.length[place] - along, 1.0))


@njit(cache=True)
def next_behind(road: Road, placed: Placed, place: int, along: float, line: tuple[int, float]) -> tuple[int, float]:
    """The nearest agent behind a position and the distance to its front [m]; see `next_ahead`."""
    before = on_other_pieces(road, placed, place, line, False)
    return with_own_piece(placed, place, along, line, (before[0], before[1] + along, -1.0))


@njit(cache=True)
def with_own_piece(
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
def on_other_pieces(
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
    is_beside = placed.kind[agent] > LAST_IN_LANE
    if is_beside != (line[0] == BESIDE_LANES):
        return False
    return math.isnan(line[1]) or abs(placed.lateral[agent] - line[1]) < SAME_LINE_M
