"""The perception network: images of a rig to bird's-eye-view predictions."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from driving.cameras import CameraRig
from perception.backbones.resnet import ResNet, ResNetConfig
from perception.backbones.swin import SwinBackbone, SwinConfig
from perception.contract import PerceptionInput, PerceptionOutput
from perception.grid import BevGrid
from perception.heads import BevEncoder, GridHeads, SignalHead
from perception.lift import LiftPoints, LiftTable, PullLift, SplatLift, lift_table
from perception.temporal import TemporalFusion, warped

BackboneMaker = Callable[[int], nn.Module]
BACKBONES: dict[str, BackboneMaker] = {
    "resnet_w16": lambda outputs: ResNet(ResNetConfig(width=16), outputs),
    "resnet_w24": lambda outputs: ResNet(ResNetConfig(width=24), outputs),
    "resnet_w32": lambda outputs: ResNet(ResNetConfig(width=32), outputs),
    "resnet_w64": lambda outputs: ResNet(ResNetConfig(width=64), outputs),
    "swin_v1": lambda outputs: SwinBackbone(SwinConfig(version=1), outputs),
    "swin_v2": lambda outputs: SwinBackbone(SwinConfig(version=2), outputs),
}
"""By name: makes a backbone with so many output channels; its `stride` is that of its features."""


@dataclass(frozen=True, kw_only=True)
class PerceptionConfig:
    """Size and geometry of a network; belongs to the checkpoint."""

    backbone: str = "resnet_w24"
    image_size: tuple[int, int] = (128, 352)
    """Height and width [px]."""
    image_channels: int = 48
    """Of the features that are lifted."""
    bev_channels: int = 48
    head_channels: int = 48
    fusion_channels: int = 24
    lift: str = "pull"
    """`pull` or `splat`."""
    points: LiftPoints = field(default_factory=LiftPoints)
    grid: BevGrid = field(default_factory=BevGrid)
    """Of the heads."""
    upsampling: int = 2
    """Cells of the heads per cell of the features, along each axis."""

    def __post_init__(self) -> None:
        if self.backbone not in BACKBONES:
            raise ValueError(f"No backbone named {self.backbone!r}. Known: {sorted(BACKBONES)}.")
        if self.lift not in ("pull", "splat"):
            raise ValueError(f"No lift named {self.lift!r}. Known: pull, splat.")
        if any(cells % (4 * self.upsampling) for cells in self.grid.shape):
            raise ValueError(
                f"The grid of {self.grid.shape} cells must be divisible by {4 * self.upsampling}, because the encoder"
                " halves the features twice."
            )

    @property
    def feature_grid(self) -> BevGrid:
        """Grid of the bird's-eye-view features."""
        return self.grid.coarser(self.upsampling)


class PerceptionNetwork(nn.Module):
    """Images to predictions: backbone, lift, temporal fusion, encoder, heads."""

    # Names of submodules are keys of stored checkpoints.
    def __init__(self, config: PerceptionConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = BACKBONES[config.backbone](config.image_channels)
        self.stride: int = self.backbone.stride  # type: ignore[assignment]
        grid, channels = config.feature_grid, config.bev_channels
        self.lift: PullLift | SplatLift = (
            PullLift(grid, len(config.points.offsets_m), config.image_channels, channels)
            if config.lift == "pull"
            else SplatLift(grid, config.image_channels, channels)
        )
        self.lifted = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
        self.temporal = TemporalFusion(channels, config.fusion_channels)
        # The coordinates of the cells let the encoder learn where roads and agents are frequent.
        x_y = torch.from_numpy(grid.centres()).float().permute(2, 0, 1) / 32.0
        self.register_buffer("coordinates", x_y[None], persistent=False)
        self.place = nn.Conv2d(2, channels, 1)
        self.encoder = BevEncoder(channels)
        self.heads = GridHeads(channels, config.head_channels, config.upsampling)
        self.signal = SignalHead()
        # On a CPU a quarter faster, and the lift reads the features without a copy.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def table(self, rig: CameraRig) -> LiftTable:
        """Geometry of a rig of images of the network's size, see `images.fit_rig`.

        Raises:
            ValueError: When the rig has images of another size.
        """
        height, width = self.config.image_size
        for name, size in zip(rig.names, rig.image_sizes.tolist(), strict=True):
            if size != [width, height]:
                raise ValueError(
                    f"Camera {name} has images of {size[0]} x {size[1]} px, the network needs {width} x {height}."
                    " Use images.fit_rig, so that the intrinsics follow."
                )
        return lift_table(
            rig, self.config.feature_grid, self.stride, self.config.points, with_splat=self.config.lift == "splat"
        )

    def image_features(self, images: Float[Tensor, "B C 3 H W"]) -> Float[Tensor, "B C I h w"]:
        """Features of the images of one frame."""
        features: Tensor = self.backbone(images.flatten(0, 1))
        return features.unflatten(0, images.shape[:2])

    def bev_features(
        self, features: Float[Tensor, "B C I h w"], table: LiftTable, present: Bool[Tensor, "B C"]
    ) -> Float[Tensor, "B D x y"]:
        """Features of one frame from above; later frames use them as their past."""
        bev: Tensor = self.lifted(self.lift(features, table, present))
        return bev

    def predict(
        self,
        images: Float[Tensor, "B C 3 H W"],
        memory: Float[Tensor, "B D x y"],
        fused: Float[Tensor, "B D x y"],
        table: LiftTable,
        present: Bool[Tensor, "B C"],
    ) -> PerceptionOutput:
        """Predictions from the fused features, and of the signal from the images of the present frame."""
        bev = self.encoder(fused + self.place(self.coordinates))
        grids = self.heads(bev)
        flow = grids.pop("flow").unflatten(1, (-1, 2))
        signal, signal_place = self.signal(images, table.rays, present)
        return PerceptionOutput(**grids, flow=flow, signal=signal, signal_place=signal_place, memory=memory, bev=bev)

    def forward(self, inputs: PerceptionInput, table: LiftTable) -> PerceptionOutput:
        """Predictions for the last frame.

        Past frames run without gradient, so that they cost a third. Their batch statistics count all the same.

        Args:
            inputs: Frames of a batch.
            table: Geometry of the rig, or of one rig per sample; the same for all frames.
        """
        images, present, then_from_now, age_s = inputs
        num_past = images.shape[1] - 1
        past, covered = [], []
        with torch.no_grad():
            for frame in range(num_past):
                seen = self.bev_features(self.image_features(images[:, frame]), table, present[:, frame])
                moved, inside = warped(seen, then_from_now[:, frame], self.config.feature_grid)
                past.append(moved)
                covered.append(inside)
        memory = self.bev_features(self.image_features(images[:, -1]), table, present[:, -1])
        fused = memory
        if num_past:
            is_used = present[:, :-1].any(dim=-1)
            fused = self.temporal(memory, torch.stack(past, 1), torch.stack(covered, 1), age_s[:, :-1], is_used)
        return self.predict(images[:, -1], memory, fused, table, present[:, -1])
