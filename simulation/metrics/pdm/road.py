"""Position of each pose of many motions on the road: lanes, off-road, against traffic, progress along the centerline.

Motions are states (M, T, 10) in the columns of `simulation.ego.dynamics`, every 0.1 s.

Source:
    tuPlan garage, `PDMScorer`; NAVSIM, `PDMScorer` (v1.1 and 0a380a9).
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt8

from simulation.ego.box import EgoBox, center_at, corners_around, half_diagonal
from simulation.ego.dynamics import HEADING, X, Y
from simulation.geometry.area_raster import AreaRaster, crossings_to, entry_holds
from simulation.geometry.boxes import box_corners
from simulation.geometry.compiling import njit
from simulation.geometry.polygons import FlatPolygons, contains_point, grid_cell, overlaps_convex, rows_in_bounds
from simulation.geometry.polylines import ChunkedLine, first_within, project_chunked

LANE, DRIVABLE, ON_ROUTE, INTERSECTION = 1, 2, 4, 8
"""Kinds of a polygon, as bits."""
MULTIPLE_LANES, OFF_ROAD, ONCOMING = 1, 2, 4
"""Areas of a pose, as bits; the fourth is `INTERSECTION`, of the box centre."""
STRAY_LIMIT_M = 0.5
"""A box centre farther than this from the centerline does not keep the lane."""
_MAX_LANES = 256
"""Lanes that the corners of one pose may be in."""


class ClassifiedAreas(NamedTuple):
    """A raster of polygons, and the kinds of each polygon."""

    raster: AreaRaster
    kinds: UInt8[np.ndarray, "areas"]
    """Bits `LANE`, `DRIVABLE`, `ON_ROUTE`, `INTERSECTION`."""


class ScoredMotions(NamedTuple):
    """M motions of the ego."""

    states: Float64[np.ndarray, "motions time 10"]
    areas: UInt8[np.ndarray, "motions time"]
    """Of `ego_areas`."""
    box: EgoBox


@njit(cache=True)
def ego_areas(
    states: Float64[np.ndarray, "motions time columns"], classified: ClassifiedAreas, box: EgoBox
) -> UInt8[np.ndarray, "motions time"]:
    """Areas of each pose: bits `MULTIPLE_LANES`, `OFF_ROAD`, `ONCOMING`, `INTERSECTION`.

    Args:
        states: Motions; the columns behind the pose may be left out.
        classified: Raster over the polygons near the motions; points outside of it are in no polygon.
        box: Of the ego.
    """
    num_motions, num_steps = states.shape[:2]
    areas = np.zeros((num_motions, num_steps), dtype=np.uint8)
    half_length, half_width = 0.5 * box.length, 0.5 * box.width
    raster, kinds = classified
    # Local names: each access to an array through the tuple costs a reference count, twenty times the look-up.
    offsets, rows, covers, holds_middle = raster.offsets, raster.rows, raster.covers, raster.holds_middle
    edge_spans, edges, points = raster.edge_spans, raster.edges, raster.areas.points
    low_x, low_y, cell_m = raster.origin[0], raster.origin[1], raster.cell_m
    num_i, num_j = raster.shape[0], raster.shape[1]
    lanes, touched = np.empty(_MAX_LANES, dtype=np.int64), np.empty(_MAX_LANES, dtype=np.int64)
    for m in range(num_motions):
        for t in range(num_steps):
            heading = states[m, t, HEADING]
            cos, sin = math.cos(heading), math.sin(heading)
            center_x = states[m, t, X] + box.rear_axle_to_center * cos
            center_y = states[m, t, Y] + box.rear_axle_to_center * sin
            count, on_road, flags = 0, 0, ONCOMING
            # Four corners; the fifth point is the centre.
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
                    # What has been found is not looked for again; each lane counts.
                    kind = kinds[rows[k]] & wanted & ~(found & ~LANE)
                    if kind == 0:
                        continue
                    if not covers[k]:
                        middle = low_x + (i + 0.5) * cell_m, low_y + (j + 0.5) * cell_m
                        crossings = crossings_to(points, edges, (edge_spans[k, 0], edge_spans[k, 1]), (x, y), middle)
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
                    if touched[k] == 0b1111:
                        flags &= ~MULTIPLE_LANES
            areas[m, t] = flags
    return areas


@njit(cache=True)
def _touch(lanes: np.ndarray, touched: np.ndarray, count: int, row: int, corner: int) -> int:
    """Record that a corner is in a lane; returns the number of recorded lanes."""
    k = 0
    while k < count and lanes[k] != row:
        k += 1
    if k == len(lanes):
        return count
    if k == count:
        lanes[k] = row
        touched[k] = 0
        count += 1
    touched[k] |= 1 << corner
    return count


@njit(cache=True)
def is_in_intersection(classified: ClassifiedAreas, x: float, y: float) -> bool:
    """Whether a point is in a polygon of the kind `INTERSECTION`."""
    raster, kinds = classified
    cell = grid_cell(raster, x, y)
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
def sides_count(flags: int, classified: ClassifiedAreas, rear_x: float, rear_y: float) -> bool:
    """Whether agents beside the ego count for its time to collision, by its `ego_areas` and its rear axle."""
    return not is_in_one_lane(flags) or is_in_intersection(classified, rear_x, rear_y)


@njit(cache=True)
def oncoming_distances(
    motions: ScoredMotions, window: int, spare_intersections: bool
) -> Float64[np.ndarray, "motions"]:
    """Longest distance driven against the traffic [m].

    Args:
        motions: Motions with their areas.
        window: Steps over which the distance is summed; 0 sums each run of oncoming poses.
        spare_intersections: Poses in an intersection do not count.
    """
    states, areas, box = motions
    num_motions, num_steps = areas.shape
    longest = np.zeros(num_motions)
    steps = np.empty(num_steps)
    for m in range(num_motions):
        total, last_x, last_y = 0.0, 0.0, 0.0
        for t in range(num_steps):
            x, y = center_at(states[m, t, X], states[m, t, Y], states[m, t, HEADING], box)
            counts = areas[m, t] & ONCOMING != 0 and not (spare_intersections and areas[m, t] & INTERSECTION != 0)
            steps[t] = math.hypot(x - last_x, y - last_y) if counts and t > 0 else 0.0
            last_x, last_y = x, y
            if window == 0:
                total = total + steps[t] if counts else 0.0
            else:
                total = 0.0
                for k in range(max(0, t - window), t + 1):
                    total += steps[k]
            longest[m] = max(longest[m], total)
    return longest


@njit(cache=True)
def progress_along(
    states: Float64[np.ndarray, "motions time 10"], line: ChunkedLine, box: EgoBox
) -> Float64[np.ndarray, "motions"]:
    """Progress of the box centre along a line [m], at least 0."""
    progress = np.empty(len(states))
    ends = np.empty(2)
    for m in range(len(states)):
        for e, t in enumerate((0, states.shape[1] - 1)):
            x, y = center_at(states[m, t, X], states[m, t, Y], states[m, t, HEADING], box)
            ends[e] = project_chunked(line, x, y)
        progress[m] = max(0.0, ends[1] - ends[0])
    return progress


@njit(cache=True)
def longest_stray(
    motions: ScoredMotions, line: ChunkedLine, near: Int64[np.ndarray, "near"]
) -> Int64[np.ndarray, "motions"]:
    """Longest run of poses with the box centre farther than `STRAY_LIMIT_M` from a line, intersections left out.

    Args:
        motions: Motions with their areas.
        line: Usually the centerline.
        near: Ascending rows of the line's chunks that a box centre may be within the limit of.
    """
    states, areas, box = motions
    num_motions, num_steps = areas.shape
    longest = np.zeros(num_motions, dtype=np.int64)
    # Most poses are near the chunk of the pose before.
    last = 0
    for m in range(num_motions):
        count = 0
        for t in range(num_steps):
            if areas[m, t] & INTERSECTION != 0:
                continue
            x, y = center_at(states[m, t, X], states[m, t, Y], states[m, t, HEADING], box)
            found = first_within(line, near, last, (x, y), STRAY_LIMIT_M)
            count = count + 1 if found < 0 else 0
            last = max(found, 0)
            longest[m] = max(longest[m], count)
    return longest


@njit(cache=True)
def touches_areas(
    states: Float64[np.ndarray, "motions time 10"],
    areas: FlatPolygons,
    rows: Int64[np.ndarray, "time closed"],
    box: EgoBox,
) -> Bool[np.ndarray, "motions"]:
    """Motions that touch a closed area with the ego box; `rows` are the areas closed at each step, -1 for none."""
    num_motions, num_steps = states.shape[:2]
    touched = np.zeros(num_motions, dtype=np.bool_)
    reach = half_diagonal(box)
    bounds = areas.bounds
    for m in range(num_motions):
        for t in range(num_steps):
            heading = states[m, t, HEADING]
            x, y = center_at(states[m, t, X], states[m, t, Y], heading, box)
            for r in range(rows.shape[1]):
                row = rows[t, r]
                if row < 0 or x < bounds[row, 0] - reach or x > bounds[row, 2] + reach:
                    continue
                if y < bounds[row, 1] - reach or y > bounds[row, 3] + reach:
                    continue
                if overlaps_convex(areas, row, corners_around(x, y, heading, box)):
                    touched[m] = True
                    break
            if touched[m]:
                break
    return touched


@njit(cache=True)
def enters_areas(
    states: Float64[np.ndarray, "motions time 10"],
    areas: FlatPolygons,
    rows: Int64[np.ndarray, "time closed"],
    box: EgoBox,
) -> Bool[np.ndarray, "motions"]:
    """Motions that enter a closed area; `rows` are the areas closed at each step, -1 for none.

    A motion that touched an area while it was open may stay in it. A motion that at the start touches a closed area
    with its box, but not with its centre, stands on the line: it enters as soon as its centre is in the area.
    """
    num_motions, num_steps = states.shape[:2]
    entered = np.zeros(num_motions, dtype=np.bool_)
    # Around the rear axle, so that most poses need no angle.
    reach = abs(box.rear_axle_to_center) + half_diagonal(box)
    bounds = areas.bounds
    for row in np.unique(rows):
        if row < 0:
            continue
        for m in range(num_motions):
            if entered[m]:
                continue
            may_enter, is_on_line = False, False
            for t in range(num_steps):
                rear_x, rear_y = states[m, t, X], states[m, t, Y]
                if rear_x < bounds[row, 0] - reach or rear_x > bounds[row, 2] + reach:
                    continue
                if rear_y < bounds[row, 1] - reach or rear_y > bounds[row, 3] + reach:
                    continue
                heading = states[m, t, HEADING]
                x, y = center_at(rear_x, rear_y, heading, box)
                if not overlaps_convex(areas, row, corners_around(x, y, heading, box)):
                    continue
                is_closed = False
                for r in range(rows.shape[1]):
                    is_closed = is_closed or rows[t, r] == row
                is_inside = contains_point(areas, row, x, y)
                if not is_closed or (t == 0 and is_inside):
                    may_enter = True
                    break
                is_on_line = is_on_line or t == 0
                if not is_on_line or is_inside:
                    break
            else:
                may_enter = True
            entered[m] = not may_enter
    return entered


@njit(cache=True)
def touching_square(
    areas: FlatPolygons, x: float, y: float, radius_m: float, first_row: int
) -> Bool[np.ndarray, "areas_and_none"]:
    """Areas from `first_row` on that touch an axis-aligned square; the last entry stands for no area."""
    found = np.zeros(len(areas.bounds) + 1, dtype=np.bool_)
    square = box_corners(x, y, 0.0, 2.0 * radius_m, 2.0 * radius_m)
    for row in rows_in_bounds(areas, x - radius_m, y - radius_m, x + radius_m, y + radius_m):
        if row >= first_row:
            found[row] = overlaps_convex(areas, row, square)
    return found
