"""A small perception network, rig and batch for tests."""

import numpy as np
import torch

from driving.cameras import CameraRig, camera_poses
from perception.boxes import Boxes, encode_boxes
from perception.contract import PerceptionInput, PerceptionTargets
from perception.grid import BevGrid
from perception.network import PerceptionConfig, PerceptionNetwork

GRID = BevGrid(x_min_m=-8.0, x_max_m=8.0, y_min_m=-8.0, y_max_m=8.0)
CONFIG = PerceptionConfig(
    backbone="resnet_w16",
    image_size=(32, 64),
    image_channels=8,
    bev_channels=8,
    head_channels=8,
    fusion_channels=4,
    grid=GRID,
)


def ring_rig(yaws_deg: tuple[float, ...] = (0.0, 90.0, 180.0, -90.0), size: tuple[int, int] = (64, 32)) -> CameraRig:
    """Cameras with a field of view of 90 degrees, 1.5 m above the rear axle."""
    count = len(yaws_deg)
    intrinsics = np.tile(np.eye(3), (count, 1, 1))
    intrinsics[:, [0, 1], [0, 1]] = size[0] / 2
    intrinsics[:, :2, 2] = (size[0] - 1) / 2, (size[1] - 1) / 2
    return CameraRig(
        names=tuple(f"CAM_{yaw:.0f}" for yaw in yaws_deg),
        intrinsics=intrinsics,
        distortion=np.zeros((count, 5)),
        ego_from_camera=camera_poses(np.tile([0.0, 0.0, 1.5], (count, 1)), np.radians(yaws_deg), np.zeros(count)),
        image_sizes=np.tile(np.array(size, dtype=np.int64), (count, 1)),
    )


def small_network(seed: int = 0) -> PerceptionNetwork:
    """Untrained, in inference mode."""
    torch.manual_seed(seed)
    return PerceptionNetwork(CONFIG).eval()


def random_input(batch: int = 2, frames: int = 1, cameras: int = 4, seed: int = 0) -> PerceptionInput:
    """Noise images; the past is 0.5 s apart and the ego stands."""
    height, width = CONFIG.image_size
    generator = torch.Generator().manual_seed(seed)
    ages = torch.arange(frames - 1, -1, -1) * 0.5
    return PerceptionInput(
        images=torch.randn(batch, frames, cameras, 3, height, width, generator=generator),
        present=torch.ones(batch, frames, cameras, dtype=torch.bool),
        then_from_now=torch.zeros(batch, frames, 3),
        age_s=ages.expand(batch, -1).clone(),
    )


def small_targets(batch: int = 2) -> PerceptionTargets:
    """One vehicle ahead on a road that covers the left half."""
    cells = (batch, *GRID.shape)
    heat, values, where = encode_boxes(
        GRID,
        Boxes(
            classes=np.array([0]),
            poses=np.array([[4.0, 0.0, 0.1]]),
            sizes_m=np.array([[4.5, 1.9, 1.6]]),
            velocities_mps=np.array([[3.0, 0.0]]),
        ),
    )
    vehicle = torch.zeros(cells, dtype=torch.bool)
    vehicle[:, 20:28, 14:18] = True
    road = torch.zeros(cells, dtype=torch.bool)
    road[:, :, 16:] = True
    return PerceptionTargets(
        centres=torch.from_numpy(heat).repeat(batch, 1, 1, 1),
        boxes=torch.from_numpy(values).repeat(batch, 1, 1, 1),
        box_cells=torch.from_numpy(where).repeat(batch, 1, 1),
        occupancy=torch.stack([vehicle, torch.zeros_like(vehicle)], dim=1),
        road=torch.stack([road, *(torch.zeros_like(road) for _ in range(3))], dim=1),
        direction=torch.stack([road.float(), torch.zeros(cells)], dim=1),
        future=vehicle[:, None].repeat(1, 3, 1, 1),
        flow=torch.zeros(batch, 3, 2, *GRID.shape),
        signal=torch.full((batch,), 2),
        signal_place=torch.full((batch,), 1),
        agents_seen=torch.ones(cells, dtype=torch.bool),
        ground_seen=torch.ones(cells, dtype=torch.bool),
    )
