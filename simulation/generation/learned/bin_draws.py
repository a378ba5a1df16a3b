"""Draws of bins, and of values within them, from logits."""

import numpy as np
import torch
from torch import Tensor

from simulation.generation.learned.vocabulary import SPEED, Bins


def drawn_bins(logits: Tensor, rng: np.random.Generator) -> np.ndarray:
    """A bin for each row of logits, by inversion of the cumulative probabilities."""
    shares = torch.softmax(logits.double(), dim=-1).numpy().cumsum(axis=-1)
    marks = rng.uniform(size=len(shares)) * shares[:, -1]
    return np.minimum((shares <= marks[:, np.newaxis]).sum(axis=-1), shares.shape[1] - 1)


def value_of(bins: Bins, number: int, rng: np.random.Generator) -> float:
    """A uniform value within a bin."""
    return float(bins.value(np.array(number), np.array(rng.uniform())))


def value_in_range(logits: Tensor, wanted: tuple[float, float], rng: np.random.Generator) -> float:
    """A speed in a range."""
    low, high = wanted
    inside = (SPEED.edges[1:] >= low) & (SPEED.edges[:-1] <= high)
    if not inside.any():
        return low
    masked = logits.masked_fill(~torch.from_numpy(inside)[None], -1e9)
    return float(np.clip(value_of(SPEED, int(drawn_bins(masked, rng)[0]), rng), low, high))
