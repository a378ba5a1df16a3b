"""A small network with random weights, and hand-made scenes."""

import numpy as np
import pytest

from driving.synthetic.scenes import scene
from simulation.traffic.learned.checkpoint import TrafficModel
from simulation.traffic.learned.features import NUM_NEAR, NUM_OWN
from simulation.traffic.learned.inference import Layer, Weights
from simulation.traffic.learned.vocabulary import ACCELERATIONS_MPS2, MotionVocabulary


def small_model(seed=0, width=8, favored=None):
    """A model of random weights; `favored` accelerations and tokens (entries) get nearly all of the probability."""
    rng = np.random.default_rng(seed)
    steps = np.array([[0.0, 0.0, 0.0], [0.7, 0.0, 0.0], [0.5, 0.1, 0.2], [0.5, -0.1, -0.2]], dtype=np.float32)

    def layer(inputs, outputs):
        weight = rng.normal(0.0, 0.3 / np.sqrt(inputs), (inputs, outputs))
        return Layer(weight.astype(np.float32), np.zeros(outputs, dtype=np.float32))

    acceleration, token = layer(width, len(ACCELERATIONS_MPS2)), layer(width, len(steps))
    if favored is not None:
        acceleration.bias[favored[0]], token.bias[favored[1]] = 50.0, 50.0
    return TrafficModel(
        weights=Weights(
            own_1=layer(NUM_OWN, width),
            own_2=layer(width, width),
            near_1=layer(NUM_NEAR, width),
            near_2=layer(width, width),
            query=layer(width, width),
            trunk_1=layer(3 * width, width),
            trunk_2=layer(width, width),
            acceleration=acceleration,
            token=token,
        ),
        vocabulary=MotionVocabulary(motions=steps),
        metadata={"command": "by hand"},
    )


@pytest.fixture(scope="session")
def model():
    """A model of random weights."""
    return small_model()


@pytest.fixture(scope="session")
def make_model():
    """Function that makes a small model."""
    return small_model


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory, model):
    """Its folder."""
    folder = tmp_path_factory.mktemp("traffic")
    model.save(folder)
    return folder


@pytest.fixture(scope="session")
def queue():
    """Three standing cars; the ego comes from behind at 10 m/s."""
    return scene("queue")


@pytest.fixture(scope="session")
def junction():
    """Two cars cross before the ego."""
    return scene("t_junction")


@pytest.fixture(scope="session")
def crossing():
    """A pedestrian on a crosswalk."""
    return scene("pedestrian_crossing")


@pytest.fixture(scope="session")
def red_light():
    """A red light, which turns green."""
    return scene("red_light")
