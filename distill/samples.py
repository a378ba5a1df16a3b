"""Labelled states as batches: which states, and which entries of the vocabulary are asked of each.

Asking a part of the vocabulary is as good as asking all of it, as entries do not see each other, and costs less. The
best of the teacher and the nearest to the logged drive are always asked.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from distill.labels import SCALE, LabelledStates
from distill.teacher import SUB_SCORES
from planning.neural.vocabulary import TrajectoryVocabulary
from simulation.vocabulary_tracking import FittedVocabulary, drive_vocabulary, fit_vocabulary

BEST_SHARE, NEAR_SHARE = 0.25, 0.1
"""Of the entries asked of a state: the best by the teacher, and the nearest to the example; the rest is drawn."""
_MULTIPLIED = [SUB_SCORES.index(name) for name in SUB_SCORES[:4]]
_WEIGHTED = {"time_to_collision": 5.0, "progress": 5.0, "speed_limit": 4.0, "comfort": 2.0, "lane_keeping": 2.0}


@dataclass(frozen=True, kw_only=True)
class Batch:
    """B states with A entries each."""

    features: dict[str, Tensor]
    entries: Tensor
    """(B, A) rows of the vocabulary."""
    driven: Tensor
    """(B, A, 8, 4) as the tracker drives them from the state."""
    targets: Tensor
    """(B, A, S) in [0, 1]."""
    example_gap: Tensor
    """(B, A) squared distance from the logged drive, summed over 8 instants [m^2]; NaN without example."""
    agents_ahead: Tensor
    """(B, N, 8, 2) NaN where unknown."""

    def to(self, device: str) -> "Batch":
        """The batch on a device."""
        return Batch(
            features={name: value.to(device) for name, value in self.features.items()},
            entries=self.entries.to(device),
            driven=self.driven.to(device),
            targets=self.targets.to(device),
            example_gap=self.example_gap.to(device),
            agents_ahead=self.agents_ahead.to(device),
        )


class Samples:
    """All labelled states of a training, in memory."""

    def __init__(self, states: LabelledStates, vocabulary: TrajectoryVocabulary) -> None:
        """Hold the states.

        Raises:
            ValueError: When there are none, or they label another number of entries.
        """
        if not len(states):
            raise ValueError("No labelled state to learn from: the split is empty. Label more scenarios.")
        if states.scores.shape[1] != len(vocabulary):
            raise ValueError(
                f"The labels are of {states.scores.shape[1]} entries, the vocabulary has {len(vocabulary)}."
            )
        self.states = states
        self._poses = vocabulary.poses
        self._fitted: FittedVocabulary = fit_vocabulary(vocabulary.poses)

    def __len__(self) -> int:
        return len(self.states)

    def batch(
        self, rows: Int64[np.ndarray, "rows"], entries_per_state: int | None, rng: np.random.Generator
    ) -> Batch:
        """A batch of the given states; None asks for all entries."""
        states = self.states
        gaps = self._example_gaps(rows)
        count = states.scores.shape[1]
        if entries_per_state is None or entries_per_state >= count:
            entries = np.repeat(np.arange(count)[np.newaxis], len(rows), axis=0)
        else:
            entries = self._choose(rows, gaps, entries_per_state, rng)
        driven = drive_vocabulary(self._fitted, states.ego_states[rows], entries).astype(np.float32)
        scores = np.take_along_axis(states.scores[rows], entries[..., np.newaxis], axis=1)
        return Batch(
            features={name: torch.from_numpy(values[rows]) for name, values in states.features.items()},
            entries=torch.from_numpy(entries),
            driven=torch.from_numpy(driven),
            targets=torch.from_numpy(scores.astype(np.float32) / np.float32(SCALE)),
            example_gap=torch.from_numpy(np.take_along_axis(gaps, entries, axis=1)),
            agents_ahead=torch.from_numpy(states.agents_ahead[rows]),
        )

    def _example_gaps(self, rows: Int64[np.ndarray, "rows"]) -> Float32[np.ndarray, "rows entries"]:
        entries = self._poses[:, 5::5, :2].reshape(len(self._poses), -1)
        example = self.states.example[rows][:, 5::5, :2].reshape(len(rows), -1)
        gaps = (example**2).sum(1)[:, np.newaxis] - 2.0 * example @ entries.T + (entries**2).sum(1)
        return np.maximum(gaps, 0.0).astype(np.float32)

    def _choose(self, rows: np.ndarray, gaps: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
        entries = np.empty((len(rows), count), dtype=np.int64)
        num_best, num_near = int(BEST_SHARE * count), int(NEAR_SHARE * count)
        quality = teacher_scores(self.states.scores[rows])
        for place in range(len(rows)):
            # A little noise, so that of many equally good entries not always the same are asked.
            rated = quality[place] + rng.uniform(0.0, 0.05, quality.shape[1])
            best = np.argpartition(-rated, num_best)[:num_best]
            if np.isfinite(gaps[place, 0]):
                near = np.argpartition(gaps[place], num_near)[:num_near]
            else:
                near = np.zeros(0, dtype=np.int64)
            kept = np.union1d(best, near)
            others = rng.permutation(np.setdiff1d(np.arange(quality.shape[1]), kept, assume_unique=True))
            entries[place] = np.concatenate([kept, others[: count - len(kept)]])
        return entries


def teacher_scores(scores: np.ndarray) -> Float32[np.ndarray, "states entries"]:
    """The teacher's one score per entry: product times weighted mean of the stored sub-scores (..., S)."""
    values = scores.astype(np.float32) / np.float32(SCALE)
    weighted = sum(weight * values[..., SUB_SCORES.index(name)] for name, weight in _WEIGHTED.items())
    return (values[..., _MULTIPLIED].prod(axis=-1) * weighted / sum(_WEIGHTED.values())).astype(np.float32)


def held_back(states: LabelledStates, share: float) -> Bool[np.ndarray, "states"]:
    """Which states are kept for validation: whole scenarios, by their ids, whatever else is labelled."""
    numbers = {
        name: int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest(), "big") / 2**32
        for name in set(states.scenario_ids)
    }
    return np.array([numbers[name] < share for name in states.scenario_ids], dtype=bool)
