"""Layers for repeated runs on one rig: what does not change between two frames is computed once.

Outputs agree with those of the layers of the network up to rounding. On a CPU, convolutions keep their weights in the
order of oneDNN and add the shortcut and the activation that follow them before they write their result.
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int32
from torch import Tensor, nn
from torch.nn import functional

from perception.backbones.resnet import ResidualBlock
from perception.lift import LiftTable, PullLift, present_weights

_ONEDNN: Any = torch.ops.mkldnn
_OPERATORS = ("_convolution_pointwise", "_reorder_convolution_weight")


def has_onednn() -> bool:
    """Whether `fuse` can be used."""
    # The compiler of torch uses the same operators; they are not part of its public interface.
    return torch.backends.mkldnn.is_available() and all(hasattr(_ONEDNN, name) for name in _OPERATORS)


class Constant(nn.Module):
    """A module whose input never changes."""

    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.register_buffer("value", value, persistent=False)

    def forward(self, _: Tensor) -> Any:
        """The value."""
        return self.value


class _Plan(NamedTuple):
    """The lift of one rig with some cameras present: M taps, S points in a cell."""

    table: LiftTable
    present: Bool[Tensor, "1 C"]
    rows: Int32[Tensor, "M"]
    """Feature pixel and point within the cell of each tap: pixel * S + point."""
    starts: Int32[Tensor, "cells"]
    """First tap of each cell."""
    weights: Float[Tensor, "M"]
    offsets: Float[Tensor, "cells E"]
    """Output of the linear layer for zero features."""


class PlannedLift(nn.Module):
    """A `PullLift` of one sample that keeps the taps of the last rig and cameras, without those of weight 0."""

    def __init__(self, pull: PullLift) -> None:
        super().__init__()
        self.pull = pull
        self.mix: Tensor
        by_point = pull.mix.weight.detach().unflatten(1, (pull.num_points, -1)).permute(2, 1, 0)
        self.register_buffer("mix", by_point.flatten(1).contiguous(), persistent=False)
        self._plan: _Plan | None = None

    def forward(
        self, features: Float[Tensor, "B C D h w"], table: LiftTable, present: Bool[Tensor, "B C"]
    ) -> Float[Tensor, "B E x y"]:
        """Features of the cells, as of `PullLift`."""
        if len(present) != 1:
            result: Tensor = self.pull(features, table, present)
            return result
        plan = self._plan
        if plan is None or plan.table is not table or not torch.equal(plan.present, present):
            plan = self._plan = self._planned(table, present)
        pixels = features.permute(0, 1, 3, 4, 2).flatten(0, 3).float()
        # The linear layer first: sums of its outputs are shorter than its inputs.
        mixed = (pixels @ self.mix).view(-1, plan.offsets.shape[1])
        cells = functional.embedding_bag(plan.rows, mixed, plan.starts, per_sample_weights=plan.weights, mode="sum")
        return (cells + plan.offsets).T.unflatten(1, self.pull.shape)[None]

    def _planned(self, table: LiftTable, present: Bool[Tensor, "1 C"]) -> _Plan:
        pull = self.pull
        weights = present_weights(table, 0, present[0])
        points = torch.arange(pull.num_points, device=weights.device).repeat(len(weights) // pull.num_points)
        rows = table.pixels[0] * pull.num_points + points[:, None]
        is_used = weights > 0
        counts = is_used.view(-1, pull.num_points * weights.shape[1]).sum(dim=1)
        seen = weights.sum(dim=-1).view(-1, pull.num_points)
        return _Plan(
            table=table,
            present=present.clone(),
            rows=rows[is_used].int(),
            starts=(counts.cumsum(0) - counts).int(),
            weights=weights[is_used],
            offsets=pull.mix.bias + pull.mix_seen(seen),
        )


class FusedConvolution(nn.Module):
    """A convolution on a CPU, with the activation that follows it."""

    def __init__(self, convolution: nn.Module, activation: str = "none") -> None:
        """Wrap a convolution that `is_fusible`; the activation is `none` or `relu`."""
        super().__init__()
        assert isinstance(convolution, nn.Conv2d)
        self.convolution, self.activation = convolution, activation
        self._numbers = (
            list(convolution.padding),
            list(convolution.stride),
            list(convolution.dilation),
            convolution.groups,
        )
        self._packed: Tensor | None = None

    def __getstate__(self) -> dict[str, Any]:
        # Packed weights cannot be copied.
        return {**self.__dict__, "_packed": None}

    def forward(self, x: Float[Tensor, "B D H W"]) -> Any:
        """The activated result."""
        bias = self.convolution.bias
        return _ONEDNN._convolution_pointwise(x, self._weights(x), bias, *self._numbers, self.activation, [], "")

    def added(self, x: Float[Tensor, "B D H W"], other: Float[Tensor, "B E h w"]) -> Any:
        """The result plus `other`, then rectified."""
        bias = self.convolution.bias
        return _ONEDNN._convolution_pointwise.binary(
            x, other, self._weights(x), bias, *self._numbers, "add", 1.0, "relu", [], ""
        )

    def _weights(self, x: Tensor) -> Tensor:
        if self._packed is None:
            self._packed = _ONEDNN._reorder_convolution_weight(self.convolution.weight, *self._numbers, list(x.shape))
        return self._packed


class FusedBlock(nn.Module):
    """A `ResidualBlock` of fused convolutions."""

    def __init__(self, block: ResidualBlock) -> None:
        super().__init__()
        self.first = FusedConvolution(block.first[0], "relu")
        self.second = FusedConvolution(block.second[0])
        layers = block.shortcut
        self.shortcut = FusedConvolution(layers[0]) if isinstance(layers, nn.Sequential) else layers

    def forward(self, x: Float[Tensor, "B D H W"]) -> Any:
        """As of the block."""
        return self.second.added(self.first(x), self.shortcut(x))


def is_fusible(module: nn.Module) -> bool:
    """Whether `FusedConvolution` can replace a module."""
    return (
        isinstance(module, nn.Conv2d)
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
        and module.weight.dtype == torch.float32
    )


def fuse(module: nn.Module) -> None:
    """Replace convolutions below a module in place, all with folded normalisations."""
    for name, child in list(module.named_children()):
        if isinstance(child, ResidualBlock):
            module.add_module(name, FusedBlock(child))
        elif isinstance(child, nn.Sequential):
            module.add_module(name, _fused_sequence(child))
        elif is_fusible(child):
            assert isinstance(child, nn.Conv2d)
            module.add_module(name, FusedConvolution(child))
        else:
            fuse(child)


def _fused_sequence(sequence: nn.Sequential) -> nn.Sequential:
    layers: list[nn.Module] = []
    for layer in sequence:
        if isinstance(layer, nn.Identity):
            continue
        last = layers[-1] if layers else None
        if isinstance(layer, nn.ReLU) and isinstance(last, FusedConvolution) and last.activation == "none":
            last.activation = "relu"
        elif isinstance(layer, ResidualBlock):
            layers.append(FusedBlock(layer))
        elif isinstance(layer, nn.Conv2d) and is_fusible(layer):
            layers.append(FusedConvolution(layer))
        else:
            fuse(layer)
            layers.append(layer)
    return nn.Sequential(*layers)
