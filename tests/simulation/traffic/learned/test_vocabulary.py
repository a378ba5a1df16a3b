import numpy as np
import pytest

from simulation.traffic.learned.vocabulary import (
    ACCELERATIONS_MPS2,
    HIGHEST_MPS2,
    LOWEST_MPS2,
    ZERO,
    MotionVocabulary,
    acceleration_weights,
    build_vocabulary,
)


def walks(count=400, seed=0):
    rng = np.random.default_rng(seed)
    return np.stack([rng.uniform(0, 1, count), rng.normal(0, 0.1, count), rng.normal(0, 0.2, count)], axis=-1)


def test_accelerations_ascend_and_each_is_inside_its_range():
    assert (np.diff(ACCELERATIONS_MPS2) > 0).all()
    assert ACCELERATIONS_MPS2[ZERO] == 0.0
    assert (LOWEST_MPS2 <= ACCELERATIONS_MPS2).all()
    assert (ACCELERATIONS_MPS2 <= HIGHEST_MPS2).all()
    np.testing.assert_array_equal(LOWEST_MPS2[1:], HIGHEST_MPS2[:-1])


@pytest.mark.parametrize("accel", [-7.3, -1.0, 0.0, 0.15, 4.5])
def test_targets_are_mixtures_with_the_mean_of_the_acceleration(accel):
    weights = acceleration_weights(np.array([accel]))
    assert weights.sum() == pytest.approx(1.0)
    assert np.count_nonzero(weights) <= 2
    assert weights[0] @ ACCELERATIONS_MPS2 == pytest.approx(accel, abs=1e-5)


def test_accelerations_beyond_the_range_are_clipped():
    weights = acceleration_weights(np.array([-30.0, 30.0]))
    assert weights[0, 0] == 1.0
    assert weights[1, -1] == 1.0


def test_a_vocabulary_is_its_own_mirror_image_and_can_stand():
    motions = build_vocabulary(walks(), seed=1, num_tokens=32).motions
    mirrored = motions * np.array([1.0, -1.0, -1.0], dtype=np.float32)
    assert {tuple(row) for row in np.abs(motions).tolist()} == {tuple(row) for row in np.abs(mirrored).tolist()}
    assert (motions == 0.0).all(axis=1).any()
    for row in mirrored:
        assert np.abs(motions - row).sum(axis=1).min() < 1e-6


def test_the_same_seed_gives_the_same_vocabulary():
    first, second = (build_vocabulary(walks(), seed=3, num_tokens=16) for _ in range(2))
    assert first.digest == second.digest
    assert first.digest != build_vocabulary(walks(seed=1), seed=3, num_tokens=16).digest


def test_the_nearest_token_weighs_position_and_heading():
    vocabulary = MotionVocabulary(motions=np.array([[0, 0, 0], [1, 0, 0], [1, 0, 1.0]], dtype=np.float32))
    found = vocabulary.nearest(np.array([[0.1, 0.0, 0.0], [0.9, 0.1, 0.1], [0.9, 0.0, 0.8]]))
    assert found.tolist() == [0, 1, 2]


def test_too_few_motions_say_how_many_came():
    with pytest.raises(ValueError, match="needs at least as many motions, got 10"):
        build_vocabulary(walks(10), seed=0, num_tokens=32)
