import pytest
import torch

from perception.backbones.swin import Swin, SwinBackbone, SwinConfig, published_weights

SIZE = (32, 72)
"""The second stage has 9 columns: windows are padded, and the merge too."""


def published(version):
    """A small random model of `transformers`, and ours with its weights."""
    pytest.importorskip("transformers", reason="needs the development dependency transformers")
    from transformers import SwinConfig as Config1
    from transformers import SwinModel, Swinv2Config, Swinv2Model

    config = SwinConfig(version=version, width=8, depths=(2, 2, 2), heads=(1, 2, 4), window=2)
    make, settings = (SwinModel, Config1) if version == 1 else (Swinv2Model, Swinv2Config)
    torch.manual_seed(version)
    reference = make(
        settings(
            image_size=SIZE,
            embed_dim=8,
            depths=[2, 2, 2],
            num_heads=[1, 2, 4],
            window_size=2,
            drop_path_rate=0.0,
            layer_norm_eps=1e-5,
        )
    ).eval()
    with torch.no_grad():
        for parameter in reference.parameters():
            parameter.normal_(std=0.2)
    ours = Swin(config).eval()
    ours.load_state_dict(published_weights(reference.state_dict()))
    return reference, ours


@pytest.mark.parametrize("version", [1, 2])
def test_outputs_equal_those_of_the_published_implementation(version):
    reference, ours = published(version)
    images = torch.randn(2, 3, *SIZE)
    with torch.no_grad():
        expected = reference(images).last_hidden_state
        features = ours(images)
    assert features[-1].shape == (2, 32, 2, 5)
    found = features[-1].flatten(2).transpose(1, 2)
    assert expected.std() > 0.1
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("version", [1, 2])
def test_a_token_influences_its_window_only_and_by_shifted_windows_its_neighbours(version):
    config = SwinConfig(version=version, width=8, depths=(1,), heads=(2,), window=4)
    images = torch.randn(1, 3, 32, 32)
    changed = images.clone()
    changed[:, :, :4, :4] += 1.0

    def changed_tokens(depth):
        torch.manual_seed(0)
        network = Swin(SwinConfig(version=version, width=8, depths=(depth,), heads=(2,), window=config.window)).eval()
        with torch.no_grad():
            gap = (network(images)[0] - network(changed)[0]).abs().amax(dim=1)[0]
        return gap > 1e-6

    one, two = changed_tokens(1), changed_tokens(2)
    assert one[:4, :4].all()
    assert one.sum() == 16
    assert two[:6, :6].all()
    assert two.sum() == 36


def test_a_masked_patch_does_not_depend_on_its_pixels():
    network = Swin(SwinConfig(width=8, depths=(1, 1), heads=(1, 2))).eval()
    images, hidden = torch.randn(1, 3, 32, 32), torch.zeros(1, 8, 8, dtype=torch.bool)
    hidden[0, 2, 3] = True
    other = images.clone()
    other[:, :, 8:12, 12:16] += 3.0
    assert torch.equal(network(images, hidden)[1], network(other, hidden)[1])


@pytest.mark.parametrize("version", [1, 2])
def test_the_backbone_has_features_at_stride_eight_and_all_weights_learn(version):
    network = SwinBackbone(SwinConfig(version=version, width=8, depths=(1, 2, 1), heads=(1, 2, 4)), 12)
    network(torch.randn(2, 3, 32, 64)).square().sum().backward()
    assert network(torch.zeros(2, 3, 32, 64)).shape == (2, 12, 4, 8)
    without = {name for name, value in network.named_parameters() if value.grad is None}
    assert without == {"trunk.mask_token"}


@pytest.mark.parametrize(
    ("change", "message"), [({"version": 3}, "versions 1 and 2, got 3"), ({"heads": (1,)}, "one number of heads")]
)
def test_impossible_sizes_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        SwinConfig(**change)
