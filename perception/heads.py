"""Bird's-eye-view encoder and heads."""

import math

import torch
from jaxtyping import Bool, Float, Int64
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


def forward_cameras(rays: Float[Tensor, "R P 3"], present: Bool[Tensor, "B C"]) -> Int64[Tensor, "B"]:
    """The present camera of each sample that faces forward most."""
    ahead = rays[..., 0].unflatten(1, (present.shape[1], -1)).mean(dim=-1)
    return ahead.expand(len(present), -1).masked_fill(~present, -2.0).argmax(dim=1)


class SignalHead(nn.Module):
    """State of the signal that governs the ego's lane: where it is in the forward camera, and what it shows there.

    Lamps cover 2 to 5 pixels and hang above the points that the lift samples. The features of the backbone did not
    tell green from red, so this head has convolutions of its own. Its attention over the feature pixels, and over
    the possibility that no signal governs the ego, is trained to the place of the signal.
    """

    def __init__(self, hidden: int = 32) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs, stride in ((3, 16, 2), (16, 24, 2), (24, hidden, 2), (hidden, hidden, 1)):
            layers += [
                convolution(inputs, outputs, stride=stride),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
            ]
        self.lamps = nn.Sequential(*layers)
        self.read = nn.Sequential(
            nn.Linear(hidden + 3, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, 1 + NUM_SIGNAL_STATES)
        )
        self.nowhere = nn.Parameter(torch.zeros(1 + NUM_SIGNAL_STATES))

    def forward(
        self, images: Float[Tensor, "B C 3 H W"], rays: Float[Tensor, "R P 3"], present: Bool[Tensor, "B C"]
    ) -> tuple[Float[Tensor, "B 4"], Float[Tensor, "B places"]]:
        """Logits of the states, and of the places: the feature pixels of the forward camera, the last is nowhere."""
        count, num_cameras = present.shape
        samples, cameras = torch.arange(count, device=images.device), forward_cameras(rays, present)
        features = self.lamps(images[samples, cameras]).flatten(2).transpose(1, 2)
        directions = rays.unflatten(1, (num_cameras, -1)).expand(count, -1, -1, -1)[samples, cameras]
        values = self.read(torch.cat([features, directions], dim=-1))
        values = torch.cat([values, self.nowhere.expand(count, 1, -1)], dim=1)
        places = values[..., 0]
        states = (torch.softmax(places, dim=1)[..., None] * values[..., 1:]).sum(dim=1)
        return states, places
