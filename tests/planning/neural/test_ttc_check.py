"""Time to collision against forecast agents, with values known by hand.

The ego is 5 m by 2 m, its centre 1.5 m ahead of its rear axle at the origin: its front is at x = 4 m. Overlaps are
tested 0, 0.3, 0.6 and 0.9 s ahead of every second pose.
"""

import numpy as np
import pytest

from driving.agents import AgentKind
from planning.neural.candidate_features import candidate_geometry
from planning.neural.tokens import AGENT_SIZE, BOX, KIND, POSITION_M, ROUTE_POINTS, ROUTE_SIZE, SPEED_MPS, VELOCITY
from planning.neural.ttc_check import ForecastArrays, forecasts_of, violation_shares
from simulation.ego.box import EgoBox
from simulation.ego.dynamics import STATE_SIZE, VELOCITY_X, X

EGO, FRONT_M = EgoBox(length=5.0, width=2.0, rear_axle_to_center=1.5), 4.0
LENGTH_M, WIDTH_M = 4.0, 2.0
NORTH = np.pi / 2


def straight_on(*speeds_mps: float, steps: int = 15) -> np.ndarray:
    """Candidates straight ahead at constant speeds, every 0.1 s from 0.1 s on."""
    tracked = np.zeros((1, len(speeds_mps), steps, STATE_SIZE))
    tracked[0, :, :, VELOCITY_X] = np.array(speeds_mps)[:, np.newaxis]
    tracked[0, :, :, X] = tracked[0, :, :, VELOCITY_X] * 0.1 * np.arange(1, steps + 1)
    return tracked


def share(
    speed_mps: float,
    pose: tuple[float, float, float],
    velocity_mps: tuple[float, float] = (0.0, 0.0),
    *,
    is_valid: bool = True,
) -> float:
    """Share of an ego at constant speed, with one agent that keeps its velocity."""
    now = np.array(pose[:2])
    ahead = now + np.arange(1, 9)[:, np.newaxis] * 0.5 * np.array(velocity_mps)
    agent = np.array([np.cos(pose[2]), np.sin(pose[2]), LENGTH_M, WIDTH_M])
    forecasts = ForecastArrays(
        now=now[np.newaxis, np.newaxis],
        ahead=ahead[np.newaxis, np.newaxis],
        boxes=agent[np.newaxis, np.newaxis],
        mask=np.array([[is_valid]]),
    )
    return violation_shares(straight_on(speed_mps), forecasts, EGO).item()


def ahead_by(gap_m: float, y_m: float = 0.1) -> tuple[float, float, float]:
    """Pose of an agent with its rear end at a gap ahead of the ego's front."""
    return FRONT_M + gap_m + LENGTH_M / 2, y_m, 0.0


def test_the_share_counts_the_instants_below_the_bound():
    # After 0.1, 0.3, ... 1.5 s the gap is 5.6, 4.6, 3.6 m, ...; a gap below 4.5 m is closed at 5 m/s within 0.9 s.
    assert share(10.0, ahead_by(6.1), (5.0, 0.0)) == pytest.approx(6 / 8)
    assert share(10.0, ahead_by(16.0), (5.0, 0.0)) == 0.0
    assert share(10.0, ahead_by(6.1), (10.0, 0.0)) == 0.0
    assert share(10.0, ahead_by(6.1), (5.0, 0.0), is_valid=False) == 0.0


def test_a_stopped_ego_and_an_agent_behind_do_not_count():
    assert share(0.0, (7.0, 0.0, np.pi), (-10.0, 0.0)) == 0.0
    assert share(5.0, (-12.0, 0.0, 0.0), (10.0, 0.0)) == 0.0
    # An agent from the side counts, whatever lanes the boxes are in.
    assert share(5.0, (3.0, -5.0, NORTH), (0.0, 4.0)) > 0.0


def test_the_box_of_a_moving_agent_points_along_its_forecast():
    # Side by side at the same speed, 0.5 m apart: across the lane by its present heading, along it by its motion.
    lateral_m = 0.5 * (EGO.width + WIDTH_M) + 0.5
    assert share(5.0, (4.0, lateral_m, NORTH), (5.0, 0.0)) == 0.0
    # A standing agent keeps its heading: its end is in the way.
    assert share(5.0, (8.0, lateral_m, NORTH)) > 0.0


def test_an_agent_that_drives_through_the_ego_from_behind_does_not_count():
    # Its front is 1 m behind the rear of the ego, and passes the centre after 1 s.
    assert share(1.0, (-4.0, 0.1, 0.0), (6.0, 0.0)) == 0.0
    # One that comes from the side as fast does.
    assert share(1.0, (1.5, -5.0, NORTH), (0.0, 6.0)) > 0.0


def test_candidates_and_states_do_not_depend_on_each_other():
    rng = np.random.default_rng(0)
    forecasts = ForecastArrays(
        now=rng.uniform(5.0, 20.0, (2, 3, 2)),
        ahead=rng.uniform(5.0, 20.0, (2, 3, 8, 2)),
        boxes=np.tile([1.0, 0.0, LENGTH_M, WIDTH_M], (2, 3, 1)),
        mask=np.ones((2, 3), dtype=bool),
    )
    tracked = np.concatenate([straight_on(4.0, 8.0, 12.0)] * 2)
    together = violation_shares(tracked, forecasts, EGO)
    for state in range(2):
        rows = slice(state, state + 1)
        alone = ForecastArrays(*(values[rows] for values in forecasts))
        for candidate in range(3):
            part = np.ascontiguousarray(tracked[rows, candidate : candidate + 1])
            assert violation_shares(part, alone, EGO).item() == together[state, candidate]


def test_agents_are_forecast_at_constant_velocity():
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
    tokens[0, 1, VELOCITY] = np.array([6.0, -2.0]) / SPEED_MPS
    forecasts = forecasts_of(features, candidate_geometry(features, straight_on(0.0, steps=8)))
    assert forecasts.now[0, 0].tolist() == [40.0, 0.0]
    assert forecasts.boxes[0, 0] == pytest.approx([1.0, 0.0, 4.0, 2.0])
    assert forecasts.ahead[0, 0].tolist() == [[40.0, 0.0]] * 8
    assert forecasts.ahead[0, 1, :, 0] == pytest.approx(40.0 + 3.0 * np.arange(1, 9))
    assert forecasts.ahead[0, 1, :, 1] == pytest.approx(-1.0 * np.arange(1, 9))
    assert forecasts.mask.tolist() == [[True, True, False, False]]


def test_pedestrians_are_also_forecast_to_stop():
    tokens = np.zeros((1, 1, AGENT_SIZE), dtype=np.float32)
    tokens[0, 0, 0], tokens[0, 0, 2] = 10.0 / POSITION_M, 1.0
    tokens[0, 0, BOX] = np.array([0.5, 0.5]) / SPEED_MPS
    tokens[0, 0, VELOCITY] = np.array([0.0, 2.0]) / SPEED_MPS
    tokens[0, 0, KIND][AgentKind.PEDESTRIAN] = 1.0
    features = {
        "agents": tokens,
        "agents_mask": np.array([[True]]),
        "route": np.zeros((1, ROUTE_POINTS, ROUTE_SIZE), dtype=np.float32),
        "route_mask": np.zeros((1, ROUTE_POINTS), dtype=bool),
    }
    forecasts = forecasts_of(features, candidate_geometry(features, straight_on(0.0, steps=8)))
    assert forecasts.mask.tolist() == [[True, True]]
    assert forecasts.ahead[0, 0, :, 1] == pytest.approx(np.arange(1, 9))
    assert forecasts.ahead[0, 1].tolist() == [[10.0, 0.0]] * 8
    # It leaves the way before the ego arrives, unless it stops.
    tracked = np.ascontiguousarray(straight_on(5.0))
    walking = ForecastArrays(*(np.ascontiguousarray(values[:, :1]) for values in forecasts))
    assert violation_shares(tracked, walking, EGO).item() == 0.0
    assert violation_shares(tracked, forecasts, EGO).item() > 0.0
