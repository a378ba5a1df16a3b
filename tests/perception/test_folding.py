import torch
from small_perception import random_input, ring_rig, small_network

from perception.folding import folded


def test_a_folded_network_predicts_the_same():
    network = small_network().train()
    table, inputs = network.table(ring_rig()), random_input(frames=2)
    network(inputs, table)  # the statistics of the normalisation are not those of the start
    network.eval()
    fast = folded(network)
    assert sum(isinstance(module, torch.nn.BatchNorm2d) for module in fast.modules()) == 2
    for first, second in zip(network(inputs, table), fast(inputs, table), strict=True):
        assert torch.allclose(first, second, atol=1e-4)
    assert not any(parameter.requires_grad for parameter in fast.parameters())
