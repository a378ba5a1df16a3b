"""Two ways to start with better features: masked-image modelling of a Swin backbone, and feature distillation.

Source:
    Xie et al., "SimMIM", arXiv 2111.09886: random patches of 32 pixels are replaced by a learned token, one linear
    layer predicts their pixels, the loss is their L1 distance. `average_distance_px` is the paper's AvgDist, the mean
    distance from a masked pixel to the next visible one, which should be 10 to 20.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.ndimage import distance_transform_edt
from torch import Tensor, nn
from torch.nn import functional

from perception.backbones.swin import PATCH, Swin
from perception.contract import PerceptionInput, PerceptionOutput
from perception.lift import LiftTable
from perception.network import PerceptionNetwork


@dataclass(frozen=True, kw_only=True)
class MaskSettings:
    """Random masks."""

    patch_px: int = 32
    share: float = 0.6
    """Of the patches that are masked."""


def random_masks(
    count: int, image_size: tuple[int, int], settings: MaskSettings, rng: np.random.Generator
) -> Bool[np.ndarray, "B h w"]:
    """Masks over the tokens of the first stage.

    Args:
        count: Of images.
        image_size: Height and width [px].
        settings: Patches at the lower or right border may be cut.
        rng: For the choice of patches.

    Raises:
        ValueError: When a patch is no multiple of the tokens' size.
    """
    if settings.patch_px % PATCH:
        raise ValueError(f"A mask patch must be a multiple of {PATCH} px, got {settings.patch_px} px.")
    rows, columns = (-(-length // settings.patch_px) for length in image_size)
    masked = round(settings.share * rows * columns)
    order = rng.random((count, rows * columns)).argsort(axis=1)
    mask = (order < masked).reshape(count, rows, columns)
    factor = settings.patch_px // PATCH
    tokens = mask.repeat(factor, axis=1).repeat(factor, axis=2)
    return np.ascontiguousarray(tokens[:, : image_size[0] // PATCH, : image_size[1] // PATCH])


def average_distance_px(masks: Bool[np.ndarray, "B h w"]) -> float:
    """Mean distance from a masked pixel to the next visible one (AvgDist)."""
    pixels = masks.repeat(PATCH, axis=1).repeat(PATCH, axis=2)
    return float(np.mean([distance_transform_edt(mask)[mask].mean() for mask in pixels]))


class MaskedImageModel(nn.Module):
    """A Swin trunk with the linear layer that predicts masked pixels."""

    def __init__(self, trunk: Swin) -> None:
        super().__init__()
        self.trunk = trunk
        self.stride = PATCH * 2 ** (len(trunk.widths) - 1)
        self.predict = nn.Conv2d(trunk.widths[-1], 3 * self.stride**2, 1)

    def forward(self, images: Float[Tensor, "B 3 H W"], hidden: Bool[Tensor, "B h w"]) -> Float[Tensor, ""]:
        """Mean L1 distance of the masked pixels."""
        predicted = functional.pixel_shuffle(self.predict(self.trunk(images, hidden)[-1]), self.stride)
        predicted = predicted[:, :, : images.shape[2], : images.shape[3]]
        mask = hidden.repeat_interleave(PATCH, 1).repeat_interleave(PATCH, 2)[:, None]
        gap = (predicted.float() - images).abs() * mask
        return gap.sum() / (3 * mask.sum()).clamp(min=1)


def pretrain(
    trunk: Swin,
    batches: Iterable[Float[Tensor, "B 3 H W"]],
    settings: MaskSettings,
    *,
    learning_rate: float = 1e-3,
    seed: int = 0,
    report: Callable[[int, float], None] | None = None,
) -> MaskedImageModel:
    """Train a trunk in place by masked-image modelling; it ends with the batches.

    Args:
        trunk: Of a backbone, `network.backbone.trunk`.
        batches: Normalised images.
        settings: Of the masks.
        learning_rate: Constant.
        seed: Of the masks.
        report: Receives step and loss.

    Raises:
        ValueError: When the loss is not finite.
    """
    model, rng = MaskedImageModel(trunk).train(), np.random.default_rng(seed)
    device = next(trunk.parameters()).device
    model.to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.05)
    for step, images in enumerate(batches, start=1):
        height, width = images.shape[2:]
        hidden = torch.from_numpy(random_masks(len(images), (height, width), settings, rng)).to(device)
        loss = model(images.to(device), hidden)
        if not torch.isfinite(loss):
            raise ValueError(
                f"Pretraining stopped at step {step}: the loss is NaN or infinite. Search the images for NaN."
            )
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        if report is not None:
            report(step, float(loss.detach()))
    return model


class FeatureDistillation(nn.Module):
    """A network in training whose bird's-eye-view features, after a linear layer, approach those of a teacher.

    Features of the teacher are normalised per cell, so that its scale does not matter.
    """

    def __init__(self, student: PerceptionNetwork, teacher: PerceptionNetwork) -> None:
        super().__init__()
        own, other = student.config, teacher.config
        if (own.image_size, own.feature_grid, own.points, student.stride, own.lift) != (
            other.image_size,
            other.feature_grid,
            other.points,
            teacher.stride,
            other.lift,
        ):
            raise ValueError(
                f"The teacher has images of {other.image_size} px and the grid {other.grid}, the student"
                f" {own.image_size} px and {own.grid}. Both need the same images, grid, points and lift."
            )
        self.student = student
        self.project = nn.Conv2d(own.bev_channels, other.bev_channels, 1)
        # In a tuple, so that the teacher belongs neither to the parameters nor to the state.
        self._teacher = (teacher.eval().requires_grad_(False),)

    def forward(self, inputs: PerceptionInput, table: LiftTable) -> tuple[PerceptionOutput, Float[Tensor, ""]]:
        """Output of the student, and the distance of its features to those of the teacher."""
        output = self.student(inputs, table)
        (teacher,) = self._teacher
        with torch.no_grad():
            target = teacher.to(inputs.images.device)(inputs, table).bev.float()
        target = functional.layer_norm(target.movedim(1, -1), target.shape[1:2])
        found = self.project(output.bev).float().movedim(1, -1)
        return output, functional.smooth_l1_loss(found, target)
