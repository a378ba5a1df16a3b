"""Time to collision of candidates against forecast agents."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64

from driving.agents import AgentKind
from driving.timing import INSTANT_S, STEP_S
from planning.neural.candidate_features import MOVING_MPS, CandidateGeometry
from planning.neural.tokens import BOX, KIND, POSITION_M, SPEED_MPS, VELOCITY, StackedFeatures
from simulation.ego.box import EgoBox, half_diagonal
from simulation.ego.dynamics import HEADING, VELOCITY_X, VELOCITY_Y, X, Y
from simulation.geometry.compiling import njit
from simulation.metrics.pdm.straight_motion import (
    NUM_WITHIN_BOUND,
    TEST_S,
    StraightBox,
    first_near,
    first_overlap,
    overlaps_now,
    straight_ego,
)
from simulation.metrics.rules import BEHIND, TTC_STOPPED_SPEED_MPS, MovingPoint, relative_position

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
    """The agents of stacked features, float64, as their motion continues; pedestrians also as if they stopped now.

    A pedestrian on the road may stop: a plan that counts on it to walk on comes too near. Rows: 2 N for N tokens.
    """
    tokens, ahead = features["agents"].astype(np.float64), geometry.kinematic_m.astype(np.float64)
    now = tokens[..., :2] * POSITION_M
    boxes = np.concatenate([tokens[..., 2:4], tokens[..., BOX] * SPEED_MPS], axis=-1)
    moves = np.abs(tokens[..., VELOCITY]).max(axis=-1) > 0.0
    walks = geometry.mask & moves & (tokens[..., KIND][..., AgentKind.PEDESTRIAN] > 0.0)
    stopped = np.broadcast_to(now[..., np.newaxis, :], ahead.shape)
    return ForecastArrays(
        now=np.concatenate([now, now], axis=1),
        ahead=np.concatenate([ahead, stopped], axis=1),
        boxes=np.concatenate([boxes, boxes], axis=1),
        mask=np.concatenate([geometry.mask, walks], axis=1),
    )


@njit(cache=True)
def violation_shares(
    tracked: Float64[np.ndarray, "states candidates time 10"], forecasts: ForecastArrays, box: EgoBox
) -> Float64[np.ndarray, "states candidates"]:
    """Share of the instants at which the time to collision with forecast agents is below nuPlan's bound of 0.95 s.

    All agents that are not behind count, as they do in intersections; lanes are not considered. Agents
    that have hit the rear of the ego are ignored from then on: nuPlan's metric ignores agents after a contact.

    Args:
        tracked: Candidates every 0.1 s from 0.1 s on, in the frame of the rear axle now.
        forecasts: In the same frame, at least as long.
        box: Of the ego.
    """
    now, ahead, boxes, mask = forecasts
    num_states, num_candidates, num_steps = tracked.shape[:3]
    shares = np.zeros((num_states, num_candidates))
    ego_reach = half_diagonal(box)
    agents = np.empty((now.shape[1], 8))
    counts = np.zeros(num_candidates, dtype=np.int64)
    has_hit_rear = np.zeros((num_candidates, now.shape[1]), dtype=np.bool_)
    rows = np.empty(now.shape[1], dtype=np.int64)
    headings = np.empty(now.shape[1])
    for b in range(num_states):
        counts[:] = 0
        has_hit_rear[:] = False
        num_agents = 0
        for n in range(now.shape[1]):
            if mask[b, n]:
                length, width = boxes[b, n, 2], boxes[b, n, 3]
                rows[num_agents], headings[num_agents] = n, math.atan2(boxes[b, n, 1], boxes[b, n, 0])
                agents[num_agents, _AT_LENGTH], agents[num_agents, _AT_WIDTH] = length, width
                agents[num_agents, _AT_REACH] = ego_reach + 0.5 * math.hypot(length, width)
                num_agents += 1
        for t in range(0, num_steps, _STRIDE):
            for k in range(num_agents):
                _place_forecast(now[b, rows[k]], ahead[b, rows[k]], STEP_S * (t + 1), headings[k], agents[k])
            for a in range(num_candidates):
                if _is_below_bound(tracked[b, a, t], agents[:num_agents], has_hit_rear[a], box):
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
    moves = math.hypot(velocity_x, velocity_y) > MOVING_MPS
    out[_AT_HEADING] = math.atan2(velocity_y, velocity_x) if moves else heading


@njit(cache=True)
def _is_below_bound(state: np.ndarray, agents: np.ndarray, has_hit_rear: np.ndarray, box: EgoBox) -> bool:
    """Whether the time to collision of one state of the ego with any agent is below nuPlan's bound.

    An agent that drives into the rear of the ego is marked, and not counted when it has passed through it later on.
    """
    speed = math.hypot(state[VELOCITY_X], state[VELOCITY_Y])
    rear = MovingPoint(state[X], state[Y], state[HEADING], speed)
    ego = straight_ego(rear, box)
    longest_s = TEST_S[NUM_WITHIN_BOUND - 1]
    for n in range(len(agents)):
        if has_hit_rear[n]:
            continue
        x, y, reach = agents[n, _AT_X], agents[n, _AT_Y], agents[n, _AT_REACH]
        velocity_x, velocity_y = agents[n, _AT_VELOCITY_X], agents[n, _AT_VELOCITY_Y]
        far = reach + longest_s * (speed + abs(velocity_x) + abs(velocity_y))
        if (x - ego.x) ** 2 + (y - ego.y) ** 2 > far * far:
            continue
        heading, length, width = agents[n, _AT_HEADING], agents[n, _AT_LENGTH], agents[n, _AT_WIDTH]
        agent = StraightBox(x, y, heading, length, width, 1.0, velocity_x, velocity_y)
        first = first_near(ego, agent, reach, NUM_WITHIN_BOUND)
        if first < 0:
            continue
        if relative_position(rear, x, y) == BEHIND:
            has_hit_rear[n] = overlaps_now(ego, agent, reach)
            continue
        if speed >= TTC_STOPPED_SPEED_MPS and first_overlap(ego, agent, reach, first, NUM_WITHIN_BOUND) >= 0:
            return True
    return False
