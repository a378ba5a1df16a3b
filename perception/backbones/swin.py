"""Swin Transformers, version 1 and 2: attention within windows, shifted in every other block.

    version 1   scaled dot products, a table of biases by relative position, normalisation before each part
    version 2   cosines with a learned scale, biases from a small network over log-spaced relative positions (so that
                they extend to other windows), normalisation behind each part

Outputs equal those of `transformers` on the same weights; `published_weights` translates the names.

Source:
    Liu et al., "Swin Transformer", arXiv 2103.14030, and "Swin Transformer V2", arXiv 2111.09883. Differences: no
    dropout and no stochastic depth; feature maps smaller than a window are padded.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from perception.backbones.pyramid import PyramidBackbone

PATCH = 4
"""Pixels per token along each axis, at the first stage."""
MAX_LOGIT_SCALE = math.log(100.0)
BIAS_HIDDEN = 512
"""Hidden units of the network that gives the biases of version 2."""


@dataclass(frozen=True, kw_only=True)
class SwinConfig:
    """Size of a Swin Transformer."""

    version: int = 1
    width: int = 32
    """Channels of the first stage; they double with every stage."""
    depths: tuple[int, ...] = (1, 2, 2)
    heads: tuple[int, ...] = (2, 4, 8)
    window: int = 4
    hidden_factor: float = 4.0
    epsilon: float = 1e-5
    """Of the normalisations within blocks."""

    def __post_init__(self) -> None:
        if self.version not in (1, 2):
            raise ValueError(f"Swin has versions 1 and 2, got {self.version}.")
        if len(self.depths) != len(self.heads):
            raise ValueError(f"Need one number of heads per stage, got {self.heads} for depths {self.depths}.")


class WindowAttention(nn.Module):
    """Attention among the tokens of each window."""

    def __init__(self, config: SwinConfig, width: int, heads: int) -> None:
        super().__init__()
        self.is_cosine, self.heads, self.window = config.version == 2, heads, config.window
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=not self.is_cosine)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        if self.is_cosine:
            self.scale = nn.Parameter(torch.full((heads, 1, 1), math.log(10.0)))
            self.bias_network = nn.Sequential(
                nn.Linear(2, BIAS_HIDDEN), nn.ReLU(inplace=True), nn.Linear(BIAS_HIDDEN, heads, bias=False)
            )
            self.register_buffer("offsets", _log_spaced_offsets(config.window), persistent=False)
        else:
            self.bias_table = nn.Parameter(torch.zeros((2 * config.window - 1) ** 2, heads))
            nn.init.trunc_normal_(self.bias_table, std=0.02)
        self.rows: Tensor
        self.register_buffer("rows", _rows_of_pairs(config.window), persistent=False)

    def forward(self, windows: Float[Tensor, "W L D"], mask: Float[Tensor, "V L L"] | None) -> Float[Tensor, "W L D"]:
        """Attend.

        Args:
            windows: Tokens of the windows of all images.
            mask: Added to the logits, by window of an image.
        """
        query, key, value = (
            layer(windows).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        if self.is_cosine:
            logits = functional.normalize(query, dim=-1) @ functional.normalize(key, dim=-1).transpose(-2, -1)
            logits = logits * self.scale.clamp(max=MAX_LOGIT_SCALE).exp()
        else:
            logits = query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5
        logits = logits + self._bias()
        if mask is not None:
            logits = (logits.unflatten(0, (-1, len(mask))) + mask[:, None]).flatten(0, 1)
        mixed = torch.softmax(logits, dim=-1) @ value
        result: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return result

    def _bias(self) -> Tensor:
        """Bias of each head for each pair of tokens of a window."""
        table = self.bias_network(self.offsets) if self.is_cosine else self.bias_table
        bias = table[self.rows].permute(2, 0, 1)
        return 16 * torch.sigmoid(bias) if self.is_cosine else bias


def _rows_of_pairs(window: int) -> Tensor:
    """Row of the bias table for each pair of tokens of a window."""
    places = torch.stack(torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")).flatten(1)
    offsets = places[:, :, None] - places[:, None, :] + window - 1
    return offsets[0] * (2 * window - 1) + offsets[1]


def _log_spaced_offsets(window: int) -> Tensor:
    """Relative positions of a window, log-spaced and scaled to [-1, 1] times log 9 / log 8 (Swin V2, equation 4)."""
    steps = torch.arange(1 - window, window, dtype=torch.float32) / max(window - 1, 1) * 8
    spaced = torch.sign(steps) * torch.log2(steps.abs() + 1.0) / math.log2(8)
    return torch.stack(torch.meshgrid(spaced, spaced, indexing="ij"), dim=-1).flatten(0, 1)


class SwinBlock(nn.Module):
    """Window attention and a two-layer network, both with a residual connection."""

    def __init__(self, config: SwinConfig, width: int, heads: int, *, is_shifted: bool) -> None:
        super().__init__()
        self.window, self.is_post_norm = config.window, config.version == 2
        self.shift = config.window // 2 if is_shifted else 0
        self.attention = WindowAttention(config, width, heads)
        hidden = int(width * config.hidden_factor)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.attention_norm = nn.LayerNorm(width, eps=config.epsilon)
        self.mlp_norm = nn.LayerNorm(width, eps=config.epsilon)

    def forward(self, tokens: Float[Tensor, "B h w D"]) -> Float[Tensor, "B h w D"]:
        """Tokens of the same shape."""
        if self.is_post_norm:
            tokens = tokens + self.attention_norm(self._attend(tokens))
            return tokens + self.mlp_norm(self.mlp(tokens))
        tokens = tokens + self._attend(self.attention_norm(tokens))
        return tokens + self.mlp(self.mlp_norm(tokens))

    def _attend(self, tokens: Tensor) -> Tensor:
        _, height, width, _ = tokens.shape
        size = self.window
        shift = 0 if min(height, width) <= size else self.shift
        padded = functional.pad(tokens, (0, 0, 0, -width % size, 0, -height % size))
        rows, columns = padded.shape[1] // size, padded.shape[2] // size
        if shift:
            padded = torch.roll(padded, (-shift, -shift), (1, 2))
        windows = padded.unflatten(2, (columns, size)).unflatten(1, (rows, size)).transpose(2, 3).flatten(0, 2)
        mask = _shift_mask(rows * size, columns * size, size, shift).to(tokens) if shift else None
        mixed = self.attention(windows.flatten(1, 2), mask).unflatten(1, (size, size))
        mixed = mixed.unflatten(0, (-1, rows, columns)).transpose(2, 3).flatten(3, 4).flatten(1, 2)
        if shift:
            mixed = torch.roll(mixed, (shift, shift), (1, 2))
        return mixed[:, :height, :width]


def _shift_mask(height: int, width: int, window: int, shift: int) -> Tensor:
    """-100 between tokens that only the cyclic shift has brought into one window, by window."""

    def regions(length: int) -> Tensor:
        places = torch.arange(length)
        return (places >= length - window).long() + (places >= length - shift).long()

    region = regions(height)[:, None] * 3 + regions(width)
    split = region.unflatten(1, (-1, window)).unflatten(0, (-1, window)).transpose(1, 2).flatten(2).flatten(0, 1)
    return torch.where(split[:, :, None] == split[:, None, :], 0.0, -100.0)


class PatchMerging(nn.Module):
    """Four neighbouring tokens to one of twice the width."""

    def __init__(self, config: SwinConfig, width: int) -> None:
        super().__init__()
        self.is_post_norm = config.version == 2
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)
        self.norm = nn.LayerNorm(2 * width if self.is_post_norm else 4 * width)

    def forward(self, tokens: Float[Tensor, "B h w D"]) -> Float[Tensor, "B i j E"]:
        """Tokens at half the resolution; an odd row or column is padded."""
        padded = functional.pad(tokens, (0, 0, 0, tokens.shape[2] % 2, 0, tokens.shape[1] % 2))
        four = torch.cat([padded[:, row::2, column::2] for column in range(2) for row in range(2)], dim=-1)
        result: Tensor = self.norm(self.reduction(four)) if self.is_post_norm else self.reduction(self.norm(four))
        return result


class Swin(nn.Module):
    """Images to the features of each stage."""

    def __init__(self, config: SwinConfig) -> None:
        super().__init__()
        self.config = config
        self.patches = nn.Conv2d(3, config.width, PATCH, stride=PATCH)
        self.patch_norm = nn.LayerNorm(config.width)
        self.widths = [config.width * 2**stage for stage in range(len(config.depths))]
        self.stages = nn.ModuleList(
            nn.Sequential(*(SwinBlock(config, width, heads, is_shifted=block % 2 == 1) for block in range(depth)))
            for width, depth, heads in zip(self.widths, config.depths, config.heads, strict=True)
        )
        self.merges = nn.ModuleList(PatchMerging(config, width) for width in self.widths[:-1])
        self.norm = nn.LayerNorm(self.widths[-1])
        self.mask_token = nn.Parameter(torch.zeros(config.width))

    def forward(
        self, images: Float[Tensor, "B 3 H W"], hidden: Bool[Tensor, "B h w"] | None = None
    ) -> list[Float[Tensor, "B _ _ _"]]:
        """Features at strides 4, 8, 16, ...; the last ones are normalised.

        Args:
            images: With sizes that are multiples of 4.
            hidden: Patches that are replaced by the mask token.
        """
        tokens = self.patch_norm(self.patches(images).permute(0, 2, 3, 1))
        if hidden is not None:
            tokens = torch.where(hidden[..., None], self.mask_token, tokens)
        features = []
        for number, stage in enumerate(self.stages):
            tokens = stage(tokens)
            is_last = number == len(self.merges)
            features.append((self.norm(tokens) if is_last else tokens).permute(0, 3, 1, 2))
            tokens = tokens if is_last else self.merges[number](tokens)
        return features


class SwinBackbone(PyramidBackbone):
    """A Swin Transformer with the neck of the other backbones."""

    def __init__(self, config: SwinConfig, outputs: int) -> None:
        trunk = Swin(config)
        super().__init__(trunk.widths, outputs)
        self.trunk = trunk

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D h w"]:
        """Features at stride 8."""
        return self.merged(self.trunk(images))


_NAMES = (
    (r"^(swin|swinv2)\.", ""),
    (r"^embeddings\.patch_embeddings\.projection\.", "patches."),
    (r"^embeddings\.norm\.", "patch_norm."),
    (r"^embeddings\.mask_token$", "mask_token"),
    (r"^encoder\.layers\.(\d+)\.blocks\.(\d+)\.", r"stages.\1.\2."),
    (r"^encoder\.layers\.(\d+)\.downsample\.", r"merges.\1."),
    (r"^layernorm\.", "norm."),
    (r"\.attention\.(self\.|output\.)?", ".attention."),
    (r"\.attention\.(query|q_proj)\.", ".attention.query."),
    (r"\.attention\.(key|k_proj)\.", ".attention.key."),
    (r"\.attention\.(value|v_proj)\.", ".attention.value."),
    (r"\.attention\.(dense|o_proj)\.", ".attention.out."),
    (r"\.attention\.logit_scale$", ".attention.scale"),
    (r"\.attention\.continuous_position_bias_mlp\.", ".attention.bias_network."),
    (r"\.attention\.(relative_position_bias\.)?relative_position_bias_table$", ".attention.bias_table"),
    (r"\.layernorm_before\.", ".attention_norm."),
    (r"\.layernorm_after\.", ".mlp_norm."),
    (r"\.(intermediate\.dense|mlp\.fc1)\.", ".mlp.0."),
    (r"\.(output\.dense|mlp\.fc2)\.", ".mlp.2."),
)


def published_weights(weights: Mapping[str, Float[Tensor, "..."]]) -> dict[str, Float[Tensor, "..."]]:
    """Weights of `SwinModel` or `Swinv2Model` of `transformers` under the names of `Swin`.

    Entries that are computed (positions, indices) are left out; a missing mask token becomes zeros.
    """
    named: dict[str, Tensor] = {}
    for name, value in weights.items():
        for pattern, replacement in _NAMES:
            name = re.sub(pattern, replacement, name)
        if "relative_position_index" not in name and "relative_coords" not in name:
            named[name] = value
    named["mask_token"] = named.get("mask_token", torch.zeros(len(named["patches.bias"]))).flatten()
    return named
