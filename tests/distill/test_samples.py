"""Labelled states become batches: sampled candidates, targets and validation split."""

from dataclasses import replace

import numpy as np
import pytest

from distill.contract import SUB_SCORES
from distill.samples import Samples, held_back, teacher_scores


def test_an_empty_split_and_labels_of_another_size_are_refused(labelled, vocabulary):
    with pytest.raises(ValueError, match="split is empty"):
        Samples(labelled.take(np.zeros(len(labelled), dtype=bool)), vocabulary)
    with pytest.raises(ValueError, match="labels score 8 entries, the vocabulary has 48"):
        Samples(replace(labelled, scores=labelled.scores[:, :8]), vocabulary)


def test_whole_scenarios_are_held_back(labelled):
    kept = held_back(labelled.scenario_ids, 0.5)
    for name in set(labelled.scenario_ids):
        rows = [row for row, found in enumerate(labelled.scenario_ids) if found == name]
        assert len(set(kept[rows].tolist())) == 1
    assert not held_back(labelled.scenario_ids, 0.0).any()
    assert held_back(labelled.scenario_ids, 1.0).all()


def test_a_batch_holds_the_best_candidates_of_the_teacher(samples, labelled):
    rows = np.arange(4)
    batch = samples.batch(rows, 16, np.random.default_rng(0))
    assert batch.candidates.shape == (4, 16)
    assert all(len(set(row.tolist())) == 16 for row in batch.candidates)
    quality = teacher_scores(labelled.scores[rows])
    for place in range(4):
        sampled = quality[place][batch.candidates[place].numpy()]
        assert sampled.max() >= quality[place].max() - 0.05


def test_the_total_of_the_teacher_is_product_times_weighted_mean():
    perfect = np.full((1, 1, len(SUB_SCORES)), 255, dtype=np.uint8)
    assert teacher_scores(perfect).item() == pytest.approx(1.0)
    # Progress has weight 5 of 18.
    without_progress = perfect.copy()
    without_progress[..., SUB_SCORES.index("progress")] = 0
    assert teacher_scores(without_progress).item() == pytest.approx(13.0 / 18.0)
    for name in ("no_collision", "drivable_area", "driving_direction", "traffic_lights"):
        forbidden = perfect.copy()
        forbidden[..., SUB_SCORES.index(name)] = 0
        assert teacher_scores(forbidden).item() == 0.0


def test_targets_and_imitation_gaps_belong_to_the_candidates_of_the_batch(samples, labelled):
    rows = np.array([0, 3])
    batch = samples.batch(rows, None, np.random.default_rng(0))
    candidates = batch.candidates.numpy()
    assert np.array_equal(candidates, samples.candidates[rows])
    stored = np.take_along_axis(labelled.scores[rows], candidates[..., np.newaxis], axis=1)
    assert batch.targets.numpy() == pytest.approx(stored / 255.0, abs=1e-6)
    poses_m = batch.geometry.tracked[..., :2]
    gap_m = poses_m - labelled.example[rows][:, np.newaxis, 5::5, :2]
    assert batch.imitation_gap_m2.numpy() == pytest.approx((gap_m**2).sum(axis=(2, 3)), rel=1e-3, abs=1e-3)


def test_the_sample_is_drawn_by_the_generator(samples):
    one, two, other = (
        samples.batch(np.arange(4), 16, np.random.default_rng(seed)).candidates.numpy() for seed in (0, 0, 1)
    )
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_a_sample_holds_the_candidates_nearest_to_the_log(samples, labelled):
    # A tenth of 40 candidates: the 4 nearest of the vocabulary's poses.
    batch = samples.batch(np.array([0]), 40, np.random.default_rng(0))
    gap_m = samples._poses[samples.candidates[0], 5::5, :2] - labelled.example[0, 5::5, :2]
    nearest = samples.candidates[0][np.argsort((gap_m**2).sum(axis=(1, 2)))[:4]]
    assert set(nearest.tolist()) <= set(batch.candidates[0].tolist())


def test_a_batch_moves_to_a_device_without_its_geometry(samples):
    batch = samples.batch(np.array([0]), 8, np.random.default_rng(0))
    moved = batch.to("meta")
    assert {value.device.type for value in (moved.candidates, moved.targets, *moved.features.values())} == {"meta"}
    assert moved.geometry is batch.geometry
