import csv

import numpy as np
import pytest
import torch

from simulation.traffic.learned.checkpoint import TrafficModel
from simulation.traffic.learned.network import NetworkConfig, TrafficNetwork
from simulation.traffic.learned.samples import gathered
from simulation.traffic.learned.training import Trainer, TrainingConfig, load_model, vocabulary_from, weights_of
from simulation.traffic.learned.vocabulary import MotionVocabulary

SMALL = TrainingConfig(
    network=NetworkConfig(own=12, near=8, trunk=16), steps=30, batch_size=32, warmup_steps=2, log_every=10
)
TOKENS = MotionVocabulary(motions=np.array([[0, 0, 0], [0.6, 0, 0], [1.0, 0.1, 0.1], [1.0, -0.1, -0.1]], np.float32))


@pytest.fixture(scope="module")
def samples(queue, crossing, junction):
    return gathered([queue, crossing, junction])


def test_the_loss_falls_and_a_checkpoint_remains(samples, tmp_path):
    losses = []
    trainer = Trainer(SMALL, samples, tmp_path, vocabulary=TOKENS)
    before = trainer.evaluate(samples)
    trainer.run(lambda _step, means: losses.append(means["total"]))
    after = trainer.evaluate(samples)
    assert losses[-1] < losses[0]
    assert after["acceleration"] < before["acceleration"]
    model = TrafficModel.load(tmp_path)
    assert model.metadata["steps"] == 30
    assert model.vocabulary.digest == TOKENS.digest
    rows = list(csv.DictReader((tmp_path / "curves.csv").open()))
    assert [row["step"] for row in rows] == ["10", "20", "30"]


def test_an_interrupted_training_resumes_with_identical_results(samples, tmp_path):
    whole = Trainer(SMALL, samples, tmp_path / "whole", vocabulary=TOKENS)
    whole.run()
    Trainer(SMALL, samples, tmp_path / "parts", vocabulary=TOKENS).run(stop_at=13)
    resumed = Trainer(SMALL, samples, tmp_path / "parts", vocabulary=TOKENS)
    assert resumed.step == 13
    resumed.run()
    for first, second in zip(weights_of(whole.network), weights_of(resumed.network), strict=True):
        np.testing.assert_array_equal(first.weight, second.weight)


def test_a_folder_of_another_training_is_refused(samples, tmp_path):
    Trainer(SMALL, samples, tmp_path, vocabulary=TOKENS)
    other = MotionVocabulary(motions=TOKENS.motions * 2)
    with pytest.raises(ValueError, match="another vocabulary"):
        Trainer(SMALL, samples, tmp_path, vocabulary=other)


def test_nan_stops_the_training_with_a_sentence(samples, tmp_path):
    bad = samples.take(np.arange(len(samples)))
    bad.features.own[:] = np.nan
    trainer = Trainer(SMALL, bad, tmp_path, vocabulary=TOKENS)
    with pytest.raises(ValueError, match="Training stopped at step 0"):
        trainer.run()


def test_a_training_can_begin_with_other_weights(samples, tmp_path):
    first = Trainer(SMALL, samples, tmp_path / "first", vocabulary=TOKENS)
    initial = first.model()
    second = Trainer(SMALL, samples, tmp_path / "second", initial=initial)
    assert second.vocabulary is initial.vocabulary
    for one, other in zip(weights_of(second.network), initial.weights, strict=True):
        np.testing.assert_array_equal(one.weight, other.weight)
    wide = TrafficNetwork(NetworkConfig(), len(TOKENS.motions))
    with pytest.raises(ValueError, match="belong to a network of other widths"):
        load_model(wide, initial)


def test_a_vocabulary_needs_motions(samples):
    with pytest.raises(ValueError, match="needs at least as many motions"):
        vocabulary_from(samples.take(np.arange(4)), seed=0)


def test_torch_threads_do_not_change_the_weights(samples, tmp_path):
    results = []
    for number, threads in enumerate((1, 2)):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            trainer = Trainer(SMALL, samples, tmp_path / str(number), vocabulary=TOKENS)
            trainer.run(stop_at=2)
            results.append(weights_of(trainer.network).own_1.weight)
        finally:
            torch.set_num_threads(before)
    np.testing.assert_allclose(results[0], results[1], atol=1e-5)
