import torch

from perception.backbones.pyramid import PyramidBackbone, convolution


def test_features_of_all_strides_reach_the_output():
    neck = PyramidBackbone([4, 8, 16], 5)
    levels = [torch.randn(2, 4, 8, 16), torch.randn(2, 8, 4, 8), torch.randn(2, 16, 2, 4)]
    for level in levels:
        level.requires_grad_()
    merged = neck.merged(levels)
    assert merged.shape == (2, 5, 4, 8)
    merged.square().sum().backward()
    assert all(level.grad.abs().sum() > 0 for level in levels)


def test_a_convolution_keeps_the_size_up_to_its_stride():
    assert convolution(3, 4, 7, 4)(torch.zeros(1, 3, 32, 64)).shape == (1, 4, 8, 16)
