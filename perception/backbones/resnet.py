"""A plain residual network with a feature pyramid, sized for 128 x 352 images on one CPU core.

Source:
    He et al., "Deep Residual Learning", arXiv 1512.03385 (basic blocks); Lin et al., "Feature Pyramid Networks",
    arXiv 1612.03144 (the neck). Differences: fewer blocks, and one 3 x 3 convolution per pyramid level at most.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, kw_only=True)
class ResNetConfig:
    """Size of a `ResNet`."""

    width: int = 24
    """Channels at stride 4; they double with every stage."""
    blocks: tuple[int, ...] = (1, 2, 2)
    """Residual blocks at strides 4, 8, 16, ..."""


def convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps the size, without bias, for use before a normalisation."""
    return nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)


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


class ResNet(nn.Module):
    """Images to features at stride 8, which also hold what the coarser stages have found."""

    stride = 8

    def __init__(self, config: ResNetConfig, outputs: int) -> None:
        super().__init__()
        # Stride 4 at once: features at stride 2 would cost as much memory traffic as all other layers together.
        self.stem = nn.Sequential(
            convolution(3, config.width, 7, 4), nn.BatchNorm2d(config.width), nn.ReLU(inplace=True)
        )
        stages, channels, width = [], [], config.width
        for stage, count in enumerate(config.blocks):
            wide = config.width * 2**stage
            blocks = [
                ResidualBlock(width, wide, stride=2 if stage else 1),
                *(ResidualBlock(wide, wide) for _ in range(count - 1)),
            ]
            stages.append(nn.Sequential(*blocks))
            channels.append(wide)
            width = wide
        self.stages = nn.ModuleList(stages)
        self.lateral = nn.ModuleList(nn.Conv2d(wide, outputs, 1) for wide in channels[1:])
        # Stride 4 enters by a strided convolution: thin lines are lost in the average of a stage.
        self.fine = nn.Conv2d(channels[0], outputs, 3, stride=2, padding=1)
        self.out = nn.Sequential(nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D h w"]:
        """Features at stride 8."""
        x = self.stem(images)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        merged = self.lateral[-1](features[-1])
        for lateral, level in zip(reversed(self.lateral[:-1]), reversed(features[1:-1]), strict=True):
            merged = lateral(level) + functional.interpolate(merged, size=level.shape[-2:], mode="nearest")
        return self.out(merged + self.fine(features[0]))


def num_parameters(module: nn.Module) -> int:
    """Number of trainable values."""
    return sum(value.numel() for value in module.parameters() if value.requires_grad)
