"""The decisions that draw a given scene, in their order: the inputs of a training and of the likelihood."""

import numpy as np
from jaxtyping import Bool, Int64

from simulation.generation.learned.sweep import add_running, write_row, write_slots, write_speed_inputs
from simulation.generation.learned.sweep_state import (
    BESIDE_LANES,
    EGO_PASS,
    SWEPT,
    Placed,
    Progress,
    Road,
    Rows,
    Slots,
    link,
)
from simulation.generation.learned.vocabulary import LAST_IN_LANE
from simulation.geometry.compiling import njit


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
                is_of_pass = (agents.kind[agent] > LAST_IN_LANE) == (number == BESIDE_LANES)
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
    is_beside = agents.kind[agent] > LAST_IN_LANE
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
