import numpy as np
import pytest
import torch

from simulation.generation.learned.bin_draws import drawn_bins, value_in_range, value_of
from simulation.generation.learned.vocabulary import LENGTH, SPEED


def test_bins_are_drawn_with_their_probabilities():
    logits = torch.log(torch.tensor([0.5, 0.3, 0.2])).expand(20_000, 3)
    found = np.bincount(drawn_bins(logits, np.random.default_rng(0)), minlength=3) / 20_000
    np.testing.assert_allclose(found, [0.5, 0.3, 0.2], atol=0.015)


def test_excluded_bins_are_never_drawn():
    logits = torch.tensor([[-1e9, 0.0, -1e9]]).expand(500, 3)
    assert (drawn_bins(logits, np.random.default_rng(0)) == 1).all()


def test_a_value_lies_in_its_bin():
    rng = np.random.default_rng(0)
    for number in (0, 7, len(LENGTH) - 1):
        value = value_of(LENGTH, number, rng)
        assert LENGTH.edges[number] <= value <= LENGTH.edges[number + 1]


@pytest.mark.parametrize("wanted", [(4.0, 4.2), (0.0, 0.0), (80.0, 90.0)])
def test_a_speed_lies_in_its_range_even_beyond_the_bins(wanted):
    value = value_in_range(torch.zeros(1, len(SPEED)), wanted, np.random.default_rng(0))
    assert wanted[0] <= value <= wanted[1]
