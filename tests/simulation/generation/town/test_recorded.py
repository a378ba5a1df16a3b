"""Plausibility of the numbers that were fitted to recordings."""

import numpy as np
import pytest

from simulation.generation.town.calibration import NUM_QUANTILES
from simulation.generation.town.recorded import RECORDED, RECORDED_STYLE


def test_recorded_vehicles_are_cars_trucks_and_buses():
    assert len(RECORDED.length_m) == len(RECORDED.width_m) == len(RECORDED.offset_m) == NUM_QUANTILES
    assert np.median(RECORDED.length_m) == pytest.approx(4.6, abs=0.3)
    assert np.median(RECORDED.width_m) == pytest.approx(1.9, abs=0.15)
    assert RECORDED.length_m[-1] > 10.0
    assert 0.5 < RECORDED.size_correlation < 0.9


def test_recorded_vehicles_deviate_from_the_centerline_by_decimetres():
    assert np.median(RECORDED.offset_m) == pytest.approx(0.3, abs=0.1)
    assert RECORDED.offset_m[-1] <= 1.5


def test_factors_and_the_style_are_within_the_bounds_of_the_searches():
    factors = [RECORDED.vehicles, RECORDED.pedestrians, RECORDED.headway, RECORDED.min_gap, RECORDED.speed]
    assert 0.5 < min(factors) <= max(factors) < 2.5
    assert 105.0 <= RECORDED_STYLE.spacing_m < 225.0
