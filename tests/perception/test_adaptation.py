"""Adaptation to unlabelled images."""

import numpy as np
import pytest
import torch
from small_perception import small_network

from perception.adaptation import adapted_to_images
from perception.images import network_images


@pytest.fixture(scope="module")
def network():
    return small_network()


def images(network, count, low, high):
    size = network.config.image_size
    return np.random.default_rng(0).integers(low, high, (count, *size, 3), dtype=np.uint8)


def first_statistics(network):
    layer = next(one for one in network.backbone.modules() if isinstance(one, torch.nn.BatchNorm2d))
    return layer.running_mean.clone()


def test_the_backbone_gets_the_statistics_of_the_images_and_the_rest_stays(network):
    dark = images(network, 3, 0, 60)
    adapted = adapted_to_images(network, dark)
    before, after = network.state_dict(), adapted.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all("backbone" in name and ("running" in name or "tracked" in name) for name in changed)
    assert not adapted.training
    # Adapted once more to the same images, nothing moves.
    again = adapted_to_images(adapted, dark)
    torch.testing.assert_close(first_statistics(again), first_statistics(adapted))
    assert torch.isfinite(adapted.image_features(network_images(dark)[None])).all()


def test_a_share_mixes_old_and_new_statistics(network):
    dark = images(network, 2, 0, 60)
    old, new = first_statistics(network), first_statistics(adapted_to_images(network, dark))
    half = first_statistics(adapted_to_images(network, dark, share=0.5))
    torch.testing.assert_close(half, (old + new) / 2)


def test_no_image_is_a_sentence(network):
    with pytest.raises(ValueError, match="at least one image"):
        adapted_to_images(network, images(network, 0, 0, 60))
