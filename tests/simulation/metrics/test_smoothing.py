"""Filters and rounding equal scipy's and numpy's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import savgol_filter

from simulation.metrics.smoothing import rounded, savitzky_golay, smoothing_filter, unwrapped_phase

FILTERS = [(8, 2, 0), (15, 2, 1), (5, 2, 1), (5, 3, 2), (41, 2, 0)]
"""Window, order, derivative."""


@pytest.mark.parametrize(("window", "order", "derivative"), FILTERS)
@pytest.mark.parametrize("samples", [150, 41, 16])
def test_the_filter_is_scipys(window, order, derivative, samples):
    values = np.random.default_rng(0).normal(size=(3, samples))
    expected = savgol_filter(values, min(window, samples), order, deriv=derivative, delta=0.1, axis=-1)
    np.testing.assert_allclose(savitzky_golay(values, window, order, derivative, 0.1), expected, rtol=0, atol=1.1e-8)


@pytest.mark.parametrize(("window", "order", "derivative"), FILTERS)
def test_a_motion_is_filtered_the_same_alone_as_in_a_batch(window, order, derivative):
    values = np.random.default_rng(1).normal(size=(5, 40))
    together = savitzky_golay(values, window, order, derivative, 0.1)
    for m in range(5):
        alone = savitzky_golay(values[m : m + 1], window, order, derivative, 0.1)[0]
        np.testing.assert_array_equal(together[m], alone)


def test_a_quadratic_passes_a_filter_of_odd_width_unchanged():
    time_s = np.arange(40) * 0.1
    quadratic = (1.0 - 2.0 * time_s + 0.5 * time_s**2)[np.newaxis]
    np.testing.assert_allclose(savitzky_golay(quadratic, 5, 2), quadratic, atol=1e-8)
    slopes = savitzky_golay(quadratic, 15, 2, 1, 0.1)[0]
    np.testing.assert_allclose(slopes, -2.0 + time_s, atol=1e-8)


def test_too_few_samples_are_refused_with_their_number():
    with pytest.raises(ValueError, match="order 2 needs at least 3 samples, got 2"):
        smoothing_filter(2, 8, 2)


@given(st.floats(-1e6, 1e6))
@settings(deadline=None)
def test_rounding_is_that_of_numpy_to_8_decimals(value):
    assert rounded(value) == np.round(value, 8)


@given(st.lists(st.floats(-3.0, 3.0), min_size=2, max_size=30), st.floats(-50.0, 50.0))
@settings(deadline=None)
def test_unwrapping_restores_a_heading_that_turns_by_less_than_half_a_turn_a_step(steps, start):
    continuous = start + np.cumsum(steps)
    wrapped = (continuous + np.pi) % (2 * np.pi) - np.pi
    found = unwrapped_phase(wrapped[np.newaxis])[0]
    np.testing.assert_allclose(found - found[0], continuous - continuous[0], atol=1e-9)


def test_unwrapping_leaves_its_input_unchanged():
    headings = np.array([[3.1, -3.1, -3.0]])
    assert unwrapped_phase(headings)[0] == pytest.approx([3.1, 2 * np.pi - 3.1, 2 * np.pi - 3.0])
    assert headings.tolist() == [[3.1, -3.1, -3.0]]
