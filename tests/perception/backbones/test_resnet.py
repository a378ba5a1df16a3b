import pytest
import torch

from perception.backbones.resnet import ResNet, ResNetConfig, num_parameters


@pytest.mark.parametrize("blocks", [(1, 1), (1, 2, 1)])
def test_features_have_stride_eight(blocks):
    network = ResNet(ResNetConfig(width=8, blocks=blocks), 12)
    assert network(torch.zeros(2, 3, 64, 96)).shape == (2, 12, 64 // network.stride, 96 // network.stride)


def test_wider_networks_have_more_parameters():
    counts = [num_parameters(ResNet(ResNetConfig(width=width), 48)) for width in (16, 24, 32)]
    assert counts == sorted(counts)
    assert counts[1] < 500_000


def test_images_do_not_influence_each_other_in_inference():
    network = ResNet(ResNetConfig(width=8), 8).eval()
    images = torch.randn(3, 3, 32, 64)
    assert torch.allclose(network(images)[1], network(images[1:2])[0], atol=1e-5)
