"""Figures of the evaluation, with values known by hand."""

import numpy as np
import pytest

from distill.evaluation import area_under_curve, calibration_of


def test_the_area_under_the_curve_is_a_probability():
    ratings, positive = np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])
    assert area_under_curve(ratings, positive) == pytest.approx(0.75)
    assert area_under_curve(np.zeros(4), positive) == pytest.approx(0.5)
    assert np.isnan(area_under_curve(ratings, np.ones(4, dtype=bool)))


def test_calibration_compares_predictions_with_targets_in_each_bin():
    predicted = np.array([0.05, 0.15, 0.15, 0.95, 1.0])
    observed = np.array([0.0, 0.0, 1.0, 1.0, 0.5])
    found = calibration_of(predicted, observed)
    assert found.counts.tolist() == [1, 2, 0, 0, 0, 0, 0, 0, 0, 2]
    assert found.predicted[[0, 1, 9]] == pytest.approx([0.05, 0.15, 0.975])
    assert found.observed[[0, 1, 9]] == pytest.approx([0.0, 0.5, 0.75])
    assert np.isnan(found.observed[2:9]).all()
    # (1 * 0.05 + 2 * 0.35 + 2 * 0.225) / 5.
    assert found.expected_error == pytest.approx(0.24)


def test_perfect_predictions_are_calibrated_and_invalid_ones_are_refused():
    truth = np.repeat([0.0, 1.0], 5)
    assert calibration_of(truth, truth).expected_error == 0.0
    assert calibration_of(1.0 - truth, truth).expected_error == 1.0
    with pytest.raises(ValueError, match="at least one item"):
        calibration_of(truth[:0], truth[:0])
    with pytest.raises(ValueError, match=r"in \[0, 1\], got 0 to 2"):
        calibration_of(2.0 * truth, truth)
