"""Collisions, and times to them, of many motions of the ego with what the others will do.

Motions are states (M, T, 10) in the columns of `simulation.ego.dynamics`, every 0.1 s. Written for a vocabulary of
8,192 trajectories as well as for 15 proposals: the others are looked up in a grid over place and time.

Source:
    tuPlan garage, `PDMScorer`; NAVSIM, `PDMScorer` (v1.1 and 0a380a9).
"""

import math
from typing import NamedTuple

import numpy as np

from driving.timing import STEP_S
from simulation.ego.dynamics import HEADING, VELOCITY_X, VELOCITY_Y, X, Y
from simulation.geometry.area_raster import AreaRaster
from simulation.geometry.boxes import box_corners, convex_overlap
from simulation.geometry.compiling import njit
from simulation.metrics.pdm.road import is_in_one_lane, sides_count
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
_MAX_CELLS_ASIDE = 128


class Others(NamedTuple):
    """N others at F instants."""

    poses: np.ndarray
    """(F, N, 3) box centre and heading."""
    sizes: np.ndarray
    """(F, N, 2) length and width [m]."""
    valid: np.ndarray
    """(F, N)"""
    speeds: np.ndarray
    """(N,) [m/s], 0 for static objects; one for all times."""
    is_static: np.ndarray
    """(N,)"""
    is_ignored: np.ndarray
    """(N,)"""
    stride: int
    """Steps of the ego between instants."""


class NearGrid(NamedTuple):
    """For each instant and coarse cell, the others that an ego with its centre there could touch."""

    origin: np.ndarray
    cell_m: float
    shape: np.ndarray
    offsets: np.ndarray
    """Entries of instant f and cell c start at `offsets[f * cells + c]`."""
    others: np.ndarray
    corners: np.ndarray
    """(F, N, 4, 2) of the others' boxes."""
    radii: np.ndarray
    """(F, N) of the circles around them [m]."""


@njit(cache=True)
def near_grid(states: np.ndarray, others: Others, size: tuple[float, float], rear_to_center: float) -> NearGrid:
    """Sort the others into cells over the region that the motions, and their 0.9 s of looking ahead, cover."""
    reach = 0.5 * math.hypot(size[0], size[1])
    speed = 0.0
    low_x, low_y, high_x, high_y = np.inf, np.inf, -np.inf, -np.inf
    for m in range(states.shape[0]):
        for t in range(states.shape[1]):
            speed = max(speed, math.hypot(states[m, t, VELOCITY_X], states[m, t, VELOCITY_Y]))
            low_x, high_x = min(low_x, states[m, t, X]), max(high_x, states[m, t, X])
            low_y, high_y = min(low_y, states[m, t, Y]), max(high_y, states[m, t, Y])
    margin = abs(rear_to_center) + speed * PDM_TTC_STEPS[-1] * STEP_S + 1.0
    origin = np.array([low_x - margin, low_y - margin])
    extent_x, extent_y = high_x - low_x + 2.0 * margin, high_y - low_y + 2.0 * margin
    cell_m = max(_CELL_M, max(extent_x, extent_y) / _MAX_CELLS_ASIDE)
    shape = np.array([int(extent_x / cell_m) + 1, int(extent_y / cell_m) + 1])

    num_instants, num_others = others.valid.shape
    cells = shape[0] * shape[1]
    corners = np.empty((num_instants, num_others, 4, 2))
    radii = np.empty((num_instants, num_others))
    spans = np.empty((num_instants, num_others, 4), dtype=np.int64)
    counts = np.zeros(num_instants * cells + 1, dtype=np.int64)
    for f in range(num_instants):
        for n in range(num_others):
            spans[f, n, 0], spans[f, n, 1] = 0, -1
            if not others.valid[f, n] or others.is_ignored[n]:
                continue
            x, y, heading = others.poses[f, n]
            length, width = others.sizes[f, n]
            radii[f, n] = 0.5 * math.hypot(length, width)
            away = reach + radii[f, n]
            spans[f, n, 0] = max(0, math.floor((x - away - origin[0]) / cell_m))
            spans[f, n, 1] = min(shape[0] - 1, math.floor((x + away - origin[0]) / cell_m))
            spans[f, n, 2] = max(0, math.floor((y - away - origin[1]) / cell_m))
            spans[f, n, 3] = min(shape[1] - 1, math.floor((y + away - origin[1]) / cell_m))
            if spans[f, n, 0] > spans[f, n, 1] or spans[f, n, 2] > spans[f, n, 3]:
                continue
            corners[f, n] = box_corners(x, y, heading, length, width)
            for i in range(spans[f, n, 0], spans[f, n, 1] + 1):
                for j in range(spans[f, n, 2], spans[f, n, 3] + 1):
                    counts[f * cells + i * shape[1] + j + 1] += 1
    offsets = np.cumsum(counts)
    place = offsets[:-1].copy()
    found = np.empty(offsets[-1], dtype=np.int64)
    for f in range(num_instants):
        for n in range(num_others):
            for i in range(spans[f, n, 0], spans[f, n, 1] + 1):
                for j in range(spans[f, n, 2], spans[f, n, 3] + 1):
                    cell = f * cells + i * shape[1] + j
                    found[place[cell]] = n
                    place[cell] += 1
    return NearGrid(
        origin=origin, cell_m=cell_m, shape=shape, offsets=offsets, others=found, corners=corners, radii=radii
    )


@njit(cache=True)
def _grid_cell(grid: NearGrid, instant: int, x: float, y: float) -> int:
    i = int((x - grid.origin[0]) / grid.cell_m)
    j = int((y - grid.origin[1]) / grid.cell_m)
    return instant * grid.shape[0] * grid.shape[1] + i * grid.shape[1] + j


@njit(cache=True)
def no_collision_scores(
    states: np.ndarray,
    areas: np.ndarray,
    others: Others,
    grid: NearGrid,
    size: tuple[float, float],
    rear_to_center: float,
) -> tuple[np.ndarray, np.ndarray]:
    """No at-fault collision: (M,) 1, 1/2 (with a static object) or 0, and the step of the first one, -1 for none.

    An agent that runs into the ego without the ego's fault does not count any more for that motion.
    """
    num_motions, num_steps = states.shape[:2]
    scores = np.ones(num_motions)
    first = np.full(num_motions, -1, dtype=np.int64)
    reach = 0.5 * math.hypot(size[0], size[1])
    ignored = np.empty(len(others.speeds), dtype=np.bool_)
    for m in range(num_motions):
        ignored[:] = False
        for t in range(num_steps):
            f = t // others.stride
            rear_x, rear_y, heading = states[m, t, X], states[m, t, Y], states[m, t, HEADING]
            x, y = rear_x + rear_to_center * math.cos(heading), rear_y + rear_to_center * math.sin(heading)
            cell = _grid_cell(grid, f, x, y)
            for k in range(grid.offsets[cell], grid.offsets[cell + 1]):
                n = grid.others[k]
                agent_x, agent_y = others.poses[f, n, 0], others.poses[f, n, 1]
                gap = reach + grid.radii[f, n]
                if ignored[n] or (agent_x - x) ** 2 + (agent_y - y) ** 2 > gap * gap:
                    continue
                corners = box_corners(x, y, heading, size[0], size[1])
                if not convex_overlap(corners, grid.corners[f, n]):
                    continue
                speed = math.hypot(states[m, t, VELOCITY_X], states[m, t, VELOCITY_Y])
                kind = collision_kind(
                    MovingPoint(rear_x, rear_y, heading, speed),
                    corners,
                    MovingPoint(agent_x, agent_y, others.poses[f, n, 2], others.speeds[n]),
                    grid.corners[f, n],
                )
                if is_at_fault(kind, is_in_one_lane(areas[m, t])):
                    scores[m] = min(scores[m], 0.5 if others.is_static[n] else 0.0)
                    if first[m] < 0:
                        first[m] = t
                else:
                    ignored[n] = True
            if scores[m] == 0.0:
                break
    return scores, first


@njit(cache=True)
def time_to_collision_scores(
    states: np.ndarray,
    areas: np.ndarray,
    others: Others,
    grid: NearGrid,
    raster: AreaRaster,
    kinds: np.ndarray,
    size: tuple[float, float],
    rear_to_center: float,
    num_steps: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Time to collision within bound: (M,) 1 or 0, and the step of the first violation, -1 for none.

    Each of the first `num_steps` poses is moved on at its speed by 0, 0.3, 0.6 and 0.9 s and held against where the
    others are then.
    """
    num_motions = states.shape[0]
    scores = np.ones(num_motions)
    first = np.full(num_motions, -1, dtype=np.int64)
    reach = 0.5 * math.hypot(size[0], size[1])
    ignored = np.empty(len(others.speeds), dtype=np.bool_)
    for m in range(num_motions):
        ignored[:] = False
        for t in range(num_steps):
            speed = math.hypot(states[m, t, VELOCITY_X], states[m, t, VELOCITY_Y])
            if speed < TTC_STOPPED_SPEED_MPS:
                continue
            ego = MovingPoint(states[m, t, X], states[m, t, Y], states[m, t, HEADING], speed)
            cos, sin = math.cos(ego.heading), math.sin(ego.heading)
            for ahead in PDM_TTC_STEPS:
                f = (t + ahead) // others.stride
                moved = rear_to_center + speed * ahead * STEP_S
                x, y = ego.x + moved * cos, ego.y + moved * sin
                cell = _grid_cell(grid, f, x, y)
                for k in range(grid.offsets[cell], grid.offsets[cell + 1]):
                    n = grid.others[k]
                    agent_x, agent_y = others.poses[f, n, 0], others.poses[f, n, 1]
                    gap = reach + grid.radii[f, n]
                    if ignored[n] or (agent_x - x) ** 2 + (agent_y - y) ** 2 > gap * gap:
                        continue
                    if not convex_overlap(box_corners(x, y, ego.heading, size[0], size[1]), grid.corners[f, n]):
                        continue
                    position = relative_position(ego, agent_x, agent_y)
                    if counts_for_ttc(
                        position, position == BESIDE and sides_count(areas[m, t], raster, kinds, ego.x, ego.y)
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
