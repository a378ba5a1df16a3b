"""Time to collision by nuPlan's rule, of many motions among agents with a known future.

At each instant the ego and all agents are moved ahead straight, at constant velocity. A score that moves agents along
their true future instead lets the ego approach a leader that is about to accelerate, and loses nuPlan's metric.
"""

import math

import numpy as np
from jaxtyping import Float64

from simulation.ego.box import half_diagonal
from simulation.ego.dynamics import HEADING, VELOCITY_X, VELOCITY_Y, X, Y
from simulation.geometry.compiling import njit
from simulation.metrics.pdm.agents import ScoredAgents
from simulation.metrics.pdm.road import ClassifiedAreas, ScoredMotions, sides_count
from simulation.metrics.pdm.straight_motion import (
    NUM_WITHIN_BOUND,
    TEST_S,
    StraightBox,
    first_near,
    first_overlap,
    overlaps_now,
    straight_ego,
)
from simulation.metrics.rules import (
    BEHIND,
    BESIDE,
    TTC_STOPPED_SPEED_MPS,
    MovingPoint,
    counts_for_ttc,
    relative_position,
)

CLOSE_SCORE = 0.5
"""Score for a time to collision beyond nuPlan's bound, but at most 1.5 s."""
_STRIDE = 2
"""Every second pose of a motion is tested."""


_X, _Y, _REACH, _WAY = range(4)
"""Columns of agents [m]: box centre, distance of centres at which boxes may touch, way of the longest test time."""


@njit(cache=True)
def _present_agents(
    agents: ScoredAgents, speeds: np.ndarray, ego_reach: float, num_steps: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows (T, N) and number (T,) of the agents at each tested instant, and their columns (T, N, 4)."""
    num_agents = len(agents.speeds)
    rows, columns = np.empty((num_steps, num_agents), dtype=np.int64), np.empty((num_steps, num_agents, 4))
    counts = np.zeros(num_steps, dtype=np.int64)
    for t in range(0, num_steps, _STRIDE):
        for n in range(num_agents):
            if agents.valid[t, n] and not agents.is_ignored[n]:
                k = counts[t]
                rows[t, k] = n
                columns[t, k, _X], columns[t, k, _Y] = agents.poses[t, n, 0], agents.poses[t, n, 1]
                columns[t, k, _REACH] = ego_reach + 0.5 * math.hypot(agents.sizes[t, n, 0], agents.sizes[t, n, 1])
                columns[t, k, _WAY] = TEST_S[-1] * speeds[t, n]
                counts[t] += 1
    return rows, counts, columns


@njit(cache=True)
def closing_scores(
    motions: ScoredMotions,
    agents: ScoredAgents,
    speeds: Float64[np.ndarray, "instants agents"],
    classified: ClassifiedAreas,
) -> Float64[np.ndarray, "motions"]:
    """1 for times to collision above 1.5 s throughout, 1/2 for those above 0.95 s, else 0.

    An agent that drives into the rear of the ego no longer counts for that motion, as in nuPlan's metric. Recorded
    agents do not react, and would come out in front of an ego that brakes.

    Args:
        motions: Motions with their areas.
        agents: At least at the instants of the motions, stride 1. They move along their box headings.
        speeds: Of the agents at each instant [m/s].
        classified: Raster over the polygons near the motions.
    """
    states, areas, box = motions
    num_motions, num_steps = areas.shape
    scores = np.ones(num_motions)
    longest_s = TEST_S[-1]
    rows, counts, circles = _present_agents(agents, speeds, half_diagonal(box), num_steps)
    has_hit_rear = np.empty(len(agents.speeds), dtype=np.bool_)
    for m in range(num_motions):
        has_hit_rear[:] = False
        for t in range(0, num_steps, _STRIDE):
            speed = math.hypot(states[m, t, VELOCITY_X], states[m, t, VELOCITY_Y])
            rear = MovingPoint(states[m, t, X], states[m, t, Y], states[m, t, HEADING], speed)
            ego = straight_ego(rear, box)
            for k in range(counts[t]):
                x, y, reach = circles[t, k, _X], circles[t, k, _Y], circles[t, k, _REACH]
                far = reach + longest_s * speed + circles[t, k, _WAY]
                if (x - ego.x) ** 2 + (y - ego.y) ** 2 > far * far:
                    continue
                n = rows[t, k]
                if has_hit_rear[n]:
                    continue
                heading = agents.poses[t, n, 2]
                length, width = agents.sizes[t, n, 0], agents.sizes[t, n, 1]
                agent = StraightBox(x, y, heading, length, width, speeds[t, n], math.cos(heading), math.sin(heading))
                # Once the score is 1/2, an overlap beyond the bound changes nothing.
                num_tests = len(TEST_S) if scores[m] > CLOSE_SCORE else NUM_WITHIN_BOUND
                first = first_near(ego, agent, reach, num_tests)
                if first < 0:
                    continue
                position = relative_position(rear, x, y)
                if position == BEHIND:
                    has_hit_rear[n] = overlaps_now(ego, agent, reach)
                if speed < TTC_STOPPED_SPEED_MPS or not counts_for_ttc(
                    position, position == BESIDE and sides_count(areas[m, t], classified, rear.x, rear.y)
                ):
                    continue
                overlap = first_overlap(ego, agent, reach, first, num_tests)
                if overlap >= 0:
                    scores[m] = min(scores[m], 0.0 if overlap < NUM_WITHIN_BOUND else CLOSE_SCORE)
                if scores[m] == 0.0:
                    break
            if scores[m] == 0.0:
                break
    return scores
