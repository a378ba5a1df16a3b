"""The network: pieces attend to each other, then each decision attends to the agents placed around it.

Tensors of pieces are padded to the scene with the most of them. Rows are the decisions of all scenes of a batch, one
after the other.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor, nn

from simulation.generation.learned.sweep_state import (
    BESIDE_LANES,
    EGO_PASS,
    IN_LANES,
    NUM_COUNTED,
    NUM_GAP_BINS,
    NUM_NEAR_FEATURES,
    NUM_ROW_FEATURES,
    NUM_SPEED_FEATURES,
)
from simulation.generation.learned.vocabulary import CLOSING, NUM_CLASSES, OUTPUTS, AgentClass
from simulation.generation.learned.window import MAX_NEXT, NUM_FEATURES

NUM_CONDITION = 2 * NUM_COUNTED + 3 + 3 + 2
"""Counts with flags, density, speed, and the ego's speed with a flag; see `conditions.py`."""
ATTRIBUTES = ("length", "width", "lateral", "heading", "position", "speed")
"""In the order in which they are drawn. Agents beside the lanes have other bins for lateral and heading offset."""
_ALLOWED = {
    IN_LANES: (AgentClass.VEHICLE, AgentClass.BICYCLE),
    BESIDE_LANES: (AgentClass.PARKED, AgentClass.OFF_LANE_BICYCLE, AgentClass.PEDESTRIAN),
    EGO_PASS: (AgentClass.VEHICLE,),
}
NONE_CLASS = NUM_CLASSES
"""The decision that leaves a piece."""
_BLOCKED = -1e9


@dataclass(frozen=True, kw_only=True)
class SceneNetworkConfig:
    """Size of the network."""

    width: int = 128
    heads: int = 4
    piece_layers: int = 2
    row_layers: int = 2
    near_width: int = 96
    """Width of the layer over the agents around a decision."""


class PieceInput(NamedTuple):
    """Pieces of some scenes."""

    features: Float32[Tensor, "scenes pieces features"]
    neighbours: Int64[Tensor, "scenes pieces 14"]
    is_piece: Bool[Tensor, "scenes pieces"]
    condition: Float32[Tensor, "scenes condition"]


class RowInput(NamedTuple):
    """Decisions; `piece` is the index of the row's piece among all padded pieces."""

    piece: Int64[Tensor, "rows"]
    features: Float32[Tensor, "rows features"]
    near: Float32[Tensor, "rows near features"]
    is_near: Bool[Tensor, "rows near"]


class SlotInput(NamedTuple):
    """Positions and surroundings of agents, see `sweep.Slots`."""

    is_free: Bool[Tensor, "agents positions"]
    gap_ahead: Int64[Tensor, "agents positions"]
    gap_behind: Int64[Tensor, "agents positions"]
    speed: Float32[Tensor, "agents features"]
    closing: Int64[Tensor, "agents speeds"]
    """Bin of `CLOSING` for each bin of speed; the middle bin without a leader."""


class _Block(nn.Module):
    """A residual layer of two linear maps."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(nn.functional.gelu(self.up(self.norm(x))))


class _Attention(nn.Module):
    """Attention of queries over keys, several heads, residual."""

    def __init__(self, width: int, heads: int, key_width: int | None = None) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.query, self.key = nn.Linear(width, width), nn.Linear(key_width or width, width)
        self.value, self.out = nn.Linear(key_width or width, width), nn.Linear(width, width)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(-2, -3)

    def forward(self, x: Tensor, keys: Tensor | None, is_key: Tensor) -> Tensor:
        """Add to x (..., Q, D) what it attends to among the keys (..., K, D); None for x itself."""
        normed = self.norm(x)
        keys = normed if keys is None else keys
        # A key that is always there keeps rows without any key finite.
        bias = torch.zeros(is_key.shape, dtype=x.dtype, device=x.device).masked_fill(~is_key, _BLOCKED)
        found = nn.functional.scaled_dot_product_attention(
            self._split(self.query(normed)),
            self._split(self.key(keys)),
            self._split(self.value(keys)),
            attn_mask=bias[..., None, None, :],
        )
        has_key = is_key.any(dim=-1)[..., None, None]
        return x + self.out(found.transpose(-2, -3).flatten(-2)) * has_key


class _PieceLayer(nn.Module):
    """Messages along the lane graph, then attention over all pieces."""

    def __init__(self, config: SceneNetworkConfig) -> None:
        super().__init__()
        width = config.width
        self.norm = nn.LayerNorm(width)
        self.links = nn.Linear(4 * width, width)
        self.attention = _Attention(width, config.heads)
        self.block = _Block(width)

    def forward(self, x: Tensor, inputs: PieceInput) -> Tensor:
        normed = self.norm(x)
        padded = torch.cat([normed, torch.zeros_like(normed[:, :1])], dim=1)
        index = inputs.neighbours.flatten(1)
        index = torch.where(index < 0, normed.shape[1], index)
        found = padded.gather(1, index[..., None].expand(-1, -1, normed.shape[-1]))
        found = found.unflatten(1, inputs.neighbours.shape[1:])
        groups = [found[:, :, :MAX_NEXT], found[:, :, MAX_NEXT : 2 * MAX_NEXT]]
        parts = [group.amax(dim=2) for group in groups] + [found[:, :, -2], found[:, :, -1]]
        x = x + nn.functional.gelu(self.links(torch.cat(parts, dim=-1)))
        return self.block(self.attention(x, None, inputs.is_piece))


class SceneNetwork(nn.Module):
    """Classes of the next agents, and their attributes one after the other."""

    allowed: Tensor
    """(passes, classes) added to the logits: classes of another pass are excluded."""

    def __init__(self, config: SceneNetworkConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or SceneNetworkConfig()
        width = config.width
        self.piece_in = nn.Sequential(nn.Linear(NUM_FEATURES, width), nn.GELU(), nn.Linear(width, width))
        self.condition_in = nn.Linear(NUM_CONDITION, width)
        self.piece_layers = nn.ModuleList(_PieceLayer(config) for _ in range(config.piece_layers))
        self.row_in = nn.Sequential(nn.Linear(NUM_ROW_FEATURES, width), nn.GELU(), nn.Linear(width, width))
        self.near_in = nn.Sequential(nn.Linear(NUM_NEAR_FEATURES, config.near_width), nn.GELU())
        self.near_attention = _Attention(width, config.heads, config.near_width)
        self.row_blocks = nn.ModuleList(_Block(width) for _ in range(config.row_layers))
        self.class_out = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, NUM_CLASSES + 1))
        self.class_in = nn.Embedding(NUM_CLASSES, width)
        self.speed_in = nn.Sequential(nn.Linear(NUM_SPEED_FEATURES, width), nn.GELU(), nn.Linear(width, width))
        self.heads = nn.ModuleDict({name: self._head(len(bins)) for name, bins in OUTPUTS.items()})
        self.values = nn.ModuleDict(
            {name: nn.Embedding(len(bins), width) for name, bins in OUTPUTS.items() if name != "speed"}
        )
        self.gap_ahead, self.gap_behind = self._head(NUM_GAP_BINS), self._head(NUM_GAP_BINS)
        self.closing = self._head(len(CLOSING))
        allowed = torch.full((3, NUM_CLASSES + 1), _BLOCKED)
        for number, classes in _ALLOWED.items():
            allowed[number, [int(one) for one in classes]] = 0.0
            allowed[number, NONE_CLASS] = 0.0 if number != EGO_PASS else _BLOCKED
        self.register_buffer("allowed", allowed, persistent=False)

    def _head(self, outputs: int) -> nn.Module:
        width = self.config.width
        return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, outputs))

    def encode(self, inputs: PieceInput) -> Float32[Tensor, "scenes pieces width"]:
        """Embeddings of the pieces."""
        x = self.piece_in(inputs.features) + self.condition_in(inputs.condition)[:, None]
        for layer in self.piece_layers:
            x = layer(x, inputs)
        return x

    def decide(
        self, pieces: Float32[Tensor, "all_pieces width"], rows: RowInput
    ) -> tuple[Float32[Tensor, "rows width"], Float32[Tensor, "rows classes"]]:
        """States of the rows, and the logits of the next agent's class; the last one is that of no agent."""
        x = pieces[rows.piece] + self.row_in(rows.features)
        near = self.near_in(rows.near)
        x = self.near_attention(x[:, None], near, rows.is_near)[:, 0]
        for block in self.row_blocks:
            x = block(x)
        number = rows.features[:, 15:18].argmax(dim=-1)
        return x, self.class_out(x) + self.allowed[number]

    def with_class(self, state: Tensor, classes: Int64[Tensor, "agents"]) -> Float32[Tensor, "agents width"]:
        """The state of agents, given their class."""
        return state + self.class_in(classes)

    def logits(self, name: str, state: Tensor, slots: SlotInput | None = None) -> Float32[Tensor, "agents bins"]:
        """Logits of an attribute of `OUTPUTS`; positions and speeds need the slots."""
        found = self.heads[name](state)
        if name == "position":
            assert slots is not None
            found = found + self.gap_ahead(state).gather(1, slots.gap_ahead)
            found = found + self.gap_behind(state).gather(1, slots.gap_behind)
            found = found.masked_fill(~slots.is_free, _BLOCKED)
        if name == "speed":
            assert slots is not None
            found = found + self.closing(state).gather(1, slots.closing)
        return found

    def with_value(self, name: str, state: Tensor, bins: Int64[Tensor, "agents"]) -> Float32[Tensor, "agents width"]:
        """The state of agents, given an attribute."""
        return state + self.values[name](bins)

    def with_surroundings(self, state: Tensor, slots: SlotInput) -> Float32[Tensor, "agents width"]:
        """The state of agents, given the agents ahead and behind: before the speed."""
        return state + self.speed_in(slots.speed)


def num_parameters(network: nn.Module) -> int:
    """Number of weights."""
    return sum(one.numel() for one in network.parameters())
