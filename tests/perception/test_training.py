from dataclasses import replace

import numpy as np
import pytest
import torch
from small_perception import CONFIG, random_input, ring_rig, small_network, small_targets

from perception.checkpoint import Checkpoint
from perception.network import PerceptionNetwork
from perception.training import RECIPES, Trainer, TrainingBatch, TrainingConfig

TRAINING = TrainingConfig(network=CONFIG, steps=4, batch_size=2, warmup_steps=1, log_every=2)


class NoiseSamples:
    """Noise with a fixed target per row."""

    def __init__(self, value=0.0):
        self.table, self.value = small_network().table(ring_rig()), value

    def __len__(self):
        return 10

    def batch(self, rows, rng):
        inputs = random_input(batch=len(rows), frames=2, seed=int(rng.integers(1000)))
        return TrainingBatch(inputs._replace(images=inputs.images + self.value), self.table, small_targets(len(rows)))


def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path):
    Trainer(TRAINING, NoiseSamples(), tmp_path / "whole").run()
    Trainer(TRAINING, NoiseSamples(), tmp_path / "parts").run(stop_at=2)
    reported = []
    resumed = Trainer(TRAINING, NoiseSamples(), tmp_path / "parts")
    resumed.run(report=lambda step, parts: reported.append((step, parts["total"])))
    assert [step for step, _ in reported] == [4]
    whole, parts = (Checkpoint.load(tmp_path / name) for name in ("whole", "parts"))
    assert whole.metadata == {"steps": 4, "seed": 0, "states": 10}
    for first, second in zip(whole.network.parameters(), parts.network.parameters(), strict=True):
        assert torch.equal(first, second)
    assert (tmp_path / "parts" / "curves.csv").read_text().count("\n") == 3


def test_nan_stops_the_training_and_names_the_losses(tmp_path):
    with pytest.raises(ValueError, match=r"stopped at step 0: centres, .* is NaN or infinite"):
        Trainer(TRAINING, NoiseSamples(np.nan), tmp_path).run()


def test_another_network_is_refused_in_the_same_folder(tmp_path):
    Trainer(TRAINING, NoiseSamples(), tmp_path)
    other = replace(TRAINING, network=replace(CONFIG, bev_channels=16))
    with pytest.raises(ValueError, match="another network"):
        Trainer(other, NoiseSamples(), tmp_path)


def test_weights_of_a_checkpoint_initialize_a_training(tmp_path):
    Checkpoint(network=small_network(seed=5)).save(tmp_path / "first")
    trainer = Trainer(TRAINING, NoiseSamples(), tmp_path / "second")
    trainer.initialize_from(tmp_path / "first")
    assert torch.equal(trainer.network.place.weight, small_network(seed=5).place.weight)


def test_a_teacher_adds_a_loss_and_stays_out_of_the_checkpoint(tmp_path):
    reported = []
    trainer = Trainer(TRAINING, NoiseSamples(), tmp_path, teacher=small_network(seed=9))
    trainer.run(report=lambda _, parts: reported.append(parts["distillation"]), stop_at=2)
    assert reported[0] > 0
    assert Checkpoint.load(tmp_path).network.config == CONFIG
    assert Trainer(TRAINING, NoiseSamples(), tmp_path, teacher=small_network(seed=9)).step == 2


@pytest.mark.parametrize("name", RECIPES)
def test_networks_of_the_recipes_can_be_built(name):
    assert PerceptionNetwork(RECIPES[name]().network).stride == 8
