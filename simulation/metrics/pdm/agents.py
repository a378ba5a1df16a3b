"""At-fault collisions, and the PDM score's time to collision, of many motions of the ego with agents.

Written for a vocabulary of 8,192 trajectories as well as for 15 proposals: agents are found through a grid over
position and time.

Source:
    tuPlan garage, `PDMScorer`; NAVSIM, `PDMScorer` (v1.1 and 0a380a9).
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from driving.timing import STEP_S
from simulation.ego.box import EgoBox, center_at, corners_around, half_diagonal
from simulation.ego.dynamics import HEADING, VELOCITY_X, VELOCITY_Y, X, Y
from simulation.geometry.boxes import box_corners, convex_overlap
from simulation.geometry.compiling import njit
from simulation.metrics.pdm.road import ClassifiedAreas, ScoredMotions, is_in_one_lane, sides_count
from simulation.metrics.rules import (
    BESIDE,
    PDM_TTC_STEPS,
    TTC_STOPPED_SPEED_MPS,
    MovingPoint,
    collision_kind,
    counts_for_ttc,
    is_at_fault,
    relative_position,
)

_CELL_M = 4.0
_MAX_CELLS_PER_SIDE = 128
_LOW_I, _HIGH_I, _LOW_J, _HIGH_J = range(4)
"""Columns of the cells that an agent's box covers."""


class ScoredAgents(NamedTuple):
    """N agents and static objects at F instants, as motions are scored against them."""

    poses: Float64[np.ndarray, "instants agents 3"]
    """Box centre and heading, global."""
    sizes: Float64[np.ndarray, "instants agents 2"]
    """Length and width [m]."""
    valid: Bool[np.ndarray, "instants agents"]
    speeds: Float64[np.ndarray, "agents"]
    """[m/s], 0 for static objects; the same at all instants."""
    is_static: Bool[np.ndarray, "agents"]
    is_ignored: Bool[np.ndarray, "agents"]
    """Agents that never count, such as those that overlap the ego now."""
    stride: int
    """Steps of 0.1 s between two instants."""


class AgentsNow(NamedTuple):
    """N agents and static objects at one instant."""

    poses: Float64[np.ndarray, "agents 3"]
    sizes: Float64[np.ndarray, "agents 2"]
    velocities: Float64[np.ndarray, "agents 2"]
    """Global [m/s]."""
    speeds: Float64[np.ndarray, "agents"]
    """[m/s], 0 for static objects."""
    is_static: Bool[np.ndarray, "agents"]
    is_ignored: Bool[np.ndarray, "agents"]


def constant_velocity_agents(now: AgentsNow, num_steps: int, stride: int = 2) -> ScoredAgents:
    """Agents that keep their velocity, every `stride` steps of 0.1 s, for motions of `num_steps` poses."""
    instants = (num_steps - 1 + PDM_TTC_STEPS[-1]) // stride + 1
    times_s = np.arange(instants) * stride * STEP_S
    poses = np.empty((instants, len(now.poses), 3))
    poses[:] = now.poses
    poses[..., :2] += times_s[:, np.newaxis, np.newaxis] * now.velocities
    return ScoredAgents(
        poses=poses,
        # A copy, as the view is read-only: another type, for which kernels would be compiled again.
        sizes=np.array(np.broadcast_to(now.sizes, (instants, *now.sizes.shape)), order="C"),
        valid=np.ones((instants, len(now.poses)), dtype=bool),
        speeds=now.speeds,
        is_static=now.is_static,
        is_ignored=now.is_ignored,
        stride=stride,
    )


class NearGrid(NamedTuple):
    """For each instant and coarse cell, the agents that an ego with its centre in the cell could touch."""

    origin: Float64[np.ndarray, "2"]
    cell_m: float
    shape: Int64[np.ndarray, "2"]
    offsets: Int64[np.ndarray, "cells"]
    """Entries of instant f and cell c start at `offsets[f * cells + c]`."""
    rows: Int64[np.ndarray, "entries"]
    """Rows of agents."""
    corners: Float64[np.ndarray, "instants agents 4 2"]
    radii: Float64[np.ndarray, "instants agents"]
    """Of the circles around the boxes [m]."""


@njit(cache=True)
def near_grid(states: Float64[np.ndarray, "motions time 10"], agents: ScoredAgents, box: EgoBox) -> NearGrid:
    """Sort agents into cells over the region that the motions, extended by 0.9 s, cover."""
    reach = half_diagonal(box)
    speed = 0.0
    low_x, low_y, high_x, high_y = np.inf, np.inf, -np.inf, -np.inf
    for m in range(states.shape[0]):
        for t in range(states.shape[1]):
            speed = max(speed, math.hypot(states[m, t, VELOCITY_X], states[m, t, VELOCITY_Y]))
            low_x, high_x = min(low_x, states[m, t, X]), max(high_x, states[m, t, X])
            low_y, high_y = min(low_y, states[m, t, Y]), max(high_y, states[m, t, Y])
    margin = abs(box.rear_axle_to_center) + speed * PDM_TTC_STEPS[-1] * STEP_S + 1.0
    origin = np.array([low_x - margin, low_y - margin])
    extent_x, extent_y = high_x - low_x + 2.0 * margin, high_y - low_y + 2.0 * margin
    cell_m = max(_CELL_M, max(extent_x, extent_y) / _MAX_CELLS_PER_SIDE)
    shape = np.array([int(extent_x / cell_m) + 1, int(extent_y / cell_m) + 1])

    num_instants, num_agents = agents.valid.shape
    cells = shape[0] * shape[1]
    corners = np.empty((num_instants, num_agents, 4, 2))
    radii = np.empty((num_instants, num_agents))
    spans = np.empty((num_instants, num_agents, 4), dtype=np.int64)
    counts = np.zeros(num_instants * cells + 1, dtype=np.int64)
    for f in range(num_instants):
        for n in range(num_agents):
            spans[f, n, _LOW_I], spans[f, n, _HIGH_I] = 0, -1
            if not agents.valid[f, n] or agents.is_ignored[n]:
                continue
            x, y, heading = agents.poses[f, n]
            length, width = agents.sizes[f, n]
            radii[f, n] = 0.5 * math.hypot(length, width)
            away = reach + radii[f, n]
            spans[f, n, _LOW_I] = max(0, math.floor((x - away - origin[0]) / cell_m))
            spans[f, n, _HIGH_I] = min(shape[0] - 1, math.floor((x + away - origin[0]) / cell_m))
            spans[f, n, _LOW_J] = max(0, math.floor((y - away - origin[1]) / cell_m))
            spans[f, n, _HIGH_J] = min(shape[1] - 1, math.floor((y + away - origin[1]) / cell_m))
            if spans[f, n, _LOW_I] > spans[f, n, _HIGH_I] or spans[f, n, _LOW_J] > spans[f, n, _HIGH_J]:
                continue
            corners[f, n] = box_corners(x, y, heading, length, width)
            for i in range(spans[f, n, _LOW_I], spans[f, n, _HIGH_I] + 1):
                for j in range(spans[f, n, _LOW_J], spans[f, n, _HIGH_J] + 1):
                    counts[f * cells + i * shape[1] + j + 1] += 1
    offsets = np.cumsum(counts)
    index = offsets[:-1].copy()
    rows = np.empty(offsets[-1], dtype=np.int64)
    for f in range(num_instants):
        for n in range(num_agents):
            for i in range(spans[f, n, _LOW_I], spans[f, n, _HIGH_I] + 1):
                for j in range(spans[f, n, _LOW_J], spans[f, n, _HIGH_J] + 1):
                    cell = f * cells + i * shape[1] + j
                    rows[index[cell]] = n
                    index[cell] += 1
    return NearGrid(
        origin=origin, cell_m=cell_m, shape=shape, offsets=offsets, rows=rows, corners=corners, radii=radii
    )


@njit(cache=True)
def _grid_cell(grid: NearGrid, instant: int, x: float, y: float) -> int:
    i = int((x - grid.origin[0]) / grid.cell_m)
    j = int((y - grid.origin[1]) / grid.cell_m)
    return instant * grid.shape[0] * grid.shape[1] + i * grid.shape[1] + j


@njit(cache=True)
def no_collision_scores(
    motions: ScoredMotions, agents: ScoredAgents, grid: NearGrid
) -> tuple[Float64[np.ndarray, "motions"], Int64[np.ndarray, "motions"]]:
    """Scores of no at-fault collision, and the step of the first one, -1 for none.

    A score is 1, 1/2 after a collision with a static object, or 0. After a collision that is not the ego's fault, the
    agent no longer counts for that motion.
    """
    states, areas, box = motions.states, motions.areas, motions.box
    num_motions, num_steps = areas.shape
    scores = np.ones(num_motions)
    first = np.full(num_motions, -1, dtype=np.int64)
    reach = half_diagonal(box)
    ignored = np.empty(len(agents.speeds), dtype=np.bool_)
    for m in range(num_motions):
        ignored[:] = False
        for t in range(num_steps):
            f = t // agents.stride
            rear_x, rear_y, heading = states[m, t, X], states[m, t, Y], states[m, t, HEADING]
            x, y = center_at(rear_x, rear_y, heading, box)
            cell = _grid_cell(grid, f, x, y)
            for k in range(grid.offsets[cell], grid.offsets[cell + 1]):
                n = grid.rows[k]
                agent_x, agent_y = agents.poses[f, n, 0], agents.poses[f, n, 1]
                gap = reach + grid.radii[f, n]
                if ignored[n] or (agent_x - x) ** 2 + (agent_y - y) ** 2 > gap * gap:
                    continue
                corners = corners_around(x, y, heading, box)
                if not convex_overlap(corners, grid.corners[f, n]):
                    continue
                speed = math.hypot(states[m, t, VELOCITY_X], states[m, t, VELOCITY_Y])
                kind = collision_kind(
                    MovingPoint(rear_x, rear_y, heading, speed),
                    corners,
                    MovingPoint(agent_x, agent_y, agents.poses[f, n, 2], agents.speeds[n]),
                    grid.corners[f, n],
                )
                if is_at_fault(kind, is_in_one_lane(areas[m, t])):
                    scores[m] = min(scores[m], 0.5 if agents.is_static[n] else 0.0)
                    if first[m] < 0:
                        first[m] = t
                else:
                    ignored[n] = True
            if scores[m] == 0.0:
                break
    return scores, first


@njit(cache=True)
def time_to_collision_scores(
    motions: ScoredMotions, agents: ScoredAgents, grid: NearGrid, classified: ClassifiedAreas, num_steps: int
) -> tuple[Float64[np.ndarray, "motions"], Int64[np.ndarray, "motions"]]:
    """PDM's time to collision: 1 within the bound, else 0, and the step of the first violation, -1 for none.

    Each of the first `num_steps` poses is moved ahead at its speed by 0, 0.3, 0.6 and 0.9 s, and tested against the
    agents at these times. Agents that overlap without counting are ignored from then on.
    """
    states, areas, box = motions.states, motions.areas, motions.box
    num_motions = len(states)
    scores = np.ones(num_motions)
    first = np.full(num_motions, -1, dtype=np.int64)
    reach = half_diagonal(box)
    ignored = np.empty(len(agents.speeds), dtype=np.bool_)
    for m in range(num_motions):
        ignored[:] = False
        for t in range(num_steps):
            speed = math.hypot(states[m, t, VELOCITY_X], states[m, t, VELOCITY_Y])
            if speed < TTC_STOPPED_SPEED_MPS:
                continue
            ego = MovingPoint(states[m, t, X], states[m, t, Y], states[m, t, HEADING], speed)
            cos, sin = math.cos(ego.heading), math.sin(ego.heading)
            for ahead in PDM_TTC_STEPS:
                f = (t + ahead) // agents.stride
                moved = box.rear_axle_to_center + speed * ahead * STEP_S
                x, y = ego.x + moved * cos, ego.y + moved * sin
                cell = _grid_cell(grid, f, x, y)
                for k in range(grid.offsets[cell], grid.offsets[cell + 1]):
                    n = grid.rows[k]
                    agent_x, agent_y = agents.poses[f, n, 0], agents.poses[f, n, 1]
                    gap = reach + grid.radii[f, n]
                    if ignored[n] or (agent_x - x) ** 2 + (agent_y - y) ** 2 > gap * gap:
                        continue
                    if not convex_overlap(corners_around(x, y, ego.heading, box), grid.corners[f, n]):
                        continue
                    position = relative_position(ego, agent_x, agent_y)
                    if counts_for_ttc(
                        position, position == BESIDE and sides_count(areas[m, t], classified, ego.x, ego.y)
                    ):
                        scores[m] = 0.0
                        first[m] = t
                        break
                    ignored[n] = True
                if first[m] >= 0:
                    break
            if first[m] >= 0:
                break
    return scores, first
