from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError

from distill.batch import Batch
from planning.neural.candidate_features import CandidateGeometry

STATES, CANDIDATES, AGENTS, SUB_SCORES = 3, 5, 2, 4


@pytest.fixture
def batch():
    geometry = CandidateGeometry(
        tracked=np.zeros((STATES, CANDIDATES, 8, 4), dtype=np.float32),
        route=np.zeros((STATES, 6, 12), dtype=np.float32),
        route_counts=np.full(STATES, 6, dtype=np.int64),
        now_m=np.zeros((STATES, AGENTS, 2), dtype=np.float32),
        boxes=np.zeros((STATES, AGENTS, 4), dtype=np.float32),
        mask=np.ones((STATES, AGENTS), dtype=bool),
        kinematic_m=np.zeros((STATES, AGENTS, 8, 2), dtype=np.float32),
    )
    return Batch(
        features={"ego": torch.arange(STATES * 7.0).reshape(STATES, 7), "agent_mask": torch.ones(STATES, AGENTS) > 0},
        candidates=torch.arange(STATES * CANDIDATES).reshape(STATES, CANDIDATES),
        geometry=geometry,
        targets=torch.rand(STATES, CANDIDATES, SUB_SCORES),
        imitation_gap_m2=torch.full((STATES, CANDIDATES), torch.nan),
        agents_ahead=torch.zeros(STATES, AGENTS, 8, 2),
    )


def test_a_moved_batch_keeps_its_values(batch):
    moved = batch.to("cpu")
    for item in fields(Batch):
        before, after = getattr(batch, item.name), getattr(moved, item.name)
        if isinstance(before, torch.Tensor):
            assert torch.equal(after.nan_to_num(-1.0), before.nan_to_num(-1.0))
    assert moved.features.keys() == batch.features.keys()
    assert all(torch.equal(moved.features[name], batch.features[name]) for name in batch.features)


def test_all_tensors_move_and_the_geometry_stays_on_the_cpu(batch):
    moved = batch.to("meta")
    tensors = [moved.candidates, moved.targets, moved.imitation_gap_m2, moved.agents_ahead, *moved.features.values()]
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert moved.geometry is batch.geometry
    assert moved.targets.shape == batch.targets.shape


def test_targets_must_have_one_row_per_candidate(batch):
    with pytest.raises(TypeCheckError, match="targets"):
        replace(batch, targets=torch.zeros(STATES, CANDIDATES + 1, SUB_SCORES))
