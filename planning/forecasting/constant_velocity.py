"""The forecast that keeps the present velocity."""

import numpy as np
from jaxtyping import Float

from driving.timing import INSTANT_S

NUM_INSTANTS = 8
"""Instants of an agent forecast, every half second."""
INSTANTS_S = np.arange(1, NUM_INSTANTS + 1) * INSTANT_S


def constant_velocity(
    now_m: Float[np.ndarray, "... 2"],
    velocities_mps: Float[np.ndarray, "... 2"],
    times_s: Float[np.ndarray, "times"] = INSTANTS_S,
) -> Float[np.ndarray, "... times 2"]:
    """Positions [m] of agents that keep their velocity, at times from now."""
    return now_m[..., np.newaxis, :] + times_s[:, np.newaxis] * velocities_mps[..., np.newaxis, :]
