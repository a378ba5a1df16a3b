"""A plain residual network, sized for 128 x 352 images on one CPU core.

Source:
    He et al., "Deep Residual Learning", arXiv 1512.03385 (basic blocks). Differences: fewer blocks, and a stem of
    stride 4.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from perception.backbones.pyramid import PyramidBackbone, convolution


@dataclass(frozen=True, kw_only=True)
class ResNetConfig:
    """Size of a `ResNet`."""

    width: int = 24
    """Channels at stride 4; they double with every stage."""
    blocks: tuple[int, ...] = (1, 2, 2)
    """Residual blocks at strides 4, 8, 16, ..."""


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Sequential(convolution(inputs, outputs, stride=stride), nn.BatchNorm2d(outputs))
        self.second = nn.Sequential(convolution(outputs, outputs), nn.BatchNorm2d(outputs))
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(convolution(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

    def forward(self, x: Float[Tensor, "B D H W"]) -> Float[Tensor, "B E h w"]:
        """Features of the same size, or of half of it."""
        inner = self.second(functional.relu(self.first(x), inplace=True))
        return functional.relu(inner + self.shortcut(x), inplace=True)


class ResNet(PyramidBackbone):
    """Images to features at stride 8, which also hold what the coarser stages have found."""

    def __init__(self, config: ResNetConfig, outputs: int) -> None:
        widths = [config.width * 2**stage for stage in range(len(config.blocks))]
        super().__init__(widths, outputs)
        # Stride 4 at once: features at stride 2 would cost as much memory traffic as all other layers together.
        self.stem = nn.Sequential(
            convolution(3, config.width, 7, 4), nn.BatchNorm2d(config.width), nn.ReLU(inplace=True)
        )
        stages, width = [], config.width
        for stage, (wide, count) in enumerate(zip(widths, config.blocks, strict=True)):
            blocks = [ResidualBlock(width, wide, stride=2 if stage else 1)]
            blocks += [ResidualBlock(wide, wide) for _ in range(count - 1)]
            stages.append(nn.Sequential(*blocks))
            width = wide
        self.stages = nn.ModuleList(stages)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D h w"]:
        """Features at stride 8."""
        x = self.stem(images)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return self.merged(features)


def num_parameters(module: nn.Module) -> int:
    """Number of trainable values."""
    return sum(value.numel() for value in module.parameters() if value.requires_grad)
