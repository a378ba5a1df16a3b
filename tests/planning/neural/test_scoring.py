"""Plans are blended from the best candidates and those near to them."""

import numpy as np
import pytest
import torch
from small_camera_student import small_vocabulary

from driving.synthetic.scenes import scene
from planning.neural.decoder import IMITATION
from planning.neural.network import ScoreWeights
from planning.neural.scoring import (
    NUM_REPORTED,
    ScoredCandidates,
    ScoreTerms,
    as_tensor,
    blended_plan,
    reported_candidates,
)
from simulation.ego.dynamics import state_array
from simulation.ego.vocabulary_tracking import fit_vocabulary, retime_entries


@pytest.fixture(scope="module")
def fitted():
    return fit_vocabulary(small_vocabulary().poses)


def scored(scores):
    ego = scene("straight_road").observation_at(30).ego_now
    return ScoredCandidates(ego=ego, candidates=np.arange(32), scores=scores.astype(np.float32))


def test_a_clearly_best_candidate_is_the_plan(fitted):
    scores = np.full(32, -5.0)
    scores[7] = 0.0
    chosen = scored(scores)
    (expected,) = retime_entries(fitted, state_array(chosen.ego), np.array([7]))
    plan = blended_plan(chosen, fitted)
    assert plan.in_frame_of(chosen.ego.rear_axle_pose)[:, :2] == pytest.approx(expected[:, :2], abs=1e-6)


def test_the_report_is_sorted_by_score(fitted):
    rng = np.random.default_rng(0)
    report = reported_candidates(scored(rng.normal(size=32)), fitted)
    assert len(report.scores) == NUM_REPORTED
    assert (np.diff(report.scores) <= 0).all()


def test_penalties_lower_the_combined_score():
    terms = ScoreTerms(logits={IMITATION: torch.zeros(1, 4)})
    before = terms.combined(ScoreWeights())
    terms.ttc_penalty = as_tensor(np.array([[0.0, 0.5, 0.0, 0.0]]))
    assert (before - terms.combined(ScoreWeights()))[0].tolist() == pytest.approx([0.0, 0.5, 0.0, 0.0])
