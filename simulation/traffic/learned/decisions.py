"""Decisions of all agents at one instant: forecasts, safe choices, and a draw from the network's distribution."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from simulation.geometry.compiling import njit
from simulation.traffic.idm_law import IdmParameters
from simulation.traffic.learned.features import find_lead, following_acceleration
from simulation.traffic.learned.overlap_mask import near_users, occupancy, safe_accelerations, token_overlap_time
from simulation.traffic.learned.paths import Paths
from simulation.traffic.learned.state import (
    DECISION_S,
    FORECAST_POSES,
    FORECAST_STEP_S,
    Choice,
    State,
    forecast_along_path,
)
from simulation.traffic.learned.vocabulary import ACCELERATIONS_MPS2, HIGHEST_MPS2, LOWEST_MPS2, ZERO

MAX_REDRAWS = 24
"""Tokens that an agent tries before it takes the one that delays an overlap longest."""
TILT = 0.8
"""Added log-probability per m/s^2 and unit of aggressiveness."""
IDM = IdmParameters(min_gap_m=1.0, headway_s=1.5, accel_max_mps2=1.0, decel_max_mps2=4.0)
"""Of agents with the policy `idm`; nuPlan's agents, except that they brake harder."""


class Style(NamedTuple):
    """How the agents choose."""

    temperature: float
    """Above 0; below 1 the agents choose likely actions more often."""
    aggressiveness: float
    """0 drives as in the training data; the log-probability of acceleration a is shifted by `TILT` * this * a."""


class Logits(NamedTuple):
    """Unnormalised log-probabilities of the choices of A agents."""

    accelerations: Float32[np.ndarray, "agents accelerations"]
    tokens: Float32[np.ndarray, "agents tokens"]


class Draws(NamedTuple):
    """Random numbers of one instant."""

    accelerations: Float64[np.ndarray, "agents accelerations"]
    """Gumbel."""
    within: Float64[np.ndarray, "agents"]
    """Uniform, the place within an entry of the vocabulary."""
    tokens: Float32[np.ndarray, "agents tokens"]
    """Gumbel."""


class Deciding(NamedTuple):
    """The agents that decide."""

    users: Int64[np.ndarray, "agents"]
    is_free: Bool[np.ndarray, "agents"]
    is_idm: Bool[np.ndarray, "agents"]


@njit(cache=True)
def decide(
    paths: Paths,
    world: tuple[State, np.ndarray],
    deciding: Deciding,
    logits: tuple[np.ndarray, np.ndarray, np.ndarray],
    chance: tuple[Draws, Style],
) -> Choice:
    """Choose for one agent after the other; forecasts of agents that have chosen are replaced by their choice.

    Args:
        paths: Of all agents.
        world: State of all road users and their forecasts, which are changed.
        deciding: The agents.
        logits: Of accelerations, of tokens, and the motions of the tokens.
        chance: Random numbers, and the style.
    """
    state, expected = world
    num_agents = len(deciding.users)
    choice = Choice(np.zeros(num_agents), np.zeros((num_agents, 3)))
    # Vehicles first: pedestrians choose given what they do.
    for wants_free in (False, True):
        for a in range(num_agents):
            if deciding.is_free[a] != wants_free:
                continue
            user = deciding.users[a]
            if wants_free:
                options = (logits[1][a], logits[2], chance[0].tokens[a])
                forward, left, turn = _choose_token(state, expected, user, options, chance[1])
                choice.motions[a, 0], choice.motions[a, 1], choice.motions[a, 2] = forward, left, turn
                _forecast_motion(state, user, choice.motions[a], expected[user])
                continue
            safe = safe_accelerations(
                occupancy(paths, state, expected, user), max(state.speed[user], 0.0), ACCELERATIONS_MPS2
            )
            if deciding.is_idm[a]:
                lead = find_lead(paths, state, user)
                wanted = following_acceleration(paths, state, user, lead, IDM)
                choice.accelerations[a] = _nearest_safe(wanted, safe)
            else:
                choice.accelerations[a] = _draw_acceleration(
                    logits[0][a], safe, (chance[0].accelerations[a], chance[0].within[a]), chance[1]
                )
            forecast_along_path(paths, state, user, choice.accelerations[a], expected[user])
    return choice


@njit(cache=True)
def _nearest_safe(wanted: float, safe: np.ndarray) -> float:
    """The wanted acceleration, or the nearest safe entry below it, else above it."""
    at = int(np.searchsorted(LOWEST_MPS2, wanted, side="right")) - 1
    at = min(max(at, 0), len(safe) - 1)
    if safe[at]:
        return wanted
    for k in range(at, -1, -1):
        if safe[k]:
            return ACCELERATIONS_MPS2[k]
    return ACCELERATIONS_MPS2[np.argmax(safe)]


@njit(cache=True)
def _draw_acceleration(logits: np.ndarray, safe: np.ndarray, draws: tuple[np.ndarray, float], style: Style) -> float:
    best, at = -np.inf, ZERO
    for k in range(len(safe)):
        if safe[k]:
            value = (logits[k] + TILT * style.aggressiveness * ACCELERATIONS_MPS2[k]) / style.temperature + draws[0][
                k
            ]
            if value > best:
                best, at = value, k
    if at == ZERO or not 0 < at < len(safe) - 1:
        return ACCELERATIONS_MPS2[at]
    return LOWEST_MPS2[at] + draws[1] * (HIGHEST_MPS2[at] - LOWEST_MPS2[at])


@njit(cache=True)
def _choose_token(
    state: State,
    expected: np.ndarray,
    user: int,
    options: tuple[np.ndarray, np.ndarray, np.ndarray],
    style: Style,
) -> tuple[float, float, float]:
    """Draw tokens without replacement until one is free of overlaps."""
    logits, motions, draws = options
    values = np.empty(len(logits))
    speed = max(state.speed[user], 0.0)
    for k in range(len(logits)):
        accel = (math.hypot(motions[k, 0], motions[k, 1]) / DECISION_S - speed) / DECISION_S
        tilt = TILT * style.aggressiveness * min(max(accel, -8.0), 4.5)
        values[k] = (logits[k] + tilt) / style.temperature + draws[k]
    others = near_users(state, expected, user, 12.0)
    best_time, best = -1.0, 0
    for _ in range(MAX_REDRAWS):
        k = int(np.argmax(values))
        time_s = token_overlap_time(
            state, expected, (user, others), (float(motions[k, 0]), float(motions[k, 1]), float(motions[k, 2]))
        )
        if time_s > best_time:
            best_time, best = time_s, k
        if time_s == np.inf:
            break
        values[k] = -np.inf
    if best_time < np.inf:
        still = token_overlap_time(state, expected, (user, others), (0.0, 0.0, 0.0))
        if still > best_time:
            return 0.0, 0.0, 0.0
    return float(motions[best, 0]), float(motions[best, 1]), float(motions[best, 2])


@njit(cache=True)
def _forecast_motion(state: State, user: int, motion: np.ndarray, out: np.ndarray) -> None:
    """Write the forecast of an agent that has chosen a motion: it moves on at its velocity."""
    x, y, heading = state.poses[user]
    cos, sin = math.cos(heading), math.sin(heading)
    dx, dy = cos * motion[0] - sin * motion[1], sin * motion[0] + cos * motion[1]
    for k in range(FORECAST_POSES):
        share = k * FORECAST_STEP_S / DECISION_S
        out[k, 0], out[k, 1] = x + share * dx, y + share * dy
        out[k, 2] = heading + min(share, 1.0) * motion[2]
