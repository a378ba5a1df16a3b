"""The fixed set of trajectories that the student scores, and how well it covers real driving.

A vocabulary does not depend on how fast the ego is: it is the same at every step, and the tracker smooths the start
of whatever entry is chosen. Entries are members of the motions they were built from, never averages, so that each can
be driven.
"""

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int64

NUM_POSES = 41
"""Poses of an entry, from now to 4 s; the first is the origin."""
FORMAT = "camber.vocabulary.1"
_CLUSTER_STEPS = np.arange(5, NUM_POSES, 5)
"""Every half second: what clustering compares."""
_HEADING_WEIGHT_M = 2.0
_CHUNK = 4096


@dataclass(frozen=True, kw_only=True, eq=False)
class TrajectoryVocabulary:
    """V trajectories of the rear axle, in the ego frame."""

    poses: Float32[np.ndarray, "entries 41 3"]
    """x [m], y [m], heading [rad] every 0.1 s from now on; the first is (0, 0, 0)."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """How it was made: sources, seed, coverage."""

    def __post_init__(self) -> None:
        if not len(self.poses):
            raise ValueError("A vocabulary needs at least one trajectory.")
        if not np.isfinite(self.poses).all():
            raise ValueError("The vocabulary holds NaN or infinite values.")
        if np.abs(self.poses[:, 0]).max() > 1e-6:
            raise ValueError("Each entry of a vocabulary starts at the ego: its first pose is (0, 0, 0).")

    def __len__(self) -> int:
        return len(self.poses)

    @cached_property
    def digest(self) -> str:
        """16 hex digits that name the content: labels and checkpoints belong to one vocabulary."""
        return hashlib.blake2b(np.ascontiguousarray(self.poses).tobytes(), digest_size=8).hexdigest()

    def save(self, path: Path) -> None:
        """Write `path` (.npz) and its description beside it (.json)."""
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, poses=self.poses)
        description = {"format": FORMAT, "digest": self.digest, "entries": len(self), **self.metadata}
        path.with_suffix(".json").write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "TrajectoryVocabulary":
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: When one of the two files is missing.
            ValueError: When it has another format, or the description belongs to another vocabulary.
        """
        described = path.with_suffix(".json")
        for needed in (path, described):
            if not needed.is_file():
                raise FileNotFoundError(f"No vocabulary at {needed}. Make one by scripts/make_vocabulary.py.")
        metadata = json.loads(described.read_text(encoding="utf-8"))
        if metadata.pop("format", None) != FORMAT:
            raise ValueError(f"{described} does not describe a vocabulary of format {FORMAT}.")
        with np.load(path) as arrays:
            poses = arrays["poses"]
        digest = metadata.pop("digest")
        metadata.pop("entries")
        vocabulary = cls(poses=poses, metadata=metadata)
        if vocabulary.digest != digest:
            raise ValueError(
                f"{path} has digest {vocabulary.digest}, its description {digest}: they belong to different"
                " vocabularies. Copy both files together."
            )
        return vocabulary

    def nearest(
        self, motions: Float32[np.ndarray, "motions 41 3"]
    ) -> tuple[Int64[np.ndarray, "motions"], Float64[np.ndarray, "motions"]]:
        """Entry nearest to each motion, and the mean distance of the two over the 4 s [m]."""
        flat = self.poses[:, 1:, :2].reshape(len(self), -1)
        found, distances = [], []
        for start in range(0, len(motions), _CHUNK):
            part = motions[start : start + _CHUNK, 1:, :2]
            nearest = np.argmin(_squared_distances(part.reshape(len(part), -1), flat), axis=1)
            gap = part - self.poses[nearest, 1:, :2]
            found.append(nearest)
            distances.append(np.hypot(gap[..., 0], gap[..., 1]).mean(axis=1))
        if not found:
            return np.zeros(0, dtype=np.int64), np.zeros(0)
        return np.concatenate(found), np.concatenate(distances).astype(np.float64)

    def coverage(self, motions: Float32[np.ndarray, "motions 41 3"]) -> dict[str, float]:
        """Mean and 95th percentile of the distance from drives to their nearest entries [m].

        Raises:
            ValueError: Without any drive.
        """
        if not len(motions):
            raise ValueError("Coverage needs at least one drive of 4 s.")
        _, distances_m = self.nearest(motions)
        return {"mean_m": float(distances_m.mean()), "p95_m": float(np.percentile(distances_m, 95))}


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
