import numpy as np
import pytest

from simulation.ego.dynamics import states_of
from simulation.traffic.learned.closed_loop import (
    TOP,
    Supervisor,
    _nearest_of_likeliest,
    closed_loop_samples,
)
from simulation.traffic.learned.options import LearnedOptions
from simulation.traffic.learned.samples import samples_of
from simulation.traffic.learned.traffic import LearnedTraffic


def test_samples_are_finite_and_of_the_same_form(junction, model_folder):
    found = closed_loop_samples(junction, model_folder, steps=60)
    logged = samples_of(junction)
    assert len(found)
    for one, other in zip(found.features, logged.features, strict=True):
        assert one.shape[1:] == other.shape[1:]
        assert np.isfinite(one).all()
    assert np.isfinite(found.motions).all()
    assert found.is_vehicle.all()


def test_the_roll_out_stays_near_the_log_although_the_network_is_random(junction, model_folder, monkeypatch):
    monkeypatch.setattr("simulation.traffic.learned.closed_loop.TOP", 33)
    supervisor = Supervisor(junction)
    traffic = LearnedTraffic(junction, LearnedOptions(checkpoint=model_folder), adjust=supervisor)
    states = states_of(junction.ego)[0]
    for iteration in range(40):
        supervisor.now = junction.first_frame + iteration
        traffic.step(iteration, states[supervisor.now])
    at = junction.first_frame + 40
    both = traffic.tracks.valid[:, at] & junction.agents.valid[:, at]
    gaps = np.hypot(*(traffic.tracks.poses[both, at, :2] - junction.agents.poses[both, at, :2]).T)
    assert both.any()
    assert np.median(gaps) < 1.5


def test_labels_of_standing_agents_are_to_stand(queue, model_folder):
    found = closed_loop_samples(queue, model_folder, steps=5)
    np.testing.assert_allclose(found.accelerations, 0.0, atol=0.11)
    np.testing.assert_allclose(found.motions, 0.0, atol=0.05)


def test_the_nearest_of_the_likeliest_comes_first():
    rng = np.random.default_rng(0)
    logits, costs = rng.normal(size=20).astype(np.float32), rng.uniform(size=20)
    found = _nearest_of_likeliest(logits, costs)
    likeliest = np.argsort(-logits)[:TOP]
    assert found.argmax() == likeliest[costs[likeliest].argmin()]
    assert set(np.argsort(-found)[:TOP]) == set(likeliest)


def test_the_same_seed_gives_the_same_samples(crossing, model_folder):
    first, again = (closed_loop_samples(crossing, model_folder, steps=30, seed=2) for _ in range(2))
    np.testing.assert_array_equal(first.motions, again.motions)
    np.testing.assert_array_equal(first.features.own, again.features.own)


def test_a_scenario_without_agents_gives_a_sentence(red_light, model_folder):
    if red_light.agents.num_agents == 0:
        with pytest.raises(ValueError, match="hold no moving agents"):
            closed_loop_samples(red_light, model_folder, steps=5)
