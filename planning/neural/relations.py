"""What the network is told of each driven entry: how it lies to the route and to where the agents will be.

Computed from the same features that are tokens, so that whoever made the agents is not asked. The forecast is the
network's own; gradients reach it by its own loss, not through these numbers.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from planning.forecasting.agents import NUM_INSTANTS
from planning.neural.candidate_features import RELATION_SIZE, entry_relations
from planning.neural.features import (
    BOX,
    IS_CONNECTOR,
    IS_RED,
    LIMIT,
    POSITION_M,
    ROOM,
    ROUTE_BEHIND,
    SPEED_MPS,
    VELOCITY,
)
from planning.neural.route_line import SPACING_M
from simulation.ego.dynamics import ACCEL_X, HEADING, VELOCITY_X, X, Y
from simulation.metrics.pdm.closing import INSTANT_S

__all__ = ["DRIVEN_COLUMNS", "INSTANT_S", "NUM_INSTANTS", "RELATION_SIZE", "forecast_agents", "relations_of"]

DRIVEN_COLUMNS = (X, Y, HEADING, VELOCITY_X, ACCEL_X)
"""Of a driven state: what the network is told."""


def forecast_agents(
    agents: Float[Tensor, "states agents values"], correction_m: Float[Tensor, "states agents 8 2"]
) -> Float[Tensor, "states agents 8 2"]:
    """Where agents will be that keep their velocity, corrected by what the network expects [m, ego frame]."""
    times_s = torch.arange(1, NUM_INSTANTS + 1, device=agents.device, dtype=agents.dtype) * INSTANT_S
    now_m, velocity_mps = agents[..., :2] * POSITION_M, agents[..., VELOCITY] * SPEED_MPS
    return now_m[:, :, None] + times_s[:, None] * velocity_mps[:, :, None] + correction_m


@torch.no_grad()
def relations_of(
    driven: Float[Tensor, "states entries 8 5"],
    features: dict[str, Tensor],
    ahead_m: Float[Tensor, "states agents 8 2"],
    known_ahead_m: Float[Tensor, "states agents 8 2"] | None = None,
) -> Float[Tensor, "states entries 8 31"]:
    """The relations of all entries, computed on the CPU by a compiled kernel.

    Args:
        driven: Entries as the tracker drives them.
        features: Fields of `Features`, stacked.
        ahead_m: Where the network expects the agents [m, ego frame].
        known_ahead_m: Where agents are better known to be than by the network and by their velocity; NaN where not.
    """
    route = features["route"].float().cpu().numpy()
    mask: Bool[np.ndarray, "states points"] = features["route_mask"].cpu().numpy()
    places_m = (np.arange(route.shape[1], dtype=np.float32) - ROUTE_BEHIND) * SPACING_M
    points = np.concatenate(
        [
            route[..., :2] * POSITION_M,
            route[..., 2:4],
            route[..., ROOM] * 4.0,
            route[..., LIMIT : LIMIT + 1] * SPEED_MPS,
            route[..., IS_CONNECTOR : IS_CONNECTOR + 1],
            route[..., IS_RED : IS_RED + 1],
            np.broadcast_to(places_m[:, np.newaxis], (*route.shape[:2], 1)),
        ],
        axis=-1,
    )
    agents = features["agents"].float().cpu().numpy()
    boxes = np.concatenate([agents[..., 2:4], agents[..., BOX] * SPEED_MPS], axis=-1)
    ahead_m = ahead_m.float()
    straight_m = forecast_agents(features["agents"].float(), torch.zeros_like(ahead_m))
    if known_ahead_m is not None:
        is_known = torch.isfinite(known_ahead_m)
        ahead_m = torch.where(is_known, known_ahead_m, ahead_m)
        straight_m = torch.where(is_known, known_ahead_m, straight_m)
    found = entry_relations(
        driven.float().cpu().numpy(),
        np.ascontiguousarray(points),
        mask.sum(axis=1),
        np.ascontiguousarray(agents[..., :2] * POSITION_M),
        np.ascontiguousarray(ahead_m.detach().cpu().numpy()),
        straight_m.cpu().numpy(),
        boxes,
        features["agents_mask"].cpu().numpy(),
    )
    return torch.from_numpy(found).to(driven.device)
