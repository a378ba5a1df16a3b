"""Which lanes and lane connectors the ego drives on: of its centre, and of its four corners.

Everything that depends on lanes (lane changes, driving direction, speed limits, fault in side collisions)
builds on what is found here.

Source:
    nuPlan devkit, `metrics/utils/route_extractor.py`, its oddities included: see docs/metrics.md.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from simulation.geometry.compiling import njit
from simulation.geometry.polygons import any_contains, contains_point, distance_to_point, rows_containing
from simulation.metrics.nuplan.drive import Drive
from simulation.metrics.nuplan.road import Road

MAX_LANES_AT_POINT = 64
"""Lane connectors that may overlap at one point; a crossing of four roads has about a dozen."""
MAX_DISTANCE_FROM_CONNECTOR_M = 5.0
"""So near to the connector that it was on, the ego is not moved to another connector."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LaneLists:
    """For each motion, instant (and corner) a short list of rows of `MapGraph.lanes`, in nuPlan's order."""

    rows: Int64[np.ndarray, "*shape places"]
    """Meaningless behind the count."""
    counts: Int64[np.ndarray, "*shape"]
    """0 where the point is on no lane; -1 in `common_lanes` where the corners share none."""

    def first(self) -> Int64[np.ndarray, "*shape"]:
        """First of each list, -1 where it is empty."""
        return np.where(self.counts > 0, self.rows[..., 0], -1)

    def at(self, *index: int) -> list[int]:
        """One list."""
        return self.rows[index][: max(0, int(self.counts[index]))].tolist()


def center_lanes(drive: Drive) -> LaneLists:
    """Lanes of the box centre (motions, time): one lane, or all connectors that it may be on.

    Where several connectors overlap, those that the ego turns out not to follow are taken out afterwards.
    """
    shape = (drive.num_motions, drive.num_steps)
    rows = np.zeros((*shape, MAX_LANES_AT_POINT), dtype=np.int64)
    counts = np.zeros(shape, dtype=np.int64)
    for motion in range(drive.num_motions):
        points = np.ascontiguousarray(drive.centers[motion, :, :2])
        _follow_point(drive.road, points, rows[motion], counts[motion])
    return LaneLists(rows=rows, counts=counts)


def corner_lanes(drive: Drive) -> LaneLists:
    """Lanes of the corners (motions, time, 4): front-left, rear-left, rear-right, front-right."""
    shape = (drive.num_motions, drive.num_steps, 4)
    rows = np.zeros((*shape, MAX_LANES_AT_POINT), dtype=np.int64)
    counts = np.zeros(shape, dtype=np.int64)
    for motion in range(drive.num_motions):
        _follow_corners(drive.road, drive.corners[motion], rows[motion], counts[motion])
    return LaneLists(rows=rows, counts=counts)


def common_lanes(drive: Drive) -> LaneLists:
    """Lanes that all four corners share or that connect them (motions, time).

    The count is 0 where all corners are off the lanes and -1 where the corners are on different lanes.
    """
    corners = drive.fact(corner_lanes)
    shape = corners.counts.shape[:2]
    rows = np.zeros((*shape, MAX_LANES_AT_POINT), dtype=np.int64)
    counts = np.zeros(shape, dtype=np.int64)
    for motion in range(drive.num_motions):
        _join_corners(drive.road, corners.rows[motion], corners.counts[motion], rows[motion], counts[motion])
    return LaneLists(rows=rows, counts=counts)


def is_in_lane(drive: Drive) -> Bool[np.ndarray, "motions time"]:
    """Whether the whole box is within one lane or lanes that follow each other.

    Where not, the ego is in several lanes or off them, and side collisions are its fault.
    """
    return drive.fact(common_lanes).counts > 0


@njit(cache=True)
def _put(row: int, out: np.ndarray, count: int) -> int:
    if count >= len(out):
        raise ValueError("More than 64 lane connectors overlap at one point; the map is damaged.")
    out[count] = row
    return count + 1


@njit(cache=True)
def _lanes_at(road: Road, x: float, y: float, out: np.ndarray) -> int:
    """The lane at a point, else all connectors there. Rows ascend, so that a lane comes first."""
    count = 0
    for row in rows_containing(road.lanes, x, y):
        if row < road.num_lanes:
            out[0] = row
            return 1
        count = _put(row, out, count)
    return count


@njit(cache=True)
def _stay_or_follow(road: Road, x: float, y: float, known: np.ndarray, num_known: int, out: np.ndarray) -> int:
    """Of the known lanes those that contain the point; if none, of a single known lane its successors that do."""
    count = 0
    for k in range(num_known):
        if contains_point(road.lanes, known[k], x, y):
            count = _put(known[k], out, count)
    if count == 0 and num_known == 1:
        for k in range(road.successor_offsets[known[0]], road.successor_offsets[known[0] + 1]):
            if contains_point(road.lanes, road.successors[k], x, y):
                count = _put(road.successors[k], out, count)
    return count


@njit(cache=True)
def _follow_point(road: Road, points: np.ndarray, rows: np.ndarray, counts: np.ndarray) -> None:
    for t in range(len(points)):
        x, y = points[t, 0], points[t, 1]
        count = 0
        if t > 0 and counts[t - 1] > 0:
            count = _stay_or_follow(road, x, y, rows[t - 1], counts[t - 1], rows[t])
        if count == 0:
            count = _lanes_at(road, x, y, rows[t])
            # Quirk: the second sample is not held to its connector, only those from the third on.
            if t > 1 and counts[t - 1] > 0 and rows[t - 1, 0] >= road.num_lanes:
                leaves = rows[t, 0] >= road.num_lanes if count > 0 else any_contains(road.intersections, x, y)
                if leaves:
                    count = _keep_near(road, x, y, rows, counts, t, count)
        counts[t] = count
    _drop_untaken_connectors(road, rows, counts)


@njit(cache=True)
def _keep_near(road: Road, x: float, y: float, rows: np.ndarray, counts: np.ndarray, t: int, count: int) -> int:
    near = np.empty(counts[t - 1], dtype=np.int64)
    num_near = 0
    for k in range(counts[t - 1]):
        if distance_to_point(road.lanes, rows[t - 1, k], x, y) < MAX_DISTANCE_FROM_CONNECTOR_M:
            near[num_near] = rows[t - 1, k]
            num_near += 1
    if num_near == 0:
        return count
    rows[t, :num_near] = near[:num_near]
    return num_near


@njit(cache=True)
def _holds(row: int, values: np.ndarray, count: int) -> bool:
    for k in range(count):  # noqa: SIM110  (generators do not compile)
        if values[k] == row:
            return True
    return False


@njit(cache=True)
def _drop_untaken_connectors(road: Road, rows: np.ndarray, counts: np.ndarray) -> None:
    """From the end backwards, reduce several connectors to those that the ego ends up on."""
    kept = np.empty(rows.shape[1], dtype=np.int64)
    for t in range(len(rows) - 2, -1, -1):
        if counts[t] <= 1:
            continue
        num_kept = 0
        following = counts[t + 1]
        # What leads into the lane that comes next is judged on all connectors, and wins.
        if following > 0 and rows[t + 1, 0] < road.num_lanes:
            lane = rows[t + 1, 0]
            start, stop = road.predecessor_offsets[lane], road.predecessor_offsets[lane + 1]
            for k in range(counts[t]):
                if _holds(rows[t, k], road.predecessors[start:stop], stop - start):
                    kept[num_kept] = rows[t, k]
                    num_kept += 1
        if num_kept > 0:
            rows[t, :num_kept] = kept[:num_kept]
            counts[t] = num_kept
            continue
        if counts[t] > following:
            is_subset = True
            for k in range(following):
                is_subset = is_subset and _holds(rows[t + 1, k], rows[t], counts[t])
            # Quirk: an empty list is a subset too, so that the last sample before leaving all lanes is emptied.
            if is_subset:
                rows[t, :following] = rows[t + 1, :following]
                counts[t] = following


@njit(cache=True)
def _follow_corners(road: Road, corners: np.ndarray, rows: np.ndarray, counts: np.ndarray) -> None:
    known = np.empty(4 * MAX_LANES_AT_POINT, dtype=np.int64)
    fresh = np.empty(4 * MAX_LANES_AT_POINT, dtype=np.int64)
    num_known = 0
    for t in range(len(corners)):
        num_fresh = 0
        for corner in range(4):
            x, y = corners[t, corner, 0], corners[t, corner, 1]
            out = rows[t, corner]
            count = 0
            if num_known > 0:
                count = _stay_or_follow(road, x, y, known, num_known, out)
            if count == 0:
                count = _lanes_at(road, x, y, out)
                # Quirk: in the second sample, lanes found for a corner count for the corners behind it.
                if t == 1:
                    for k in range(count):
                        if not _holds(out[k], known, num_known):
                            num_known = _put(out[k], known, num_known)
            counts[t, corner] = count
            for k in range(count):
                if not _holds(out[k], fresh, num_fresh):
                    num_fresh = _put(out[k], fresh, num_fresh)
        known[:num_fresh] = fresh[:num_fresh]
        num_known = num_fresh


@njit(cache=True)
def _is_linked(row: int, corner: np.ndarray, count: int, links: np.ndarray, offsets: np.ndarray) -> bool:
    """Whether a row is among a corner's lanes or among the links (successors or predecessors) of these."""
    for k in range(count):
        if corner[k] == row:
            return True
        for j in range(offsets[corner[k]], offsets[corner[k] + 1]):
            if links[j] == row:
                return True
    return False


@njit(cache=True)
def _join_corners(
    road: Road, corner_rows: np.ndarray, corner_counts: np.ndarray, rows: np.ndarray, counts: np.ndarray
) -> None:
    for t in range(len(corner_rows)):
        num_off = 0
        for corner in range(4):
            num_off += corner_counts[t, corner] == 0
        if num_off > 0:
            counts[t] = 0 if num_off == 4 else -1
            continue
        count = 0
        for k in range(corner_counts[t, 0]):
            row = corner_rows[t, 0, k]
            if (
                _holds(row, corner_rows[t, 1], corner_counts[t, 1])
                and _holds(row, corner_rows[t, 2], corner_counts[t, 2])
                and _holds(row, corner_rows[t, 3], corner_counts[t, 3])
            ):
                count = _put(row, rows[t], count)
        if count == 0:
            count = _connect_corners(road, corner_rows[t], corner_counts[t], rows[t])
        counts[t] = count if count > 0 else -1


@njit(cache=True)
def _connect_corners(road: Road, corner_rows: np.ndarray, corner_counts: np.ndarray, out: np.ndarray) -> int:
    """Lanes that reach all corners: each is a front corner's or leads to it, and a rear corner's or follows it."""
    after, after_at = road.successors, road.successor_offsets
    before, before_at = road.predecessors, road.predecessor_offsets
    front_left, rear_left, rear_right, front_right = corner_rows[0], corner_rows[1], corner_rows[2], corner_rows[3]
    num_fl, num_rl, num_rr, num_fr = corner_counts[0], corner_counts[1], corner_counts[2], corner_counts[3]
    is_rear_linked = False
    for k in range(num_rl):
        is_rear_linked = is_rear_linked or _is_linked(rear_left[k], rear_right, num_rr, after, after_at)
    for k in range(num_rr):
        is_rear_linked = is_rear_linked or _is_linked(rear_right[k], rear_left, num_rl, after, after_at)
    if not is_rear_linked:
        return 0
    count = 0
    for k in range(num_rr):
        start, stop = after_at[rear_right[k]], after_at[rear_right[k] + 1]
        for j in range(start - 1, stop):
            row = rear_right[k] if j < start else after[j]
            if (
                not _holds(row, out, count)
                and _is_linked(row, front_left, num_fl, before, before_at)
                and _is_linked(row, front_right, num_fr, before, before_at)
                and _is_linked(row, rear_left, num_rl, after, after_at)
            ):
                count = _put(row, out, count)
    return count
