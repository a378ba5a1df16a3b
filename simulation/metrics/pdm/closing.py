"""Time to collision by nuPlan's rule, of many motions among agents whose future is known or forecast.

At each instant the ego and all agents are moved ahead straight, at constant velocity. A score that moves agents along
their true future instead lets the ego approach a leader that is about to accelerate, and loses nuPlan's metric.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64

from driving.timing import INSTANT_S, STEP_S
from simulation.ego.box import EgoBox, center_at, corners_around, half_diagonal
from simulation.ego.dynamics import HEADING, VELOCITY_X, VELOCITY_Y, X, Y
from simulation.geometry.boxes import box_corners, convex_overlap
from simulation.geometry.compiling import njit
from simulation.metrics.pdm.agents import ScoredAgents
from simulation.metrics.pdm.road import ClassifiedAreas, ScoredMotions, sides_count
from simulation.metrics.rules import (
    BEHIND,
    BESIDE,
    TTC_BOUND_S,
    TTC_STOPPED_SPEED_MPS,
    MovingPoint,
    counts_for_ttc,
    relative_position,
)

CLOSE_SCORE = 0.5
"""Score of a motion whose time to collision is beyond nuPlan's bound, but at most 1.5 s."""
_TEST_S = np.array([0.0, 0.3, 0.6, 0.9, 1.2, 1.5])
"""Times ahead at which overlaps are tested."""
_NUM_WITHIN_BOUND = int((_TEST_S < TTC_BOUND_S).sum())
"""The first four are below nuPlan's bound."""
_MOVING_MPS = 1.0
"""The box of a faster agent points along its forecast; that of a slower one keeps its present heading."""
_STRIDE = 2
"""Every second pose of a motion is tested."""


class ForecastArrays(NamedTuple):
    """N agents in each of B states, in the frame of the ego's rear axle."""

    now: Float64[np.ndarray, "states agents 2"]
    """Box centres [m]."""
    ahead: Float64[np.ndarray, "states agents instants 2"]
    """Box centres every half second [m]."""
    boxes: Float64[np.ndarray, "states agents 4"]
    """Cosine and sine of the present heading, length and width [m]."""
    mask: Bool[np.ndarray, "states agents"]
    """Rows that hold an agent."""


class _StraightBox(NamedTuple):
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
def _first_near(ego: _StraightBox, agent: _StraightBox, reach: float, num_tests: int) -> int:
    """First test time at which the centres are within `reach`, -1 for none."""
    dx, dy = agent.x - ego.x, agent.y - ego.y
    velocity_x = agent.speed * agent.direction_x - ego.speed * ego.direction_x
    velocity_y = agent.speed * agent.direction_y - ego.speed * ego.direction_y
    for k in range(num_tests):
        if (dx + _TEST_S[k] * velocity_x) ** 2 + (dy + _TEST_S[k] * velocity_y) ** 2 <= reach * reach:
            return k
    return -1


@njit(cache=True)
def _first_overlap(ego: _StraightBox, agent: _StraightBox, reach: float, first: int, num_tests: int) -> int:
    """First test time from the row `first` on at which the boxes overlap, -1 for none."""
    for k in range(first, num_tests):
        ego_way, agent_way = _TEST_S[k] * ego.speed, _TEST_S[k] * agent.speed
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
def _straight_ego(rear: MovingPoint, box: EgoBox) -> _StraightBox:
    x, y = center_at(rear.x, rear.y, rear.heading, box)
    cos, sin = math.cos(rear.heading), math.sin(rear.heading)
    return _StraightBox(x, y, rear.heading, box.length, box.width, rear.speed, cos, sin)


@njit(cache=True)
def closing_scores(
    motions: ScoredMotions,
    agents: ScoredAgents,
    speeds: Float64[np.ndarray, "instants agents"],
    classified: ClassifiedAreas,
) -> Float64[np.ndarray, "motions"]:
    """1 for motions whose time to collision stays above 1.5 s, 1/2 for those above 0.95 s, else 0.

    Args:
        motions: Motions with their areas.
        agents: At least at the instants of the motions, stride 1. They move along their box headings.
        speeds: Of the agents at each instant [m/s].
        classified: Raster over the polygons near the motions.
    """
    states, areas, box = motions
    num_motions, num_steps = areas.shape
    scores = np.ones(num_motions)
    ego_reach = half_diagonal(box)
    longest_s = _TEST_S[-1]
    num_agents = len(agents.speeds)
    # Agents at each instant: row, and centre (x, y), distance that may touch, distance covered in the longest time.
    counts = np.zeros(num_steps, dtype=np.int64)
    rows, circles = np.empty((num_steps, num_agents), dtype=np.int64), np.empty((num_steps, num_agents, 4))
    for t in range(0, num_steps, _STRIDE):
        for n in range(num_agents):
            if agents.valid[t, n] and not agents.is_ignored[n]:
                k = counts[t]
                rows[t, k] = n
                circles[t, k, 0], circles[t, k, 1] = agents.poses[t, n, 0], agents.poses[t, n, 1]
                circles[t, k, 2] = ego_reach + 0.5 * math.hypot(agents.sizes[t, n, 0], agents.sizes[t, n, 1])
                circles[t, k, 3] = longest_s * speeds[t, n]
                counts[t] += 1
    for m in range(num_motions):
        for t in range(0, num_steps, _STRIDE):
            speed = math.hypot(states[m, t, VELOCITY_X], states[m, t, VELOCITY_Y])
            if speed < TTC_STOPPED_SPEED_MPS:
                continue
            rear = MovingPoint(states[m, t, X], states[m, t, Y], states[m, t, HEADING], speed)
            ego = _straight_ego(rear, box)
            for k in range(counts[t]):
                x, y, reach = circles[t, k, 0], circles[t, k, 1], circles[t, k, 2]
                far = reach + longest_s * speed + circles[t, k, 3]
                if (x - ego.x) ** 2 + (y - ego.y) ** 2 > far * far:
                    continue
                n = rows[t, k]
                heading = agents.poses[t, n, 2]
                length, width = agents.sizes[t, n, 0], agents.sizes[t, n, 1]
                agent = _StraightBox(x, y, heading, length, width, speeds[t, n], math.cos(heading), math.sin(heading))
                # Once the score is 1/2, an overlap beyond the bound changes nothing.
                num_tests = len(_TEST_S) if scores[m] > CLOSE_SCORE else _NUM_WITHIN_BOUND
                first = _first_near(ego, agent, reach, num_tests)
                if first < 0:
                    continue
                position = relative_position(rear, x, y)
                if not counts_for_ttc(
                    position, position == BESIDE and sides_count(areas[m, t], classified, rear.x, rear.y)
                ):
                    continue
                overlap = _first_overlap(ego, agent, reach, first, num_tests)
                if overlap >= 0:
                    scores[m] = min(scores[m], 0.0 if overlap < _NUM_WITHIN_BOUND else CLOSE_SCORE)
                if scores[m] == 0.0:
                    break
            if scores[m] == 0.0:
                break
    return scores


_AT_X, _AT_Y, _AT_VELOCITY_X, _AT_VELOCITY_Y, _AT_HEADING, _AT_LENGTH, _AT_WIDTH, _AT_REACH = range(8)
"""Columns of an agent at one time; the last is the distance of the centres at which boxes may touch."""


@njit(cache=True)
def closing_shares(
    driven: Float64[np.ndarray, "states candidates time 10"], forecasts: ForecastArrays, box: EgoBox
) -> Float64[np.ndarray, "states candidates"]:
    """Share of the instants at which the time to collision with forecast agents is below nuPlan's bound.

    All agents that are not behind count, as they do in intersections; lanes are not considered. Agents that overlap
    the ego now are ignored.

    Args:
        driven: Motions of the ego every 0.1 s from 0.1 s on, in the frame of its rear axle now.
        forecasts: In the same frame. They cover the motions.
        box: Of the ego.
    """
    now, ahead, boxes, mask = forecasts
    num_states, num_candidates, num_steps = driven.shape[:3]
    shares = np.zeros((num_states, num_candidates))
    ego_reach = half_diagonal(box)
    ego_corners = corners_around(box.rear_axle_to_center, 0.0, 0.0, box)
    agents = np.empty((now.shape[1], 8))
    counts = np.zeros(num_candidates, dtype=np.int64)
    rows = np.empty(now.shape[1], dtype=np.int64)
    headings = np.empty(now.shape[1])
    for b in range(num_states):
        counts[:] = 0
        num_agents = 0
        for n in range(now.shape[1]):
            if not mask[b, n]:
                continue
            heading = math.atan2(boxes[b, n, 1], boxes[b, n, 0])
            length, width = boxes[b, n, 2], boxes[b, n, 3]
            reach = ego_reach + 0.5 * math.hypot(length, width)
            gap = math.hypot(now[b, n, 0] - box.rear_axle_to_center, now[b, n, 1])
            if gap < reach and convex_overlap(
                ego_corners, box_corners(now[b, n, 0], now[b, n, 1], heading, length, width)
            ):
                continue
            rows[num_agents], headings[num_agents] = n, heading
            agents[num_agents, _AT_LENGTH], agents[num_agents, _AT_WIDTH] = length, width
            agents[num_agents, _AT_REACH] = reach
            num_agents += 1
        for t in range(0, num_steps, _STRIDE):
            for k in range(num_agents):
                _place_forecast(now[b, rows[k]], ahead[b, rows[k]], STEP_S * (t + 1), headings[k], agents[k])
            for a in range(num_candidates):
                if _is_below_bound(driven[b, a, t], agents[:num_agents], box):
                    counts[a] += 1
        shares[b] = counts / max(len(range(0, num_steps, _STRIDE)), 1)
    return shares


@njit(cache=True)
def _place_forecast(now: np.ndarray, ahead: np.ndarray, time_s: float, heading: float, out: np.ndarray) -> None:
    """Position, velocity and heading of an agent at a time, linear between the instants of its forecast."""
    k = min(int((time_s - 1e-9) / INSTANT_S), len(ahead) - 1)
    start = now if k == 0 else ahead[k - 1]
    velocity_x, velocity_y = (ahead[k, 0] - start[0]) / INSTANT_S, (ahead[k, 1] - start[1]) / INSTANT_S
    since_s = time_s - k * INSTANT_S
    out[_AT_X], out[_AT_Y] = start[0] + since_s * velocity_x, start[1] + since_s * velocity_y
    out[_AT_VELOCITY_X], out[_AT_VELOCITY_Y] = velocity_x, velocity_y
    moves = math.hypot(velocity_x, velocity_y) > _MOVING_MPS
    out[_AT_HEADING] = math.atan2(velocity_y, velocity_x) if moves else heading


@njit(cache=True)
def _is_below_bound(state: np.ndarray, agents: np.ndarray, box: EgoBox) -> bool:
    """Whether the time to collision of one state of the ego with any agent is below nuPlan's bound."""
    speed = math.hypot(state[VELOCITY_X], state[VELOCITY_Y])
    if speed < TTC_STOPPED_SPEED_MPS:
        return False
    rear = MovingPoint(state[X], state[Y], state[HEADING], speed)
    ego = _straight_ego(rear, box)
    longest_s = _TEST_S[_NUM_WITHIN_BOUND - 1]
    for n in range(len(agents)):
        x, y, reach = agents[n, _AT_X], agents[n, _AT_Y], agents[n, _AT_REACH]
        velocity_x, velocity_y = agents[n, _AT_VELOCITY_X], agents[n, _AT_VELOCITY_Y]
        far = reach + longest_s * (speed + abs(velocity_x) + abs(velocity_y))
        if (x - ego.x) ** 2 + (y - ego.y) ** 2 > far * far:
            continue
        agent = _StraightBox(
            x,
            y,
            agents[n, _AT_HEADING],
            agents[n, _AT_LENGTH],
            agents[n, _AT_WIDTH],
            1.0,
            velocity_x,
            velocity_y,
        )
        first = _first_near(ego, agent, reach, _NUM_WITHIN_BOUND)
        if first < 0 or relative_position(rear, x, y) == BEHIND:
            continue
        if _first_overlap(ego, agent, reach, first, _NUM_WITHIN_BOUND) >= 0:
            return True
    return False
