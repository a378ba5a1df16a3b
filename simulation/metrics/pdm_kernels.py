"""The compiled part of the PDM score: many motions of the ego against what the others will do.

Motions are states (M, T, 10) in the columns of `simulation.dynamics`, every 0.1 s. Written for a vocabulary of
8,192 trajectories as well as for 15 proposals: areas are looked up in a raster, others in a grid over place and time.

Source:
    tuPlan garage, `PDMScorer`; NAVSIM, `PDMScorer` (v1.1 and 0a380a9).
"""

import math
from typing import NamedTuple

import numpy as np

from simulation.dynamics import HEADING, VELOCITY_X, VELOCITY_Y, X, Y
from simulation.kernels.area_raster import AreaRaster, crossings_to, entry_holds, raster_cell
from simulation.kernels.boxes import box_corners, convex_overlap
from simulation.kernels.compiling import njit
from simulation.kernels.polygons import FlatPolygons, contains_point, overlaps_convex, rows_in_bounds
from simulation.kernels.proposals import nearest_place, project_chunked
from simulation.metrics.collision import CollisionKind, collision_kind, is_ahead, is_at_fault, is_behind

LANE, DRIVABLE, ON_ROUTE, INTERSECTION = 1, 2, 4, 8
"""What a polygon counts as, added up."""
MULTIPLE_LANES, OFF_ROAD, ONCOMING = 1, 2, 4
"""What a pose of the ego is in, added up; `INTERSECTION` (of the box centre) too."""

STOPPED_SPEED_MPS = 5e-3
"""Below, nobody asks for the time to collision."""
LOOK_AHEAD_STEPS = (0, 3, 6, 9)
"""Steps of 0.1 s at which the time to collision is looked for."""
STEP_S = 0.1
_CELL_M = 4.0
_MAX_CELLS_ASIDE = 128
_STOPPED_EGO = int(CollisionKind.STOPPED_EGO)


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
def ego_areas(
    states: np.ndarray, raster: AreaRaster, kinds: np.ndarray, size: tuple[float, float], rear_to_center: float
) -> np.ndarray:
    """Where each pose is: (M, T) of `MULTIPLE_LANES`, `OFF_ROAD`, `ONCOMING`, `INTERSECTION`.

    Args:
        states: (M, T, 10).
        raster: Over the polygons near the motions.
        kinds: (A,) what each polygon counts as.
        size: Length and width of the ego box [m].
        rear_to_center: [m].
    """
    num_motions, num_steps = states.shape[:2]
    areas = np.zeros((num_motions, num_steps), dtype=np.uint8)
    half_length, half_width = 0.5 * size[0], 0.5 * size[1]
    # Arrays by their own names: each access through the tuple costs a reference count, twenty times the look-up.
    offsets, rows, covers, holds_middle = raster.offsets, raster.rows, raster.covers, raster.holds_middle
    edge_spans, edges, points = raster.edge_spans, raster.edges, raster.areas.points
    low_x, low_y, cell_m = raster.origin[0], raster.origin[1], raster.cell_m
    num_i, num_j = raster.shape[0], raster.shape[1]
    lanes, touched = np.empty(256, dtype=np.int64), np.empty(256, dtype=np.int64)
    for m in range(num_motions):
        for t in range(num_steps):
            heading = states[m, t, HEADING]
            cos, sin = math.cos(heading), math.sin(heading)
            center_x, center_y = states[m, t, X] + rear_to_center * cos, states[m, t, Y] + rear_to_center * sin
            count, on_road, flags = 0, 0, ONCOMING
            # The corners, and the centre as the fifth.
            for c in range(5):
                ahead = 0.0 if c == 4 else half_length if c == 0 or c == 3 else -half_length
                aside = 0.0 if c == 4 else half_width if c < 2 else -half_width
                x, y = center_x + ahead * cos - aside * sin, center_y + ahead * sin + aside * cos
                i, j = math.floor((x - low_x) / cell_m), math.floor((y - low_y) / cell_m)
                if i < 0 or j < 0 or i >= num_i or j >= num_j:
                    continue
                wanted = ON_ROUTE | INTERSECTION if c == 4 else LANE | DRIVABLE
                found = 0
                for k in range(offsets[i * num_j + j], offsets[i * num_j + j + 1]):
                    kind = kinds[rows[k]] & wanted
                    if kind == 0:
                        continue
                    if not covers[k]:
                        mx, my = low_x + (i + 0.5) * cell_m, low_y + (j + 0.5) * cell_m
                        crossings = crossings_to(points, edges[edge_spans[k, 0] : edge_spans[k, 1]], x, y, mx, my)
                        inside = holds_middle[k] != (crossings % 2 == 1)
                        if not (contains_point(raster.areas, rows[k], x, y) if crossings < 0 else inside):
                            continue
                    found |= kind
                    if kind & LANE != 0:
                        count = _touch(lanes, touched, count, rows[k], c)
                on_road += 1 if found & DRIVABLE != 0 else 0
                if c == 4:
                    flags = found & INTERSECTION | (0 if found & ON_ROUTE != 0 else ONCOMING)
            if on_road < 4:
                flags |= OFF_ROAD
            if count > 1 and not (touched[:count] == 15).any():
                flags |= MULTIPLE_LANES
            areas[m, t] = flags
    return areas


@njit(cache=True)
def _touch(lanes: np.ndarray, touched: np.ndarray, count: int, row: int, corner: int) -> int:
    """Note that a corner is in a lane; returns how many lanes are noted."""
    place = 0
    while place < count and lanes[place] != row:
        place += 1
    if place == len(lanes):
        return count
    if place == count:
        lanes[place] = row
        touched[place] = 0
        count += 1
    touched[place] |= 1 << corner
    return count


@njit(cache=True)
def is_in_intersection(raster: AreaRaster, kinds: np.ndarray, x: float, y: float) -> bool:
    """Whether a point is in a polygon that counts as `INTERSECTION`."""
    cell = raster_cell(raster, x, y)
    if cell < 0:
        return False
    for k in range(raster.offsets[cell], raster.offsets[cell + 1]):
        if kinds[raster.rows[k]] & INTERSECTION != 0 and entry_holds(raster, cell, k, x, y):
            return True
    return False


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
    margin = abs(rear_to_center) + speed * LOOK_AHEAD_STEPS[-1] * STEP_S + 1.0
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
                kind = collision_kind(
                    math.hypot(states[m, t, VELOCITY_X], states[m, t, VELOCITY_Y]),
                    rear_x,
                    rear_y,
                    heading,
                    corners,
                    others.is_static[n],
                    others.speeds[n],
                    agent_x,
                    agent_y,
                    grid.corners[f, n],
                )
                if is_at_fault(kind, areas[m, t] & (MULTIPLE_LANES | OFF_ROAD) == 0):
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
            if speed < STOPPED_SPEED_MPS:
                continue
            rear_x, rear_y, heading = states[m, t, X], states[m, t, Y], states[m, t, HEADING]
            cos, sin = math.cos(heading), math.sin(heading)
            for ahead in LOOK_AHEAD_STEPS:
                f = (t + ahead) // others.stride
                moved = rear_to_center + speed * ahead * STEP_S
                x, y = rear_x + moved * cos, rear_y + moved * sin
                cell = _grid_cell(grid, f, x, y)
                for k in range(grid.offsets[cell], grid.offsets[cell + 1]):
                    n = grid.others[k]
                    agent_x, agent_y = others.poses[f, n, 0], others.poses[f, n, 1]
                    gap = reach + grid.radii[f, n]
                    if ignored[n] or (agent_x - x) ** 2 + (agent_y - y) ** 2 > gap * gap:
                        continue
                    if not convex_overlap(box_corners(x, y, heading, size[0], size[1]), grid.corners[f, n]):
                        continue
                    if is_ahead(rear_x, rear_y, heading, agent_x, agent_y) or (
                        (
                            areas[m, t] & (MULTIPLE_LANES | OFF_ROAD) != 0
                            or is_in_intersection(raster, kinds, rear_x, rear_y)
                        )
                        and not is_behind(rear_x, rear_y, heading, agent_x, agent_y)
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


@njit(cache=True)
def oncoming_distances(
    states: np.ndarray, areas: np.ndarray, rear_to_center: float, window: int, spare_intersections: bool
) -> np.ndarray:
    """Longest way driven against traffic (M,) [m]: within `window` steps, or in one stretch when that is 0.

    Args:
        states: (M, T, 10).
        areas: (M, T) of `ego_areas`.
        rear_to_center: [m].
        window: Steps over which the way is added up; 0 adds up each stretch of oncoming poses.
        spare_intersections: Poses in an intersection do not count.
    """
    num_motions, num_steps = areas.shape
    longest = np.zeros(num_motions)
    steps = np.empty(num_steps)
    for m in range(num_motions):
        way, last_x, last_y = 0.0, 0.0, 0.0
        for t in range(num_steps):
            heading = states[m, t, HEADING]
            x = states[m, t, X] + rear_to_center * math.cos(heading)
            y = states[m, t, Y] + rear_to_center * math.sin(heading)
            counts = areas[m, t] & ONCOMING != 0 and not (spare_intersections and areas[m, t] & INTERSECTION != 0)
            steps[t] = math.hypot(x - last_x, y - last_y) if counts and t > 0 else 0.0
            last_x, last_y = x, y
            if window == 0:
                way = way + steps[t] if counts else 0.0
            else:
                way = 0.0
                for k in range(max(0, t - window), t + 1):
                    way += steps[k]
            longest[m] = max(longest[m], way)
    return longest


@njit(cache=True)
def progress_along(
    states: np.ndarray, points: np.ndarray, arc: np.ndarray, chunks: np.ndarray, rear_to_center: float
) -> np.ndarray:
    """How far the box centre gets along a line (M,) [m], never below 0."""
    progress = np.empty(len(states))
    ends = np.empty(2)
    for m in range(len(states)):
        for e, t in enumerate((0, states.shape[1] - 1)):
            heading = states[m, t, HEADING]
            x = states[m, t, X] + rear_to_center * math.cos(heading)
            y = states[m, t, Y] + rear_to_center * math.sin(heading)
            ends[e] = project_chunked(points, arc, chunks, x, y)
        progress[m] = max(0.0, ends[1] - ends[0])
    return progress


@njit(cache=True)
def longest_stray(
    states: np.ndarray,
    areas: np.ndarray,
    points: np.ndarray,
    arc: np.ndarray,
    chunks: np.ndarray,
    rear_to_center: float,
    limit_m: float,
) -> np.ndarray:
    """Most poses in a row (M,) at which the box centre is farther than `limit_m` from a line.

    Poses in an intersection are passed over: they neither count nor end the row.
    """
    num_motions, num_steps = areas.shape
    longest = np.zeros(num_motions, dtype=np.int64)
    for m in range(num_motions):
        count = 0
        for t in range(num_steps):
            if areas[m, t] & INTERSECTION != 0:
                continue
            heading = states[m, t, HEADING]
            x = states[m, t, X] + rear_to_center * math.cos(heading)
            y = states[m, t, Y] + rear_to_center * math.sin(heading)
            strays = math.sqrt(nearest_place(points, arc, chunks, x, y)[0]) > limit_m
            count = count + 1 if strays else 0
            longest[m] = max(longest[m], count)
    return longest


@njit(cache=True)
def touches_areas(
    states: np.ndarray, areas: FlatPolygons, rows: np.ndarray, size: tuple[float, float], rear_to_center: float
) -> np.ndarray:
    """Whether the ego box touches an area at each pose, (M, T); `rows` (T, R): areas of each step, -1 none."""
    num_motions, num_steps = states.shape[:2]
    touched = np.zeros((num_motions, num_steps), dtype=np.bool_)
    reach = 0.5 * math.hypot(size[0], size[1])
    for m in range(num_motions):
        for t in range(num_steps):
            heading = states[m, t, HEADING]
            x = states[m, t, X] + rear_to_center * math.cos(heading)
            y = states[m, t, Y] + rear_to_center * math.sin(heading)
            for row in rows[t]:
                if row < 0:
                    continue
                low_x, low_y, high_x, high_y = areas.bounds[row]
                if x < low_x - reach or x > high_x + reach or y < low_y - reach or y > high_y + reach:
                    continue
                if overlaps_convex(areas, row, box_corners(x, y, heading, size[0], size[1])):
                    touched[m, t] = True
                    break
    return touched


@njit(cache=True)
def touching_square(areas: FlatPolygons, x: float, y: float, radius_m: float, first_row: int) -> np.ndarray:
    """Which areas (A + 1,) from `first_row` on touch an axis-aligned square; the last entry stands for no area."""
    found = np.zeros(len(areas.bounds) + 1, dtype=np.bool_)
    square = np.empty((4, 2))
    square[0, 0], square[0, 1] = x - radius_m, y - radius_m
    square[1, 0], square[1, 1] = x + radius_m, y - radius_m
    square[2, 0], square[2, 1] = x + radius_m, y + radius_m
    square[3, 0], square[3, 1] = x - radius_m, y + radius_m
    for row in rows_in_bounds(areas, x - radius_m, y - radius_m, x + radius_m, y + radius_m):
        if row >= first_row:
            found[row] = overlaps_convex(areas, row, square)
    return found
