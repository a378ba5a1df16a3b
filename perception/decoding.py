"""Network outputs to boxes with scores, and to grids of probabilities."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int64
from torch import Tensor
from torch.nn import functional

from perception.boxes import Boxes, decode_parameters
from perception.contract import PerceptionOutput
from perception.grid import BevGrid

MIN_SCORE = 0.1
MAX_BOXES = 100
"""Per sample, over all classes."""
MERGE_RADIUS_M = (1.6, 0.4, 0.7, 0.4)
"""Of two boxes of a class whose centres are closer than this, the one with the lower score is dropped."""


@dataclass(frozen=True, kw_only=True)
class Detections:
    """Boxes of one instant in the ego frame, highest score first."""

    boxes: Boxes
    scores: Float64[np.ndarray, "boxes"]

    def take(self, rows: Int64[np.ndarray, "rows"] | Bool[np.ndarray, "boxes"]) -> "Detections":
        """The detections of some rows."""
        return Detections(boxes=self.boxes.take(rows), scores=self.scores[rows])

    @classmethod
    def none(cls) -> "Detections":
        """No detections."""
        return cls(boxes=Boxes.none(), scores=np.zeros(0))


@dataclass(frozen=True, kw_only=True)
class PerceivedGrid:
    """Probabilities over the grid of the ego frame at one instant; see `contract` for the classes."""

    grid: BevGrid
    occupancy: Float32[np.ndarray, "2 X Y"]
    road: Float32[np.ndarray, "4 X Y"]
    direction: Float32[np.ndarray, "2 X Y"]
    """Cosine and sine of the lane direction; short where the network is uncertain."""
    future: Float32[np.ndarray, "3 X Y"]
    flow_m: Float32[np.ndarray, "3 2 X Y"]


def decode_boxes(output: PerceptionOutput, grid: BevGrid, min_score: float = MIN_SCORE) -> list[Detections]:
    """Boxes of each sample: local maxima of the heatmaps, without near duplicates.

    Args:
        output: Of the network, on any device.
        grid: Of the heads.
        min_score: Lowest probability of a centre.
    """
    # The channels of all heads lie side by side in memory; the maxima need neighbouring cells.
    heat = torch.sigmoid(output.centres.detach().float().contiguous())
    is_peak = (heat == _largest_around(heat)) & (heat >= min_score)
    detections = []
    for sample in range(len(heat)):
        found = is_peak[sample].nonzero()
        scores = heat[sample][tuple(found.T)]
        order = torch.argsort(scores, descending=True, stable=True)[:MAX_BOXES]
        found, scores = found[order], scores[order]
        values = output.boxes[sample].detach()[:, found[:, 1], found[:, 2]].double().T
        classes, cells = found[:, 0].cpu().numpy(), found[:, 1:].cpu().numpy()
        boxes = decode_parameters(grid, cells, classes, values.cpu().numpy())
        every = Detections(boxes=boxes, scores=scores.double().cpu().numpy())
        detections.append(every.take(_without_duplicates(boxes)))
    return detections


def _largest_around(heat: Float[Tensor, "B E X Y"]) -> Float[Tensor, "B E X Y"]:
    """Largest of the 3 x 3 values around each cell, none of them negative: `max_pool2d` takes 10 times as long."""
    padded = functional.pad(heat, (1, 1, 1, 1))
    rows = torch.maximum(torch.maximum(padded[..., :-2], padded[..., 1:-1]), padded[..., 2:])
    return torch.maximum(torch.maximum(rows[..., :-2, :], rows[..., 1:-1, :]), rows[..., 2:, :])


def decode_grid(output: PerceptionOutput, grid: BevGrid, sample: int = 0) -> PerceivedGrid:
    """Grids of one sample."""
    occupancy, road, future = (
        torch.sigmoid(value[sample].detach().float().contiguous()).cpu().numpy()
        for value in (output.occupancy, output.road, output.future)
    )
    return PerceivedGrid(
        grid=grid,
        occupancy=occupancy,
        road=road,
        direction=output.direction[sample].detach().float().cpu().numpy(),
        future=future,
        flow_m=output.flow[sample].detach().float().cpu().numpy(),
    )


def _without_duplicates(boxes: Boxes) -> Bool[np.ndarray, "boxes"]:
    """Mask of the boxes, sorted by score, that are not close to a better one of their class."""
    gaps = np.linalg.norm(boxes.poses[:, np.newaxis, :2] - boxes.poses[np.newaxis, :, :2], axis=-1)
    radius = np.array(MERGE_RADIUS_M)[boxes.classes]
    is_close = (gaps < radius[:, np.newaxis]) & (boxes.classes[:, np.newaxis] == boxes.classes)
    kept = np.ones(len(boxes.classes), dtype=bool)
    for row in range(len(kept)):
        kept[row] = not (is_close[row, :row] & kept[:row]).any()
    return kept
