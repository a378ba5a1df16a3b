import numpy as np
import pytest

from driving.importers.numbers import MAX_MAGNITUDE, MAX_SIZE_M, MIN_SIZE_M, possible_sizes, usable


def test_finite_numbers_up_to_the_bound_are_usable():
    values = np.array([0.0, -3.5, MAX_MAGNITUDE, -MAX_MAGNITUDE])
    assert usable(values).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, np.nextafter(MAX_MAGNITUDE, np.inf), -1e300])
def test_numbers_that_are_not_finite_or_too_large_are_unusable(value):
    assert usable(np.array([[1.0, value]])).tolist() == [[True, False]]


def test_boxes_have_lengths_and_widths_within_bounds():
    inside = np.array([[MIN_SIZE_M, MAX_SIZE_M], [4.5, 2.0]])
    outside = np.array([[4.5, np.nextafter(MIN_SIZE_M, 0)], [np.nextafter(MAX_SIZE_M, np.inf), 2.0], [np.nan, 2.0]])
    assert possible_sizes(inside).all()
    assert not possible_sizes(outside).any()


def test_differences_of_usable_numbers_keep_six_decimals():
    step_m = 1e-6
    assert (MAX_MAGNITUDE - step_m) - MAX_MAGNITUDE == pytest.approx(-step_m, rel=0.1)
