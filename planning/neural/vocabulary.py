"""The fixed set of trajectories that the student scores.

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
from jaxtyping import Float32

NUM_POSES = 41
"""Poses of an entry, from now to 4 s; the first is the origin."""
FORMAT = "camber.vocabulary.1"


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
