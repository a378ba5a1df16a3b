"""Time to collision against forecast agents, with values known by hand."""

import numpy as np
import pytest

from driving.vehicle import PACIFICA
from planning.neural.candidate_features import candidate_geometry
from planning.neural.features import AGENT_SIZE, BOX, POSITION_M, ROUTE_POINTS, ROUTE_SIZE, SPEED_MPS
from planning.neural.ttc_check import TTC_STEPS, forecasts_of, violation_shares
from simulation.ego.dynamics import STATE_SIZE, VELOCITY_X, X
from simulation.metrics.pdm.closing import ForecastArrays

FRONT_M = PACIFICA.rear_axle_to_center_m + 0.5 * PACIFICA.length_m


def straight_on(*speeds_mps: float) -> np.ndarray:
    """Motions straight ahead at constant speeds, every 0.1 s."""
    tracked = np.zeros((1, len(speeds_mps), 40, STATE_SIZE))
    tracked[0, :, :, VELOCITY_X] = np.array(speeds_mps)[:, np.newaxis]
    tracked[0, :, :, X] = tracked[0, :, :, VELOCITY_X] * 0.1 * np.arange(1, 41)
    return tracked


def standing(gap_m: float, *, is_valid: bool = True) -> ForecastArrays:
    """An agent that stands ahead of the ego, its rear end a gap from the front bumper."""
    center = np.array([FRONT_M + gap_m + 1.0, 0.0])
    return ForecastArrays(
        now=center[np.newaxis, np.newaxis],
        ahead=np.tile(center, (1, 1, 8, 1)),
        boxes=np.array([[[1.0, 0.0, 2.0, 2.0]]]),
        mask=np.array([[is_valid]]),
    )


def test_the_share_of_violated_instants_grows_with_speed():
    shares = violation_shares(standing(20.0), straight_on(0.0, 3.0, 5.0, 6.0))[0]
    assert shares[:2].tolist() == [0.0, 0.0]
    # Every 0.2 s from 0.1 s on. At 5 m/s, contact is due after 4 s, so that the instants from 3.1 s on violate the
    # bound; at 6 m/s after 3.33 s, so that those from 2.5 s on do.
    assert shares[2:] == pytest.approx([3 / 18, 6 / 18])


def test_an_invalid_agent_violates_nothing():
    shares = violation_shares(standing(20.0, is_valid=False), straight_on(12.0))
    assert shares.tolist() == [[0.0]]


def test_only_the_next_3_5_seconds_count():
    # At 5 m/s, contact is due at the end of the window plus the bound of 0.95 s.
    gap_m = 5.0 * (0.1 * TTC_STEPS + 1.0)
    assert violation_shares(standing(gap_m), straight_on(5.0)).item() == 0.0
    assert violation_shares(standing(gap_m - 2.0), straight_on(5.0)).item() > 0.0


def test_a_forecast_along_a_lane_replaces_constant_velocity():
    tokens = np.zeros((1, 2, AGENT_SIZE), dtype=np.float32)
    tokens[0, :, 0] = 40.0 / POSITION_M
    tokens[0, :, 2] = 1.0
    tokens[0, :, BOX] = np.array([4.0, 2.0]) / SPEED_MPS
    features = {
        "agents": tokens,
        "agents_mask": np.array([[True, True]]),
        "route": np.zeros((1, ROUTE_POINTS, ROUTE_SIZE), dtype=np.float32),
        "route_mask": np.zeros((1, ROUTE_POINTS), dtype=bool),
    }
    along_lanes_m = np.full((1, 2, 8, 2), np.nan, dtype=np.float32)
    along_lanes_m[0, 1] = 7.0
    forecasts = forecasts_of(features, candidate_geometry(features, straight_on(0.0)[:, :, 4::5], along_lanes_m))
    assert forecasts.now[0, 0].tolist() == [40.0, 0.0]
    assert forecasts.boxes[0, 0] == pytest.approx([1.0, 0.0, 4.0, 2.0])
    assert forecasts.ahead[0, 0].tolist() == [[40.0, 0.0]] * 8
    assert (forecasts.ahead[0, 1] == 7.0).all()
