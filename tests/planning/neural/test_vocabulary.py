"""A vocabulary starts at the ego, has a digest of its content, and covers driven motions."""

import json

import numpy as np
import pytest

from distill.motions import agent_motions, generated_motions, logged_motions
from driving.synthetic.scenes import scene
from planning.neural.vocabulary import NUM_POSES, TrajectoryVocabulary, build_vocabulary


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
    nearest, distances_m = vocabulary.nearest(straight(9.0))
    assert nearest.tolist() == [1]
    assert distances_m == pytest.approx([2.05], abs=1e-5)
    assert vocabulary.coverage(straight(9.0, 10.0)) == pytest.approx({"mean_m": 1.025, "p95_m": 1.9475}, abs=1e-4)


def test_generated_motions_can_be_driven_and_include_stopping_and_turning():
    motions = generated_motions(800, seed=0)
    steps_m = np.hypot(*np.diff(motions[..., :2], axis=1).transpose(2, 0, 1))
    turned = np.diff(motions[..., 2], axis=1)
    assert steps_m.max() <= 2.2 + 1e-4
    assert (np.abs(turned) <= 0.22 * steps_m + 1e-4).all()
    assert (steps_m[:, -1] < 0.01).mean() > 0.1
    assert (np.abs(motions[:, -1, 2]) > 1.0).mean() > 0.05


def test_logged_motions_start_in_their_own_frame():
    motions = logged_motions(scene("straight_road"))
    assert np.abs(motions[:, 0]).max() == 0.0
    assert motions[0, -1] == pytest.approx([40.0, 0.0, 0.0], abs=1e-4)
    assert len(agent_motions(scene("straight_road"))) == 0
    assert len(agent_motions(scene("queue"))) > 0


def test_a_vocabulary_survives_the_disk_and_a_mixed_up_description_is_noticed(tmp_path):
    vocabulary = TrajectoryVocabulary(poses=straight(0.0, 5.0), metadata={"seed": 1})
    path = tmp_path / "vocabulary.npz"
    vocabulary.save(path)
    loaded = TrajectoryVocabulary.load(path)
    assert loaded.digest == vocabulary.digest
    assert loaded.metadata == {"seed": 1}
    description = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps({**description, "digest": "0" * 16}))
    with pytest.raises(ValueError, match="different vocabularies"):
        TrajectoryVocabulary.load(path)


def test_bad_vocabularies_say_what_is_wrong(tmp_path):
    with pytest.raises(ValueError, match="at least one trajectory"):
        TrajectoryVocabulary(poses=straight())
    with pytest.raises(ValueError, match="starts at the ego"):
        TrajectoryVocabulary(poses=straight(1.0) + np.float32(1.0))
    with pytest.raises(ValueError, match="9 entries needs at least as many motions, got 2"):
        build_vocabulary(straight(1.0, 2.0), 9)
    with pytest.raises(FileNotFoundError, match="make_vocabulary"):
        TrajectoryVocabulary.load(tmp_path / "nowhere.npz")
