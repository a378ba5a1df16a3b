"""Vocabularies from many motions, by k-means, and how well they cover real driving."""

from typing import Any

import numpy as np
from jaxtyping import Float32

from planning.neural.vocabulary import NUM_POSES, TrajectoryVocabulary

_CLUSTER_STEPS = np.arange(5, NUM_POSES, 5)
"""Every half second: what clustering compares."""
_HEADING_WEIGHT_M = 2.0
_CHUNK = 4096


def build_vocabulary(
    motions: Float32[np.ndarray, "motions 41 3"],
    size: int,
    *,
    seed: int = 0,
    iterations: int = 20,
    metadata: dict[str, Any] | None = None,
) -> TrajectoryVocabulary:
    """Choose `size` of many motions by k-means; the first entry stands still.

    Motions are compared every half second, relative to the root of their length: a decimetre matters where a metre
    is driven, but not where 60 m are.

    Args:
        motions: In the ego frame, each from the origin.
        size: V.
        seed: Of the initial choice.
        iterations: Of Lloyd's algorithm.
        metadata: Kept with the vocabulary.

    Raises:
        ValueError: With fewer motions than entries.
    """
    if len(motions) < size or size < 1:
        raise ValueError(f"A vocabulary of {size} entries needs at least as many motions, got {len(motions)}.")
    samples = _cluster_features(motions)
    rng = np.random.default_rng(seed)
    centers = samples[rng.choice(len(samples), size - 1, replace=False)]
    for _ in range(iterations if size > 1 else 0):
        owner = _owners(samples, centers)
        counts = np.bincount(owner, minlength=len(centers))
        sums = np.zeros_like(centers)
        np.add.at(sums, owner, samples)
        centers = np.where(counts[:, np.newaxis] > 0, sums / np.maximum(counts, 1)[:, np.newaxis], centers)
        # An empty cluster begins again at a random motion.
        empty = np.flatnonzero(counts == 0)
        centers[empty] = samples[rng.choice(len(samples), len(empty))]
    members = _owners(centers, samples) if size > 1 else np.zeros(0, dtype=np.int64)
    chosen = motions[members]
    still = np.zeros((1, NUM_POSES, 3), dtype=np.float32)
    return TrajectoryVocabulary(poses=np.concatenate([still, chosen]), metadata=dict(metadata or {}))


def _cluster_features(motions: np.ndarray) -> np.ndarray:
    samples = motions[:, _CLUSTER_STEPS].astype(np.float32)
    samples[..., 2] *= _HEADING_WEIGHT_M
    length_m = np.hypot(*np.diff(motions[..., :2], axis=1).transpose(2, 0, 1)).sum(axis=1)
    return samples.reshape(len(samples), -1) / np.sqrt(4.0 + length_m)[:, np.newaxis].astype(np.float32)


def _squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (b * b).sum(axis=1) - 2.0 * a @ b.T


def _owners(samples: np.ndarray, centers: np.ndarray) -> np.ndarray:
    parts = [
        np.argmin(_squared_distances(samples[start : start + _CHUNK], centers), axis=1)
        for start in range(0, len(samples), _CHUNK)
    ]
    return np.concatenate(parts)


def coverage(vocabulary: TrajectoryVocabulary, motions: Float32[np.ndarray, "motions 41 3"]) -> dict[str, float]:
    """Mean and 95th percentile of the distance from drives to their nearest entries, over the 4 s [m].

    Raises:
        ValueError: Without any drive.
    """
    if not len(motions):
        raise ValueError("Coverage needs at least one drive of 4 s.")
    positions = motions[:, 1:, :2]
    flat = vocabulary.poses[:, 1:, :2].reshape(len(vocabulary), -1)
    gap = positions - vocabulary.poses[_owners(positions.reshape(len(motions), -1), flat), 1:, :2]
    distances_m = np.hypot(gap[..., 0], gap[..., 1]).mean(axis=1).astype(np.float64)
    return {"mean_m": float(distances_m.mean()), "p95_m": float(np.percentile(distances_m, 95))}
