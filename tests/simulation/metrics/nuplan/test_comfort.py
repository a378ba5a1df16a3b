import numpy as np
import pytest

from driving.agents import AgentTracks
from simulation.ego.dynamics import ACCEL_X, HEADING, STATE_SIZE, YAW_ACCEL, YAW_RATE, motion_of
from simulation.metrics.nuplan.comfort import (
    COMFORT_QUANTITIES,
    OPEN_STEPS,
    UNBOUNDED_QUANTITIES,
    closest_percentile_90,
    comfortable_motions,
    ego_is_comfortable,
)
from simulation.metrics.nuplan.drive import Drive
from tests.support.drives import STEPS, TIME_S, drive, motion, straight_map
from tests.support.random_motions import random_states

QUANTITIES = {quantity.name: quantity for quantity in COMFORT_QUANTITIES}


@pytest.mark.parametrize(("braking_mps2", "comfortable"), [(4.0, 1.0), (4.1, 0.0)])
def test_the_bound_separates_braking_from_hard_braking(braking_mps2, comfortable):
    ego = motion(60.0 * TIME_S - 0.5 * braking_mps2 * TIME_S**2, 0.0, speed_mps=60.0 - braking_mps2 * TIME_S)
    result = ego_is_comfortable(drive(ego))[0]
    assert result.score == comfortable
    assert result.sentence == (
        "" if comfortable else "longitudinal acceleration of -4.10 m/s^2 at 0.0 s, the bound is -4.05"
    )


def test_a_circle_has_its_yaw_rate():
    turned = 0.3 * TIME_S
    ego = motion(10 * np.sin(turned), 10 * (1 - np.cos(turned)), turned, speed_mps=np.full(STEPS, 3.0))
    result = QUANTITIES["ego_yaw_rate"](drive(ego))[0]
    assert result.series == pytest.approx(np.full(STEPS, 0.3), abs=1e-7)
    assert result.score is None


def test_constant_jerk_is_measured_as_such():
    ego = motion(2.0 * TIME_S**3 / 6, 0.0, speed_mps=2.0 * TIME_S**2 / 2)
    ego.accelerations_mps2[0, :, 0] = 2.0 * TIME_S
    result = QUANTITIES["ego_lon_jerk"](drive(ego))[0]
    # The filter's even window bends both ends.
    assert result.series[11:-11] == pytest.approx(np.full(STEPS - 22, 2.0), abs=1e-6)
    assert result.statistics["abs_ego_lon_jerk_within_bounds"] == 1.0


def test_the_percentile_is_an_observed_value():
    assert closest_percentile_90(np.arange(150.0)) == 134.0
    assert closest_percentile_90(np.arange(5.0)) == 4.0


def test_many_motions_are_as_comfortable_as_each_alone():
    rng = np.random.default_rng(2)
    states = np.zeros((12, STEPS, STATE_SIZE))
    states[..., ACCEL_X] = np.cumsum(rng.normal(0.0, 0.35, (12, STEPS)), axis=1)
    states[..., HEADING] = np.cumsum(rng.normal(0.0, 0.004, (12, STEPS)), axis=1)
    together = comfortable_motions(states)
    motions = [motion_of(np.arange(STEPS) * 100_000, states[m : m + 1]) for m in range(12)]
    alone = [ego_is_comfortable(drive(each))[0].score == 1.0 for each in motions]
    assert together.tolist() == alone
    assert {True, False} == set(alone)


def test_the_end_of_a_motion_can_be_left_open():
    states = np.zeros((1, STEPS, STATE_SIZE))
    states[0, -3:, ACCEL_X] = -3.9
    assert not comfortable_motions(states)[0]
    assert comfortable_motions(states, last=OPEN_STEPS)[0]


@pytest.mark.parametrize("sharpness", [2.0, 3.0])
def test_steady_instants_continue_the_first_state_backwards(sharpness):
    """The compiled test with `steady` equals the metric on motions extended by hand."""
    steady = 15
    states = random_states(np.random.default_rng(3), 60, 41, np.zeros(3), sharpness)
    before = np.repeat(states[:, :1], steady, axis=1)
    before[..., HEADING] += states[:, :1, YAW_RATE] * 0.1 * np.arange(-steady, 0)
    before[..., YAW_ACCEL] = 0.0
    whole = np.concatenate([before, states], axis=1)
    time_us = np.arange(whole.shape[1]) * 100_000
    extended = Drive(motion=motion_of(time_us, whole), agents=AgentTracks.none(len(time_us)), map=straight_map())
    expected = [result.score == 1.0 for result in ego_is_comfortable(extended)]
    assert comfortable_motions(states, steady=steady).tolist() == expected
    assert {True, False} == set(expected)


def test_the_compiled_test_has_the_bounds_of_the_metric():
    time_us = np.arange(STEPS) * 100_000
    for seed in range(4):
        states = random_states(np.random.default_rng(seed), 50, STEPS, np.zeros(3), sharpness=0.8)
        batch = Drive(motion=motion_of(time_us, states), agents=AgentTracks.none(STEPS), map=straight_map())
        expected = [result.score == 1.0 for result in ego_is_comfortable(batch)]
        assert comfortable_motions(states).tolist() == expected


def test_quantities_without_bounds_never_violate():
    wild = motion(0.5 * 8.0 * TIME_S**2, 0.0)
    for quantity in UNBOUNDED_QUANTITIES:
        result = quantity(drive(wild))[0]
        assert (result.score, result.violations) == (None, ())
        assert set(result.statistics) == {f"{part}_{quantity.name}" for part in ("max", "min", "avg", "p90")}
