"""Log-likelihood of scenes: of each decision under teacher forcing, and summed by agent."""

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64
from torch import Tensor, nn

from simulation.generation.learned.inputs import Batch, batch_of, traced
from simulation.generation.learned.network import ATTRIBUTES, NONE_CLASS, SceneNetwork
from simulation.generation.learned.scene import Scene
from simulation.generation.learned.vocabulary import (
    HEADING,
    LATERAL,
    LENGTH,
    OFF_HEADING,
    OFF_LATERAL,
    POSITION,
    SPEED,
    WIDTH,
)

GIVEN_OF_EGO = ("length", "width", "position")
"""Attributes of the ego that are given; its class is too."""


def decision_losses(network: SceneNetwork, batch: Batch) -> dict[str, Float32[Tensor, "..."]]:
    """Negative log-probabilities of bins: `class` of each row, and each attribute of each agent (0 where given)."""
    pieces = network.encode(batch.pieces).flatten(0, 1)
    state, logits = network.decide(pieces, batch.rows)
    targets = batch.targets
    classes = torch.full((len(logits),), NONE_CLASS, device=logits.device)
    classes[targets.row] = targets.classes
    found = {"class": _cross_entropy(logits, classes)}
    drawn = network.with_class(state[targets.row], targets.classes)
    inside = targets.is_in_lane
    for name in ATTRIBUTES:
        bins = targets.bins[name]
        if name == "speed":
            drawn = network.with_surroundings(drawn, batch.slots)
        if name in ("lateral", "heading"):
            loss, drawn = _by_class(network, (name, f"off_{name}"), drawn, bins, inside)
        else:
            loss = _cross_entropy(network.logits(name, drawn, batch.slots), bins)
            drawn = network.with_value(name, drawn, bins) if name != "speed" else drawn
        found[name] = torch.where(targets.is_ego, 0.0, loss) if name in GIVEN_OF_EGO else loss
    return found


def _by_class(
    network: SceneNetwork, names: tuple[str, str], state: Tensor, bins: Tensor, inside: Bool[Tensor, "agents"]
) -> tuple[Tensor, Tensor]:
    """Losses and next states of an attribute with other bins for agents in lanes and beside."""
    loss, after = torch.zeros(len(bins), device=state.device), torch.zeros_like(state)
    for name, mask in ((names[0], inside), (names[1], ~inside)):
        rows = torch.nonzero(mask)[:, 0]
        loss = loss.index_put((rows,), _cross_entropy(network.logits(name, state[rows]), bins[rows]))
        after = after.index_put((rows,), network.with_value(name, state[rows], bins[rows]))
    return loss, after


def _cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    return nn.functional.cross_entropy(logits, targets, reduction="none")


def scene_log_likelihoods(
    network: SceneNetwork, scenes: list[Scene], batch_size: int = 16
) -> list[tuple[Float64[np.ndarray, "agents"], float]]:
    """For each scene the log-density of each agent, and that of no further agents.

    An agent's value is that of its class at its piece, and of its attributes as a density (per metre, radian, metre a
    second). The ego's value covers lateral offset, heading and speed. The second value is the sum over all decisions
    that leave a piece.
    """
    found = []
    for begin in range(0, len(scenes), batch_size):
        part = scenes[begin : begin + batch_size]
        batch = batch_of([traced(scene) for scene in part])
        with torch.inference_mode():
            losses = {name: value.double().cpu().numpy() for name, value in decision_losses(network, batch).items()}
        targets = batch.targets
        row = targets.row.numpy()
        per_agent = -losses["class"][row] - sum(losses[name] for name in ATTRIBUTES)
        per_agent = per_agent - _log_volumes(batch)
        scene_of_row, agent_of_row = batch.scene_of_row.numpy(), batch.agent_of_row.numpy()
        for number, scene in enumerate(part):
            values = np.zeros(len(scene.agents))
            own = scene_of_row[row] == number
            values[agent_of_row[row][own]] = per_agent[own]
            is_none = (scene_of_row == number) & (agent_of_row < 0)
            found.append((values, -float(losses["class"][is_none].sum())))
    return found


def _log_volumes(batch: Batch) -> Float64[np.ndarray, "agents"]:
    """Logarithm of the volume of each agent's bins."""
    targets = batch.targets
    bins = {name: values.numpy() for name, values in targets.bins.items()}
    inside, is_ego = targets.is_in_lane.numpy(), targets.is_ego.numpy()
    total = SPEED.log_widths[bins["speed"]]
    for narrow, wide, name in ((LATERAL, OFF_LATERAL, "lateral"), (HEADING, OFF_HEADING, "heading")):
        own = np.where(inside, bins[name], 0), np.where(inside, 0, bins[name])
        total = total + np.where(inside, narrow.log_widths[own[0]], wide.log_widths[own[1]])
    for one, name in ((LENGTH, "length"), (WIDTH, "width"), (POSITION, "position")):
        total = total + np.where(is_ego, 0.0, one.log_widths[bins[name]])
    return total


def rarity_score(values: Float64[np.ndarray, "agents"], none: float) -> float:
    """Negative log-likelihood of a scene per agent: comparable between scenes of different numbers of agents."""
    return -(float(values.sum()) + none) / max(len(values), 1)
