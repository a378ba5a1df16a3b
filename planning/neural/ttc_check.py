"""Time to collision of candidates against agents that keep their velocity."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64

from driving.timing import INSTANT_S, STEP_S
from planning.neural.candidate_features import CandidateGeometry
from planning.neural.tokens import BOX, POSITION_M, SPEED_MPS, StackedFeatures
from simulation.ego.box import EgoBox, corners_around, half_diagonal
from simulation.ego.dynamics import HEADING, VELOCITY_X, VELOCITY_Y, X, Y
from simulation.geometry.boxes import box_corners, convex_overlap
from simulation.geometry.compiling import njit
from simulation.metrics.pdm.straight_motion import (
    NUM_WITHIN_BOUND,
    TEST_S,
    StraightBox,
    first_near,
    first_overlap,
    straight_ego,
)
from simulation.metrics.rules import BEHIND, TTC_STOPPED_SPEED_MPS, MovingPoint, relative_position

_MOVING_MPS = 1.0
"""The box of a faster agent points along its forecast; that of a slower one keeps its present heading."""
_STRIDE = 2
"""Every second pose of a candidate is tested."""
_AT_X, _AT_Y, _AT_VELOCITY_X, _AT_VELOCITY_Y, _AT_HEADING, _AT_LENGTH, _AT_WIDTH, _AT_REACH = range(8)
"""Columns of an agent at one time; the last is the distance of the centres at which boxes may touch."""


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


def forecasts_of(features: StackedFeatures, geometry: CandidateGeometry) -> ForecastArrays:
    """The agents of stacked features, float64, at constant velocity."""
    tokens = features["agents"].astype(np.float64)
    return ForecastArrays(
        now=tokens[..., :2] * POSITION_M,
        ahead=geometry.straight_m.astype(np.float64),
        boxes=np.concatenate([tokens[..., 2:4], tokens[..., BOX] * SPEED_MPS], axis=-1),
        mask=features["agents_mask"],
    )


@njit(cache=True)
def violation_shares(
    tracked: Float64[np.ndarray, "states candidates time 10"], forecasts: ForecastArrays, box: EgoBox
) -> Float64[np.ndarray, "states candidates"]:
    """Share of the instants at which the time to collision with forecast agents is below nuPlan's bound of 0.95 s.

    All agents that are not behind count, as they do in intersections; lanes are not considered. Agents that overlap
    the ego now are ignored.

    Args:
        tracked: Candidates every 0.1 s from 0.1 s on, in the frame of the rear axle now.
        forecasts: In the same frame, at least as long.
        box: Of the ego.
    """
    now, ahead, boxes, mask = forecasts
    num_states, num_candidates, num_steps = tracked.shape[:3]
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
                if _is_below_bound(tracked[b, a, t], agents[:num_agents], box):
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
    ego = straight_ego(rear, box)
    longest_s = TEST_S[NUM_WITHIN_BOUND - 1]
    for n in range(len(agents)):
        x, y, reach = agents[n, _AT_X], agents[n, _AT_Y], agents[n, _AT_REACH]
        velocity_x, velocity_y = agents[n, _AT_VELOCITY_X], agents[n, _AT_VELOCITY_Y]
        far = reach + longest_s * (speed + abs(velocity_x) + abs(velocity_y))
        if (x - ego.x) ** 2 + (y - ego.y) ** 2 > far * far:
            continue
        heading, length, width = agents[n, _AT_HEADING], agents[n, _AT_LENGTH], agents[n, _AT_WIDTH]
        agent = StraightBox(x, y, heading, length, width, 1.0, velocity_x, velocity_y)
        first = first_near(ego, agent, reach, NUM_WITHIN_BOUND)
        if first < 0 or relative_position(rear, x, y) == BEHIND:
            continue
        if first_overlap(ego, agent, reach, first, NUM_WITHIN_BOUND) >= 0:
            return True
    return False
