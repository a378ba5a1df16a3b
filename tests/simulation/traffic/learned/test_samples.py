import numpy as np
import pytest

from simulation.traffic.learned.features import SPEED
from simulation.traffic.learned.samples import Samples, gathered, samples_of


def test_labels_are_what_agents_did_next(junction):
    samples = samples_of(junction)
    assert len(samples)
    assert samples.is_vehicle.all()
    speeds = samples.features.own[:, SPEED] * 10.0
    # Over half a second of nearly constant acceleration.
    forward = speeds * 0.5 + samples.accelerations * 0.125
    np.testing.assert_allclose(samples.motions[:, 0], forward, atol=0.25)
    assert np.isfinite(samples.motions).all()


def test_standing_cars_are_samples_of_standing(queue):
    samples = samples_of(queue)
    assert (samples.features.own[:, SPEED] == 0.0).any()
    np.testing.assert_allclose(samples.accelerations, 0.0, atol=2.5)


def test_pedestrians_are_no_vehicles(crossing):
    samples = samples_of(crossing)
    assert (~samples.is_vehicle).any()
    walking = samples.motions[~samples.is_vehicle]
    assert np.hypot(*walking[:, :2].T).max() < 1.5


def test_gathered_decisions_are_those_of_all_scenarios(queue, junction):
    totals = []
    samples = gathered([queue, junction], totals.append)
    assert len(samples) == totals[-1] == len(samples_of(queue)) + len(samples_of(junction))
    assert len(gathered([queue, junction], most=1)) == len(samples_of(queue))


def test_steps_can_be_bounded(junction):
    late = samples_of(junction, first_step=50, last_step=100)
    assert 0 < len(late) < len(samples_of(junction))


def test_taken_rows_keep_their_order(junction):
    samples = samples_of(junction)
    taken = samples.take(np.array([3, 1]))
    np.testing.assert_array_equal(taken.features.own, samples.features.own[[3, 1]])
    np.testing.assert_array_equal(taken.accelerations, samples.accelerations[[3, 1]])


def test_scenarios_without_agents_give_a_sentence():
    with pytest.raises(ValueError, match="hold no moving agents to learn from"):
        Samples.joined([])
