"""Boxes of agents in the ego frame, and their encoding as centre heatmaps and maps of parameters."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from perception.contract import BOX_PARAMETERS, CENTRE_CLASSES
from perception.grid import BevGrid

SIGMA_M = (0.9, 0.6, 0.6, 0.6)
"""Standard deviation of the heatmap around a centre, by class."""
BOX_RADIUS_CELLS = 1
"""Cells around the centre's cell at which the parameters are trained."""
SIZE_RANGE_M = (0.05, 30.0)
"""Range of decoded lengths, widths and heights."""


@dataclass(frozen=True, kw_only=True)
class Boxes:
    """Boxes in the ego frame."""

    classes: Int64[np.ndarray, "boxes"]
    """Index into `CENTRE_CLASSES`."""
    poses: Float64[np.ndarray, "boxes 3"]
    """x, y [m] and heading [rad] of the centres."""
    sizes_m: Float64[np.ndarray, "boxes 3"]
    """Length, width, height."""
    velocities_mps: Float64[np.ndarray, "boxes 2"]
    """Over ground, along the axes of the ego frame."""

    @classmethod
    def none(cls) -> "Boxes":
        """No boxes."""
        return cls(
            classes=np.zeros(0, dtype=np.int64),
            poses=np.zeros((0, 3)),
            sizes_m=np.zeros((0, 3)),
            velocities_mps=np.zeros((0, 2)),
        )

    def take(self, rows: Int64[np.ndarray, "rows"] | Bool[np.ndarray, "boxes"]) -> "Boxes":
        """The boxes of some rows."""
        return Boxes(
            classes=self.classes[rows],
            poses=self.poses[rows],
            sizes_m=self.sizes_m[rows],
            velocities_mps=self.velocities_mps[rows],
        )


def encode_boxes(
    grid: BevGrid, boxes: Boxes
) -> tuple[Float32[np.ndarray, "4 X Y"], Float32[np.ndarray, "9 X Y"], Bool[np.ndarray, "X Y"]]:
    """Targets of the box heads: heatmaps, parameters, and the cells at which the parameters hold.

    Boxes with their centre outside of the grid are left out. Where the surroundings of two centres overlap, a cell
    has the parameters of the closer one.
    """
    heat = np.zeros((len(CENTRE_CLASSES), *grid.shape), dtype=np.float32)
    values = np.zeros((len(BOX_PARAMETERS), *grid.shape), dtype=np.float32)
    nearest_m = np.full(grid.shape, np.inf)
    inside = boxes.take(grid.contains(boxes.poses[:, :2]))
    centres = grid.centres()
    for row, cell in enumerate(grid.cells_of(inside.poses[:, :2])):
        sigma = SIGMA_M[inside.classes[row]]
        area = _around(cell, int(np.ceil(3 * sigma / grid.cell_m)), grid)
        squared = ((centres[area] - centres[tuple(cell)]) ** 2).sum(axis=-1)
        patch = heat[inside.classes[row]][area]
        np.maximum(patch, np.exp(-squared / (2 * sigma**2)), out=patch, casting="same_kind")
        area = _around(cell, BOX_RADIUS_CELLS, grid)
        offsets = inside.poses[row, :2] - centres[area]
        distance = np.linalg.norm(offsets, axis=-1)
        closer = distance < nearest_m[area]
        heading = inside.poses[row, 2]
        fixed = np.concatenate(
            [
                np.log(inside.sizes_m[row]),
                [np.sin(heading), np.cos(heading)],
                inside.velocities_mps[row],
            ]
        )
        values[:2, *area][:, closer] = offsets[closer].T
        values[2:, *area][:, closer] = fixed[:, np.newaxis]
        nearest_m[area][closer] = distance[closer]
    return heat, values, np.isfinite(nearest_m)


def decode_parameters(
    grid: BevGrid,
    cells: Int64[np.ndarray, "boxes 2"],
    classes: Int64[np.ndarray, "boxes"],
    values: Float64[np.ndarray, "boxes 9"],
) -> Boxes:
    """The inverse of `encode_boxes` at some cells.

    Args:
        grid: Of the heads.
        cells: Where the parameters were read.
        classes: Of the boxes.
        values: Parameters in the order of `BOX_PARAMETERS`.
    """
    corner = np.array([grid.x_min_m, grid.y_min_m])
    positions = corner + (cells + 0.5) * grid.cell_m + values[:, :2]
    heading = np.arctan2(values[:, 5], values[:, 6])
    low, high = np.log(SIZE_RANGE_M)
    return Boxes(
        classes=classes,
        poses=np.concatenate([positions, heading[:, np.newaxis]], axis=1),
        sizes_m=np.exp(values[:, 2:5].clip(low, high)),
        velocities_mps=values[:, 7:9].copy(),
    )


def _around(cell: Int64[np.ndarray, "2"], radius: int, grid: BevGrid) -> tuple[slice, slice]:
    low = np.maximum(cell - radius, 0)
    high = np.minimum(cell + radius + 1, grid.shape)
    return slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1]))
