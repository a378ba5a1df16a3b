"""Losses of the perception network.

Plain binary cross entropy did not learn classes that cover about 1 % of the cells: an empty prediction is a strong
local minimum. Three measures against it: focal weights; a sum divided by the number of positive cells instead of all
cells, so that a rare class counts as much as a frequent one; and a Dice term, for which an empty prediction is worst.

Source:
    Centres: Zhou et al., "Objects as Points", arXiv 1904.07850, equation 1. Focal loss: Lin et al., arXiv 1708.02002.
    Dice loss: Milletari et al., "V-Net", arXiv 1606.04797, here without squares and over the whole batch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional

from perception.contract import IGNORED_SIGNAL, OCCUPANCY_CLASSES, ROAD_CLASSES, PerceptionOutput, PerceptionTargets

MIN_SHARE = 0.002
"""A class is taken to cover at least this share of the cells when its focal loss is divided by the positive cells."""
DICE_SMOOTHING_CELLS = 20.0
"""Keeps the Dice loss small in a batch without the class."""
BOX_SCALES = (1.0, 1.0, 1.0, 1.0, 0.5, 1.0, 1.0)
"""Weights of the box parameters before the velocities."""


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """Weights of the losses."""

    centres: float = 1.0
    boxes: float = 1.0
    velocity: float = 0.6
    """Per m/s; with 0.2, velocities were hardly learned."""
    occupancy: Mapping[str, float] = field(default_factory=lambda: {"vehicle": 1.0, "person": 0.5})
    road: Mapping[str, float] = field(
        default_factory=lambda: {"drivable": 1.0, "lane_line": 1.0, "crosswalk": 0.5, "stop_line": 0.25}
    )
    direction: float = 0.5
    future: float = 0.25
    flow: float = 0.05
    signal: float = 0.5
    signal_place: float = 0.2
    gamma: float = 2.0
    """Exponent of the focal loss of grids."""


def losses(
    output: PerceptionOutput, targets: PerceptionTargets, weights: LossWeights | None = None
) -> dict[str, Float[Tensor, ""]]:
    """Unweighted losses by name; `total` is the weighted sum."""
    weights = weights or LossWeights()
    agents_seen, ground_seen = targets.agents_seen, targets.ground_seen
    gaps = box_gaps(output.boxes, targets.boxes, targets.box_cells)
    scales = gaps.new_tensor(BOX_SCALES)
    parts: dict[str, Tensor] = {
        "centres": centre_loss(output.centres, targets.centres, agents_seen),
        "boxes": (gaps[: len(scales)] * scales).sum(),
        "velocity": gaps[len(scales) :].sum(),
    }
    total = weights.centres * parts["centres"] + weights.boxes * parts["boxes"] + weights.velocity * parts["velocity"]
    for row, name in enumerate(OCCUPANCY_CLASSES):
        parts[name] = grid_loss(output.occupancy[:, row], targets.occupancy[:, row], agents_seen, weights.gamma)
        total = total + weights.occupancy[name] * parts[name]
    for row, name in enumerate(ROAD_CLASSES):
        parts[name] = grid_loss(output.road[:, row], targets.road[:, row], ground_seen, weights.gamma)
        total = total + weights.road[name] * parts[name]
    has_direction = (targets.direction.abs().sum(dim=1) > 0) & ground_seen
    parts["direction"] = masked_distance(output.direction, targets.direction, has_direction)
    instants = [
        grid_loss(output.future[:, row], targets.future[:, row], agents_seen, weights.gamma)
        for row in range(targets.future.shape[1])
    ]
    parts["future"] = torch.stack(instants).mean()
    parts["flow"] = masked_distance(output.flow.transpose(1, 2), targets.flow.transpose(1, 2), targets.future)
    parts |= signal_losses(output.signal, output.signal_place, targets.signal, targets.signal_place)
    for name in ("direction", "future", "flow", "signal", "signal_place"):
        total = total + getattr(weights, name) * parts[name]
    parts["total"] = total
    return parts


def centre_loss(
    logits: Float[Tensor, "B K X Y"], heat: Float[Tensor, "B K X Y"], counted: Bool[Tensor, "B X Y"]
) -> Float[Tensor, ""]:
    """Penalty-reduced focal loss, per class divided by the number of centres, averaged over the classes."""
    logits = logits.float()
    probability = torch.sigmoid(logits)
    is_centre = heat > 0.999
    positive = (1 - probability) ** 2 * functional.softplus(-logits)
    negative = (1 - heat) ** 4 * probability**2 * functional.softplus(logits)
    loss = torch.where(is_centre, positive, negative) * counted[:, None]
    centres = (is_centre & counted[:, None]).sum(dim=(0, 2, 3)).clamp(min=1)
    return (loss.sum(dim=(0, 2, 3)) / centres).mean()


def box_gaps(
    values: Float[Tensor, "B 9 X Y"], target: Float[Tensor, "B 9 X Y"], cells: Bool[Tensor, "B X Y"]
) -> Float[Tensor, "9"]:
    """L1 distance of each parameter, averaged over the cells of boxes."""
    gap = (values.float().movedim(1, -1)[cells] - target.movedim(1, -1)[cells]).abs()
    return gap.sum(dim=0) / cells.sum().clamp(min=1)


def grid_loss(
    logits: Float[Tensor, "B X Y"], target: Bool[Tensor, "B X Y"], counted: Bool[Tensor, "B X Y"], gamma: float
) -> Float[Tensor, ""]:
    """Focal loss per positive cell plus Dice loss, of one class over a batch."""
    logits, truth = logits.float(), target.float()
    probability = torch.sigmoid(logits) * counted
    wrong = torch.where(target, 1 - probability, probability)
    entropy = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    cells = counted.sum()
    positive = (truth * counted).sum()
    focal = (wrong**gamma * entropy * counted).sum() / torch.maximum(positive, MIN_SHARE * cells).clamp(min=1)
    overlap = 2 * (probability * truth).sum() + DICE_SMOOTHING_CELLS
    return focal + 1 - overlap / (probability.sum() + positive + DICE_SMOOTHING_CELLS)


def masked_distance(
    values: Float[Tensor, "B E *cells"], target: Float[Tensor, "B E *cells"], mask: Bool[Tensor, "B *cells"]
) -> Float[Tensor, ""]:
    """Smooth L1 distance where the mask is true, summed over the components."""
    gap = functional.smooth_l1_loss(values.float(), target, reduction="none").sum(dim=1)
    return torch.where(mask, gap, 0.0).sum() / mask.sum().clamp(min=1)


def signal_losses(
    states: Float[Tensor, "B 4"],
    places: Float[Tensor, "B places"],
    true_states: Int64[Tensor, "B"],
    true_places: Int64[Tensor, "B"],
) -> dict[str, Float[Tensor, ""]]:
    """Cross entropies of state and place over the samples whose signal the forward camera shows."""
    return {
        name: functional.cross_entropy(logits.float(), target, ignore_index=IGNORED_SIGNAL, reduction="sum")
        / (target != IGNORED_SIGNAL).sum().clamp(min=1)
        for name, logits, target in (
            ("signal", states, true_states),
            ("signal_place", places, true_places),
        )
    }
