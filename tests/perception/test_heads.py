import pytest
import torch

from perception.heads import GRID_HEADS, BevEncoder, GridHeads, SignalHead, forward_cameras


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


def rays(*headings):
    """Rays of cameras with 2 x 2 feature pixels, all in the direction of their camera."""
    turns = torch.tensor(headings)
    axes = torch.stack([torch.cos(turns), torch.sin(turns), torch.zeros(len(headings))], dim=-1)
    return axes.repeat_interleave(4, dim=0)[None]


def test_the_forward_camera_is_the_present_one_that_faces_forward_most():
    directions = rays(2.0, 0.3, -0.9)
    present = torch.tensor([[True, True, True], [True, False, True]])
    assert forward_cameras(directions, present).tolist() == [1, 2]


def test_the_signal_depends_on_the_forward_camera_only():
    head, images, present = SignalHead().eval(), torch.randn(1, 2, 3, 16, 16), torch.ones(1, 2, dtype=torch.bool)
    states, places = head(images, rays(0.0, 2.0), present)
    assert (states.shape, places.shape) == ((1, 4), (1, 5))
    behind, ahead = images.clone(), images.clone()
    behind[:, 1] += 5.0
    ahead[:, 0] += 5.0
    assert torch.equal(head(behind, rays(0.0, 2.0), present)[0], states)
    assert not torch.allclose(head(ahead, rays(0.0, 2.0), present)[0], states, atol=1e-3)


def test_the_state_is_read_at_the_place_of_the_signal():
    head = SignalHead().eval()
    with torch.no_grad():
        head.nowhere.copy_(torch.tensor([50.0, 1.0, 2.0, 3.0, 4.0]))
        states, places = head(torch.randn(1, 1, 3, 16, 16), rays(0.0), torch.ones(1, 1, dtype=torch.bool))
    assert int(places.argmax()) == 4
    assert states[0].tolist() == pytest.approx([1.0, 2.0, 3.0, 4.0])
