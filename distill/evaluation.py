"""Evaluation of a student's heads on held-out states."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from scipy.special import expit

from distill.contract import SUB_SCORES
from distill.losses import POSITIVE, head_target
from distill.samples import Samples, teacher_scores
from planning.neural.network import Student, combined_score

_CHUNK = 16
NUM_BINS = 10


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Calibration of a head: predictions against the teacher's targets, in bins of equal width of the prediction."""

    counts: Int64[np.ndarray, "bins"]
    predicted: Float64[np.ndarray, "bins"]
    """Mean prediction in each bin; NaN in empty bins."""
    observed: Float64[np.ndarray, "bins"]
    """Mean target in each bin, the positive share of binary targets; NaN in empty bins."""

    @property
    def expected_error(self) -> float:
        """Expected calibration error: mean absolute difference of prediction and target over all items.

        Source:
            Guo et al., On Calibration of Modern Neural Networks (2017), equation 3.
        """
        filled = self.counts > 0
        gaps = np.abs(self.predicted[filled] - self.observed[filled])
        return float((self.counts[filled] * gaps).sum() / self.counts.sum())


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Figures over all candidates of all states."""

    auc: dict[str, float]
    """Area under the ROC curve per sub-score; NaN where all candidates have the same target."""
    positive_share: dict[str, float]
    """Share of positive candidates per sub-score."""
    calibration: dict[str, Calibration]
    """Per sub-score."""
    chosen_score: float
    """Mean teacher total of the candidate that the student chooses."""
    best_score: float
    """Mean teacher total of the best candidate."""
    chosen_positive: dict[str, float]
    """Share of states per sub-score in which the chosen candidate is positive."""
    imitation_gap_m: float
    """Mean distance of the chosen candidate from the logged trajectory."""


@torch.inference_mode()
def evaluate(student: Student, samples: Samples) -> Evaluation:
    """Score all candidates of all states with the student."""
    rng = np.random.default_rng(0)
    network = student.network.eval()
    predictions: dict[str, list[np.ndarray]] = {name: [] for name in network.sub_scores}
    head_targets: dict[str, list[np.ndarray]] = {name: [] for name in network.sub_scores}
    truth, chosen_scores, best_scores, chosen_positive, gaps = [], [], [], [], []
    for start in range(0, len(samples), _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, len(samples)))
        batch = samples.batch(rows, None, rng)
        logits, _ = network(batch.features, batch.geometry)
        chosen = combined_score(logits, student.weights).argmax(dim=1).numpy()
        quality = teacher_scores(samples.scores[rows])
        targets = batch.targets.numpy() > POSITIVE
        truth.append(targets.reshape(-1, len(SUB_SCORES)))
        for name in predictions:
            predictions[name].append(logits[name].numpy().reshape(-1))
            head_targets[name].append(head_target(batch.targets, name).numpy().reshape(-1))
        places = np.arange(len(rows))
        chosen_scores.append(quality[places, chosen])
        best_scores.append(quality.max(axis=1))
        chosen_positive.append(targets[places, chosen])
        gaps.append(np.sqrt(batch.imitation_gap_m2.numpy()[places, chosen] / 8.0))
    is_positive = np.concatenate(truth)
    positive = np.concatenate(chosen_positive).mean(axis=0)
    predicted = {name: np.concatenate(values) for name, values in predictions.items()}
    return Evaluation(
        auc={
            name: area_under_curve(values, is_positive[:, SUB_SCORES.index(name)])
            for name, values in predicted.items()
        },
        positive_share=dict(zip(SUB_SCORES, is_positive.mean(axis=0).tolist(), strict=True)),
        calibration={
            name: calibration_of(expit(values), np.concatenate(head_targets[name]))
            for name, values in predicted.items()
        },
        chosen_score=float(np.concatenate(chosen_scores).mean()),
        best_score=float(np.concatenate(best_scores).mean()),
        chosen_positive=dict(zip(SUB_SCORES, positive.tolist(), strict=True)),
        imitation_gap_m=float(np.nanmean(np.concatenate(gaps))),
    )


def area_under_curve(predicted: Float[np.ndarray, "items"], is_positive: Bool[np.ndarray, "items"]) -> float:
    """Area under the ROC curve, ties counted half; NaN without both classes."""
    positive = int(is_positive.sum())
    if positive in (0, len(is_positive)):
        return float("nan")
    _, place, counts = np.unique(predicted, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[place]
    return float(
        (ranks[is_positive].sum() - positive * (positive + 1) / 2.0) / (positive * (len(is_positive) - positive))
    )


def calibration_of(
    predicted: Float[np.ndarray, "items"], observed: Float[np.ndarray, "items"], num_bins: int = NUM_BINS
) -> Calibration:
    """Sort items into bins by their prediction.

    Args:
        predicted: In [0, 1]; 1 belongs to the last bin.
        observed: Targets in [0, 1].
        num_bins: Of equal width.

    Raises:
        ValueError: Without items, or when a prediction lies outside [0, 1].
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
