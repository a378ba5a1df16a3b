"""Paths of reactive agents: vertices with position, heading and progress, as nuPlan's `InterpolatedPath`.

A path is an array (capacity, 4) with `count` used rows. A line is an array (capacity, 3) without progress. Headings
of paths are unwrapped.
"""

import math

import numpy as np
from jaxtyping import Float64

from simulation.geometry.angles import full_turns
from simulation.geometry.compiling import njit

X, Y, HEADING, PROGRESS = range(4)
_REPEATED_M = 1e-8
"""Vertices at most this far apart count as one."""


@njit(cache=True)
def clamped(path: Float64[np.ndarray, "capacity 4"], count: int, progress: float) -> float:
    """Progress, bounded by the ends of the path [m]."""
    return max(path[0, PROGRESS], min(progress, path[count - 1, PROGRESS]))


@njit(cache=True)
def pose_on_path(path: Float64[np.ndarray, "capacity 4"], count: int, progress: float) -> tuple[float, float, float]:
    """Position and unwrapped heading, interpolated between two vertices."""
    high = int(np.searchsorted(path[:count, PROGRESS], progress))
    high = min(max(high, 1), count - 1)
    low = high - 1
    span = path[high, PROGRESS] - path[low, PROGRESS]
    after = progress - path[low, PROGRESS]
    return (
        (path[high, X] - path[low, X]) / span * after + path[low, X],
        (path[high, Y] - path[low, Y]) / span * after + path[low, Y],
        (path[high, HEADING] - path[low, HEADING]) / span * after + path[low, HEADING],
    )


@njit(cache=True)
def _copy(path: np.ndarray, first: int, stop: int, line: np.ndarray, at: int) -> int:
    """Copy vertices `first` to before `stop` into a line from row `at` on; return the row after the last."""
    for k in range(first, stop):
        line[at, X], line[at, Y], line[at, HEADING] = path[k, X], path[k, Y], path[k, HEADING]
        at += 1
    return at


@njit(cache=True)
def path_to_go(
    path: Float64[np.ndarray, "capacity 4"], count: int, progress: float, line: Float64[np.ndarray, "points 3"]
) -> int:
    """Write the path from `progress` on into `line`; return the number of points.

    Source:
        nuPlan devkit, `trim_path_up_to_progress`.
    """
    first = int(np.searchsorted(path[:count, PROGRESS], progress, side="right"))
    if first == count:
        # quirk: path_end_looks_back (at the end of the path, its last two vertices count as the path to go)
        return _copy(path, count - 2, count, line, 0)
    line[0, X], line[0, Y], line[0, HEADING] = pose_on_path(path, count, progress)
    return _copy(path, first, count, line, 1)


@njit(cache=True)
def path_between(
    path: Float64[np.ndarray, "capacity 4"],
    count: int,
    start: float,
    end: float,
    line: Float64[np.ndarray, "points 3"],
) -> int:
    """Write the path between two progress values into `line`; return the number of points.

    Source:
        nuPlan devkit, `trim_path`.
    """
    first = int(np.searchsorted(path[:count, PROGRESS], start, side="right"))
    if first == count:
        return _copy(path, count - 2, count, line, 0)
    stop = int(np.searchsorted(path[:count, PROGRESS], end))
    if stop == 0:
        return _copy(path, 0, 2, line, 0)
    line[0, X], line[0, Y], line[0, HEADING] = pose_on_path(path, count, start)
    at = _copy(path, first, stop, line, 1)
    line[at, X], line[at, Y], line[at, HEADING] = pose_on_path(path, count, end)
    return at + 1


@njit(cache=True)
def build_path(
    line: Float64[np.ndarray, "points 3"], num_points: int, path: Float64[np.ndarray, "capacity 4"]
) -> int:
    """Make a path of the first points of a line; return its number of vertices.

    With fewer than two vertices nuPlan raises an assertion; here the last two points are the path.

    Source:
        nuPlan devkit, `create_path_from_se2`.
    """
    # quirk: last_vertex_dropped (points are paired with the distances to their successors; the last point has none)
    count = 0
    progress, turns = 0.0, 0.0
    for k in range(num_points - 1):
        dx, dy = line[k + 1, X] - line[k, X], line[k + 1, Y] - line[k, Y]
        step = math.sqrt(dx * dx + dy * dy)
        if step > _REPEATED_M:
            turns = _append(path, count, progress, line[k], turns)
            count += 1
        progress += step
    if count < 2:
        if count == 0:
            turns = _append(path, count, progress - 1e-6, line[num_points - 2], turns)
            count += 1
        _append(path, count, progress, line[num_points - 1], turns)
        count += 1
    return count


@njit(cache=True)
def _append(path: np.ndarray, count: int, progress: float, point: np.ndarray, turns: float) -> float:
    """Append a vertex with unwrapped heading; take and return the correction of headings so far [rad]."""
    heading = point[HEADING] + turns
    if count:
        excess = full_turns(heading - path[count - 1, HEADING])
        heading -= excess
        turns -= excess
    path[count, PROGRESS], path[count, HEADING] = progress, heading
    path[count, X], path[count, Y] = point[X], point[Y]
    return turns
