import numpy as np
import pytest

from simulation.ego.dynamics import ACCEL_X, HEADING, STATE_SIZE, motion_of
from simulation.metrics.nuplan.comfort import (
    COMFORT_QUANTITIES,
    OPEN_STEPS,
    closest_percentile_90,
    comfortable_motions,
    ego_is_comfortable,
)
from tests.support.drives import STEPS, TIME_S, drive, motion

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
