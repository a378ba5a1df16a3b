"""Vocabularies are chosen from motions by k-means, and their coverage is measured."""

import numpy as np
import pytest

from distill.motions import generated_motions
from distill.vocabulary_building import build_vocabulary, coverage
from planning.neural.vocabulary import NUM_POSES, TrajectoryVocabulary


def straight(*speeds_mps: float) -> np.ndarray:
    motions = np.zeros((len(speeds_mps), NUM_POSES, 3), dtype=np.float32)
    motions[..., 0] = np.array(speeds_mps)[:, np.newaxis] * np.arange(NUM_POSES) * 0.1
    return motions


def test_the_first_entry_stands_still_and_all_later_entries_are_given_motions():
    motions = straight(*np.linspace(1.0, 15.0, 200))
    vocabulary = build_vocabulary(motions, 8, seed=3)
    assert len(vocabulary) == 8
    assert not vocabulary.poses[0].any()
    assert all((entry == motions).all(axis=(1, 2)).any() for entry in vocabulary.poses[1:])


def test_the_same_seed_gives_the_same_vocabulary():
    motions = generated_motions(400, seed=1)
    one, two = (build_vocabulary(motions, 32, seed=5) for _ in range(2))
    assert one.digest == two.digest
    assert one.digest != build_vocabulary(motions, 32, seed=6).digest


def test_coverage_is_the_mean_distance_to_the_nearest_entry():
    vocabulary = TrajectoryVocabulary(poses=straight(0.0, 10.0))
    # 1 m/s away from the entry of 10 m/s: 0.1 t over t = 0.1 .. 4 s is 2.05 m in the mean.
    assert coverage(vocabulary, straight(9.0, 10.0)) == pytest.approx({"mean_m": 1.025, "p95_m": 1.9475}, abs=1e-4)


def test_more_entries_than_motions_are_refused():
    with pytest.raises(ValueError, match="9 entries needs at least as many motions, got 2"):
        build_vocabulary(straight(1.0, 2.0), 9)


def test_coverage_without_a_drive_is_refused():
    with pytest.raises(ValueError, match="at least one drive"):
        coverage(TrajectoryVocabulary(poses=straight(0.0)), straight())
