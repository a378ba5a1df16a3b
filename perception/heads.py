"""Bird's-eye-view encoder and heads."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from perception.backbones.pyramid import convolution
from perception.backbones.resnet import ResidualBlock
from perception.contract import (
    BOX_PARAMETERS,
    CENTRE_CLASSES,
    FUTURE_S,
    NUM_SIGNAL_STATES,
    OCCUPANCY_CLASSES,
    ROAD_CLASSES,
)

GRID_HEADS = {
    "centres": len(CENTRE_CLASSES),
    "boxes": len(BOX_PARAMETERS),
    "occupancy": len(OCCUPANCY_CLASSES),
    "road": len(ROAD_CLASSES),
    "direction": 2,
    "future": len(FUTURE_S),
    "flow": 2 * len(FUTURE_S),
}
"""Channels of each head over the grid."""
PRIOR = {"centres": 0.01, "occupancy": 0.02, "road": 0.05, "future": 0.02}
"""Initial probability of the classes, near their share of the cells, so that training does not start with a flood of
false positives."""


class BevEncoder(nn.Module):
    """A small U-Net over the feature grid: two coarser levels give context, the finest keeps positions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fine = nn.Sequential(convolution(channels, channels), nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
        self.coarse = ResidualBlock(channels, 2 * channels, 2)
        self.coarsest = nn.Sequential(
            ResidualBlock(2 * channels, 2 * channels, 2), ResidualBlock(2 * channels, 2 * channels)
        )
        self.from_coarse = nn.Conv2d(2 * channels, channels, 1)
        self.merge = nn.Sequential(convolution(channels, channels), nn.BatchNorm2d(channels), nn.ReLU(inplace=True))

    def forward(self, bev: Float[Tensor, "B D x y"]) -> Float[Tensor, "B D x y"]:
        """Features of the same shape."""
        fine = self.fine(bev)
        half = self.coarse(fine)
        quarter = self.coarsest(half)
        half = half + functional.interpolate(quarter, scale_factor=2, mode="nearest")
        return self.merge(fine + functional.interpolate(self.from_coarse(half), scale_factor=2, mode="nearest"))


class GridHeads(nn.Module):
    """All heads over the grid: one hidden layer, then `upsampling` x `upsampling` cells out of each feature cell."""

    def __init__(self, channels: int, hidden: int, upsampling: int) -> None:
        super().__init__()
        self.upsampling = upsampling
        self.hidden = nn.Sequential(convolution(channels, hidden), nn.BatchNorm2d(hidden), nn.ReLU(inplace=True))
        self.predict = nn.Conv2d(hidden, sum(GRID_HEADS.values()) * upsampling**2, 1)
        biases = torch.cat(
            [
                torch.full((count,), math.log(PRIOR[name] / (1 - PRIOR[name])) if name in PRIOR else 0.0)
                for name, count in GRID_HEADS.items()
            ]
        )
        self.predict.bias = nn.Parameter(biases.repeat_interleave(upsampling**2))

    def forward(self, bev: Float[Tensor, "B D x y"]) -> dict[str, Float[Tensor, "B E X Y"]]:
        """Values of each head."""
        values = functional.pixel_shuffle(self.predict(self.hidden(bev)), self.upsampling)
        return dict(zip(GRID_HEADS, values.split(list(GRID_HEADS.values()), dim=1), strict=True))


class SignalHead(nn.Module):
    """State of the signal that governs the ego's lane, by attention over the feature pixels of all cameras.

    Signals hang above the points that the lift samples, so this head reads the images, and the direction of each
    pixel in the ego frame.
    """

    def __init__(self, channels: int, hidden: int = 32, queries: int = 4) -> None:
        super().__init__()
        self.keys = nn.Sequential(nn.Linear(channels + 3, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, queries))
        self.values = nn.Linear(channels + 3, hidden)
        self.predict = nn.Sequential(
            nn.Linear(queries * hidden, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, NUM_SIGNAL_STATES)
        )

    def forward(
        self,
        features: Float[Tensor, "B C D h w"],
        rays: Float[Tensor, "R P 3"],
        present: Bool[Tensor, "B C"],
    ) -> Float[Tensor, "B 4"]:
        """Logits of the states."""
        count, _, _, height, width = features.shape
        pixels = features.permute(0, 1, 3, 4, 2).flatten(1, 3)
        pixels = torch.cat([pixels, rays.expand(count, -1, -1)], dim=-1)
        is_missing = (~present)[:, :, None].expand(-1, -1, height * width).flatten(1, 2)
        keys = self.keys(pixels).masked_fill(is_missing[..., None], -1e4)
        attention = torch.softmax(keys, dim=1)
        read = torch.einsum("bpq,bph->bqh", attention, self.values(pixels))
        return self.predict(read.flatten(1))
