"""Time to collision as nuPlan's closed-loop metric counts it, of many motions among others whose future is known.

From each instant on, the ego and all others are moved straight on at their speeds of that instant. A score that
moves the others along their true future instead lets the ego close in on a leader that is about to speed up, and
loses the metric.
"""

import math

import numpy as np

from simulation.dynamics import HEADING, VELOCITY_X, VELOCITY_Y, X, Y
from simulation.kernels.area_raster import AreaRaster
from simulation.kernels.boxes import box_corners, convex_overlap
from simulation.kernels.compiling import njit
from simulation.metrics.collision import is_ahead, is_behind
from simulation.metrics.pdm_kernels import STOPPED_SPEED_MPS, Others
from simulation.metrics.pdm_road_kernels import MULTIPLE_LANES, OFF_ROAD, is_in_intersection

BOUND_S, CAUTIOUS_S = 0.95, 1.5
"""nuPlan's bound, and the time up to which a motion is close to it."""
CLOSE_SCORE = 0.5
_LOOK_S = np.array([0.0, 0.3, 0.6, 0.9, 1.2, 1.5])
_EVERY = 2
"""Every so many poses of a motion are asked."""


@njit(cache=True)
def closing_scores(
    states: np.ndarray,
    areas: np.ndarray,
    others: Others,
    speeds: np.ndarray,
    raster: AreaRaster,
    kinds: np.ndarray,
    size: tuple[float, float],
    rear_to_center: float,
) -> np.ndarray:
    """1 where no collision is nearer than 1.5 s, 1/2 where none is nearer than 0.95 s, else 0.

    Args:
        states: (M, T, 10) every 0.1 s.
        areas: (M, T) where each pose is, as `pdm_road_kernels.ego_areas` counts it.
        others: At T or more instants, stride 1.
        speeds: (F, N) of the others at each instant [m/s].
        raster: Of the areas.
        kinds: What each polygon counts as.
        size: Length and width of the ego [m].
        rear_to_center: Of the ego [m].

    Returns:
        (M,)
    """
    num_motions, num_steps = states.shape[:2]
    scores = np.ones(num_motions)
    reach = 0.5 * math.hypot(size[0], size[1])
    most = _LOOK_S[-1]
    num_others = len(others.speeds)
    # Of those who are there at an instant: row; centre, how near it must come to touch, how far it may go until then.
    counts = np.zeros(num_steps, dtype=np.int64)
    rows, there = np.empty((num_steps, num_others), dtype=np.int64), np.empty((num_steps, num_others, 4))
    for t in range(0, num_steps, _EVERY):
        for n in range(num_others):
            if others.valid[t, n] and not others.is_ignored[n]:
                k = counts[t]
                rows[t, k] = n
                there[t, k, 0], there[t, k, 1] = others.poses[t, n, 0], others.poses[t, n, 1]
                there[t, k, 2] = reach + 0.5 * math.hypot(others.sizes[t, n, 0], others.sizes[t, n, 1])
                there[t, k, 3] = most * speeds[t, n]
                counts[t] += 1
    for m in range(num_motions):
        for t in range(0, num_steps, _EVERY):
            speed = math.hypot(states[m, t, VELOCITY_X], states[m, t, VELOCITY_Y])
            if speed < STOPPED_SPEED_MPS:
                continue
            rear_x, rear_y, heading = states[m, t, X], states[m, t, Y], states[m, t, HEADING]
            cos, sin = math.cos(heading), math.sin(heading)
            x, y = rear_x + rear_to_center * cos, rear_y + rear_to_center * sin
            for k in range(counts[t]):
                other_x, other_y, away = there[t, k, 0], there[t, k, 1], there[t, k, 2]
                far = away + most * speed + there[t, k, 3]
                if (other_x - x) ** 2 + (other_y - y) ** 2 > far * far:
                    continue
                n = rows[t, k]
                other_heading = others.poses[t, n, 2]
                other_cos, other_sin = math.cos(other_heading), math.sin(other_heading)
                may_count = False
                for look in _LOOK_S:
                    # A later collision changes nothing any more.
                    if look > BOUND_S and scores[m] <= CLOSE_SCORE:
                        break
                    ego_x, ego_y = x + look * speed * cos, y + look * speed * sin
                    at_x = other_x + look * speeds[t, n] * other_cos
                    at_y = other_y + look * speeds[t, n] * other_sin
                    if (at_x - ego_x) ** 2 + (at_y - ego_y) ** 2 > away**2:
                        continue
                    # Few come so near that it matters where they are.
                    may_count = may_count or (
                        is_ahead(rear_x, rear_y, heading, other_x, other_y)
                        or (
                            (
                                areas[m, t] & (MULTIPLE_LANES | OFF_ROAD) != 0
                                or is_in_intersection(raster, kinds, rear_x, rear_y)
                            )
                            and not is_behind(rear_x, rear_y, heading, other_x, other_y)
                        )
                    )
                    if not may_count:
                        break
                    if convex_overlap(
                        box_corners(ego_x, ego_y, heading, size[0], size[1]),
                        box_corners(at_x, at_y, other_heading, others.sizes[t, n, 0], others.sizes[t, n, 1]),
                    ):
                        scores[m] = min(scores[m], 0.0 if look <= BOUND_S else CLOSE_SCORE)
                        break
                if scores[m] == 0.0:
                    break
            if scores[m] == 0.0:
                break
    return scores
