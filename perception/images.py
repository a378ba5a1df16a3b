"""Images for the network: checks, one size for all cameras, normalisation.

The rig follows every resize and crop, so intrinsics and images always belong together:

    fitted = fit_rig(rig, (128, 352))
    table = lift_table(fitted.rig, config)
    images, present = fitted.prepare(images_of_the_cameras)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, Shaped, UInt8
from PIL import Image
from torch import Tensor

from driving.cameras import CameraRig

MEAN, SD = 0.45, 0.25
"""Of all channels, as shares of full brightness."""
HORIZON_SHARE = 0.375
"""Where a crop puts the horizon, as a share of the image height from the top."""


class BadImageError(ValueError):
    """An image that does not fit its camera; the message names the camera and what to do."""


def checked_image(
    image: Shaped[np.ndarray, "..."], camera: str, size: tuple[int, int]
) -> UInt8[np.ndarray, "height width 3"]:
    """The image, when it is RGB with 8 bits per channel and of the size that the rig gives.

    Args:
        image: As read or rendered.
        camera: Its name, for messages.
        size: Width and height in the rig [px].

    Raises:
        BadImageError: When it is not.
    """
    if image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 1):
        raise BadImageError(f"Camera {camera} has a grey image of shape {image.shape}. Convert it to RGB.")
    if image.ndim != 3 or image.shape[2] != 3:
        raise BadImageError(
            f"Camera {camera} has an image of shape {image.shape}, expected (height, width, 3). Convert it to RGB."
        )
    if np.issubdtype(image.dtype, np.floating):
        if not np.isfinite(image).all():
            count = int((~np.isfinite(image)).any(axis=-1).sum())
            raise BadImageError(f"Camera {camera} has NaN or infinite values in {count} pixels. Leave the image out.")
        raise BadImageError(f"Camera {camera} has {image.dtype} pixels, expected uint8. Scale them to 0 to 255.")
    if image.dtype != np.uint8:
        raise BadImageError(
            f"Camera {camera} has {image.dtype.itemsize * 8} bits per channel, expected 8. Divide the values of"
            " 16-bit images by 256."
        )
    if (image.shape[1], image.shape[0]) != size:
        raise BadImageError(
            f"Camera {camera} has an image of {image.shape[1]} x {image.shape[0]} px, but its rig says"
            f" {size[0]} x {size[1]}. Use rig.resized or rig.cropped, so that the intrinsics follow."
        )
    return image


def normalised(images: UInt8[Tensor, "... height width 3"]) -> Float[Tensor, "... 3 height width"]:
    """Images as the network receives them: centred, scaled, channels first."""
    last = images.dim() - 1
    # Not movedim: its negative axes end up in exported models, which other runtimes refuse.
    first = images.permute(*range(last - 2), last, last - 2, last - 1)
    # In place: each further array of this size takes as much time as the arithmetic.
    return first.to(torch.float32, copy=True).sub_(255 * MEAN).div_(255 * SD)


@dataclass(frozen=True, kw_only=True)
class FittedRig:
    """A rig, and how its images become images of the network."""

    source: CameraRig
    rig: CameraRig
    """Calibration of the network's images."""
    resized: Int64[np.ndarray, "cameras 2"]
    """Width and height before the crop [px]."""
    windows: Int64[np.ndarray, "cameras 4"]
    """Left, top, width and height of the crop [px]."""

    def image(self, camera: int, image: Shaped[np.ndarray, "..."]) -> UInt8[np.ndarray, "height width 3"]:
        """One image, checked, resized and cropped.

        Raises:
            BadImageError: When the image does not fit the camera.
        """
        width, height = self.source.image_sizes[camera].tolist()
        checked = checked_image(image, self.source.names[camera], (width, height))
        left, top, new_width, new_height = self.windows[camera].tolist()
        if [width, height] != self.resized[camera].tolist():
            size = (int(self.resized[camera, 0]), int(self.resized[camera, 1]))
            checked = np.asarray(Image.fromarray(checked).resize(size, Image.Resampling.BOX))
        return np.ascontiguousarray(checked[top : top + new_height, left : left + new_width])

    def prepare(
        self, images: Sequence[Shaped[np.ndarray, "..."] | None]
    ) -> tuple[UInt8[np.ndarray, "cameras height width 3"], Bool[np.ndarray, "cameras"]]:
        """The images of all cameras, and which of them are present.

        Args:
            images: One per camera of the source rig; None where it is missing.

        Returns:
            Images of the network, black where missing, and a mask.

        Raises:
            BadImageError: When an image does not fit its camera.
            ValueError: When the number of images is not that of the cameras.
        """
        if len(images) != len(self.source.names):
            raise ValueError(
                f"The rig has {len(self.source.names)} cameras, got {len(images)} images."
                " Pass None where one is missing."
            )
        width, height = self.rig.image_sizes[0].tolist()
        prepared = np.zeros((len(images), height, width, 3), dtype=np.uint8)
        present = np.array([image is not None for image in images])
        for camera, image in enumerate(images):
            if image is not None:
                prepared[camera] = self.image(camera, image)
        return prepared, present


def fit_rig(rig: CameraRig, image_size: tuple[int, int]) -> FittedRig:
    """Resize each camera to the network's width (or height, if it would be too low) and crop it around the horizon.

    Args:
        rig: Of the images as they come.
        image_size: Height and width of the network's images [px].
    """
    height, width = image_size
    scale = np.maximum(width / rig.image_sizes[:, 0], height / rig.image_sizes[:, 1])
    resized = np.maximum(np.rint(rig.image_sizes * scale[:, np.newaxis]).astype(np.int64), [width, height])
    scaled = rig.resized(sizes=resized)
    axis_z = rig.ego_from_camera[:, 2, 2].clip(-0.99, 0.99)
    horizon = scaled.intrinsics[:, 1, 2] + scaled.intrinsics[:, 1, 1] * axis_z / np.sqrt(1 - axis_z**2)
    windows = np.empty((len(rig.names), 4), dtype=np.int64)
    windows[:, 0] = (resized[:, 0] - width) // 2
    windows[:, 1] = np.clip(np.rint(horizon - HORIZON_SHARE * height), 0, resized[:, 1] - height)
    windows[:, 2:] = width, height
    return FittedRig(source=rig, rig=scaled.cropped(windows), resized=resized, windows=windows)


def network_images(
    images: UInt8[np.ndarray, "... height width 3"], device: torch.device | str = "cpu"
) -> Float[Tensor, "... 3 height width"]:
    """Images of NumPy as the network receives them."""
    return normalised(torch.from_numpy(np.ascontiguousarray(images)).to(device))
