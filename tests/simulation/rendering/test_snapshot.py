"""Snapshots: observed agents, brake lights and turn indicators."""

import numpy as np
import pytest

from driving.agents import AgentKind, AgentTracks, LightStatus, TrafficLights
from simulation.rendering.snapshot import snapshot_of

STEPS = 8


def tracks(kinds, speeds, headings=None, valid=None):
    """Agents that drive along x; `speeds` and `headings` (agents, time)."""
    speeds = np.asarray(speeds, dtype=np.float64)
    headings = np.zeros_like(speeds) if headings is None else np.asarray(headings, dtype=np.float64)
    valid = np.ones(speeds.shape, dtype=bool) if valid is None else np.asarray(valid)
    poses = np.stack([np.cumsum(speeds * 0.1, axis=1), np.zeros_like(speeds), headings], axis=-1)
    velocities = np.stack([speeds, np.zeros_like(speeds)], axis=-1)
    poses[~valid] = np.nan
    velocities[~valid] = np.nan
    return AgentTracks(
        track_ids=tuple(f"track {row}" for row in range(len(kinds))),
        kinds=np.array(kinds, dtype=np.int8),
        poses=poses,
        velocities_mps=velocities,
        sizes=np.where(valid[..., np.newaxis], [4.5, 1.9], np.nan),
        valid=valid,
        heights_m=np.full(len(kinds), 1.7),
    )


def snapshot(agents, lights=None):
    return snapshot_of(np.array([1.0, 2.0, 0.5]), agents, lights or TrafficLights.none(1), 700_000)


def test_only_agents_observed_now_are_in_the_snapshot():
    valid = np.ones((3, STEPS), dtype=bool)
    valid[1, -1] = False
    shown = snapshot(tracks([AgentKind.VEHICLE] * 3, np.full((3, STEPS), 5.0), valid=valid))
    assert shown.track_ids == ("track 0", "track 2")
    assert shown.sizes_m.tolist() == [[4.5, 1.9, 1.7]] * 2
    assert shown.time_us == 700_000


@pytest.mark.parametrize(
    ("speeds", "is_braking"),
    [
        (np.full(STEPS, 8.0), False),
        (8.0 - 0.1 * np.arange(STEPS), True),
        (8.0 - 0.05 * np.arange(STEPS), False),
        (np.zeros(STEPS), False),
        (np.array([1.0] + [0.0] * (STEPS - 1)), True),
    ],
    ids=["constant speed", "1 m/s2 slower", "0.5 m/s2 slower", "parked", "stopped a moment ago"],
)
def test_brake_lights_follow_deceleration_and_stopping(speeds, is_braking):
    assert snapshot(tracks([AgentKind.VEHICLE], speeds[np.newaxis])).is_braking.tolist() == [is_braking]


def test_a_pedestrian_has_neither_brake_lights_nor_indicators():
    shown = snapshot(tracks([AgentKind.PEDESTRIAN], [2 - 0.2 * np.arange(STEPS)], [0.1 * np.arange(STEPS)]))
    assert not shown.is_braking.any()
    assert shown.turn_signals.tolist() == [0]


@pytest.mark.parametrize(("yaw_rate", "signal"), [(0.3, 1), (-0.3, -1), (0.1, 0)])
def test_indicators_follow_the_yaw_rate_also_where_the_heading_wraps(yaw_rate, signal):
    headings = 3.1 + yaw_rate * 0.1 * np.arange(STEPS)
    wrapped = (headings + np.pi) % (2 * np.pi) - np.pi
    shown = snapshot(tracks([AgentKind.VEHICLE], np.full((1, STEPS), 5.0), wrapped[np.newaxis]))
    assert shown.turn_signals.tolist() == [signal]


def test_an_agent_without_history_has_its_signals_off():
    valid = np.zeros((1, STEPS), dtype=bool)
    valid[0, -1] = True
    shown = snapshot(tracks([AgentKind.VEHICLE], np.full((1, STEPS), 5.0), valid=valid))
    assert (shown.is_braking.tolist(), shown.turn_signals.tolist()) == ([False], [0])


def test_lights_are_those_of_the_last_step():
    lights = TrafficLights.from_dense(
        np.array([7, 9]), np.array([[LightStatus.RED, LightStatus.GREEN]] * 2, dtype=np.int8)
    )
    shown = snapshot(tracks([AgentKind.VEHICLE], np.full((1, STEPS), 5.0)), lights)
    assert shown.connector_ids.tolist() == [7, 9]
    assert shown.connector_statuses.tolist() == [LightStatus.GREEN] * 2
