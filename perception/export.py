"""Export of a perception network to one ONNX file without custom operators and without GridSample.

The lift becomes a gather by indices that are inputs of the model, so one file serves every rig with the same number
of cameras. The warp of past features by the motion of the ego is left to the caller (`temporal.warped`), which also
keeps the output `memory` for it. Needs the extra `onnx`.

    export_onnx(network, rig, Path("perception.onnx"))
    session = onnxruntime.InferenceSession("perception.onnx")
    outputs = session.run(None, onnx_inputs(network, table, images, present))
"""

import copy
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

from driving.cameras import CameraRig
from perception.contract import PerceptionInput, PerceptionOutput
from perception.folding import folded
from perception.images import network_images, normalised
from perception.lift import LiftTable, PullLift, present_weights
from perception.network import PerceptionNetwork

OPSET = 18
LIFT_INPUTS = ("pixels", "weights", "more", "more_pixels", "more_weights")
INPUTS = ("images", "present", *LIFT_INPUTS, "rays", "past", "covered", "age_s")
"""uint8 (C, H, W, 3); bool (1, C); the lift; float32 (1, P, 3), (1, D, x, y), (1, x, y), (1, 1). Without a past,
`covered` is zero."""
OUTPUTS = PerceptionOutput._fields
BATCH = 256
"""Cells that are lifted together, so that their features stay in the cache of a core."""
ALLOWED_DOMAINS = ("", "ai.onnx")


class _Exported(nn.Module):
    """One sample with its past, in operators that ONNX has."""

    def __init__(self, network: PerceptionNetwork) -> None:
        super().__init__()
        if not isinstance(network.lift, PullLift):
            raise ValueError("Only networks with the lift 'pull' can be exported: a splat needs a scatter.")
        self.network, self.pull = network, network.lift
        network.temporal.compare[0] = _PaddedConvolution(network.temporal.compare[0])

    def forward(
        self,
        images: Tensor,
        present: Tensor,
        *rest: Tensor,
    ) -> tuple[Tensor, ...]:
        network, pull = self.network, self.pull
        pixels, weights, more, more_pixels, more_weights, rays, past, covered, age_s = rest
        frame = normalised(images)[None]
        features = network.image_features(frame)
        rows = features.permute(0, 1, 3, 4, 2).flatten(0, 3)
        # The linear layer first: sums of its outputs are shorter than its inputs.
        by_point = pull.mix.weight.unflatten(1, (pull.num_points, -1)).permute(2, 1, 0)
        mixed = (rows @ by_point.flatten(1)).reshape(-1, pull.mix.out_features)
        further = self._cells(mixed, more_pixels, more_weights)
        further = torch.cat([torch.zeros_like(further[:1]), further])
        cells = [
            self._cells(mixed, tapped, weighted) + further[added]
            for tapped, weighted, added in zip(*(part.split(BATCH) for part in (pixels, weights, more)), strict=False)
        ]
        memory = network.lifted((torch.cat(cells) + pull.mix.bias).T.reshape(1, -1, *pull.shape))
        used = torch.ones(1, 1, dtype=torch.bool)
        fused = network.temporal(memory, past[:, None], covered[:, None], age_s, used)
        table = LiftTable(*(rays for _ in LiftTable._fields))
        return tuple(network.predict(frame, memory, fused, table, present))

    def _cells(self, mixed: Tensor, pixels: Tensor, weights: Tensor) -> Tensor:
        """Weighted sums of the outputs of the linear layer."""
        seen = weights.reshape(weights.shape[0], self.pull.num_points, -1).sum(dim=-1)
        sums: Tensor = torch.matmul(weights[:, None], mixed[pixels])[:, 0] + self.pull.mix_seen(seen)
        return sums


class _PaddedConvolution(nn.Module):
    """A convolution with zeros as further input channels: runtimes have fast convolutions for multiples of 8 only."""

    def __init__(self, convolution: nn.Module) -> None:
        super().__init__()
        assert isinstance(convolution, nn.Conv2d)
        self.convolution = copy.deepcopy(convolution)
        self.padding = (0, 0, 0, 0, 0, -convolution.in_channels % 8)
        self.convolution.weight = nn.Parameter(functional.pad(convolution.weight, self.padding), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.convolution(functional.pad(x, self.padding))
        return result


def lift_inputs(table: LiftTable, present: Bool[np.ndarray, "C"], num_cells: int) -> dict[str, np.ndarray]:
    """The lift of one rig as indices and weights.

    One camera shows most points, so the taps of further cameras are listed only for the M cells that have some.
    Indices count the S points of a cell within each feature pixel: pixel * S + point.

    Args:
        table: Of the rig.
        present: Cameras that are used.
        num_cells: Of the feature grid.

    Returns:
        `pixels`, `weights`: (cells, S * 4). `more`: (cells,), 0, or 1 + row of the further taps. `more_pixels`,
        `more_weights`: (M, S * (K - 4)).
    """
    points = table.pixels.shape[1] // num_cells
    pixels = table.pixels[0].numpy().reshape(num_cells, points, -1)
    pixels = pixels * points + np.arange(points)[:, np.newaxis]
    weights = present_weights(table, 0, torch.from_numpy(present)).numpy().reshape(pixels.shape)
    if pixels.shape[-1] == 4:
        pixels, weights = (np.pad(part, ((0, 0), (0, 0), (0, 4))) for part in (pixels, weights))
    further = table.weights[0].numpy().reshape(num_cells, points, -1)[..., 4:]
    rows = np.flatnonzero((further > 0).any(axis=(1, 2)))
    more = np.zeros(num_cells, dtype=np.int64)
    more[rows] = 1 + np.arange(len(rows))
    # At least one row, because some runtimes refuse empty arrays.
    listed = rows if len(rows) else np.zeros(1, dtype=np.int64)
    return {
        "pixels": np.ascontiguousarray(pixels[..., :4]).reshape(num_cells, -1),
        "weights": np.ascontiguousarray(weights[..., :4]).reshape(num_cells, -1),
        "more": more,
        "more_pixels": np.ascontiguousarray(pixels[listed, :, 4:]).reshape(len(listed), -1),
        "more_weights": np.ascontiguousarray(weights[listed, :, 4:]).reshape(len(listed), -1),
    }


def onnx_inputs(
    network: PerceptionNetwork,
    table: LiftTable,
    images: UInt8[np.ndarray, "C H W 3"],
    present: Bool[np.ndarray, "C"],
    past: tuple[Float[Tensor, "1 D x y"], Float[Tensor, "1 x y"], float] | None = None,
) -> dict[str, np.ndarray]:
    """Inputs of the exported model.

    Args:
        network: That was exported.
        table: Of the rig, `network.table(rig)`.
        images: Of the network's size.
        present: Cameras that are used.
        past: Features `memory` of a past run, warped by `temporal.warped`; the cells that they cover; their age [s].
    """
    config = network.config
    shape = config.feature_grid.shape
    if past is None:
        past = torch.zeros(1, config.bev_channels, *shape), torch.zeros(1, *shape), 0.5
    features, covered, age_s = past
    return {
        "images": images,
        "present": present[np.newaxis],
        **lift_inputs(table, present, int(np.prod(shape))),
        "rays": table.rays.numpy(),
        "past": features.numpy(),
        "covered": covered.numpy(),
        "age_s": np.full((1, 1), age_s, dtype=np.float32),
    }


def export_onnx(network: PerceptionNetwork, rig: CameraRig, path: Path) -> None:
    """Write a network as ONNX and check the operators.

    Args:
        network: To export; normalisations are folded.
        rig: Of the network's size; decides the number of cameras, and how many of them may show one point.
        path: Of the file.

    Raises:
        ModuleNotFoundError: Without the extra `onnx`.
        ValueError: When the network cannot be exported.
    """
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "Export needs the package onnx. Install it with: pip install 'camber[onnx]'."
        ) from error
    table = network.table(rig)
    height, width = network.config.image_size
    images = np.zeros((len(rig.names), height, width, 3), dtype=np.uint8)
    inputs = onnx_inputs(network, table, images, np.ones(len(rig.names), dtype=bool))
    module = _Exported(folded(network)).eval()
    with warnings.catch_warnings():
        # Shapes become constants, as intended; and the exporter by tracing, which is deprecated, is faster.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            tuple(torch.from_numpy(inputs[name]) for name in INPUTS),
            str(path),
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            dynamic_axes={name: {0: "further_cells"} for name in ("more_pixels", "more_weights")},
            opset_version=OPSET,
            dynamo=False,
        )
    require_plain_operators(onnx.load(str(path)))


@torch.inference_mode()
def largest_difference(
    network: PerceptionNetwork, rig: CameraRig, path: Path, images: UInt8[np.ndarray, "C H W 3"]
) -> float:
    """Largest absolute difference between the outputs of an exported file and those of torch, without a past.

    Args:
        network: That was exported, in inference mode.
        rig: Of the images.
        path: Of the file.
        images: Of the network's size, one per camera.

    Raises:
        ModuleNotFoundError: Without the extra `onnx`.
    """
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "The comparison needs the package onnxruntime. Install it with: pip install 'camber[onnx]'."
        ) from error
    table, present = network.table(rig), np.ones(len(rig.names), dtype=bool)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run(None, onnx_inputs(network, table, images, present))
    inputs = PerceptionInput(
        images=network_images(images)[None, None],
        present=torch.from_numpy(present)[None, None],
        then_from_now=torch.zeros(1, 1, 3),
        age_s=torch.zeros(1, 1),
    )
    expected = network(inputs, table)
    return max(float(np.abs(one - other.numpy()).max()) for one, other in zip(found, expected, strict=True))


def require_plain_operators(model: Any) -> None:
    """Raise unless a model has standard operators only, and no GridSample.

    Raises:
        ValueError: Names the operators.
    """
    bad = {node.op_type for node in model.graph.node if node.domain not in ALLOWED_DOMAINS}
    bad |= {node.op_type for node in model.graph.node if node.op_type == "GridSample"}
    if bad:
        raise ValueError(f"The model has operators that not every runtime offers: {', '.join(sorted(bad))}.")
