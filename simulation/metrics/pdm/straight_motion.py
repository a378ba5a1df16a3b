"""Two boxes that move ahead straight: the test behind nuPlan's time to collision."""

import math
from typing import NamedTuple

import numpy as np

from simulation.ego.box import EgoBox, center_at
from simulation.geometry.boxes import box_corners, convex_overlap
from simulation.geometry.compiling import njit
from simulation.metrics.rules import TTC_BOUND_S, MovingPoint

TEST_S = np.array([0.0, 0.3, 0.6, 0.9, 1.2, 1.5])
"""Times ahead at which overlaps are tested."""
NUM_WITHIN_BOUND = int((TEST_S < TTC_BOUND_S).sum())
"""The first four are below nuPlan's bound."""


class StraightBox(NamedTuple):
    """A box that moves ahead by `time * speed` along a direction, not necessarily a unit vector."""

    x: float
    y: float
    heading: float
    length: float
    width: float
    speed: float
    direction_x: float
    direction_y: float


@njit(cache=True)
def first_near(ego: StraightBox, agent: StraightBox, reach: float, num_tests: int) -> int:
    """First test time at which the centres are within `reach`, -1 for none."""
    dx, dy = agent.x - ego.x, agent.y - ego.y
    velocity_x = agent.speed * agent.direction_x - ego.speed * ego.direction_x
    velocity_y = agent.speed * agent.direction_y - ego.speed * ego.direction_y
    for k in range(num_tests):
        if (dx + TEST_S[k] * velocity_x) ** 2 + (dy + TEST_S[k] * velocity_y) ** 2 <= reach * reach:
            return k
    return -1


@njit(cache=True)
def first_overlap(ego: StraightBox, agent: StraightBox, reach: float, first: int, num_tests: int) -> int:
    """First test time from the row `first` on at which the boxes overlap, -1 for none."""
    for k in range(first, num_tests):
        ego_way, agent_way = TEST_S[k] * ego.speed, TEST_S[k] * agent.speed
        ego_x, ego_y = ego.x + ego_way * ego.direction_x, ego.y + ego_way * ego.direction_y
        x, y = agent.x + agent_way * agent.direction_x, agent.y + agent_way * agent.direction_y
        if (x - ego_x) ** 2 + (y - ego_y) ** 2 > reach * reach:
            continue
        if convex_overlap(
            box_corners(ego_x, ego_y, ego.heading, ego.length, ego.width),
            box_corners(x, y, agent.heading, agent.length, agent.width),
        ):
            return k
    return -1


@njit(cache=True)
def overlaps_now(ego: StraightBox, agent: StraightBox, reach: float) -> bool:
    """Whether the boxes overlap before they move."""
    return first_overlap(ego, agent, reach, 0, 1) == 0


@njit(cache=True)
def straight_ego(rear: MovingPoint, box: EgoBox) -> StraightBox:
    """The ego box, given the motion of its rear axle."""
    x, y = center_at(rear.x, rear.y, rear.heading, box)
    cos, sin = math.cos(rear.heading), math.sin(rear.heading)
    return StraightBox(x, y, rear.heading, box.length, box.width, rear.speed, cos, sin)
