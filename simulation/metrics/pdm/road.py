"""Where each pose of many motions is: on which lanes, off the road, against traffic, how far along the centerline.

Motions are states (M, T, 10) in the columns of `simulation.ego.dynamics`, every 0.1 s.

Source:
    tuPlan garage, `PDMScorer`; NAVSIM, `PDMScorer` (v1.1 and 0a380a9).
"""

import math

import numpy as np

from simulation.ego.dynamics import HEADING, X, Y
from simulation.geometry.area_raster import AreaRaster, crossings_to, entry_holds, raster_cell
from simulation.geometry.boxes import box_corners
from simulation.geometry.compiling import njit
from simulation.geometry.long_lines import first_within, project_chunked
from simulation.geometry.polygons import FlatPolygons, contains_point, overlaps_convex, rows_in_bounds

LANE, DRIVABLE, ON_ROUTE, INTERSECTION = 1, 2, 4, 8
"""What a polygon counts as, added up."""
MULTIPLE_LANES, OFF_ROAD, ONCOMING = 1, 2, 4
"""What a pose of the ego is in, added up; `INTERSECTION` (of the box centre) too."""


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
                        crossings = crossings_to(points, edges, edge_spans[k, 0], edge_spans[k, 1], x, y, mx, my)
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
            if count > 1:
                flags |= MULTIPLE_LANES
                for k in range(count):
                    if touched[k] == 15:
                        flags &= ~MULTIPLE_LANES
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
def is_in_one_lane(flags: int) -> bool:
    """Whether a pose with these `ego_areas` is within one lane: lateral collisions are then not the ego's fault."""
    return flags & (MULTIPLE_LANES | OFF_ROAD) == 0


@njit(cache=True)
def sides_count(flags: int, raster: AreaRaster, kinds: np.ndarray, rear_x: float, rear_y: float) -> bool:
    """Whether agents beside the ego count for its time to collision, by its `ego_areas` and its rear axle."""
    return not is_in_one_lane(flags) or is_in_intersection(raster, kinds, rear_x, rear_y)


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
    near: np.ndarray,
    rear_to_center: float,
    limit_m: float,
) -> np.ndarray:
    """Most poses in a row (M,) at which the box centre is farther than `limit_m` from a line.

    Poses in an intersection are passed over: they neither count nor end the row. `near` are the line's chunks that
    the centre may come so near to, ascending.
    """
    num_motions, num_steps = areas.shape
    longest = np.zeros(num_motions, dtype=np.int64)
    # Most often the pose before was near the same chunk.
    last = 0
    for m in range(num_motions):
        count = 0
        for t in range(num_steps):
            if areas[m, t] & INTERSECTION != 0:
                continue
            heading = states[m, t, HEADING]
            x = states[m, t, X] + rear_to_center * math.cos(heading)
            y = states[m, t, Y] + rear_to_center * math.sin(heading)
            found = first_within(points, arc, chunks, near, last, x, y, limit_m)
            count = count + 1 if found < 0 else 0
            last = max(found, 0)
            longest[m] = max(longest[m], count)
    return longest


@njit(cache=True)
def touches_areas(
    states: np.ndarray, areas: FlatPolygons, rows: np.ndarray, size: tuple[float, float], rear_to_center: float
) -> np.ndarray:
    """Which motions (M,) touch an area with the ego box; `rows` (T, R) are the areas of each step, -1 for none."""
    num_motions, num_steps = states.shape[:2]
    touched = np.zeros(num_motions, dtype=np.bool_)
    reach = 0.5 * math.hypot(size[0], size[1])
    bounds = areas.bounds
    for m in range(num_motions):
        for t in range(num_steps):
            heading = states[m, t, HEADING]
            x = states[m, t, X] + rear_to_center * math.cos(heading)
            y = states[m, t, Y] + rear_to_center * math.sin(heading)
            for r in range(rows.shape[1]):
                row = rows[t, r]
                if row < 0 or x < bounds[row, 0] - reach or x > bounds[row, 2] + reach:
                    continue
                if y < bounds[row, 1] - reach or y > bounds[row, 3] + reach:
                    continue
                if overlaps_convex(areas, row, box_corners(x, y, heading, size[0], size[1])):
                    touched[m] = True
                    break
            if touched[m]:
                break
    return touched


@njit(cache=True)
def enters_areas(
    states: np.ndarray, areas: FlatPolygons, rows: np.ndarray, size: tuple[float, float], rear_to_center: float
) -> np.ndarray:
    """Which motions (M,) come into a closed area; `rows` (T, R) are the areas closed at each step, -1 for none.

    Who touched an area while it was open may go on in it. Who touches a closed one at the start, but is not in it
    with the centre, stands across the line: standing on is no entering, going on with the centre is.
    """
    num_motions, num_steps = states.shape[:2]
    entered = np.zeros(num_motions, dtype=np.bool_)
    # Of the box from the rear axle, so that no angle is asked for where most poses are.
    reach = abs(rear_to_center) + 0.5 * math.hypot(size[0], size[1])
    bounds = areas.bounds
    closed = np.unique(rows)
    for row in closed:
        if row < 0:
            continue
        for m in range(num_motions):
            if entered[m]:
                continue
            may_go, across = False, False
            for t in range(num_steps):
                rear_x, rear_y = states[m, t, X], states[m, t, Y]
                if rear_x < bounds[row, 0] - reach or rear_x > bounds[row, 2] + reach:
                    continue
                if rear_y < bounds[row, 1] - reach or rear_y > bounds[row, 3] + reach:
                    continue
                heading = states[m, t, HEADING]
                x, y = rear_x + rear_to_center * math.cos(heading), rear_y + rear_to_center * math.sin(heading)
                if not overlaps_convex(areas, row, box_corners(x, y, heading, size[0], size[1])):
                    continue
                is_closed = False
                for r in range(rows.shape[1]):
                    is_closed = is_closed or rows[t, r] == row
                is_in = contains_point(areas, row, x, y)
                if not is_closed or (t == 0 and is_in):
                    may_go = True
                    break
                across = across or t == 0
                if not across or is_in:
                    break
            else:
                may_go = True
            entered[m] = not may_go
    return entered


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
