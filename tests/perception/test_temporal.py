import math

import torch
from small_perception import GRID

from perception.temporal import TemporalFusion, warped

FEATURES = GRID.coarser(2)


def test_a_point_ahead_comes_closer_when_the_ego_drives_towards_it():
    past = torch.zeros(1, 1, 16, 16)
    past[0, 0, 12, 8] = 1.0
    moved, covered = warped(past, torch.tensor([[3.0, 0.0, 0.0]]), FEATURES)
    assert float(moved[0, 0, 9, 8]) == 1.0
    assert float(moved.sum()) == 1.0
    assert covered[0, 12].all()
    assert not covered[0, 13:].any()


def test_a_turn_to_the_left_moves_what_was_left_to_the_front():
    past = torch.zeros(1, 1, 16, 16)
    past[0, 0, 8, 12] = 1.0  # (0.5, 4.5)
    moved, _ = warped(past, torch.tensor([[0.0, 0.0, math.pi / 2]]), FEATURES)
    assert moved[0, 0].argmax() == 12 * 16 + 7  # (4.5, -0.5)


def test_an_absent_past_changes_nothing():
    fusion = TemporalFusion(8, 4).eval()
    now, past = torch.randn(2, 8, 16, 16), torch.randn(2, 1, 8, 16, 16)
    covered, age = torch.ones(2, 1, 16, 16), torch.full((2, 1), 0.5)
    fused = fusion(now, past, covered, age, torch.tensor([[False], [True]]))
    assert torch.equal(fused[0], now[0])
    assert not torch.allclose(fused[1], now[1])
