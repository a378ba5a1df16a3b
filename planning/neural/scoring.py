"""Scores of candidates to a plan: exact refinement of the top ones, blending of the best, and the report for logs.

The privileged student and the camera student share these steps; they differ in the input of their networks.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64
from torch import Tensor

from driving.candidates import LOGGED_STEPS, LOGGED_TIME_S, Candidates
from driving.ego import EgoState
from driving.geometry import poses_out_of_frame_of
from driving.timing import STEP_S
from driving.trajectory import Trajectory
from planning.neural import exact_terms
from planning.neural.decoder import Logits
from planning.neural.exact_terms import COMFORT, TIME_TO_COLLISION, StudentSettings
from planning.neural.network import ScoreWeights, combined_score
from planning.neural.ttc_check import ForecastArrays
from planning.neural.vocabulary import NUM_POSES
from simulation.ego.dynamics import state_array
from simulation.ego.vocabulary_tracking import FittedVocabulary, drive_vocabulary, retime_entries

NUM_REFINED, MAX_REFINEMENTS = 32, 4
"""Candidates per refinement (comfort and time to collision), and the most refinements of one plan."""
BLEND_RADIUS_M, BLEND_TEMPERATURE = 1.0, 0.03
"""The plan averages the best candidate and those within about this mean distance of it, weighted by the exponential
of their score gap over the temperature: finer than the vocabulary. The weights fade out from 0.75 to 1.25 of it."""
NUM_REPORTED = 16
"""Best candidates that simulation logs keep."""


@dataclass(kw_only=True, eq=False)
class ScoreTerms:
    """Terms of the combined scores of one batch: logits, of which exact terms replace some, and penalties."""

    logits: Logits
    """Of all heads, predicted or exact."""
    off_route_penalty: Float32[Tensor, "..."] = field(default_factory=lambda: torch.zeros(()))
    """Of all candidates."""
    ttc_penalty: Float32[Tensor, "..."] = field(default_factory=lambda: torch.zeros(()))
    """Of refined candidates; else 0."""

    def combined(self, weights: ScoreWeights) -> Float32[Tensor, "observations candidates"]:
        """One score per candidate, minus the penalties.

        The score is a weighted sum of logarithms, as in Hydra-MDP: of imitation, of each multiplied sub-score, and of
        the weighted mean of the other sub-scores.
        """
        return combined_score(self.logits, weights) - self.off_route_penalty - self.ttc_penalty


@dataclass(frozen=True, kw_only=True)
class ScoredCandidates:
    """The candidates of one observation and their scores."""

    ego: EgoState
    """Now."""
    candidates: Int64[np.ndarray, "candidates"]
    """Rows of the vocabulary."""
    scores: Float32[np.ndarray, "candidates"]
    """Combined scores; higher is better."""


class Queries(NamedTuple):
    """What the refinement of a batch of observations needs."""

    states: Float64[np.ndarray, "observations 10"]
    """Of the ego, now."""
    histories: list[Float64[np.ndarray, "_ 10"]]
    """Result of `exact_terms.comfort_history` of each observation."""
    candidates: Int64[np.ndarray, "observations candidates"]
    forecasts: ForecastArrays


def refine_top_candidates(
    queries: Queries,
    terms: ScoreTerms,
    fitted: FittedVocabulary,
    weights: ScoreWeights,
    settings: StudentSettings,
) -> None:
    """Compute comfort and time to collision for the top 32 candidates, tracked in steps of 0.1 s.

    Observations whose best candidate is not a refined one repeat this with the next 32, at most 4 times in all.
    """
    if not (settings.comfort or settings.time_to_collision):
        return
    candidates = queries.candidates
    is_refined = torch.zeros(candidates.shape, dtype=torch.bool)
    terms.ttc_penalty = torch.zeros(candidates.shape)
    count = min(NUM_REFINED, candidates.shape[1])
    for _ in range(MAX_REFINEMENTS):
        scores = terms.combined(weights)
        rows = torch.nonzero(~is_refined.gather(1, scores.argmax(1, keepdim=True))[:, 0])[:, 0]
        if not len(rows):
            break
        top = torch.topk(scores[rows].masked_fill(is_refined[rows], -torch.inf), count, dim=1).indices
        cells, queried = (rows[:, None], top), rows.numpy()
        entries = np.take_along_axis(candidates[queried], top.numpy(), axis=1)
        tracked = drive_vocabulary(fitted, queries.states[queried], entries, stride=1)
        if settings.comfort:
            histories = [queries.histories[row] for row in queried]
            terms.logits[COMFORT][cells] = as_tensor(exact_terms.comfort(histories, tracked))
        if settings.time_to_collision:
            # A violation lowers the logit; without one, that of the network stays.
            predicted = terms.logits[TIME_TO_COLLISION][cells].numpy()
            agents = ForecastArrays(*(values[queried] for values in queries.forecasts))
            logits, penalty = exact_terms.time_to_collision(agents, tracked, predicted)
            terms.logits[TIME_TO_COLLISION][cells] = as_tensor(logits)
            terms.ttc_penalty[cells] = as_tensor(penalty)
        is_refined[cells] = True


def blended_plan(scored: ScoredCandidates, fitted: FittedVocabulary) -> Trajectory:
    """The plan: the mean of the best candidate and those near to it in score and position.

    The poses are re-timed and not yet tracked, since the simulation tracks the plan.
    """
    scores = scored.scores
    # Farther behind in score, weights are below exp(-7) = 0.001.
    near = np.flatnonzero(scores > scores.max() - 7.0 * BLEND_TEMPERATURE)
    poses = _retimed(scored, fitted, near)
    best = int(np.argmax(scores[near]))
    gap_m = np.hypot(*(poses[:, ::5, :2] - poses[best, ::5, :2]).transpose(2, 0, 1)).mean(axis=1)
    # Without a step at the radius, rounding errors of the scores stay rounding errors of the plan.
    fading = np.clip(2.5 - 2.0 * gap_m / BLEND_RADIUS_M, 0.0, 1.0)
    weights = np.exp((scores[near] - scores[near][best]) / BLEND_TEMPERATURE) * fading
    blended = np.einsum("v,vtc->tc", weights / weights.sum(), poses)
    return Trajectory(
        time_s=np.arange(NUM_POSES) * STEP_S, poses=poses_out_of_frame_of(blended, scored.ego.rear_axle_pose)
    )


def reported_candidates(scored: ScoredCandidates, fitted: FittedVocabulary) -> Candidates:
    """The best candidates for the simulation log, best first."""
    count = min(NUM_REPORTED, len(scored.scores))
    best = np.argpartition(-scored.scores, count - 1)[:count]
    best = best[np.argsort(-scored.scores[best], kind="stable")]
    poses = _retimed(scored, fitted, best)[:, LOGGED_STEPS]
    return Candidates(
        time_s=LOGGED_TIME_S,
        poses=poses_out_of_frame_of(poses, scored.ego.rear_axle_pose),
        scores=scored.scores[best].astype(np.float64),
        chosen=0,
    )


def as_tensor(values: np.ndarray) -> Float32[Tensor, "..."]:
    """A float32 copy on the CPU."""
    return torch.from_numpy(values.astype(np.float32))


def _retimed(
    scored: ScoredCandidates, fitted: FittedVocabulary, indices: Int64[np.ndarray, "chosen"]
) -> Float64[np.ndarray, "chosen 41 3"]:
    """Poses of some candidates in the ego frame, starting at the ego's speed."""
    return retime_entries(fitted, state_array(scored.ego), scored.candidates[indices])
