"""Forecast of the agents of the tokens, from histories known by hand."""

import numpy as np
import pytest

from driving.agents import AgentKind
from planning.forecasting.constant_turn import KEPT_ACCELERATION
from planning.neural.agent_forecast import forecast_agents
from planning.neural.tokens import AGENT_SIZE, KIND, POSITION_M, SPEED_MPS, VELOCITY


def token(kind: AgentKind, xs_m: list[float], speed_mps: float, headings: list[float] | None = None) -> np.ndarray:
    """An agent on the x axis at positions now, 0.5 s ago, 1 s ago, ...; not seen before the last of them."""
    values = np.zeros(AGENT_SIZE, dtype=np.float32)
    for step, x_m in enumerate(xs_m):
        heading = headings[step] if headings else 0.0
        values[5 * step : 5 * step + 5] = x_m / POSITION_M, 0.0, np.cos(heading), np.sin(heading), 1.0
    values[VELOCITY] = speed_mps / SPEED_MPS, 0.0
    values[KIND][kind] = 1.0
    return values


def forecast(values: np.ndarray) -> np.ndarray:
    return forecast_agents(values[np.newaxis, np.newaxis])[0, 0]


def test_a_vehicle_that_brakes_is_forecast_to_brake():
    # 10 m/s at 0.75 s ago and 7 m/s now: 4 m/s^2.
    positions_m = forecast(token(AgentKind.VEHICLE, [30.0, 26.0, 21.0], 7.0))
    assert positions_m[1] == pytest.approx([30.0 + 7.0 - 0.5 * KEPT_ACCELERATION * 4.0, 0.0], abs=1e-4)


def test_a_vehicle_that_turns_is_forecast_to_turn():
    positions_m = forecast(token(AgentKind.VEHICLE, [30.0, 26.0], 8.0, [0.0, -0.2]))
    # 8 m/s and 0.4 rad/s: a circle of 20 m.
    assert positions_m[1] == pytest.approx([30.0 + 20.0 * np.sin(0.4), 20.0 * (1.0 - np.cos(0.4))], abs=1e-4)


@pytest.mark.parametrize("kind", [AgentKind.PEDESTRIAN, AgentKind.BICYCLE])
def test_others_keep_their_velocity(kind):
    positions_m = forecast(token(kind, [30.0, 26.0, 21.0], 2.0, [0.3, 0.0, 0.0]))
    assert positions_m == pytest.approx(np.stack([30.0 + np.arange(1, 9), np.zeros(8)], axis=1), abs=1e-4)


def test_a_vehicle_that_just_appeared_keeps_its_velocity():
    assert forecast(token(AgentKind.VEHICLE, [30.0], 8.0))[:, 0] == pytest.approx(30.0 + 4.0 * np.arange(1, 9))
