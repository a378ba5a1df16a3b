import torch

from simulation.traffic.learned.features import NEIGHBORS, NUM_NEAR, NUM_OWN
from simulation.traffic.learned.network import NetworkConfig, TrafficNetwork
from simulation.traffic.learned.vocabulary import ACCELERATIONS_MPS2


def test_logits_have_one_column_per_choice():
    network = TrafficNetwork(NetworkConfig(own=16, near=8, trunk=16), num_tokens=7)
    accelerations, tokens = network(
        torch.zeros(3, NUM_OWN), torch.zeros(3, NEIGHBORS, NUM_NEAR), torch.tensor([0, 1, NEIGHBORS])
    )
    assert accelerations.shape == (3, len(ACCELERATIONS_MPS2))
    assert tokens.shape == (3, 7)


def test_an_agent_without_neighbors_has_finite_gradients():
    network = TrafficNetwork(NetworkConfig(own=16, near=8, trunk=16), num_tokens=7)
    accelerations, _ = network(torch.zeros(1, NUM_OWN), torch.zeros(1, NEIGHBORS, NUM_NEAR), torch.tensor([0]))
    accelerations.sum().backward()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in network.parameters())


def test_the_default_network_is_small():
    network = TrafficNetwork(NetworkConfig(), num_tokens=512)
    assert sum(parameter.numel() for parameter in network.parameters()) < 500_000
