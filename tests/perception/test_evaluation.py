"""Evaluation on rendered samples."""

import numpy as np
import pytest
from small_perception import small_network

from driving.rigs import NUSCENES_6
from driving.synthetic.scenes import scene
from perception.evaluation import CameraChange, Evaluation
from perception.images import fit_rig
from perception.samples import RenderedSamples, SampleSettings, validation_settings


@pytest.fixture(scope="module")
def network():
    return small_network()


@pytest.fixture(scope="module")
def samples(network):
    settings = validation_settings(SampleSettings(num_appearances=0, stride_steps=40))
    return RenderedSamples([scene("queue")], settings, network.config)


@pytest.fixture(scope="module")
def pair(samples):
    return [samples.sample(row, np.random.default_rng(row)) for row in (0, 1)]


def fitted(network):
    return fit_rig(NUSCENES_6, network.config.image_size).rig


def probabilities(network, change, pair, **words):
    evaluation = Evaluation(network, change)
    evaluation.add(pair[0], fitted(network), **words)
    return np.concatenate([evaluation.grids[key].union for key in evaluation.grids])


def test_each_class_is_counted_near_and_far(network, pair):
    evaluation = Evaluation(network)
    evaluation.add(pair[0], fitted(network))
    near, far, every = (evaluation.grids["drivable", where].cells for where in ("0-20 m", "20 m and more", "all"))
    assert near > 0
    assert near + far == every
    assert len(evaluation.frames) == 1
    assert evaluation.signals.sum() == 1
    assert len(evaluation.frames[0].truth.classes) == len(evaluation.frames[0].is_visible)


@pytest.mark.parametrize(
    "change",
    [
        CameraChange(missing=("CAM_FRONT",)),
        CameraChange(black=("CAM_FRONT",)),
        CameraChange(pitch_deg=2.0),
        CameraChange(height_m=0.3),
        CameraChange(past="none"),
        CameraChange(past="shuffled"),
    ],
    ids=str,
)
def test_each_change_reaches_the_network(network, pair, change):
    plain = probabilities(network, CameraChange(), pair)
    assert (probabilities(network, change, pair, other=pair[1]) != plain).any()


def test_a_missing_camera_differs_from_a_black_one_that_is_not_reported(network, pair):
    missing = probabilities(network, CameraChange(missing=("CAM_BACK",)), pair)
    assert (probabilities(network, CameraChange(black=("CAM_BACK",)), pair) != missing).any()


def test_an_assumed_rig_replaces_the_calibration(network, pair):
    rig = fitted(network)
    same = probabilities(network, CameraChange(assumed_rig=rig), pair)
    np.testing.assert_array_equal(same, probabilities(network, CameraChange(), pair))
    other = probabilities(network, CameraChange(assumed_rig=rig.shifted(height_m=0.5)), pair)
    np.testing.assert_array_equal(other, probabilities(network, CameraChange(height_m=0.5), pair))


def test_a_shuffled_past_needs_another_state(network, pair):
    with pytest.raises(ValueError, match="needs another state"):
        Evaluation(network, CameraChange(past="shuffled")).add(pair[0], fitted(network))
