from dataclasses import replace

import pytest
import torch
from small_perception import CONFIG, random_input, ring_rig, small_network

from perception.contract import PerceptionInput
from perception.network import PerceptionConfig, PerceptionNetwork


def test_outputs_have_the_shapes_of_the_contract():
    network = small_network()
    output = network(random_input(), network.table(ring_rig()))
    shapes = {name: tuple(value.shape) for name, value in output._asdict().items()}
    assert shapes == {
        "centres": (2, 4, 32, 32),
        "boxes": (2, 9, 32, 32),
        "occupancy": (2, 2, 32, 32),
        "road": (2, 4, 32, 32),
        "direction": (2, 2, 32, 32),
        "future": (2, 3, 32, 32),
        "flow": (2, 3, 2, 32, 32),
        "signal": (2, 4),
        "signal_place": (2, 1 + CONFIG.image_size[0] // 8 * (CONFIG.image_size[1] // 8)),
        "memory": (2, 8, 16, 16),
        "bev": (2, 8, 16, 16),
    }


def test_a_batch_equals_its_members():
    network = small_network()
    table, inputs = network.table(ring_rig()), random_input(frames=2)
    both = network(inputs, table)
    alone = network(PerceptionInput(*(value[1:] for value in inputs)), table)
    for first, second in zip(both, alone, strict=True):
        assert torch.allclose(first[1:], second, atol=1e-4)


def test_a_past_without_cameras_equals_no_past():
    network = small_network()
    table, inputs = network.table(ring_rig()), random_input(frames=2)
    inputs.present[:, 0] = False
    now = PerceptionInput(*(value[:, 1:] for value in inputs))
    assert torch.allclose(network(inputs, table).centres, network(now, table).centres, atol=1e-5)


def test_the_past_counts_and_has_no_gradient():
    network = small_network()
    table, inputs = network.table(ring_rig()), random_input(frames=2)
    other = inputs._replace(images=inputs.images.clone().requires_grad_())
    output = network(other, table)
    output.centres.sum().backward()
    assert other.images.grad[:, 0].abs().max() == 0
    assert other.images.grad[:, 1].abs().max() > 0
    other.images.data[:, 0] += 1.0
    assert not torch.allclose(network(other, table).boxes, output.boxes, atol=1e-4)


def test_the_splat_network_has_the_same_outputs():
    network = PerceptionNetwork(replace(CONFIG, lift="splat")).eval()
    assert network(random_input(), network.table(ring_rig())).centres.shape == (2, 4, 32, 32)


def test_the_order_of_the_cameras_does_not_matter():
    network, inputs = small_network(), random_input()
    turned = inputs._replace(images=inputs.images.roll(1, dims=2))
    first = network(inputs, network.table(ring_rig()))
    second = network(turned, network.table(ring_rig((-90.0, 0.0, 90.0, 180.0))))
    assert torch.allclose(first.road, second.road, atol=1e-4)


def test_a_rig_of_another_size_names_the_camera():
    with pytest.raises(ValueError, match="CAM_0 has images of 128 x 64 px, the network needs 64 x 32"):
        small_network().table(ring_rig(size=(128, 64)))


@pytest.mark.parametrize(
    ("change", "message"),
    [({"backbone": "resnet_w25"}, "No backbone named 'resnet_w25'"), ({"lift": "push"}, "No lift named 'push'")],
)
def test_unknown_parts_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        PerceptionConfig(**change)
