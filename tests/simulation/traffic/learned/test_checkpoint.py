import json

import numpy as np
import pytest

from simulation.traffic.learned.checkpoint import DESCRIPTION, WEIGHTS, TrafficModel, traffic_model
from simulation.traffic.learned.vocabulary import MotionVocabulary


def test_a_saved_model_is_read_back(model, model_folder):
    found = TrafficModel.load(model_folder)
    for layer, read in zip(model.weights, found.weights, strict=True):
        np.testing.assert_array_equal(layer.weight, read.weight)
        np.testing.assert_array_equal(layer.bias, read.bias)
    assert found.vocabulary.digest == model.vocabulary.digest
    assert found.metadata == model.metadata
    assert traffic_model(model_folder) is traffic_model(model_folder)


def test_a_missing_checkpoint_names_the_command(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"scripts/train_traffic\.py"):
        TrafficModel.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("format", "camber.traffic.0", "has format camber.traffic.0"),
        ("inputs", {"own": 3}, "was trained with the inputs"),
    ],
)
def test_another_format_or_input_is_refused(model, tmp_path, name, value, sentence):
    model.save(tmp_path)
    path = tmp_path / DESCRIPTION
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
    with pytest.raises(ValueError, match=sentence):
        TrafficModel.load(tmp_path)


def test_weights_of_another_vocabulary_are_refused(model, tmp_path):
    other = MotionVocabulary(motions=model.vocabulary.motions + 1)
    TrafficModel(weights=model.weights, vocabulary=other).save(tmp_path / "other")
    model.save(tmp_path / "own")
    (tmp_path / "own" / WEIGHTS).write_bytes((tmp_path / "other" / WEIGHTS).read_bytes())
    with pytest.raises(ValueError, match="belongs to vocabulary"):
        TrafficModel.load(tmp_path / "own")


def test_damaged_weights_are_refused(model, tmp_path):
    model.save(tmp_path)
    (tmp_path / WEIGHTS).write_bytes(b"nothing")
    with pytest.raises(ValueError, match="holds no weights of learned traffic"):
        TrafficModel.load(tmp_path)
