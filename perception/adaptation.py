"""Adaptation to unlabelled images: statistics of the batch normalisation, estimated anew.

    adapted = adapted_to_images(network, images)

Rendered and real images differ in brightness, contrast and texture; so do the means and variances of the features.
Weights, lift and heads stay as they are.

Source:
    Li et al., "Revisiting Batch Normalization for Practical Domain Adaptation", arXiv 1603.04779.
"""

import copy

import numpy as np
import torch
from jaxtyping import UInt8
from torch import nn

from perception.images import network_images
from perception.network import PerceptionNetwork


def adapted_to_images(
    network: PerceptionNetwork, images: UInt8[np.ndarray, "images height width 3"], *, share: float = 1.0
) -> PerceptionNetwork:
    """A copy of the network whose backbone has the statistics of some images.

    Args:
        network: Trained.
        images: Of the network's size, from any cameras.
        share: Of the new statistics; the rest are the trained ones.

    Raises:
        ValueError: When there is no image, or the backbone has no batch normalisation.
    """
    if not len(images):
        raise ValueError("Adaptation needs at least one image.")
    adapted = copy.deepcopy(network).eval()
    layers = [layer for layer in adapted.backbone.modules() if isinstance(layer, nn.BatchNorm2d)]
    if not layers:
        raise ValueError(f"The backbone {network.config.backbone} has no batch normalisation to adapt.")
    before = [copy.deepcopy(layer) for layer in layers]
    # One batch, in which each layer sees what the layers before it made of the same images.
    for layer in layers:
        layer.train()
        layer.momentum = 1.0
    with torch.inference_mode():
        adapted.image_features(network_images(images)[None])
    for layer, trained in zip(layers, before, strict=True):
        for new, old in ((layer.running_mean, trained.running_mean), (layer.running_var, trained.running_var)):
            assert new is not None
            assert old is not None
            new.lerp_(old, 1.0 - share)
        layer.momentum = trained.momentum
    return adapted.eval()
