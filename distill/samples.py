"""Labelled states as training batches, with a sample of the vocabulary for each state.

Candidates do not attend to each other in the network, so a sample of the vocabulary trains the same weights as all of
it and costs less. The sample always holds the teacher's best candidates and those nearest to the logged trajectory.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64, UInt8

from distill.batch import Batch
from distill.contract import SUB_SCORES
from distill.labels import SCALE, LabelledStates
from distill.mirroring import mirrored_features, mirrored_motions
from planning.neural.candidate_features import candidate_geometry
from planning.neural.candidate_selection import CandidateSelector
from planning.neural.features import trimmed
from planning.neural.vocabulary import TrajectoryVocabulary
from simulation.ego.dynamics import VELOCITY_X
from simulation.ego.vocabulary_tracking import FittedVocabulary, drive_vocabulary, fit_vocabulary
from simulation.metrics.weighting import weighted_sum

BEST_SHARE, NEAR_SHARE = 0.25, 0.1
"""Shares of a state's sample: the teacher's best candidates, and the nearest to the log; the remainder is random."""
_MULTIPLIED = [SUB_SCORES.index(name) for name in SUB_SCORES[:4]]
_WEIGHTED = {"time_to_collision": 5.0, "progress": 5.0, "speed_limit": 4.0, "comfort": 2.0, "lane_keeping": 2.0}


class Samples:
    """All labelled states of a training in memory, each with the candidates that a planner would select there."""

    def __init__(self, states: LabelledStates, vocabulary: TrajectoryVocabulary) -> None:
        """Select the candidates of each state.

        Raises:
            ValueError: Without states, or when they label another number of entries.
        """
        if not len(states):
            raise ValueError("No labelled state to train on: the split is empty. Label more scenarios.")
        if states.scores.shape[1] != len(vocabulary):
            raise ValueError(
                f"The labels score {states.scores.shape[1]} entries, the vocabulary has {len(vocabulary)}."
            )
        self.states = states
        self._poses = vocabulary.poses
        self._fitted: FittedVocabulary = fit_vocabulary(vocabulary.poses)
        self.candidates = CandidateSelector(self._fitted).select(
            states.ego_states[:, VELOCITY_X], states.features["route"], states.features["route_mask"]
        )
        """(states, candidates) rows of the vocabulary."""
        self.scores = np.take_along_axis(states.scores, self.candidates[..., np.newaxis], axis=1)
        """(states, candidates, sub-scores), multiplied by 255."""

    def __len__(self) -> int:
        return len(self.states)

    def batch(
        self,
        rows: Int64[np.ndarray, "rows"],
        candidates_per_state: int | None,
        rng: np.random.Generator,
        is_mirrored: bool = False,
    ) -> Batch:
        """A batch of the given states.

        Args:
            rows: Of the states.
            candidates_per_state: Size of each state's sample; None for all candidates.
            rng: Draws the sample.
            is_mirrored: Exchange left and right in all states.
        """
        states = self.states
        count = self.candidates.shape[1]
        if candidates_per_state is None or candidates_per_state >= count:
            places = np.repeat(np.arange(count)[np.newaxis], len(rows), axis=0)
        else:
            places = self._choose(rows, candidates_per_state, rng)
        candidates = np.take_along_axis(self.candidates[rows], places, axis=1)
        tracked = drive_vocabulary(self._fitted, states.ego_states[rows], candidates)
        gap_m = tracked[..., :2] - states.example[rows][:, np.newaxis, 5::5, :2]
        scores = np.take_along_axis(self.scores[rows], places[..., np.newaxis], axis=1)
        features = trimmed({name: values[rows] for name, values in states.features.items()})
        agents_ahead = states.agents_ahead[rows][:, : features["agents"].shape[1]]
        if is_mirrored:
            features, tracked = mirrored_features(features), mirrored_motions(tracked)
            agents_ahead = agents_ahead * np.array([1.0, -1.0], dtype=np.float32)
        return Batch(
            features={name: torch.from_numpy(values) for name, values in features.items()},
            candidates=torch.from_numpy(candidates),
            geometry=candidate_geometry(features, tracked),
            targets=torch.from_numpy(scores.astype(np.float32) / np.float32(SCALE)),
            imitation_gap_m2=torch.from_numpy((gap_m**2).sum(axis=(2, 3)).astype(np.float32)),
            agents_ahead=torch.from_numpy(agents_ahead),
        )

    def _choose(self, rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
        example = self.states.example[rows][:, np.newaxis, 5::5, :2]
        gap = self._poses[self.candidates[rows], 5::5, :2] - example
        return choose_places(self.scores[rows], (gap**2).sum(axis=(2, 3)), count, rng)


def choose_places(
    scores: UInt8[np.ndarray, "states candidates sub_scores"],
    gaps_m2: Float32[np.ndarray, "states candidates"],
    count: int,
    rng: np.random.Generator,
) -> Int64[np.ndarray, "states count"]:
    """A sample of the candidates of each state: the best, those nearest to the log, and random ones.

    Args:
        scores: The teacher's, multiplied by 255.
        gaps_m2: Squared distances to the logged trajectory; NaN without one.
        count: Size of the sample, below the number of candidates.
        rng: Draws the sample.
    """
    places = np.empty((len(scores), count), dtype=np.int64)
    num_best, num_near = int(BEST_SHARE * count), int(NEAR_SHARE * count)
    quality = teacher_scores(scores)
    for number in range(len(scores)):
        # Noise breaks ties between equally good candidates.
        rated = quality[number] + rng.uniform(0.0, 0.05, quality.shape[1])
        kept = np.argpartition(-rated, num_best)[:num_best]
        if np.isfinite(gaps_m2[number, 0]):
            kept = np.union1d(kept, np.argpartition(gaps_m2[number], num_near)[:num_near])
        random = rng.permutation(np.setdiff1d(np.arange(quality.shape[1]), kept, assume_unique=True))
        places[number] = np.concatenate([kept, random[: count - len(kept)]])
    return places


def teacher_scores(
    scores: UInt8[np.ndarray, "states candidates sub_scores"],
) -> Float32[np.ndarray, "states candidates"]:
    """The teacher's total per candidate: product times weighted mean of the stored sub-scores (..., sub-scores)."""
    values = scores.astype(np.float32) / np.float32(SCALE)
    parts = {name: values[..., column] for column, name in enumerate(SUB_SCORES)}
    total, weight = weighted_sum(parts, _WEIGHTED)
    return (values[..., _MULTIPLIED].prod(axis=-1) * total / weight).astype(np.float32)


def held_back(scenario_ids: Sequence[str], share: float) -> Bool[np.ndarray, "states"]:
    """Mask of the validation states: whole scenarios, chosen by a hash of their ids alone.

    Args:
        scenario_ids: Of each state.
        share: Of the scenarios.
    """
    numbers = {
        name: int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest(), "big") / 2**32
        for name in set(scenario_ids)
    }
    return np.array([numbers[name] < share for name in scenario_ids], dtype=bool)
