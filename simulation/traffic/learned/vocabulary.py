"""What an agent can choose at a decision: an acceleration along its path, or a motion in its own frame."""

import hashlib
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64
from scipy.cluster.vq import kmeans2

_UP_MPS2 = np.array([0.1, 0.2, 0.33, 0.5, 0.7, 0.9, 1.1, 1.35, 1.6, 1.9])
ACCELERATIONS_MPS2 = np.concatenate(
    [[-8.0, -6.5, -5.25, -4.25, -3.5, -3.0, -2.6, -2.2], -_UP_MPS2[::-1], [0.0], _UP_MPS2, [2.3, 2.8, 3.5, 4.5]]
)
"""Accelerations over 0.5 s, finest around 0."""
ZERO = int(np.flatnonzero(ACCELERATIONS_MPS2 == 0.0)[0])
NUM_TOKENS = 512
HEADING_WEIGHT_M = 0.5
"""A change of heading by one radian counts as this distance."""
_BORDERS = (ACCELERATIONS_MPS2[1:] + ACCELERATIONS_MPS2[:-1]) / 2
LOWEST_MPS2 = np.concatenate([ACCELERATIONS_MPS2[:1], _BORDERS])
HIGHEST_MPS2 = np.concatenate([_BORDERS, ACCELERATIONS_MPS2[-1:]])
"""Range of accelerations that each entry stands for."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MotionVocabulary:
    """K motions over 0.5 s in the frame of the agent that moves."""

    motions: Float32[np.ndarray, "tokens 3"]
    """Forward [m], left [m], change of heading [rad]."""

    @property
    def digest(self) -> str:
        """Names the content."""
        return hashlib.blake2b(np.ascontiguousarray(self.motions).tobytes(), digest_size=8).hexdigest()

    def nearest(self, motions: Float64[np.ndarray, "motions 3"]) -> Int64[np.ndarray, "motions"]:
        """Row of the token nearest to each motion."""
        scaled = _scaled(self.motions.astype(np.float64))
        found = np.empty(len(motions), dtype=np.int64)
        for start in range(0, len(motions), 4096):
            part = _scaled(motions[start : start + 4096])
            squared = (scaled**2).sum(axis=1) - 2.0 * part @ scaled.T
            found[start : start + 4096] = squared.argmin(axis=1)
        return found


def build_vocabulary(
    motions: Float64[np.ndarray, "motions 3"], *, seed: int, num_tokens: int = NUM_TOKENS
) -> MotionVocabulary:
    """Cluster motions by k-means; the vocabulary is its own mirror image, and holds the motion of standing still.

    Args:
        motions: Of all kinds of agents, in equal parts.
        seed: Of the first centres.
        num_tokens: An even number.

    Raises:
        ValueError: With fewer motions than tokens.
    """
    half = num_tokens // 2
    if len(motions) < num_tokens:
        raise ValueError(f"A vocabulary of {num_tokens} tokens needs at least as many motions, got {len(motions)}.")
    # Motions to the left only; the tokens are then mirrored.
    folded = motions * np.where(motions[:, 1:2] < 0.0, np.array([1.0, -1.0, -1.0]), 1.0)
    centers, _ = kmeans2(_scaled(folded), half, minit="++", seed=seed, iter=25)
    left = np.unique(np.round(centers / np.array([1.0, 1.0, HEADING_WEIGHT_M]), 4), axis=0)
    left[np.argmin((_scaled(left) ** 2).sum(axis=1))] = 0.0
    tokens = np.concatenate([left, left * np.array([1.0, -1.0, -1.0])]).astype(np.float32)
    return MotionVocabulary(motions=tokens)


def acceleration_weights(
    accel_mps2: Float64[np.ndarray, "decisions"],
) -> Float32[np.ndarray, "decisions accelerations"]:
    """Targets of the network: each acceleration as a mixture of the two entries around it."""
    clipped = np.clip(accel_mps2, ACCELERATIONS_MPS2[0], ACCELERATIONS_MPS2[-1])
    above = np.clip(np.searchsorted(ACCELERATIONS_MPS2, clipped), 1, len(ACCELERATIONS_MPS2) - 1)
    low, high = ACCELERATIONS_MPS2[above - 1], ACCELERATIONS_MPS2[above]
    share = (clipped - low) / (high - low)
    weights = np.zeros((len(accel_mps2), len(ACCELERATIONS_MPS2)), dtype=np.float32)
    rows = np.arange(len(accel_mps2))
    weights[rows, above - 1], weights[rows, above] = 1.0 - share, share
    return weights


def _scaled(motions: np.ndarray) -> np.ndarray:
    return motions * np.array([1.0, 1.0, HEADING_WEIGHT_M])
