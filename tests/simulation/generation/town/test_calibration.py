from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from simulation.generation.town.calibration import (
    MAX_LENGTH_M,
    MAX_WIDTH_M,
    NUM_QUANTILES,
    Calibration,
    at_levels,
    draw_sizes,
    fitted,
)

EXAMPLE = Calibration(
    length_m=(4.0, 4.5, 5.0), width_m=(1.7, 1.9, 2.1), size_correlation=0.7, offset_m=(0.0, 0.3, 1.2)
)


def test_quantiles_are_those_of_the_samples():
    values = np.linspace(0.0, 4.0, 401)
    found = fitted(np.stack([values + 1.0, values], axis=-1), -values, {"headway": 0.7})
    assert len(found.length_m) == NUM_QUANTILES
    assert found.offset_m[0] == 0.0
    assert found.offset_m[20] == pytest.approx(2.0)
    assert found.length_m[-1] == pytest.approx(5.0)
    assert found.size_correlation == 1.0
    assert (found.headway, found.vehicles) == (0.7, 1.0)


def test_a_fit_needs_vehicles():
    with pytest.raises(ValueError, match="at least 2 vehicles to fit, got 1 sizes and 0 offsets"):
        fitted(np.ones((1, 2)), np.zeros(0))


@pytest.mark.parametrize("quantiles", [(1.0,), (2.0, 1.0), (-1.0, 1.0)])
def test_quantiles_must_ascend(quantiles):
    with pytest.raises(ValueError, match="offset_m needs at least 2 ascending quantiles"):
        replace(EXAMPLE, offset_m=quantiles)


def test_levels_between_quantiles_are_interpolated():
    assert at_levels((0.0, 0.3, 1.2), np.array([0.0, 0.25, 0.5, 0.75, 1.0])).tolist() == pytest.approx(
        [0.0, 0.15, 0.3, 0.75, 1.2]
    )


def test_drawn_sizes_have_the_quantiles_and_the_correlation():
    sizes = draw_sizes(np.random.default_rng(0), EXAMPLE, 4000)
    assert np.quantile(sizes[:, 0], [0.25, 0.5, 0.75]) == pytest.approx([4.25, 4.5, 4.75], abs=0.03)
    assert np.median(sizes[:, 1]) == pytest.approx(1.9, abs=0.02)
    assert spearmanr(*sizes.T).statistic == pytest.approx(0.7, abs=0.05)


def test_giants_are_drawn_at_the_largest_size():
    giants = replace(EXAMPLE, length_m=(20.0, 21.0), width_m=(3.0, 3.1))
    assert (draw_sizes(np.random.default_rng(0), giants, 5) == [MAX_LENGTH_M, MAX_WIDTH_M]).all()
