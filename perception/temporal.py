"""Fusion of past bird's-eye-view features: warped by the motion of the ego, then added through gates."""

from functools import cache

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor, nn
from torch.nn import functional

from perception.grid import BevGrid


def warped(
    past: Float[Tensor, "B D x y"], then_from_now: Float[Tensor, "B 3"], grid: BevGrid
) -> tuple[Float[Tensor, "B D x y"], Float[Tensor, "B x y"]]:
    """Past features at the present cells, and whether the past grid covers each cell.

    Args:
        past: Features in the ego frame of the past.
        then_from_now: Pose (x, y, heading) of the present ego in the ego frame of the past.
        grid: Of the features.
    """
    centres = _centres(grid).to(then_from_now)
    cosine, sine = torch.cos(then_from_now[:, 2:]), torch.sin(then_from_now[:, 2:])
    x = cosine * centres[:, 0] - sine * centres[:, 1] + then_from_now[:, :1]
    y = sine * centres[:, 0] + cosine * centres[:, 1] + then_from_now[:, 1:2]
    # grid_sample names the last axis of the input first; here that is y.
    across = 2 * (y - grid.y_min_m) / (grid.y_max_m - grid.y_min_m) - 1
    along = 2 * (x - grid.x_min_m) / (grid.x_max_m - grid.x_min_m) - 1
    points = torch.stack([across, along], dim=-1).unflatten(1, grid.shape)
    covered = (points.abs() <= 1).all(dim=-1)
    sampled = functional.grid_sample(past, points.to(past.dtype), padding_mode="zeros", align_corners=False)
    return sampled * covered[:, None], covered.to(past.dtype)


@cache
def _centres(grid: BevGrid) -> Float64[Tensor, "cells 2"]:
    return torch.from_numpy(grid.centres()).flatten(0, 1)


class TemporalFusion(nn.Module):
    """Adds to the present features what changed against each past frame; without a past it changes nothing.

    Every past frame passes the same layers, so their number may differ between training and use.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, hidden, 1)
        self.compare = nn.Sequential(
            nn.Conv2d(2 * hidden + 2, 2 * hidden, 3, padding=1, bias=False),
            nn.BatchNorm2d(2 * hidden),
            nn.ReLU(inplace=True),
        )
        self.update = nn.Conv2d(2 * hidden, 2 * channels, 1)

    def forward(
        self,
        now: Float[Tensor, "B D x y"],
        past: Float[Tensor, "B T D x y"],
        covered: Float[Tensor, "B T x y"],
        age_s: Float[Tensor, "B T"],
        present: Bool[Tensor, "B T"],
    ) -> Float[Tensor, "B D x y"]:
        """Fuse past features that are warped already.

        Args:
            now: Features of the present frame.
            past: Features of T past frames at the present cells.
            covered: 1 where the past grid covers a cell.
            age_s: Age of each past frame.
            present: Whether to use it.
        """
        fused = now
        reduced = self.reduce(now)
        for frame in range(past.shape[1]):
            age = age_s[:, frame, None, None].expand_as(covered[:, frame])
            # In the memory format of the features: all of them would be converted otherwise.
            extra = torch.stack([covered[:, frame], age], dim=1).contiguous(memory_format=torch.channels_last)
            pair = [reduced, self.reduce(past[:, frame]), extra]
            value, gate = self.update(self.compare(torch.cat(pair, dim=1))).chunk(2, dim=1)
            used = present[:, frame, None, None, None].to(now.dtype) * covered[:, frame, None]
            fused = fused + used * value * torch.sigmoid(gate)
        return fused
