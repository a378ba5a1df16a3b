import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation.realism.divergence import Bins, jensen_shannon

METRES = Bins(low=0, high=3, width=1)


def test_samples_outside_count_in_the_outer_bins_and_nan_does_not_count():
    np.testing.assert_allclose(METRES.shares(np.array([-5.0, 0.5, 1.5, 99.0, np.nan])), [0.5, 0.25, 0.25])


def test_the_last_bin_holds_the_upper_limit():
    assert Bins(low=0, high=1.5, width=0.1).edges[-1] == pytest.approx(1.5)
    assert len(Bins(low=0, high=1.5, width=0.1).edges) == 16
    assert METRES.shares(np.array([3.0])).tolist() == [0, 0, 1]


def test_equal_samples_have_no_divergence_and_disjoint_ones_ln_2():
    low, high = np.array([0.5]), np.array([2.5])
    assert jensen_shannon(low, low, METRES) == 0.0
    assert jensen_shannon(low, high, METRES) == pytest.approx(math.log(2))


def test_a_value_by_hand():
    """Shares (1, 0) and (1/2, 1/2): half of ln(4/3) plus half of (ln(2/3) / 2 + ln(2) / 2)."""
    expected = 0.5 * math.log(4 / 3) + 0.25 * (math.log(2 / 3) + math.log(2))
    two = Bins(low=0, high=2, width=1)
    assert jensen_shannon(np.array([0.5]), np.array([0.5, 1.5]), two) == pytest.approx(expected)


@given(st.lists(st.floats(0, 3), min_size=1), st.lists(st.floats(0, 3), min_size=1))
def test_it_is_symmetric_and_bounded(first, second):
    one, other = np.array(first), np.array(second)
    found = jensen_shannon(one, other, METRES)
    assert found == pytest.approx(jensen_shannon(other, one, METRES), abs=1e-12)
    assert -1e-12 <= found <= math.log(2) + 1e-12


def test_without_samples_it_is_unknown():
    assert math.isnan(jensen_shannon(np.zeros(0), np.array([1.0]), METRES))


def test_bins_need_a_range():
    with pytest.raises(ValueError, match="low < high and a positive width"):
        Bins(low=1, high=1, width=0.1)
