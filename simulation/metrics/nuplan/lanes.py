"""Lanes and lane connectors that the ego drives on: those of its centre and those of its four corners.

All metrics that depend on lanes build on them: lane changes, driving direction, speed limits, fault in lateral
collisions.

Source:
    nuPlan devkit, `metrics/utils/route_extractor.py`, including its quirks; see docs/metrics.md.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int64

from simulation.geometry.compiling import njit
from simulation.geometry.polygons import (
    FlatPolygons,
    any_contains,
    contains_point,
    distance_to_point,
    rows_containing,
)
from simulation.metrics.nuplan.drive import Drive
from simulation.metrics.nuplan.flat_map import LaneLinks, flat_map

MAX_LANES_AT_POINT = 64
"""Lane connectors that may overlap at one point; an intersection of four roads has about a dozen."""
MAX_DISTANCE_FROM_CONNECTOR_M = 5.0
"""An ego nearer than this to its connector is not moved to another one."""
FRONT_LEFT, REAR_LEFT, REAR_RIGHT, FRONT_RIGHT = range(4)
"""Corners of a box."""


class _LaneAreas(NamedTuple):
    """The parts of a `FlatMap` that tell on which lanes a point is."""

    lanes: FlatPolygons
    links: LaneLinks
    intersections: FlatPolygons


@dataclass(frozen=True, kw_only=True, eq=False)
class LaneLists:
    """For each motion, instant (and corner) a list of rows of `MapGraph.lanes`, in nuPlan's order."""

    rows: Int64[np.ndarray, "*shape entries"]
    """Undefined from the count on."""
    counts: Int64[np.ndarray, "*shape"]
    """0 if the point is on no lane; -1 in `common_lanes` if the corners share none."""

    def first(self) -> Int64[np.ndarray, "*shape"]:
        """First of each list, -1 if it is empty."""
        return np.where(self.counts > 0, self.rows[..., 0], -1)

    def at(self, *index: int) -> list[int]:
        """One list."""
        return self.rows[index][: max(0, int(self.counts[index]))].tolist()


def center_lanes(drive: Drive) -> LaneLists:
    """Lanes of the box centre (motions, time): one lane, or all connectors that it may be on.

    Of overlapping connectors, those that the ego does not follow later are removed.
    """
    shape = (drive.num_motions, drive.num_steps)
    rows = np.zeros((*shape, MAX_LANES_AT_POINT), dtype=np.int64)
    counts = np.zeros(shape, dtype=np.int64)
    areas = _lane_areas(drive)
    for motion in range(drive.num_motions):
        points = np.ascontiguousarray(drive.centers[motion, :, :2])
        _follow_point(areas, points, rows[motion], counts[motion])
    return LaneLists(rows=rows, counts=counts)


def _lane_areas(drive: Drive) -> _LaneAreas:
    road = flat_map(drive.map)
    return _LaneAreas(road.lanes, road.links, road.intersections)


def corner_lanes(drive: Drive) -> LaneLists:
    """Lanes of the corners (motions, time, 4): front-left, rear-left, rear-right, front-right."""
    shape = (drive.num_motions, drive.num_steps, 4)
    rows = np.zeros((*shape, MAX_LANES_AT_POINT), dtype=np.int64)
    counts = np.zeros(shape, dtype=np.int64)
    areas = _lane_areas(drive)
    for motion in range(drive.num_motions):
        _follow_corners(areas, drive.corners[motion], rows[motion], counts[motion])
    return LaneLists(rows=rows, counts=counts)


def common_lanes(drive: Drive) -> LaneLists:
    """Lanes that all four corners share or that connect them (motions, time).

    The count is 0 if all corners are off the lanes, and -1 if the corners are on different lanes.
    """
    corners = drive.cached(corner_lanes)
    shape = corners.counts.shape[:2]
    rows = np.zeros((*shape, MAX_LANES_AT_POINT), dtype=np.int64)
    counts = np.zeros(shape, dtype=np.int64)
    links = flat_map(drive.map).links
    for motion in range(drive.num_motions):
        _join_corners(links, corners.rows[motion], corners.counts[motion], rows[motion], counts[motion])
    return LaneLists(rows=rows, counts=counts)


def is_in_lane(drive: Drive) -> Bool[np.ndarray, "motions time"]:
    """Whether the whole box is within one lane or lanes that follow each other.

    Otherwise the ego is in several lanes or off them, and lateral collisions are its fault.
    """
    return drive.cached(common_lanes).counts > 0


@njit(cache=True)
def _put(row: int, out: np.ndarray, count: int) -> int:
    if count >= len(out):
        raise ValueError("More than 64 lane connectors overlap at one point; the map is damaged.")
    out[count] = row
    return count + 1


@njit(cache=True)
def _copy(source: np.ndarray, target: np.ndarray, count: int) -> None:
    # A loop, as numba takes seconds to compile an assignment of slices.
    for k in range(count):
        target[k] = source[k]


@njit(cache=True)
def _lanes_at(road: _LaneAreas, x: float, y: float, out: np.ndarray) -> int:
    """The lane at a point, else all connectors there. Rows ascend, so that lanes precede connectors."""
    count = 0
    for row in rows_containing(road.lanes, x, y):
        if row < road.links.num_lanes:
            out[0] = row
            return 1
        count = _put(row, out, count)
    return count


@njit(cache=True)
def _stay_or_follow(road: _LaneAreas, x: float, y: float, candidates: np.ndarray, out: np.ndarray) -> int:
    """The candidates that contain the point; if there are none, the containing successors of a single candidate."""
    count = 0
    for row in candidates:
        if contains_point(road.lanes, row, x, y):
            count = _put(row, out, count)
    if count == 0 and len(candidates) == 1:
        links = road.links
        for k in range(links.successor_offsets[candidates[0]], links.successor_offsets[candidates[0] + 1]):
            if contains_point(road.lanes, links.successors[k], x, y):
                count = _put(links.successors[k], out, count)
    return count


@njit(cache=True)
def _follow_point(road: _LaneAreas, points: np.ndarray, rows: np.ndarray, counts: np.ndarray) -> None:
    for t in range(len(points)):
        x, y = points[t, 0], points[t, 1]
        count = 0
        if t > 0 and counts[t - 1] > 0:
            count = _stay_or_follow(road, x, y, rows[t - 1, : counts[t - 1]], rows[t])
        if count == 0:
            count = _lanes_at(road, x, y, rows[t])
            # Quirk: the sticky connector applies from the third sample on, not to the second.
            if t > 1 and counts[t - 1] > 0 and rows[t - 1, 0] >= road.links.num_lanes:
                leaves = rows[t, 0] >= road.links.num_lanes if count > 0 else any_contains(road.intersections, x, y)
                if leaves:
                    num_near = _near_connectors(road.lanes, x, y, rows[t - 1, : counts[t - 1]], rows[t])
                    count = num_near if num_near > 0 else count
        counts[t] = count
    _drop_untaken_connectors(road.links, rows, counts)


@njit(cache=True)
def _near_connectors(lanes: FlatPolygons, x: float, y: float, before: np.ndarray, out: np.ndarray) -> int:
    """The connectors of the sample before that are near the point; without any, `out` stays as it is."""
    count = 0
    for row in before:
        if distance_to_point(lanes, row, x, y) < MAX_DISTANCE_FROM_CONNECTOR_M:
            out[count] = row
            count += 1
    return count


@njit(cache=True)
def _holds(row: int, rows: np.ndarray) -> bool:
    for other in rows:  # noqa: SIM110  (generators do not compile)
        if other == row:
            return True
    return False


@njit(cache=True)
def _drop_untaken_connectors(links: LaneLinks, rows: np.ndarray, counts: np.ndarray) -> None:
    """From the end backwards, reduce several connectors to those that the ego follows."""
    kept = np.empty(rows.shape[1], dtype=np.int64)
    for t in range(len(rows) - 2, -1, -1):
        if counts[t] <= 1:
            continue
        num_kept = 0
        following = counts[t + 1]
        # Connectors that lead into the next lane are chosen among all connectors, and take precedence.
        if following > 0 and rows[t + 1, 0] < links.num_lanes:
            lane = rows[t + 1, 0]
            start, stop = links.predecessor_offsets[lane], links.predecessor_offsets[lane + 1]
            for k in range(counts[t]):
                if _holds(rows[t, k], links.predecessors[start:stop]):
                    kept[num_kept] = rows[t, k]
                    num_kept += 1
        if num_kept > 0:
            _copy(kept, rows[t], num_kept)
            counts[t] = num_kept
            continue
        if counts[t] > following:
            is_subset = True
            for k in range(following):
                is_subset = is_subset and _holds(rows[t + 1, k], rows[t, : counts[t]])
            # Quirk: an empty list is a subset too, so that the last sample before leaving all lanes is emptied.
            if is_subset:
                _copy(rows[t + 1], rows[t], following)
                counts[t] = following


@njit(cache=True)
def _follow_corners(road: _LaneAreas, corners: np.ndarray, rows: np.ndarray, counts: np.ndarray) -> None:
    candidates = np.empty(4 * MAX_LANES_AT_POINT, dtype=np.int64)
    found = np.empty(4 * MAX_LANES_AT_POINT, dtype=np.int64)
    num_candidates = 0
    for t in range(len(corners)):
        num_found = 0
        for corner in range(4):
            x, y = corners[t, corner, 0], corners[t, corner, 1]
            out = rows[t, corner]
            count = 0
            if num_candidates > 0:
                count = _stay_or_follow(road, x, y, candidates[:num_candidates], out)
            if count == 0:
                count = _lanes_at(road, x, y, out)
                # Quirk: in the second sample, lanes found for a corner are candidates for the corners after it.
                if t == 1:
                    for k in range(count):
                        if not _holds(out[k], candidates[:num_candidates]):
                            num_candidates = _put(out[k], candidates, num_candidates)
            counts[t, corner] = count
            for k in range(count):
                if not _holds(out[k], found[:num_found]):
                    num_found = _put(out[k], found, num_found)
        _copy(found, candidates, num_found)
        num_candidates = num_found


@njit(cache=True)
def _is_linked(row: int, lanes: np.ndarray, links: np.ndarray, offsets: np.ndarray) -> bool:
    """Whether a row is among some lanes, or among their links (successors or predecessors)."""
    for lane in lanes:
        if lane == row:
            return True
        for j in range(offsets[lane], offsets[lane + 1]):
            if links[j] == row:
                return True
    return False


@njit(cache=True)
def _join_corners(
    links: LaneLinks, corner_rows: np.ndarray, corner_counts: np.ndarray, rows: np.ndarray, counts: np.ndarray
) -> None:
    for t in range(len(corner_rows)):
        num_off = 0
        for corner in range(4):
            num_off += corner_counts[t, corner] == 0
        if num_off > 0:
            counts[t] = 0 if num_off == 4 else -1
            continue
        front_left = corner_rows[t, FRONT_LEFT, : corner_counts[t, FRONT_LEFT]]
        rear_left = corner_rows[t, REAR_LEFT, : corner_counts[t, REAR_LEFT]]
        rear_right = corner_rows[t, REAR_RIGHT, : corner_counts[t, REAR_RIGHT]]
        front_right = corner_rows[t, FRONT_RIGHT, : corner_counts[t, FRONT_RIGHT]]
        count = 0
        for row in front_left:
            if _holds(row, rear_left) and _holds(row, rear_right) and _holds(row, front_right):
                count = _put(row, rows[t], count)
        if count == 0:
            count = _connect_corners(links, (front_left, rear_left, rear_right, front_right), rows[t])
        counts[t] = count if count > 0 else -1


@njit(cache=True)
def _connect_corners(links: LaneLinks, corners: tuple[np.ndarray, ...], out: np.ndarray) -> int:
    """Lanes that connect all corners.

    Each is among the lanes of the front corners or leads to them, and among those of the rear corners or follows
    them.
    """
    after, after_at = links.successors, links.successor_offsets
    before, before_at = links.predecessors, links.predecessor_offsets
    front_left, rear_left, rear_right, front_right = corners
    is_rear_linked = False
    for row in rear_left:
        is_rear_linked = is_rear_linked or _is_linked(row, rear_right, after, after_at)
    for row in rear_right:
        is_rear_linked = is_rear_linked or _is_linked(row, rear_left, after, after_at)
    if not is_rear_linked:
        return 0
    count = 0
    for lane in rear_right:
        start, stop = after_at[lane], after_at[lane + 1]
        for j in range(start - 1, stop):
            row = lane if j < start else after[j]
            if (
                not _holds(row, out[:count])
                and _is_linked(row, front_left, before, before_at)
                and _is_linked(row, front_right, before, before_at)
                and _is_linked(row, rear_left, after, after_at)
            ):
                count = _put(row, out, count)
    return count
