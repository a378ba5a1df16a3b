"""Whether the heads of a student tell the truth, on states it has not learned from."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float

from distill.samples import Samples, teacher_scores
from distill.teacher import SUB_SCORES
from planning.neural.network import Student, joined_score

_CHUNK = 16


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Figures over all entries of all states."""

    auc: dict[str, float]
    """Per sub-score: how surely an entry that is fine is rated above one that is not; NaN where all are the same."""
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
    """Ask the student all entries of all states."""
    rng = np.random.default_rng(0)
    network = student.network.eval()
    rated: dict[str, list[np.ndarray]] = {name: [] for name in network.sub_scores}
    truth, chosen_scores, best_scores, chosen_fine, gaps = [], [], [], [], []
    for start in range(0, len(samples), _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, len(samples)))
        batch = samples.batch(rows, None, rng)
        logits, _ = network(batch.features, batch.driven)
        chosen = joined_score(logits, student.weights).argmax(dim=1).numpy()
        quality = teacher_scores(samples.scores[rows])
        targets = batch.targets.numpy() > 0.75
        truth.append(targets.reshape(-1, len(SUB_SCORES)))
        for name in rated:
            rated[name].append(logits[name].numpy().reshape(-1))
        places = np.arange(len(rows))
        chosen_scores.append(quality[places, chosen])
        best_scores.append(quality.max(axis=1))
        chosen_fine.append(targets[places, chosen])
        gaps.append(np.sqrt(batch.example_gap.numpy()[places, chosen] / 8.0))
    is_fine = np.concatenate(truth)
    fine = np.concatenate(chosen_fine).mean(axis=0)
    return Evaluation(
        auc={
            name: area_under_curve(np.concatenate(values), is_fine[:, SUB_SCORES.index(name)])
            for name, values in rated.items()
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
