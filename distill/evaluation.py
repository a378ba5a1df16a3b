"""Whether the heads of a student tell the truth, on states it has not learned from."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from scipy.special import expit

from distill.losses import FINE, head_target
from distill.samples import Samples, teacher_scores
from distill.teacher import SUB_SCORES
from planning.neural.network import Student, joined_score

_CHUNK = 16
NUM_BINS = 10


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How what a head says compares with what the teacher says, in bins of equal width of the former."""

    counts: Int64[np.ndarray, "bins"]
    predicted: Float64[np.ndarray, "bins"]
    """Mean of what the head says in each bin; NaN where it is empty."""
    observed: Float64[np.ndarray, "bins"]
    """Mean of what it was told to say: the share that is fine, where scores are 0 or 1; NaN where it is empty."""

    @property
    def expected_error(self) -> float:
        """Expected calibration error: mean over all entries of how far the two are apart in their bin.

        Source:
            Guo et al., On Calibration of Modern Neural Networks (2017), equation 3.
        """
        filled = self.counts > 0
        gaps = np.abs(self.predicted[filled] - self.observed[filled])
        return float((self.counts[filled] * gaps).sum() / self.counts.sum())


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Figures over all entries that can be reached in all states."""

    auc: dict[str, float]
    """Per sub-score: how surely an entry that is fine is rated above one that is not; NaN where all are the same."""
    fine_share: dict[str, float]
    """Per sub-score, the share of all entries asked that is fine."""
    calibration: dict[str, Calibration]
    """Per sub-score."""
    chosen_score: float
    """The teacher's score of the entry that the student chooses, in the mean."""
    best_score: float
    """Of the best entry."""
    chosen_fine: dict[str, float]
    """Per sub-score, how often the chosen entry is fine."""
    example_gap_m: float
    """Mean distance of the chosen entry from the logged drive."""


@torch.inference_mode()
def evaluate(student: Student, samples: Samples) -> Evaluation:
    """Ask the student all entries that can be reached in all states."""
    rng = np.random.default_rng(0)
    network = student.network.eval()
    rated: dict[str, list[np.ndarray]] = {name: [] for name in network.sub_scores}
    told: dict[str, list[np.ndarray]] = {name: [] for name in network.sub_scores}
    truth, chosen_scores, best_scores, chosen_fine, gaps = [], [], [], [], []
    for start in range(0, len(samples), _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, len(samples)))
        batch = samples.batch(rows, None, rng)
        logits, _ = network(batch.features, batch.driven)
        chosen = joined_score(logits, student.weights).argmax(dim=1).numpy()
        quality = teacher_scores(samples.scores[rows])
        targets = batch.targets.numpy() > FINE
        truth.append(targets.reshape(-1, len(SUB_SCORES)))
        for name in rated:
            rated[name].append(logits[name].numpy().reshape(-1))
            told[name].append(head_target(batch.targets, name).numpy().reshape(-1))
        places = np.arange(len(rows))
        chosen_scores.append(quality[places, chosen])
        best_scores.append(quality.max(axis=1))
        chosen_fine.append(targets[places, chosen])
        gaps.append(np.sqrt(batch.example_gap.numpy()[places, chosen] / 8.0))
    is_fine = np.concatenate(truth)
    fine = np.concatenate(chosen_fine).mean(axis=0)
    ratings = {name: np.concatenate(values) for name, values in rated.items()}
    return Evaluation(
        auc={name: area_under_curve(values, is_fine[:, SUB_SCORES.index(name)]) for name, values in ratings.items()},
        fine_share=dict(zip(SUB_SCORES, is_fine.mean(axis=0).tolist(), strict=True)),
        calibration={
            name: calibration_of(expit(values), np.concatenate(told[name])) for name, values in ratings.items()
        },
        chosen_score=float(np.concatenate(chosen_scores).mean()),
        best_score=float(np.concatenate(best_scores).mean()),
        chosen_fine=dict(zip(SUB_SCORES, fine.tolist(), strict=True)),
        example_gap_m=float(np.nanmean(np.concatenate(gaps))),
    )


def area_under_curve(ratings: Float[np.ndarray, "items"], is_fine: Bool[np.ndarray, "items"]) -> float:
    """Probability that an item that is fine is rated above one that is not, ties counted half; NaN without both."""
    fine = int(is_fine.sum())
    if fine in (0, len(is_fine)):
        return float("nan")
    _, place, counts = np.unique(ratings, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[place]
    return float((ranks[is_fine].sum() - fine * (fine + 1) / 2.0) / (fine * (len(is_fine) - fine)))


def calibration_of(
    predicted: Float[np.ndarray, "items"], observed: Float[np.ndarray, "items"], num_bins: int = NUM_BINS
) -> Calibration:
    """Sort items into bins by what was predicted of them.

    Args:
        predicted: In [0, 1]; 1 belongs to the last bin.
        observed: In [0, 1], what came of it.
        num_bins: Of equal width.

    Raises:
        ValueError: Without items, or where a prediction is no probability.
    """
    if not len(predicted):
        raise ValueError("Calibration needs at least one item, got none.")
    if not (predicted.min() >= 0.0 and predicted.max() <= 1.0):
        raise ValueError(f"Predictions must lie in [0, 1], got {predicted.min():g} to {predicted.max():g}.")
    places = np.minimum((predicted * num_bins).astype(np.int64), num_bins - 1)
    counts = np.bincount(places, minlength=num_bins)
    with np.errstate(invalid="ignore"):
        means = [np.bincount(places, weights=values, minlength=num_bins) / counts for values in (predicted, observed)]
    return Calibration(counts=counts, predicted=means[0], observed=means[1])
