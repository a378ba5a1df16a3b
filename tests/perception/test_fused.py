import copy
import pickle
from dataclasses import replace

import pytest
import torch
from small_perception import CONFIG, random_input, ring_rig, small_network
from torch import nn

from perception.contract import PerceptionInput
from perception.folding import for_inference
from perception.fused import FusedConvolution, PlannedLift, is_fusible
from perception.network import PerceptionNetwork


def trained(backbone="resnet_w16", lift="pull"):
    """A network whose normalisations have seen a batch."""
    torch.manual_seed(0)
    network = PerceptionNetwork(replace(CONFIG, backbone=backbone, lift=lift)).train()
    network(random_input(frames=2), network.table(ring_rig()))
    return network.eval()


def assert_equal_outputs(first, second):
    for one, other in zip(first, second, strict=True):
        assert torch.allclose(one, other, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize(("backbone", "lift"), [("resnet_w16", "pull"), ("swin_v2", "pull"), ("resnet_w16", "splat")])
def test_a_prepared_network_predicts_the_same_with_a_past(backbone, lift):
    network = trained(backbone, lift)
    table, inputs = network.table(ring_rig()), random_input(batch=1, frames=2)
    fast = for_inference(network)
    for _ in range(2):
        assert_equal_outputs(network(inputs, table), fast(inputs, table))


@torch.no_grad()
def test_the_lift_follows_missing_cameras_another_rig_and_batches():
    network = trained()
    fast = for_inference(network)
    inputs, table = random_input(batch=1), network.table(ring_rig())
    first = fast(inputs, table)
    present = inputs.present.clone()
    present[..., 1] = False
    without = PerceptionInput(inputs.images, present, inputs.then_from_now, inputs.age_s)
    assert_equal_outputs(network(without, table), fast(without, table))
    assert not torch.allclose(first.bev, fast(without, table).bev)
    other = network.table(ring_rig((10.0, 100.0, 190.0, -80.0)))
    assert_equal_outputs(network(inputs, other), fast(inputs, other))
    assert_equal_outputs(network(random_input(), table), fast(random_input(), table))


@torch.no_grad()
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))])
def test_a_prepared_network_that_has_run_can_be_copied(copied):
    network = for_inference(trained())
    table, inputs = network.table(ring_rig()), random_input(batch=1)
    expected = network(inputs, table)
    assert_equal_outputs(expected, copied(network)(inputs, table))


def test_the_network_itself_stays_as_it_is():
    network = small_network()
    before = list(network.state_dict())
    fast = for_inference(network)
    assert list(network.state_dict()) == before
    assert not any(isinstance(module, PlannedLift) for module in network.modules())
    assert any(isinstance(module, PlannedLift) for module in fast.modules())


@torch.no_grad()
def test_a_fused_convolution_rectifies_its_result_or_the_sum_with_another():
    convolution = nn.Conv2d(3, 4, 3, padding=1)
    x, other = torch.randn(1, 3, 6, 5), torch.randn(1, 4, 6, 5)
    plain = convolution(x)
    assert torch.allclose(FusedConvolution(convolution)(x), plain, atol=1e-6)
    assert torch.allclose(FusedConvolution(convolution, "relu")(x), plain.relu(), atol=1e-6)
    assert torch.allclose(FusedConvolution(convolution).added(x, other), (plain + other).relu(), atol=1e-6)


def test_other_layers_are_not_fused():
    assert is_fusible(nn.Conv2d(3, 4, 3, padding=1))
    assert not is_fusible(nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"))
    assert not is_fusible(nn.Conv2d(3, 4, 3, padding="same"))
    assert not is_fusible(nn.Conv2d(3, 4, 3).double())
    assert not is_fusible(nn.Linear(3, 4))
