from dataclasses import replace

import numpy as np
import pytest
import torch
from small_perception import CONFIG, random_input, ring_rig, small_network

from perception.contract import PerceptionInput
from perception.export import OUTPUTS, export_onnx, lift_inputs, onnx_inputs, require_plain_operators
from perception.images import network_images
from perception.network import PerceptionNetwork
from perception.temporal import warped

RIG = ring_rig((0.0, 45.0, 90.0, 180.0, -90.0))
"""The camera at 45 degrees shows what its neighbours show."""


def images(seed):
    return np.random.default_rng(seed).integers(0, 255, (5, 32, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize("backbone", ["resnet_w16", "swin_v2"])
def test_an_exported_network_equals_torch_also_with_a_past_and_a_missing_camera(tmp_path, backbone):
    pytest.importorskip("onnx", reason="needs the extra onnx")
    runtime = pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    torch.manual_seed(0)
    network = PerceptionNetwork(replace(CONFIG, backbone=backbone)).eval()
    table, present = network.table(RIG), np.array([True, True, False, True, True])
    export_onnx(network, RIG, tmp_path / "perception.onnx")
    session = runtime.InferenceSession(str(tmp_path / "perception.onnx"), providers=["CPUExecutionProvider"])
    motion = torch.tensor([[1.0, 0.2, 0.1]])
    inputs = PerceptionInput(
        images=torch.stack([network_images(images(seed)) for seed in (0, 1)])[None],
        present=torch.stack([torch.ones(5, dtype=torch.bool), torch.from_numpy(present)])[None],
        then_from_now=torch.stack([motion, torch.zeros(1, 3)], dim=1),
        age_s=torch.tensor([[0.5, 0.0]]),
    )
    with torch.no_grad():
        expected = network(inputs, table)
        before = network(PerceptionInput(*(value[:, :1] for value in inputs)), table).memory
    moved, covered = warped(before, motion, CONFIG.feature_grid)
    found = session.run(None, onnx_inputs(network, table, images(1), present, (moved, covered, 0.5)))
    for name, value, truth in zip(OUTPUTS, found, expected, strict=True):
        assert value == pytest.approx(truth.numpy(), abs=1e-4), name


CELLS = int(np.prod(CONFIG.feature_grid.shape))


def test_the_indices_of_the_lift_give_the_same_sums():
    network = small_network()
    table, present = network.table(RIG), np.array([True, True, False, True, True])
    lift = lift_inputs(table, present, CELLS)
    assert 0 < len(lift["more_pixels"]) < len(lift["pixels"])
    points = len(CONFIG.points.offsets_m)
    values = np.random.default_rng(0).normal(size=(table.rays.shape[1], points))
    first = (values.ravel()[lift["pixels"]] * lift["weights"]).sum(axis=1)
    further = (values.ravel()[lift["more_pixels"]] * lift["more_weights"]).sum(axis=1)
    found = first + np.concatenate([[0.0], further])[lift["more"]]
    weights = table.weights[0] * torch.from_numpy(present)[table.cameras[0]]
    weights = (weights / weights.sum(dim=-1, keepdim=True).clamp(min=0.5)).numpy().reshape(CELLS, points, -1)
    pixels = table.pixels[0].numpy().reshape(CELLS, points, -1)
    expected = (values[pixels, np.arange(points)[:, np.newaxis]] * weights).sum(axis=(1, 2))
    assert found == pytest.approx(expected, abs=1e-6)


def test_a_rig_without_overlap_has_one_unused_row():
    table = small_network().table(ring_rig((0.0, 180.0)))
    lift = lift_inputs(table, np.ones(2, dtype=bool), CELLS)
    assert lift["more"].max() == 0
    assert lift["more_pixels"].shape == lift["more_weights"].shape == (1, 4 * len(CONFIG.points.offsets_m))
    assert not lift["more_weights"].any()


def test_operators_of_other_domains_and_grid_sample_are_refused():
    class Node:
        def __init__(self, op_type, domain=""):
            self.op_type, self.domain = op_type, domain

    class Model:
        def __init__(self, *nodes):
            self.graph = type("Graph", (), {"node": nodes})

    require_plain_operators(Model(Node("Conv"), Node("Gather", "ai.onnx")))
    with pytest.raises(ValueError, match="Fancy, GridSample"):
        require_plain_operators(Model(Node("GridSample"), Node("Fancy", "com.example"), Node("Conv")))


def test_a_network_with_splat_cannot_be_exported(tmp_path):
    pytest.importorskip("onnx", reason="needs the extra onnx")
    network = PerceptionNetwork(replace(CONFIG, lift="splat"))
    with pytest.raises(ValueError, match="Only networks with the lift 'pull'"):
        export_onnx(network, RIG, tmp_path / "perception.onnx")


def test_inputs_of_the_export_match_the_forward_of_torch_without_a_past():
    network = small_network()
    inputs = onnx_inputs(network, network.table(ring_rig()), images(0)[:4], np.ones(4, dtype=bool))
    assert inputs["past"].shape == (1, 8, 16, 16)
    assert not inputs["covered"].any()
    assert random_input().images.shape[-2:] == inputs["images"].shape[1:3]
