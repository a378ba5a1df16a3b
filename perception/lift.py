"""From image features to bird's-eye-view features, for any rig of pinhole cameras with distortion.

`PullLift` samples, for each cell, the image features at fixed points above it (bilinear, averaged over the cameras
that show the point). It has no parameters; the sampling is a sparse matrix, which `lift_table` computes once per rig.
A missing camera is left out of the average. `SplatLift` predicts a distribution of depth per feature pixel and adds
the features to the cells along the ray.

Source:
    Pull: Harley et al., "Simple-BEV", arXiv 2206.07959. Splat: Philion and Fidler, "Lift, Splat, Shoot", arXiv
    2008.05711. Differences: points at chosen places within a cell instead of voxels; no compression of voxels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor, nn
from torch.nn import functional

from driving.cameras import CameraRig, monotone_radius
from perception.grid import BevGrid

NEAR_M = 0.3
"""Points closer than this along the optical axis are not sampled."""
SPLAT_DEPTHS_M = tuple(float(depth) for depth in np.geomspace(2.0, 45.0, 40))
"""Depths along the optical axis to which a `SplatLift` assigns features."""
SPLAT_HEIGHT_M = (-1.0, 3.5)
"""A `SplatLift` drops features outside of these heights above the road."""


@dataclass(frozen=True, kw_only=True)
class LiftPoints:
    """Sampling points of a cell of the feature grid, as (x, y, z) offsets from its centre on the road [m]."""

    offsets_m: tuple[tuple[float, float, float], ...] = (
        (-0.25, -0.25, 0.0),
        (-0.25, 0.25, 0.0),
        (0.25, -0.25, 0.0),
        (0.25, 0.25, 0.0),
        (0.0, 0.0, 0.7),
        (0.0, 0.0, 1.6),
    )
    """Four points on the road keep thin markings apart within a cell of 1 m."""


class LiftTable(NamedTuple):
    """Geometry of R rigs: R is 1 (one rig for the batch) or the size of the batch.

    N points (those of one cell are consecutive), K taps per point, P feature pixels of all
    cameras, M taps of a weight above 0.
    """

    pixels: Int64[Tensor, "R N K"]
    """Feature pixels that contribute to a point."""
    weights: Float[Tensor, "R N K"]
    """Bilinear weights; those of one camera sum to 1, unused taps are 0."""
    cameras: Int64[Tensor, "R N K"]
    """Camera of each tap."""
    taps: Int64[Tensor, "R M"]
    """Indices into the N x K taps, sorted by pixel: the transposed matrix, for the gradient."""
    starts: Int64[Tensor, "R pixels_plus_one"]
    """Taps of pixel p are `starts[p]` to `starts[p + 1]` (exclusive)."""
    rays: Float[Tensor, "R P 3"]
    """Unit directions of the feature pixels in the ego frame."""
    splat_cells: Int64[Tensor, "R P S"]
    """Cell at each depth of `SPLAT_DEPTHS_M`; the number of cells where outside. S is 0 unless made for splatting."""

    def to(self, device: torch.device | str) -> "LiftTable":
        """The table on a device."""
        return LiftTable(*(value.to(device) for value in self))


def visible_pixels(
    rig: CameraRig, camera: int, points_ego: Float64[np.ndarray, "points 3"]
) -> tuple[Float64[np.ndarray, "points 2"], Bool[np.ndarray, "points"]]:
    """Pixels of points, and whether they lie in the image, ahead of the camera and in range of the distortion."""
    pixels, depth = rig.project(camera, points_ego)
    camera_from_ego = np.linalg.inv(rig.ego_from_camera[camera])
    lateral = points_ego @ camera_from_ego[:2, :3].T + camera_from_ego[:2, 3]
    width, height = rig.image_sizes[camera]
    with np.errstate(invalid="ignore", divide="ignore"):
        radius = np.linalg.norm(lateral, axis=-1) / depth
        inside = (pixels > -0.5).all(axis=-1) & (pixels[:, 0] < width - 0.5) & (pixels[:, 1] < height - 0.5)
        return pixels, inside & (depth > NEAR_M) & (radius < monotone_radius(rig.distortion[camera]))


def pixel_rays(
    rig: CameraRig, camera: int, pixels: Float64[np.ndarray, "pixels 2"]
) -> Float64[np.ndarray, "pixels 3"]:
    """Directions of pixels in the ego frame, scaled to depth 1 along the optical axis.

    The distortion is inverted by fixed-point iteration, kept within its monotone range.
    """
    target = (pixels - rig.intrinsics[camera][:2, 2]) / rig.intrinsics[camera][[0, 1], [0, 1]]
    k1, k2, p1, p2, k3 = rig.distortion[camera]
    limit = monotone_radius(rig.distortion[camera])
    point = target.copy()
    for _ in range(20):
        x, y = point.T
        r2 = x**2 + y**2
        radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
        tangential = np.stack([2 * p1 * x * y + p2 * (r2 + 2 * x**2), p1 * (r2 + 2 * y**2) + 2 * p2 * x * y], axis=-1)
        point = (target - tangential) / np.maximum(radial, 0.1)[:, np.newaxis]
        norm = np.linalg.norm(point, axis=-1, keepdims=True)
        point *= np.minimum(1.0, limit / np.maximum(norm, 1e-9))
    directions = np.concatenate([point, np.ones((len(point), 1))], axis=-1)
    return directions @ rig.ego_from_camera[camera][:3, :3].T


def lift_table(
    rig: CameraRig, grid: BevGrid, stride: int, points: LiftPoints | None = None, with_splat: bool = False
) -> LiftTable:
    """The geometry of one rig.

    Args:
        rig: Of the network's images, all of one size.
        grid: Of the features.
        stride: Of the features in the image.
        points: Sampling points of a cell.
        with_splat: Whether to compute the cells of `SplatLift`.

    Raises:
        ValueError: When the images differ in size.
    """
    if (rig.image_sizes != rig.image_sizes[0]).any():
        sizes = [
            f"{name} {width} x {height}" for name, (width, height) in zip(rig.names, rig.image_sizes, strict=True)
        ]
        raise ValueError(f"The network needs images of one size, got {', '.join(sizes)}. Use images.fit_rig.")
    width, height = rig.image_sizes[0].tolist()
    rows, columns = -(-height // stride), -(-width // stride)
    offsets = np.array((points or LiftPoints()).offsets_m)
    ground = np.concatenate([grid.centres().reshape(-1, 2), np.zeros((np.prod(grid.shape), 1))], axis=1)
    points_ego = (ground[:, np.newaxis] + offsets).reshape(-1, 3)
    taps = [_bilinear(rig, camera, points_ego, stride, (rows, columns)) for camera in range(len(rig.names))]
    pixels, weights = (np.stack(parts, axis=1) for parts in zip(*taps, strict=True))
    # Only so many cameras are kept as show one point at most.
    shows = weights[:, :, 0] + weights[:, :, 1] + weights[:, :, 2] + weights[:, :, 3] > 0
    most = max(1, int(shows.sum(axis=1).max()))
    order = np.argsort(~shows, axis=1, kind="stable")[:, :most]
    taken = np.arange(len(order))[:, np.newaxis]
    pixels, weights = (part[taken, order].reshape(len(order), most * 4) for part in (pixels, weights))
    used = np.flatnonzero(weights)
    used = used[np.argsort(pixels.flat[used], kind="stable")]
    starts = np.searchsorted(pixels.flat[used], np.arange(len(rig.names) * rows * columns + 1))
    grid_v, grid_u = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    centres = (np.stack([grid_u, grid_v], axis=-1).reshape(-1, 2) + 0.5) * stride - 0.5
    rays = [pixel_rays(rig, camera, centres) for camera in range(len(rig.names))]
    directions = np.concatenate([ray / np.linalg.norm(ray, axis=-1, keepdims=True) for ray in rays])
    cells = (
        np.stack([_splat_cells(rig, camera, ray, grid) for camera, ray in enumerate(rays)]) if with_splat else None
    )
    return LiftTable(
        pixels=torch.from_numpy(pixels)[None],
        weights=torch.from_numpy(weights.astype(np.float32))[None],
        cameras=torch.from_numpy(np.repeat(order, 4, axis=1))[None],
        taps=torch.from_numpy(used)[None],
        starts=torch.from_numpy(starts)[None],
        rays=torch.from_numpy(directions.astype(np.float32))[None],
        splat_cells=torch.from_numpy(
            cells.reshape(1, len(directions), -1)
            if cells is not None
            else np.zeros((1, len(directions), 0), np.int64)
        ),
    )


def stack_tables(tables: Sequence[LiftTable]) -> LiftTable:
    """One table for a batch in which every sample has its own rig.

    Raises:
        ValueError: When the rigs differ in their number of cameras.
    """
    counts = {table.rays.shape[1] for table in tables}
    if len(counts) > 1:
        raise ValueError(f"The rigs of a batch need as many cameras each, got {sorted(counts)} feature pixels.")
    most = max(table.pixels.shape[2] for table in tables)
    num_taps = max(table.taps.shape[1] for table in tables)
    return LiftTable(
        *(torch.cat(parts) for parts in zip(*(_padded(one, most, num_taps) for one in tables), strict=True))
    )


def _padded(table: LiftTable, most: int, num_taps: int) -> LiftTable:
    """The table with `most` taps per point and `num_taps` sorted taps, whose indices follow."""
    old = table.pixels.shape[2]
    taps = torch.div(table.taps, old, rounding_mode="floor") * most + table.taps % old
    return table._replace(
        pixels=functional.pad(table.pixels, (0, most - old)),
        weights=functional.pad(table.weights, (0, most - old)),
        cameras=functional.pad(table.cameras, (0, most - old)),
        taps=functional.pad(taps, (0, num_taps - taps.shape[1])),
    )


def _bilinear(
    rig: CameraRig,
    camera: int,
    points_ego: Float64[np.ndarray, "points 3"],
    stride: int,
    size: tuple[int, int],
) -> tuple[Int64[np.ndarray, "points 4"], Float64[np.ndarray, "points 4"]]:
    """Four feature pixels per point and their weights; weights are zero where the camera does not show the point."""
    rows, columns = size
    pixels, visible = visible_pixels(rig, camera, points_ego)
    u, v = (np.where(visible[:, np.newaxis], pixels, 0.0).T + 0.5) / stride - 0.5
    u, v = u.clip(0, columns - 1), v.clip(0, rows - 1)
    left, top = np.minimum(u.astype(np.int64), columns - 2), np.minimum(v.astype(np.int64), rows - 2)
    du, dv = u - left, v - top
    first = (camera * rows + top) * columns + left
    indices = np.stack([first, first + 1, first + columns, first + columns + 1], axis=-1)
    weights = np.stack([(1 - du) * (1 - dv), du * (1 - dv), (1 - du) * dv, du * dv], axis=-1)
    return indices, weights * visible[:, np.newaxis]


def _splat_cells(
    rig: CameraRig, camera: int, rays: Float64[np.ndarray, "pixels 3"], grid: BevGrid
) -> Int64[np.ndarray, "pixels depths"]:
    depths = np.array(SPLAT_DEPTHS_M)[:, np.newaxis]
    points = rays[:, np.newaxis] * depths + rig.ego_from_camera[camera][:3, 3]
    cells = grid.cells_of(points[..., :2].reshape(-1, 2)).reshape(*points.shape[:2], 2)
    inside = ((cells >= 0) & (cells < np.array(grid.shape))).all(axis=-1)
    inside &= (points[..., 2] > SPLAT_HEIGHT_M[0]) & (points[..., 2] < SPLAT_HEIGHT_M[1])
    return np.where(inside, cells[..., 0] * grid.shape[1] + cells[..., 1], np.prod(grid.shape))


def present_weights(table: LiftTable, rig: int, present: Bool[Tensor, "C"]) -> Float[Tensor, "N K"]:
    """Weights of one sample: cameras that are missing are left out, the others are averaged."""
    weights = table.weights[rig] * present[table.cameras[rig]]
    return weights / weights.sum(dim=-1, keepdim=True).clamp(min=0.5)


class _Pull(torch.autograd.Function):
    """Weighted sums of rows; `embedding_bag` is 50 times as fast on a CPU as a gather followed by a sum."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, pixels: Tensor, weights: Tensor, transposed: tuple[Tensor, Tensor]) -> Tensor:
        ctx.save_for_backward(weights, *transposed)
        return functional.embedding_bag(pixels, rows, per_sample_weights=weights, mode="sum")

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        weights, taps, starts = ctx.saved_tensors
        taps = taps[: starts[-1]]
        sums = functional.embedding_bag(
            torch.div(taps, weights.shape[1], rounding_mode="floor"),
            gradient.contiguous(),
            starts[:-1],
            per_sample_weights=weights.flatten()[taps],
            mode="sum",
        )
        return sums, None, None, None


class PullLift(nn.Module):
    """Sampling of image features at the points of each cell, followed by a linear layer over all points of a cell."""

    def __init__(self, grid: BevGrid, num_points: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.shape, self.num_points = grid.shape, num_points
        self.mix = nn.Linear(num_points * inputs, outputs)
        self.mix_seen = nn.Linear(num_points, outputs, bias=False)

    def forward(
        self, features: Float[Tensor, "B C D h w"], table: LiftTable, present: Bool[Tensor, "B C"]
    ) -> Float[Tensor, "B E x y"]:
        """Features of the cells; zero features and a zero flag where no camera shows a point."""
        rows = features.permute(0, 1, 3, 4, 2).flatten(1, 3).float().contiguous()
        cells = []
        for sample, row in enumerate(rows):
            rig = sample if len(table.pixels) > 1 else 0
            weights = present_weights(table, rig, present[sample])
            pulled = _Pull.apply(row, table.pixels[rig], weights, (table.taps[rig], table.starts[rig]))
            seen = weights.sum(dim=-1).view(-1, self.num_points)
            cells.append(self.mix(pulled.view(len(seen), -1)) + self.mix_seen(seen))
        return torch.stack(cells).transpose(1, 2).unflatten(2, self.shape)


class SplatLift(nn.Module):
    """Features distributed over the cells along each ray by a predicted distribution of depth."""

    def __init__(self, grid: BevGrid, inputs: int, outputs: int) -> None:
        super().__init__()
        self.shape = grid.shape
        self.depth = nn.Conv2d(inputs, len(SPLAT_DEPTHS_M), 1)
        self.mix = nn.Conv2d(inputs + 1, outputs, 1)

    def forward(
        self,
        features: Float[Tensor, "B C D h w"],
        table: LiftTable,
        present: Bool[Tensor, "B C"],
    ) -> Float[Tensor, "B E x y"]:
        """Features of the cells, and as another channel the sum of the depth probabilities."""
        depth = torch.softmax(self.depth(features.flatten(0, 1)), dim=1).unflatten(0, features.shape[:2])
        depth = depth * present[:, :, None, None, None]
        rows = features.permute(0, 1, 3, 4, 2).flatten(1, 3)
        rows = torch.cat([rows, torch.ones_like(rows[..., :1])], dim=-1)
        shares = depth.permute(0, 1, 3, 4, 2).flatten(1, 3)
        cells = []
        for sample in range(len(rows)):
            rig = sample if len(table.pixels) > 1 else 0
            spread = (shares[sample][..., None] * rows[sample][:, None]).flatten(0, 1)
            target = spread.new_zeros(self.shape[0] * self.shape[1] + 1, rows.shape[-1])
            target = target.index_add(0, table.splat_cells[rig].flatten(), spread)
            cells.append(target[:-1].T.unflatten(1, self.shape))
        return self.mix(torch.stack(cells))
