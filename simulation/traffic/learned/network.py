"""The network of learned traffic, for training; `inference` computes the same from stored weights.

Shapes: A agents, N neighbours, O own features, F features of a neighbour, H hidden.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from simulation.traffic.learned.features import NUM_NEAR, NUM_OWN
from simulation.traffic.learned.vocabulary import ACCELERATIONS_MPS2


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Widths."""

    own: int = 128
    near: int = 64
    trunk: int = 256


class TrafficNetwork(nn.Module):
    """Logits of accelerations and of motion tokens, per agent."""

    def __init__(self, config: NetworkConfig, num_tokens: int) -> None:
        super().__init__()
        self.config = config
        self.own_1, self.own_2 = nn.Linear(NUM_OWN, config.own), nn.Linear(config.own, config.own)
        self.near_1, self.near_2 = nn.Linear(NUM_NEAR, config.near), nn.Linear(config.near, config.near)
        self.query = nn.Linear(config.own, config.near)
        self.trunk_1 = nn.Linear(config.own + 2 * config.near, config.trunk)
        self.trunk_2 = nn.Linear(config.trunk, config.trunk)
        self.acceleration = nn.Linear(config.trunk, len(ACCELERATIONS_MPS2))
        self.token = nn.Linear(config.trunk, num_tokens)

    def forward(
        self, own: Float[Tensor, "A O"], near: Float[Tensor, "A N F"], counts: Int64[Tensor, "A"]
    ) -> tuple[Float[Tensor, "A accelerations"], Float[Tensor, "A tokens"]]:
        """Logits for all agents, of both kinds.

        Args:
            own: Own features.
            near: Neighbours, nearest first.
            counts: How many of the rows of `near` are neighbours.
        """
        hidden = torch.relu(self.own_2(torch.relu(self.own_1(own))))
        seen = torch.relu(self.near_2(torch.relu(self.near_1(near))))
        is_near = torch.arange(near.shape[1], device=counts.device) < counts[:, None]
        scores = (seen @ self.query(hidden)[:, :, None])[..., 0] / math.sqrt(self.config.near)
        # Far below all scores but finite: an agent without neighbours gets no NaN.
        weights = torch.softmax(scores.masked_fill(~is_near, -1e9), dim=1) * is_near
        mean = (weights[:, None] @ seen)[:, 0]
        most = (seen * is_near[..., None]).amax(dim=1)
        joined = torch.relu(self.trunk_1(torch.cat([hidden, mean, most], dim=1)))
        refined = joined + torch.relu(self.trunk_2(joined))
        return self.acceleration(refined), self.token(refined)
