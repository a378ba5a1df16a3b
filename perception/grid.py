"""The bird's-eye-view grid around the ego.

Arrays over the grid have axes X, Y: the first index grows forward, the second to the left. Cell (0, 0) is the
rearmost and rightmost. The ego frame has its origin at the rear axle, on the road.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64


@dataclass(frozen=True, kw_only=True)
class BevGrid:
    """A rectangle in the ego frame, divided into square cells."""

    x_min_m: float = -32.0
    x_max_m: float = 32.0
    y_min_m: float = -32.0
    y_max_m: float = 32.0
    cell_m: float = 0.5

    def __post_init__(self) -> None:
        for name, low, high in (("x", self.x_min_m, self.x_max_m), ("y", self.y_min_m, self.y_max_m)):
            cells = (high - low) / self.cell_m if self.cell_m > 0 else 0.0
            if cells < 1 or abs(cells - round(cells)) > 1e-6:
                raise ValueError(
                    f"A grid needs a whole number of cells along {name}, got {low} to {high} m in cells of"
                    f" {self.cell_m} m."
                )

    @property
    def shape(self) -> tuple[int, int]:
        """Number of cells along x and y."""
        return (
            round((self.x_max_m - self.x_min_m) / self.cell_m),
            round((self.y_max_m - self.y_min_m) / self.cell_m),
        )

    def coarser(self, factor: int) -> "BevGrid":
        """The same rectangle in cells that are `factor` times as long."""
        return BevGrid(
            x_min_m=self.x_min_m,
            x_max_m=self.x_max_m,
            y_min_m=self.y_min_m,
            y_max_m=self.y_max_m,
            cell_m=self.cell_m * factor,
        )

    def centres(self) -> Float64[np.ndarray, "x y 2"]:
        """Centres of the cells [m]."""
        num_x, num_y = self.shape
        x = self.x_min_m + (np.arange(num_x) + 0.5) * self.cell_m
        y = self.y_min_m + (np.arange(num_y) + 0.5) * self.cell_m
        return np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1)

    def cells_of(self, points_m: Float64[np.ndarray, "points 2"]) -> Int64[np.ndarray, "points 2"]:
        """Cells that contain points; outside the grid the indices are negative or too large."""
        corner = np.array([self.x_min_m, self.y_min_m])
        return np.floor((points_m - corner) / self.cell_m).astype(np.int64)

    def contains(self, points_m: Float64[np.ndarray, "points 2"]) -> Bool[np.ndarray, "points"]:
        """Whether points lie inside the rectangle."""
        cells = self.cells_of(points_m)
        return np.all((cells >= 0) & (cells < np.array(self.shape)), axis=-1)
