"""Comfort of a batch of motions equals that of the filters written out."""

import numpy as np
import pytest
from scipy.signal import savgol_filter

from simulation.ego.dynamics import ACCEL_X, ACCEL_Y, HEADING, STATE_SIZE
from simulation.metrics.pdm.comfort import comfort_filters, comfort_scores


def random_motions(num_steps, seed=0):
    rng = np.random.default_rng(seed)
    states = np.zeros((600, num_steps, STATE_SIZE))
    states[..., ACCEL_X] = rng.normal(0, 1.0, (600, 1)) + np.cumsum(rng.normal(0, 0.35, (600, num_steps)), axis=1)
    states[..., ACCEL_Y] = rng.normal(0, 1.5, (600, 1))
    rates = rng.normal(0, 0.3, (600, 1)) + np.cumsum(rng.normal(0, 0.05, (600, num_steps)), axis=1)
    headings = rng.uniform(-3, 3, (600, 1)) + np.cumsum(rates * 0.1, axis=1)
    states[..., HEADING] = (headings + np.pi) % (2 * np.pi) - np.pi
    return states


def written_out(states):
    samples = states.shape[1]
    ahead, aside = states[..., ACCEL_X], states[..., ACCEL_Y]

    def smooth(values, window):
        return np.round(savgol_filter(values, window, 2, axis=-1), 8)

    def jerk(values):
        return np.round(savgol_filter(smooth(values, 8), samples, 2, deriv=1, delta=0.1, axis=-1), 8)

    yaw = np.unwrap(states[..., HEADING], axis=-1)
    rate = np.round(savgol_filter(yaw, 5, 2, deriv=1, delta=0.1, axis=-1), 8)
    accel = np.round(savgol_filter(yaw, 5, 3, deriv=2, delta=0.1, axis=-1), 8)
    bounded = [
        (smooth(ahead, samples), -4.05, 2.40),
        (smooth(aside, samples), -4.89, 4.89),
        (jerk(np.hypot(ahead, aside)), -8.37, 8.37),
        (jerk(ahead), -4.13, 4.13),
        (rate, -0.95, 0.95),
        (accel, -1.93, 1.93),
    ]
    return np.all([((low < values) & (values < high)).all(axis=-1) for values, low, high in bounded], axis=0)


@pytest.mark.parametrize("num_steps", [41, 40])
def test_scores_equal_the_filters_written_out(num_steps):
    states = random_motions(num_steps)
    expected = written_out(states)
    assert 0.2 < expected.mean() < 0.9
    np.testing.assert_array_equal(comfort_scores(states, comfort_filters(num_steps)), expected.astype(float))


@pytest.mark.parametrize(("accel_mps2", "comfortable"), [(2.39, 1.0), (2.41, 0.0), (-4.04, 1.0), (-4.06, 0.0)])
def test_the_bounds_are_those_of_nuplan(accel_mps2, comfortable):
    states = np.zeros((1, 41, STATE_SIZE))
    states[..., ACCEL_X] = accel_mps2
    assert comfort_scores(states, comfort_filters(41)) == [comfortable]


def test_too_short_a_motion_says_how_many_poses_came():
    with pytest.raises(ValueError, match="at least 5 poses, got 4"):
        comfort_filters(4)
