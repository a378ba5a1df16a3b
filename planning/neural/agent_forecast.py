"""The forecast of the agents of the tokens, from their present motion and their history."""

import numpy as np
from jaxtyping import Float32

from driving.agents import AgentKind
from driving.geometry import wrap_angle
from planning.forecasting.constant_turn import constant_turn
from planning.neural.tokens import HISTORY_INTERVAL_S, KIND, SPEED_MPS, VELOCITY, history_of


def forecast_agents(
    agents: Float32[np.ndarray, "states agents values"],
) -> Float32[np.ndarray, "states agents 8 2"]:
    """Positions [m] every half second: vehicles continue their turn and change of speed, others keep their velocity.

    The turn is that of the last half second. The acceleration is that from the mean speed between 1 s and 0.5 s ago
    to the present speed. Vehicles that were not seen then keep their direction or their speed.
    """
    now, before, earlier = (history_of(agents, step) for step in range(3))
    velocities_mps = agents[..., VELOCITY] * SPEED_MPS
    is_vehicle = agents[..., KIND][..., AgentKind.VEHICLE] > 0.0
    speeds = np.hypot(velocities_mps[..., 0], velocities_mps[..., 1])
    yaw_rates = wrap_angle(now.heading - before.heading) / HISTORY_INTERVAL_S
    speeds_before = np.hypot(*np.moveaxis(before.position_m - earlier.position_m, -1, 0)) / HISTORY_INTERVAL_S
    accelerations = (speeds - speeds_before) / (1.5 * HISTORY_INTERVAL_S)
    return constant_turn(
        now.position_m,
        velocities_mps,
        np.where(is_vehicle & before.is_valid & earlier.is_valid, accelerations, 0.0),
        np.where(is_vehicle & before.is_valid, yaw_rates, 0.0),
    ).astype(np.float32)
