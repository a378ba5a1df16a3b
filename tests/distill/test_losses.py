"""Losses of hand-made logits, with values known by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from distill.contract import SUB_SCORES
from distill.losses import LossWeights, forecast_loss, head_target, imitation_loss, losses


def test_losses_are_those_computed_by_hand():
    # Two candidates, one equal to the log and one 1000 m^2 away: the target is (1, 0), both logits are 0.
    loss = imitation_loss(torch.zeros(2, 2), torch.tensor([[0.0, 1000.0], [torch.nan, torch.nan]]), 4.0)
    assert float(loss) == pytest.approx(np.log(2.0))
    # Smooth L1 of an error of 3 m is 2.5; the unknown agent does not count.
    truth = torch.full((1, 2, 8, 2), torch.nan)
    truth[0, 0] = 3.0
    assert float(forecast_loss(torch.zeros(1, 2, 8, 2), truth)) == pytest.approx(2.5)


def test_half_a_score_is_a_soft_target_or_counts_as_zero():
    targets = torch.full((1, 1, len(SUB_SCORES)), 0.5)
    assert float(head_target(targets, "progress")) == 0.5
    assert float(head_target(targets, "no_collision")) == 0.0


def test_the_total_is_the_weighted_sum_of_the_parts(samples):
    batch = samples.batch(np.arange(2), 8, np.random.default_rng(0))
    logits = {name: torch.zeros(2, 8) for name in ("imitation", "progress", "no_collision")}
    weights = LossWeights(imitation=0.5, teacher={"progress": 2.0, "no_collision": 3.0}, forecast=0.25)
    ahead_m = torch.zeros_like(batch.agents_ahead)
    parts = losses(logits, ahead_m, batch, weights)
    # Binary cross entropy at probability 1/2 is log 2 for every target.
    assert float(parts["progress"]) == pytest.approx(np.log(2.0))
    assert float(parts["no_collision"]) == pytest.approx(np.log(2.0))
    assert float(parts["imitation"]) == pytest.approx(np.log(8.0), rel=1e-5)
    expected = 0.5 * float(parts["imitation"]) + 5.0 * np.log(2.0) + 0.25 * float(parts["forecast"])
    assert float(parts["total"]) == pytest.approx(expected, rel=1e-5)
    without_teacher = losses(logits, ahead_m, batch, replace(weights, teacher={}))
    assert set(without_teacher) == {"imitation", "forecast", "total"}


def test_a_smaller_scale_concentrates_the_imitation_target_on_the_nearest_candidate():
    logits = torch.log(torch.tensor([[0.8, 0.2]]))
    gap_m2 = torch.tensor([[0.0, 4.0]])
    near, far = (float(imitation_loss(logits, gap_m2, scale)) for scale in (0.1, 1e6))
    assert near == pytest.approx(-np.log(0.8), abs=1e-4)
    assert far == pytest.approx(-0.5 * (np.log(0.8) + np.log(0.2)), abs=1e-4)


def test_losses_without_any_target_are_zero_instead_of_nan():
    assert float(imitation_loss(torch.zeros(1, 3), torch.full((1, 3), torch.nan), 4.0)) == 0.0
    assert float(forecast_loss(torch.zeros(1, 1, 8, 2), torch.full((1, 1, 8, 2), torch.nan))) == 0.0
