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
from planning.neural.candidate_selection import ReachableEntries
from planning.neural.features import trimmed
from planning.neural.relations import DRIVEN_COLUMNS
from planning.neural.vocabulary import TrajectoryVocabulary
from simulation.ego.dynamics import VELOCITY_X
from simulation.ego.vocabulary_tracking import FittedVocabulary, drive_vocabulary, fit_vocabulary

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
    """(B, A, 8, 5) as the tracker drives them from the state."""
    targets: Tensor
    """(B, A, S) in [0, 1]."""
    example_gap: Tensor
    """(B, A) squared distance when driven from the logged drive, summed over 8 instants [m^2]; NaN without."""
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
    """All labelled states of a training, in memory: of each, the entries that a planner would ask there."""

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
        self.entries = ReachableEntries(self._fitted).at(
            states.ego_states[:, VELOCITY_X], states.features["route"], states.features["route_mask"]
        )
        """(states, asked) rows of the vocabulary."""
        self.scores = np.take_along_axis(states.scores, self.entries[..., np.newaxis], axis=1)
        """(states, asked, S) times 255."""

    def __len__(self) -> int:
        return len(self.states)

    def batch(
        self, rows: Int64[np.ndarray, "rows"], entries_per_state: int | None, rng: np.random.Generator
    ) -> Batch:
        """A batch of the given states; None asks for all entries that can be reached."""
        states = self.states
        count = self.entries.shape[1]
        if entries_per_state is None or entries_per_state >= count:
            places = np.repeat(np.arange(count)[np.newaxis], len(rows), axis=0)
        else:
            places = self._choose(rows, entries_per_state, rng)
        entries = np.take_along_axis(self.entries[rows], places, axis=1)
        driven = drive_vocabulary(self._fitted, states.ego_states[rows], entries)[..., DRIVEN_COLUMNS]
        gap = driven[..., :2] - states.example[rows][:, np.newaxis, 5::5, :2]
        scores = np.take_along_axis(self.scores[rows], places[..., np.newaxis], axis=1)
        features = trimmed({name: values[rows] for name, values in states.features.items()})
        return Batch(
            features={name: torch.from_numpy(values) for name, values in features.items()},
            entries=torch.from_numpy(entries),
            driven=torch.from_numpy(driven.astype(np.float32)),
            targets=torch.from_numpy(scores.astype(np.float32) / np.float32(SCALE)),
            example_gap=torch.from_numpy((gap**2).sum(axis=(2, 3)).astype(np.float32)),
            agents_ahead=torch.from_numpy(states.agents_ahead[rows][:, : features["agents"].shape[1]]),
        )

    def _choose(self, rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
        places = np.empty((len(rows), count), dtype=np.int64)
        num_best, num_near = int(BEST_SHARE * count), int(NEAR_SHARE * count)
        quality = teacher_scores(self.scores[rows])
        for number, row in enumerate(rows):
            # A little noise, so that of many equally good entries not always the same are asked.
            rated = quality[number] + rng.uniform(0.0, 0.05, quality.shape[1])
            kept = np.argpartition(-rated, num_best)[:num_best]
            example = self.states.example[row, 5::5, :2]
            if np.isfinite(example[0, 0]):
                gap = self._poses[self.entries[row], 5::5, :2] - example
                kept = np.union1d(kept, np.argpartition((gap**2).sum(axis=(1, 2)), num_near)[:num_near])
            others = rng.permutation(np.setdiff1d(np.arange(quality.shape[1]), kept, assume_unique=True))
            places[number] = np.concatenate([kept, others[: count - len(kept)]])
        return places


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
