from dataclasses import replace

import numpy as np
import pytest
import torch
from small_perception import CONFIG

from driving.agents import LightStatus
from driving.rigs import NUSCENES_6
from driving.synthetic.scenes import scene
from perception.images import fit_rig
from perception.samples import SampleSettings
from perception.signal_training import SignalSamples, SignalTrainer
from perception.training import TrainingConfig

NETWORK = replace(CONFIG, image_size=(64, 176))
SETTINGS = SampleSettings(rig=fit_rig(NUSCENES_6, NETWORK.image_size).rig, num_appearances=2, num_rigs=1)


@pytest.fixture(scope="module")
def samples():
    return SignalSamples([scene("red_light")], SETTINGS, NETWORK)


def test_a_batch_holds_states_of_each_signal_in_their_shares(samples):
    batch = samples.batch(np.arange(40), np.random.default_rng(0))
    assert batch.images.shape == (40, 1, 3, 64, 176)
    assert batch.rays.shape == (40, 8 * 22, 3)
    counts = np.bincount(batch.signal.numpy() + 1, minlength=5)
    # Some heads are outside of the shifted image, and the scene shows no yellow.
    assert counts[1 + LightStatus.RED] > 5
    assert counts[1 + LightStatus.UNKNOWN] > 5
    assert counts[1 + LightStatus.YELLOW] == 0
    assert ((batch.signal == -1) == (batch.signal_place == -1)).all()


def test_scenarios_without_traffic_lights_are_refused():
    with pytest.raises(ValueError, match="No state of these scenarios has a traffic light"):
        SignalSamples([scene("parked_car")], SETTINGS, NETWORK)


def test_training_changes_the_signal_head_only(samples, tmp_path):
    config = TrainingConfig(network=NETWORK, steps=3, batch_size=8, warmup_steps=1, log_every=1)
    trainer = SignalTrainer(config, samples, tmp_path)
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    reported = []
    trainer.run(report=lambda _, parts: reported.append(parts))
    changed = {
        name.split(".")[0] for name, value in trainer.network.state_dict().items() if (value != before[name]).any()
    }
    assert changed == {"signal"}
    assert set(reported[0]) == {"signal", "signal_place", "accuracy", "total"}
    assert torch.isfinite(torch.tensor([parts["total"] for parts in reported])).all()
