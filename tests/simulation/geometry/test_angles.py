import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driving.geometry import wrap_angle
from simulation.geometry.angles import full_turns, unwrapped, wrap, wrap_vectorized


@pytest.mark.parametrize(
    ("angle", "expected"),
    [(0.0, 0.0), (np.pi, -np.pi), (-np.pi, -np.pi), (1.5 * np.pi, -0.5 * np.pi), (7.0, 7.0 - 2 * np.pi)],
)
def test_wrapped_angles_lie_in_the_half_open_interval(angle, expected):
    assert wrap(angle) == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(st.floats(-50.0, 50.0))
def test_compiled_and_plain_wrapping_are_equal_to_the_last_digit(angle):
    assert wrap(angle) == wrap_angle(angle)


@settings(deadline=None)
@given(st.floats(-50.0, 50.0))
def test_wrapping_without_a_branch_differs_by_rounding_only(angle):
    assert abs(wrap(wrap_vectorized(angle) - wrap(angle))) < 1e-12


@settings(deadline=None)
@given(st.lists(st.floats(-np.pi, np.pi), min_size=1, max_size=30))
def test_unwrapping_equals_that_of_numpy(headings):
    values = np.array(headings)
    np.testing.assert_allclose(unwrapped(values), np.unwrap(values), atol=1e-12)


def test_jumps_of_exactly_half_a_turn_unwrap_as_in_numpy():
    jumps = np.array([0.0, np.pi, 0.0, -np.pi, np.pi])
    np.testing.assert_array_equal(unwrapped(jumps), np.unwrap(jumps))


@pytest.mark.parametrize(("angle", "turns"), [(3.0, 0), (-3.0, 0), (4.0, 1), (-4.0, -1), (10.0, 2)])
def test_full_turns_are_multiples_of_two_pi(angle, turns):
    assert full_turns(angle) == turns * 2.0 * np.pi
