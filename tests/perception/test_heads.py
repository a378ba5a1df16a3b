import pytest
import torch

from perception.heads import GRID_HEADS, BevEncoder, GridHeads, SignalHead


def test_heads_have_twice_the_cells_of_the_features_and_start_at_the_prior():
    with torch.no_grad():
        values = GridHeads(8, 8, 2).eval()(torch.zeros(1, 8, 4, 6))
    assert {name: tuple(value.shape) for name, value in values.items()} == {
        name: (1, count, 8, 12) for name, count in GRID_HEADS.items()
    }
    assert float(torch.sigmoid(values["centres"]).mean()) == pytest.approx(0.01, abs=0.01)
    assert float(torch.sigmoid(values["road"]).mean()) == pytest.approx(0.05, abs=0.05)


def test_the_encoder_keeps_the_shape():
    assert BevEncoder(8)(torch.zeros(2, 8, 16, 8)).shape == (2, 8, 16, 8)


def test_a_missing_camera_does_not_influence_the_signal():
    head, features, rays = SignalHead(8), torch.randn(1, 2, 8, 4, 4), torch.randn(1, 32, 3)
    other = features.clone()
    other[:, 1] += 5.0
    present = torch.tensor([[True, False]])
    assert torch.allclose(head(features, rays, present), head(other, rays, present), atol=1e-5)
    assert not torch.allclose(head(features, rays, present | True), head(other, rays, present | True), atol=1e-3)
