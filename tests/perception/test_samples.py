"""Rendered training samples."""

from dataclasses import replace

import numpy as np
import pytest
from small_perception import CONFIG

from driving.rigs import NUSCENES_6
from driving.synthetic.scenes import scene
from perception.contract import CLASS_OF_KIND
from perception.samples import RenderedSamples, SampleSettings, validation_settings
from perception.training import Trainer, TrainingConfig

SETTINGS = SampleSettings(rig=NUSCENES_6, num_appearances=2, num_rigs=2, past_steps=(5,), stride_steps=40)


@pytest.fixture(scope="module")
def samples():
    return RenderedSamples([scene("queue"), scene("pedestrian_crossing")], SETTINGS, CONFIG)


def test_a_batch_has_the_shapes_of_the_contract(samples):
    batch = samples.batch(np.array([0, 3]), np.random.default_rng(0))
    assert batch.inputs.images.shape == (2, 2, 6, 3, 32, 64)
    assert batch.inputs.age_s.tolist() == [[0.5, 0.0]] * 2
    assert batch.inputs.then_from_now[:, -1].abs().max() < 1e-6
    assert batch.targets.road.shape == (2, 4, *CONFIG.grid.shape)
    assert batch.targets.road[:, 0].any()
    assert len(batch.table.pixels) == 2


def test_the_same_random_numbers_give_the_same_bytes(samples):
    again = RenderedSamples(samples.scenarios, SETTINGS, CONFIG)
    one, other = (each.batch(np.array([1]), np.random.default_rng(4)) for each in (samples, again))
    for first, second in zip((*one.inputs, *one.targets), (*other.inputs, *other.targets), strict=True):
        assert (first == second).all()


def test_validation_samples_show_the_logged_pose_with_all_cameras(samples):
    exact = RenderedSamples(samples.scenarios, validation_settings(SETTINGS), CONFIG)
    assert len(exact.rigs) == 1
    first, second = (exact.sample(2, np.random.default_rng(seed)) for seed in (0, 1))
    assert first.present.all()
    np.testing.assert_array_equal(first.states.poses, second.states.poses)


def test_missing_cameras_are_black_and_hide_what_they_alone_show(samples):
    blind = RenderedSamples(samples.scenarios, replace(SETTINGS, drop_camera=0.95, drop_past=1.0), CONFIG)
    sample = blind.sample(0, np.random.default_rng(0))
    whole = RenderedSamples(samples.scenarios, replace(SETTINGS, drop_camera=0.0), CONFIG).sample(
        0, np.random.default_rng(0)
    )
    assert not sample.present[0].any()
    missing = ~sample.present[-1]
    assert 0 < missing.sum() < 6
    assert not sample.images[-1, missing].any()
    assert sample.is_visible.sum() <= whole.is_visible.sum()


def test_boxes_are_at_the_agents_that_cameras_show(samples):
    shown = 0
    for row in range(len(samples)):
        sample = samples.sample(row, np.random.default_rng(0))
        near = CONFIG.grid.contains(sample.states.poses[:, :2]) & sample.is_visible
        for kind in sample.states.kinds[near].tolist():
            assert (sample.targets.centres[CLASS_OF_KIND[kind]] == 1).any()
        shown += int(near.sum())
    assert shown > 0


def test_scenarios_without_a_future_are_refused():
    short = scene("queue")
    with pytest.raises(ValueError, match="has a state with 3 s after it"):
        RenderedSamples([], SETTINGS, CONFIG)
    assert len(RenderedSamples([short], replace(SETTINGS, past_steps=(5, 10)), CONFIG)) > 0


def test_a_network_trains_on_rendered_samples(samples, tmp_path):
    seen = []
    config = TrainingConfig(network=CONFIG, steps=2, batch_size=2, log_every=1)
    Trainer(config, samples, tmp_path).run(lambda step, means: seen.append((step, means["total"])))
    assert [step for step, _ in seen] == [1, 2]
    assert np.isfinite([loss for _, loss in seen]).all()
