import numpy as np
import pytest
import torch

from simulation.traffic.learned.features import NEIGHBORS, NUM_NEAR, NUM_OWN, Features
from simulation.traffic.learned.inference import infer
from simulation.traffic.learned.network import NetworkConfig, TrafficNetwork
from simulation.traffic.learned.training import weights_of


def random_features(count, seed=0):
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, NEIGHBORS + 1, count)
    near = rng.normal(size=(count, NEIGHBORS, NUM_NEAR)).astype(np.float32)
    near[np.arange(NEIGHBORS)[np.newaxis] >= counts[:, np.newaxis]] = 0.0
    return Features(rng.normal(size=(count, NUM_OWN)).astype(np.float32), near, counts)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return TrafficNetwork(NetworkConfig(own=16, near=8, trunk=24), num_tokens=10)


def test_compiled_inference_equals_the_network(network):
    features = random_features(9)
    with torch.no_grad():
        accelerations, tokens = network(*(torch.from_numpy(array) for array in features))
    is_free = np.arange(9) % 2 == 0
    found = infer(weights_of(network), features, is_free)
    np.testing.assert_allclose(found[0][~is_free], accelerations.numpy()[~is_free], atol=1e-5)
    np.testing.assert_allclose(found[1][is_free], tokens.numpy()[is_free], atol=1e-5)
    assert not found[0][is_free].any()
    assert not found[1][~is_free].any()


def test_a_batch_equals_its_members_bit_for_bit(network):
    features, weights = random_features(6, seed=1), weights_of(network)
    is_free = np.array([True, False] * 3)
    together = infer(weights, features, is_free)
    for a in range(6):
        alone = infer(weights, Features(*(array[a : a + 1] for array in features)), is_free[a : a + 1])
        np.testing.assert_array_equal(alone[0][0], together[0][a])
        np.testing.assert_array_equal(alone[1][0], together[1][a])


def test_rows_behind_the_neighbors_do_not_count(network):
    features, weights = random_features(4, seed=2), weights_of(network)
    noisy = features.near.copy()
    noisy[np.arange(NEIGHBORS)[np.newaxis] >= features.counts[:, np.newaxis]] = 9.0
    is_free = np.zeros(4, dtype=bool)
    np.testing.assert_array_equal(
        infer(weights, features, is_free)[0], infer(weights, features._replace(near=noisy), is_free)[0]
    )
    with torch.no_grad():
        first = network(*(torch.from_numpy(array) for array in features))[0]
        second = network(*(torch.from_numpy(array) for array in features._replace(near=noisy)))[0]
    torch.testing.assert_close(first, second)


def test_the_order_of_neighbors_does_not_matter(network):
    features, weights = random_features(3, seed=3), weights_of(network)
    features.counts[:] = NEIGHBORS
    reversed_near = np.ascontiguousarray(features.near[:, ::-1])
    is_free = np.ones(3, dtype=bool)
    np.testing.assert_allclose(
        infer(weights, features, is_free)[1],
        infer(weights, features._replace(near=reversed_near), is_free)[1],
        atol=1e-5,
    )
