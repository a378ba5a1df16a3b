"""A vocabulary starts at the ego and has a digest of its content."""

import json

import numpy as np
import pytest

from distill.motions import agent_motions, generated_motions, logged_motions
from driving.synthetic.scenes import scene
from planning.neural.vocabulary import NUM_POSES, TrajectoryVocabulary


def straight(*speeds_mps: float) -> np.ndarray:
    motions = np.zeros((len(speeds_mps), NUM_POSES, 3), dtype=np.float32)
    motions[..., 0] = np.array(speeds_mps)[:, np.newaxis] * np.arange(NUM_POSES) * 0.1
    return motions


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
    with pytest.raises(FileNotFoundError, match="make_vocabulary"):
        TrajectoryVocabulary.load(tmp_path / "nowhere.npz")
