"""Paths of reactive agents: vertices with progress, position and heading, as nuPlan's `InterpolatedPath`.

A path is an array (capacity, 4) of which the first `count` rows hold progress [m], x, y and unwrapped heading.
"""

import math

import numpy as np

from simulation.geometry.compiling import njit

PROGRESS, X, Y, HEADING = range(4)
_REPEATED_M = 1e-8


@njit(cache=True)
def clamped(path: np.ndarray, count: int, progress: float) -> float:
    """Progress, kept on the path."""
    return max(path[0, PROGRESS], min(progress, path[count - 1, PROGRESS]))


@njit(cache=True)
def place_at(path: np.ndarray, count: int, progress: float) -> tuple[float, float, float]:
    """Position and unwrapped heading between two vertices."""
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
    for k in range(first, stop):
        line[at, 0], line[at, 1], line[at, 2] = path[k, X], path[k, Y], path[k, HEADING]
        at += 1
    return at


@njit(cache=True)
def path_to_go(path: np.ndarray, count: int, progress: float, line: np.ndarray) -> int:
    """Write what is ahead of a place into `line` (x, y, heading); return how many points.

    Source:
        nuPlan devkit, `trim_path_up_to_progress`.
    """
    first = int(np.searchsorted(path[:count, PROGRESS], progress, side="right"))
    if first == count:
        # quirk: path_end_looks_back (at its end, the last two vertices stand for what is ahead)
        return _copy(path, count - 2, count, line, 0)
    line[0, 0], line[0, 1], line[0, 2] = place_at(path, count, progress)
    return _copy(path, first, count, line, 1)


@njit(cache=True)
def path_between(path: np.ndarray, count: int, start: float, end: float, line: np.ndarray) -> int:
    """Write the piece from `start` to `end` into `line` (x, y, heading); return how many points.

    Source:
        nuPlan devkit, `trim_path`.
    """
    first = int(np.searchsorted(path[:count, PROGRESS], start, side="right"))
    if first == count:
        return _copy(path, count - 2, count, line, 0)
    stop = int(np.searchsorted(path[:count, PROGRESS], end))
    if stop == 0:
        return _copy(path, 0, 2, line, 0)
    line[0, 0], line[0, 1], line[0, 2] = place_at(path, count, start)
    at = _copy(path, first, stop, line, 1)
    line[at, 0], line[at, 1], line[at, 2] = place_at(path, count, end)
    return at + 1


@njit(cache=True)
def build_path(line: np.ndarray, num_points: int, path: np.ndarray) -> int:
    """Make a path of points (x, y, heading); return how many vertices it has.

    Where nuPlan would stop, because less than two vertices are left, the last two points are the path.

    Source:
        nuPlan devkit, `create_path_from_se2`.
    """
    # quirk: last_vertex_dropped (points are paired with the differences to their next, which the last does not have)
    count = 0
    progress, turns = 0.0, 0.0
    for k in range(num_points - 1):
        dx, dy = line[k + 1, 0] - line[k, 0], line[k + 1, 1] - line[k, 1]
        step = math.sqrt(dx * dx + dy * dy)
        if step > _REPEATED_M:
            count, turns = _append(path, count, progress, line[k], turns)
        progress += step
    if count < 2:
        if count == 0:
            count, turns = _append(path, count, progress - 1e-6, line[num_points - 2], turns)
        count, turns = _append(path, count, progress, line[num_points - 1], turns)
    return count


@njit(cache=True)
def _append(path: np.ndarray, count: int, progress: float, point: np.ndarray, turns: float) -> tuple[int, float]:
    heading = point[2] + turns
    if count:
        before = path[count - 1, HEADING]
        full_turns = 2.0 * math.pi * math.floor((heading - before + math.pi) / (2.0 * math.pi))
        heading -= full_turns
        turns -= full_turns
    path[count, PROGRESS], path[count, X], path[count, Y], path[count, HEADING] = (
        progress,
        point[0],
        point[1],
        heading,
    )
    return count + 1, turns
