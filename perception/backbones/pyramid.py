"""The neck that all backbones share: features of several strides merged at stride 8.

Source:
    Lin et al., "Feature Pyramid Networks", arXiv 1612.03144. Difference: one output level and no 3 x 3 convolution
    behind the sum.
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


def convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps the size, without bias, for use before a normalisation."""
    return nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)


class PyramidBackbone(nn.Module):
    """Base of the backbones: `forward` maps images to features at stride 8."""

    stride = 8

    def __init__(self, channels: Sequence[int], outputs: int) -> None:
        """Make the layers of the neck.

        Args:
            channels: Of the stages at strides 4, 8, 16, ...
            outputs: Channels of the features.
        """
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(wide, outputs, 1) for wide in channels[1:])
        # Stride 4 enters by a strided convolution: thin lines are lost in the average of a stage.
        self.fine = nn.Conv2d(channels[0], outputs, 3, stride=2, padding=1)
        self.out = nn.Sequential(nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))

    def merged(self, features: list[Float[Tensor, "B _ _ _"]]) -> Float[Tensor, "B D h w"]:
        """Features at stride 8, from those of the stages at strides 4, 8, 16, ..."""
        merged = self.lateral[-1](features[-1])
        for lateral, level in zip(reversed(self.lateral[:-1]), reversed(features[1:-1]), strict=True):
            merged = lateral(level) + functional.interpolate(merged, size=level.shape[-2:], mode="nearest")
        result: Tensor = self.out(merged + self.fine(features[0]))
        return result
