import numpy as np
import pytest

from driving.importers.numbers import MAX_MAGNITUDE, usable


def test_finite_numbers_up_to_the_bound_are_usable():
    values = np.array([0.0, -3.5, MAX_MAGNITUDE, -MAX_MAGNITUDE])
    assert usable(values).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, np.nextafter(MAX_MAGNITUDE, np.inf), -1e300])
def test_numbers_that_are_not_finite_or_too_large_are_unusable(value):
    assert usable(np.array([[1.0, value]])).tolist() == [[True, False]]


def test_differences_of_usable_numbers_keep_six_decimals():
    step_m = 1e-6
    assert (MAX_MAGNITUDE - step_m) - MAX_MAGNITUDE == pytest.approx(-step_m, rel=0.1)
