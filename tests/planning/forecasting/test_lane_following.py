"""The compiled part of the lane-following forecast on two straight lanes, one after the other along x."""

import numpy as np
import pytest

from planning.forecasting.lane_following import (
    AGENT_COLUMNS,
    FREE_M,
    LaneForecasts,
    SampledLanes,
    follow_lanes,
    lane_samples_under,
)

LANES = SampledLanes(
    samples=np.stack([2.0 * np.arange(100), np.zeros(100), np.zeros(100)], axis=-1),
    lane=np.repeat([0, 1], 50),
    stops=np.array([50, 100]),
    successor=np.array([1, -1]),
    limits=np.array([10.0, 5.0]),
)
GREEN = np.array([False, False])


def agent(x: float, y: float = 0.0, speed: float = 10.0, accel: float = 0.0, heading: float = 0.0) -> list[float]:
    return [x, y, heading, speed * np.cos(heading), speed * np.sin(heading), 4.0, 2.0, accel]


def forecast(*agents: list[float], is_red: np.ndarray = GREEN) -> LaneForecasts:
    rows = np.array(agents)
    assert rows.shape[1] == AGENT_COLUMNS
    return follow_lanes(rows, np.rint(rows[:, 0] / 2.0).astype(np.int64), LANES, is_red)


def test_a_free_agent_keeps_its_speed_up_to_the_limit_ahead():
    (x_m, _) = forecast(agent(10.0, speed=8.0)).positions_m[0].T
    assert x_m[-1] == pytest.approx(10.0 + 8.0 * 4.0, abs=1.0)
    # 20 m before the lane with a limit of 5 m/s, an agent slows down.
    slower = forecast(agent(80.0)).positions_m[0, :, 0]
    assert np.diff(slower)[-1] / 0.5 < 7.0


def test_present_acceleration_fades_and_hard_braking_lasts():
    base, gains, brakes, brakes_hard = (
        forecast(agent(10.0, speed=8.0, accel=accel)).positions_m[0, -1, 0] for accel in (0.0, 2.0, -1.0, -4.0)
    )
    assert brakes_hard < brakes < base < gains
    assert base - brakes_hard > 10.0 > base - brakes


def test_an_agent_stays_behind_its_leader():
    forecasts = forecast(agent(10.0), agent(45.0, speed=0.0))
    assert forecasts.leader_gap_m[0] == pytest.approx(31.0)
    assert forecasts.leader_gap_m[1] == FREE_M
    assert forecasts.positions_m[0, :, 0].max() < 41.0


@pytest.mark.parametrize(("y", "heading", "speed"), [(6.0, 0.0, 5.0), (0.0, np.pi, 5.0), (0.0, np.pi / 2, 5.0)])
def test_agents_beside_oncoming_and_crossing_are_no_leaders(y, heading, speed):
    forecasts = forecast(agent(10.0), agent(30.0, y=y, heading=heading, speed=speed))
    assert forecasts.leader_gap_m[0] == FREE_M


def test_an_agent_stops_before_a_red_light_if_it_can():
    red = np.array([False, True])
    stops = forecast(agent(70.0), is_red=red)
    assert stops.red_light_gap_m[0] == pytest.approx(100.0 - 70.0 - 2.0)
    assert stops.positions_m[0, :, 0].max() < 98.0
    # At 10 m/s, 8 m need more than 5 m/s^2.
    passes = forecast(agent(90.0), is_red=red)
    assert passes.red_light_gap_m[0] == FREE_M
    assert passes.positions_m[0, -1, 0] > 105.0


def test_an_offset_fades_and_a_drift_continues_for_a_while():
    offset = forecast(agent(10.0, y=1.0)).positions_m[0, :, 1]
    assert (np.diff(offset) < 0.0).all()
    assert offset[-1] == pytest.approx(np.exp(-4.0 / 3.0), abs=1e-6)
    drifts = agent(10.0, y=0.0)
    drifts[4] = 1.0
    assert forecast(drifts).positions_m[0, -1, 1] == pytest.approx(1.0 - np.exp(-4.0), abs=1e-6)


def test_beyond_the_last_lane_an_agent_goes_straight_on():
    positions_m = forecast(agent(190.0, speed=5.0)).positions_m[0]
    assert positions_m[-1, 0] > 198.0
    assert not positions_m[:, 1].any()


def test_an_agent_without_a_lane_keeps_its_velocity():
    rows = np.array([agent(10.0, y=50.0, speed=3.0, heading=0.5)])
    forecasts = follow_lanes(rows, np.array([-1]), LANES, GREEN)
    assert forecasts.has_lane.tolist() == [False]
    expected = rows[0, :2] + np.arange(1, 9)[:, np.newaxis] * 0.5 * rows[0, 3:5]
    assert forecasts.positions_m[0] == pytest.approx(expected)


def test_the_lane_under_an_agent_fits_in_offset_and_heading():
    samples = np.array([[0.0, 0.0, 0.0], [0.0, 1.0, np.pi], [0.0, 10.0, 0.0]])
    poses = np.array([[0.0, 0.6, 0.0], [0.0, 0.4, np.pi], [0.0, 5.0, 0.0]])
    near = np.tile(np.array([0, 1, 2, 3]), (3, 1))
    assert lane_samples_under(poses, near, samples).tolist() == [0, 1, -1]
