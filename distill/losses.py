"""Losses of the student: imitation of the log, distillation of the teacher, forecast of agents.

Source:
    Hydra-MDP, arXiv 2406.06978: cross entropy with soft targets by distance, binary cross entropy per sub-score.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from distill.batch import Batch
from distill.contract import SUB_SCORES
from planning.neural.decoder import IMITATION, Logits

HALF_IS_ZERO = ("no_collision", "driving_direction")
"""Sub-scores whose 1/2 counts as 0 in training."""
POSITIVE = 0.75
"""Scores above count as positive in a binary target."""
FORECAST = "forecast"


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """Weights of the losses."""

    imitation: float = 0.3
    teacher: Mapping[str, float] = field(
        default_factory=lambda: {
            "no_collision": 3.0,
            "drivable_area": 3.0,
            "driving_direction": 1.0,
            "traffic_lights": 2.0,
            "time_to_collision": 3.0,
            "progress": 3.0,
            "lane_keeping": 1.0,
            "comfort": 1.0,
            "speed_limit": 1.0,
        }
    )
    """By sub-score; empty for imitation only."""
    forecast: float = 0.2
    imitation_scale_m2: float = 4.0
    """Temperature of the soft targets, exp(-squared distance / scale)."""


def losses(
    logits: Logits,
    ahead_m: Float[Tensor, "states agents 8 2"],
    batch: Batch,
    weights: LossWeights,
) -> dict[str, Float[Tensor, ""]]:
    """Unweighted losses by name; `total` is the weighted sum."""
    parts = head_losses(logits, batch.targets, batch.imitation_gap_m2, weights)
    total = parts.pop("total")
    parts[FORECAST] = forecast_loss(ahead_m, batch.agents_ahead)
    parts["total"] = total + weights.forecast * parts[FORECAST]
    return parts


def head_losses(
    logits: Logits,
    targets: Float[Tensor, "states candidates sub_scores"],
    imitation_gap_m2: Float[Tensor, "states candidates"],
    weights: LossWeights,
) -> dict[str, Float[Tensor, ""]]:
    """Unweighted losses of the heads by name; `total` is the weighted sum.

    Args:
        logits: Of all heads.
        targets: The teacher's sub-scores in [0, 1].
        imitation_gap_m2: Squared distances to the logged trajectory; NaN without imitation target.
        weights: Of the losses.
    """
    parts = {IMITATION: imitation_loss(logits[IMITATION], imitation_gap_m2, weights.imitation_scale_m2)}
    total = weights.imitation * parts[IMITATION]
    for name, weight in weights.teacher.items():
        parts[name] = functional.binary_cross_entropy_with_logits(logits[name].float(), head_target(targets, name))
        total = total + weight * parts[name]
    parts["total"] = total
    return parts


def head_target(
    targets: Float[Tensor, "states candidates sub_scores"], name: str
) -> Float[Tensor, "states candidates"]:
    """Target of a sub-score's head in [0, 1], from the teacher's scores."""
    target = targets[..., SUB_SCORES.index(name)]
    return (target > POSITIVE).to(target.dtype) if name in HALF_IS_ZERO else target


def imitation_loss(
    logits: Float[Tensor, "states candidates"], gap_m2: Float[Tensor, "states candidates"], scale_m2: float
) -> Float[Tensor, ""]:
    """Cross entropy with soft targets by distance, over the states with an imitation target."""
    known = torch.isfinite(gap_m2).all(dim=-1)
    target = torch.softmax(-torch.nan_to_num(gap_m2) / scale_m2, dim=-1)
    entropy = -(target * torch.log_softmax(logits.float(), dim=-1)).sum(-1)
    return (entropy * known).sum() / known.sum().clamp(min=1)


def forecast_loss(
    ahead_m: Float[Tensor, "states agents 8 2"], truth_m: Float[Tensor, "states agents 8 2"]
) -> Float[Tensor, ""]:
    """Smooth L1 distance to the agents' true positions."""
    known = torch.isfinite(truth_m)
    gap = functional.smooth_l1_loss(ahead_m.float(), torch.nan_to_num(truth_m), reduction="none")
    return (gap * known).sum() / known.sum().clamp(min=1)
