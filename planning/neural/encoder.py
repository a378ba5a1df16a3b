"""The encoder: a small transformer over the tokens of ego, agents, lanes, lights and route."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor, nn

from planning.neural.tokens import AGENT_SIZE, EGO_SIZE, LANE_SIZE, LIGHT_SIZE, ROUTE_POINTS, ROUTE_SIZE

ROUTE_GROUP = 4
"""Route points in one token: 8 m."""


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Size of the student network."""

    width: int = 64
    heads: int = 4
    encoder_layers: int = 2
    decoder_layers: int = 1
    feed_forward: int = 128
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"`width` must be a multiple of `heads`; got {self.width} and {self.heads}.")


class TokenEncoder(nn.Module):
    """Features -> tokens (states, tokens, width) in the order ego, agents, lanes, lights, route."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        sizes = {
            "ego": EGO_SIZE,
            "agents": AGENT_SIZE,
            "lanes": LANE_SIZE,
            "lights": LIGHT_SIZE,
            "route": ROUTE_SIZE * ROUTE_GROUP,
        }
        self.embed = nn.ModuleDict({name: two_layers(size, config.width) for name, size in sizes.items()})
        layer = nn.TransformerEncoderLayer(
            config.width,
            config.heads,
            config.feed_forward,
            config.dropout,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.layers = nn.TransformerEncoder(layer, config.encoder_layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(config.width)

    def forward(
        self, features: dict[str, Shaped[Tensor, "states ..."]]
    ) -> tuple[Float[Tensor, "states tokens width"], Bool[Tensor, "states tokens"]]:
        """Tokens, the ego first and the agents after it, and which of them are valid.

        Lanes are masked out in states without agents.
        """
        route = features["route"]
        batch, groups = len(route), ROUTE_POINTS // ROUTE_GROUP
        tokens = [
            self.embed["ego"](features["ego"])[:, None],
            self.embed["agents"](features["agents"]),
            self.embed["lanes"](features["lanes"]),
            self.embed["lights"](features["lights"]),
            self.embed["route"](route.reshape(batch, groups, -1)),
        ]
        present = [
            torch.ones((batch, 1), dtype=torch.bool, device=route.device),
            features["agents_mask"],
            # Lanes relate agents to the road. Without agents they would only move past the ego on a road that stays
            # the same, and the speed on an empty road would vary with them.
            features["lanes_mask"] & features["agents_mask"].any(dim=1, keepdim=True),
            features["lights_mask"],
            features["route_mask"].reshape(batch, groups, ROUTE_GROUP).any(-1),
        ]
        mask = torch.cat(present, dim=1)
        encoded = self.layers(torch.cat(tokens, dim=1), src_key_padding_mask=~mask)
        return self.norm(encoded), mask


def two_layers(inputs: int, width: int, outputs: int | None = None) -> nn.Sequential:
    """A perceptron with one hidden layer."""
    return nn.Sequential(nn.Linear(inputs, width), nn.GELU(), nn.Linear(width, outputs or width))
