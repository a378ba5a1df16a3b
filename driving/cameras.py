"""Cameras: calibration, projection, and their images, which are read lazily.

Axes of a camera: z along the optical axis, x to the right, y down.

Pixels: the centre of the first pixel is (0, 0), as in OpenCV: an image of width w covers u from -0.5 to w - 0.5.
A resize by a factor s therefore moves u to (u + 0.5) s - 0.5, and the principal point in the same way.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt8
from PIL import Image

from driving.arrays import require_shapes


@dataclass(frozen=True, kw_only=True)
class CameraRig:
    """C calibrated cameras on the ego."""

    names: tuple[str, ...]
    """For example nuPlan's `CAM_F0`."""
    intrinsics: Float64[np.ndarray, "cameras 3 3"]
    """Pinhole matrices [px]."""
    distortion: Float64[np.ndarray, "cameras 5"]
    """k1, k2, p1, p2, k3 of the Brown-Conrady model (OpenCV's order); zeros for rectified images."""
    ego_from_camera: Float64[np.ndarray, "cameras 4 4"]
    """Camera points to the ego frame (rear axle, x forward, y left, z up)."""
    image_sizes: Int64[np.ndarray, "cameras 2"]
    """Width and height [px]."""

    def __post_init__(self) -> None:
        count = len(self.names)
        require_shapes(
            f"a rig of {count} cameras",
            {
                "intrinsics": (self.intrinsics, (count, 3, 3)),
                "distortion": (self.distortion, (count, 5)),
                "ego_from_camera": (self.ego_from_camera, (count, 4, 4)),
                "image_sizes": (self.image_sizes, (count, 2)),
            },
        )

    def resized(
        self, *, scale: float | None = None, sizes: tuple[int, int] | Int64[np.ndarray, "cameras 2"] | None = None
    ) -> "CameraRig":
        """The rig whose images are resized; the distortion stays, because it is in units of the focal length.

        Args:
            scale: Factor of width and height; new sizes are rounded to whole pixels.
            sizes: Instead of a scale: new width and height [px], of all cameras or one row for each.

        Returns:
            A rig whose intrinsics follow the new sizes, also where these are rounded or change the aspect ratio.

        Raises:
            ValueError: Without exactly one of scale and sizes, or when an image would have no pixel.
        """
        if (scale is None) == (sizes is None):
            raise ValueError(f"Give either a scale or sizes, got scale {scale} and sizes {sizes}.")
        if scale is not None and not (np.isfinite(scale) and scale > 0):
            raise ValueError(f"A scale must be a positive number, got {scale}.")
        wanted = self.image_sizes * scale if scale is not None else np.asarray(sizes)
        new_sizes = np.broadcast_to(np.rint(wanted), self.image_sizes.shape).astype(np.int64)
        for name, old, new in zip(self.names, self.image_sizes.tolist(), new_sizes.tolist(), strict=True):
            if min(new) < 1:
                raise ValueError(f"Camera {name} of {old} px cannot be resized to {new} px: it needs at least 1 x 1.")
        factors = new_sizes / self.image_sizes
        return self._with_images(new_sizes, factors, (factors - 1) / 2)

    def cropped(self, windows: tuple[int, int, int, int] | Int64[np.ndarray, "cameras 4"]) -> "CameraRig":
        """The rig whose images are cut to a window.

        Args:
            windows: Left, top, width and height [px], of all cameras or one row for each.

        Raises:
            ValueError: When a window is empty or reaches beyond the image.
        """
        rows = np.broadcast_to(np.asarray(windows), (len(self.names), 4)).astype(np.int64)
        for name, size, row in zip(self.names, self.image_sizes.tolist(), rows.tolist(), strict=True):
            left, top, width, height = row
            if min(left, top) < 0 or min(width, height) < 1 or left + width > size[0] or top + height > size[1]:
                raise ValueError(
                    f"Camera {name} has an image of {size[0]} x {size[1]} px, which does not contain the window of"
                    f" {width} x {height} px at ({left}, {top})."
                )
        return self._with_images(rows[:, 2:], np.ones((len(rows), 2)), -rows[:, :2].astype(np.float64))

    def shifted(self, *, pitch_rad: float = 0.0, yaw_rad: float = 0.0, height_m: float = 0.0) -> "CameraRig":
        """The rig with every camera turned about its own centre and moved along the z axis of the ego.

        Args:
            pitch_rad: About the camera's horizontal image axis; positive tilts the optical axis down (ISO 8855).
            yaw_rad: About the ego's z axis; positive turns to the left.
            height_m: Upwards.
        """
        count = len(self.names)
        return self._moved(np.full(count, pitch_rad), np.full(count, yaw_rad), np.full(count, height_m))

    def with_noise(self, *, angle_sd_rad: float, height_sd_m: float, seed: int) -> "CameraRig":
        """The rig with pitch, yaw and height of each camera changed by independent Gaussian errors."""
        errors = np.random.default_rng(seed).normal(size=(3, len(self.names)))
        return self._moved(angle_sd_rad * errors[0], angle_sd_rad * errors[1], height_sd_m * errors[2])

    def _with_images(
        self,
        sizes: Int64[np.ndarray, "cameras 2"],
        factors: Float64[np.ndarray, "cameras 2"],
        offsets_px: Float64[np.ndarray, "cameras 2"],
    ) -> "CameraRig":
        """New intrinsics, so that a pixel at (u, v) comes to lie at factors (u, v) + offsets."""
        new_from_old = np.tile(np.eye(3), (len(self.names), 1, 1))
        new_from_old[:, [0, 1], [0, 1]] = factors
        new_from_old[:, :2, 2] = offsets_px
        return replace(self, intrinsics=new_from_old @ self.intrinsics, image_sizes=sizes.copy())

    def _moved(
        self,
        pitch_rad: Float64[np.ndarray, "cameras"],
        yaw_rad: Float64[np.ndarray, "cameras"],
        height_m: Float64[np.ndarray, "cameras"],
    ) -> "CameraRig":
        moved = self.ego_from_camera.copy()
        moved[:, :3, :3] = _yawed(yaw_rad) @ moved[:, :3, :3] @ _pitched(pitch_rad)
        moved[:, 2, 3] += height_m
        return replace(self, ego_from_camera=moved)

    def project(
        self, camera: int, points_ego: Float64[np.ndarray, "points 3"]
    ) -> tuple[Float64[np.ndarray, "points 2"], Float64[np.ndarray, "points"]]:
        """Project points of the ego frame into an image, distortion included.

        Returns:
            Pixel coordinates and depth along the optical axis [m]; pixels of points with depth <= 0 are NaN.
        """
        camera_from_ego = np.linalg.inv(self.ego_from_camera[camera])
        points = points_ego @ camera_from_ego[:3, :3].T + camera_from_ego[:3, 3]
        depth = points[:, 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            x, y = np.where(depth[:, np.newaxis] > 0, points[:, :2] / depth[:, np.newaxis], np.nan).T
        k1, k2, p1, p2, k3 = self.distortion[camera]
        r2 = x**2 + y**2
        radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
        distorted = np.stack(
            [
                x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x**2),
                y * radial + p1 * (r2 + 2 * y**2) + 2 * p2 * x * y,
                np.ones_like(x),
            ],
            axis=-1,
        )
        return (distorted @ self.intrinsics[camera].T)[:, :2], depth


def camera_poses(
    positions_m: Float64[np.ndarray, "cameras 3"],
    yaw_rad: Float64[np.ndarray, "cameras"],
    pitch_rad: Float64[np.ndarray, "cameras"],
) -> Float64[np.ndarray, "cameras 4 4"]:
    """Poses of upright cameras in the ego frame (`ego_from_camera`).

    Args:
        positions_m: Of the optical centres in the ego frame.
        yaw_rad: Of the optical axes: 0 looks ahead, positive turns to the left.
        pitch_rad: Positive tilts an optical axis down.
    """
    poses = np.tile(np.eye(4), (len(positions_m), 1, 1))
    poses[:, :3, :3] = _yawed(yaw_rad) @ _AHEAD @ _pitched(pitch_rad)
    poses[:, :3, 3] = positions_m
    return poses


def monotone_radius(distortion: Float64[np.ndarray, "5"]) -> float:
    """Radius of undistorted rays (tangent of the angle to the optical axis) up to which the distorted radius grows.

    Beyond it the polynomial folds back, so that points far outside of the view land in the image. Inf: no bound.
    """
    k1, k2, _, _, k3 = distortion.tolist()
    roots = np.roots([7 * k3, 5 * k2, 3 * k1, 1.0])
    real = roots[np.abs(roots.imag) < 1e-9].real
    return float(np.sqrt(real[real > 0].min())) if (real > 0).any() else np.inf


_AHEAD = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""Axes of a level camera that looks ahead, in the ego frame."""


def _yawed(yaw_rad: Float64[np.ndarray, "cameras"]) -> Float64[np.ndarray, "cameras 3 3"]:
    """Rotations about the z axis of the ego."""
    turns = np.tile(np.eye(3), (len(yaw_rad), 1, 1))
    turns[:, 0, 0] = turns[:, 1, 1] = np.cos(yaw_rad)
    turns[:, 1, 0] = np.sin(yaw_rad)
    turns[:, 0, 1] = -turns[:, 1, 0]
    return turns


def _pitched(pitch_rad: Float64[np.ndarray, "cameras"]) -> Float64[np.ndarray, "cameras 3 3"]:
    """Rotations about the x axis of the camera that tilt the z axis towards y, which is down."""
    turns = np.tile(np.eye(3), (len(pitch_rad), 1, 1))
    turns[:, 1, 1] = turns[:, 2, 2] = np.cos(pitch_rad)
    turns[:, 1, 2] = np.sin(pitch_rad)
    turns[:, 2, 1] = -turns[:, 1, 2]
    return turns


CameraImage: TypeAlias = UInt8[np.ndarray, "height width 3"] | Float32[np.ndarray, "height width 3"]
"""RGB pixels from 0 to 255. Only a faulty camera delivers floats, which may be NaN."""


@runtime_checkable
class ImageSource(Protocol):
    """Images that are not files, for example rendered ones."""

    def images(self, frames: Sequence[int]) -> list[CameraImage | None]:
        """RGB images of frames; None where the camera delivered none."""
        ...


class MissingImageError(FileNotFoundError):
    """A camera delivered no image. The message names the camera."""


@dataclass(frozen=True, kw_only=True)
class CameraFrames:
    """F images of a rig, in time order: their paths or their source, and a method that gives one."""

    rig: CameraRig
    cameras: Int64[np.ndarray, "frames"]
    """Index into the rig."""
    time_us: Int64[np.ndarray, "frames"]
    global_from_ego: Float64[np.ndarray, "frames 4 4"]
    """Pose of the ego when the image was taken."""
    paths: tuple[str, ...] = ()
    """Absolute, or relative to `root`; empty where the images have a source."""
    root: str = ""
    source: ImageSource | None = None
    """Gives the images instead of files."""
    is_logged: bool = True
    """Whether the images show the recorded drive, whatever the ego does in a rollout."""

    @property
    def num_frames(self) -> int:
        """F."""
        return len(self.time_us)

    def path(self, frame: int) -> Path:
        """File of an image.

        Raises:
            LookupError: When the images are no files.
        """
        if self.source is not None:
            raise LookupError("These images are not files: they have a source that makes them when they are read.")
        return Path(self.root) / self.paths[frame]

    def images(self, frames: Sequence[int]) -> list[CameraImage | None]:
        """RGB images of several frames, faster than one by one; None where the file is missing or none was delivered.

        Raises:
            ValueError: As `image`.
        """
        if self.source is not None:
            return self.source.images(frames)
        found: list[CameraImage | None] = []
        for frame in frames:
            try:
                found.append(self.image(frame))
            except MissingImageError:
                found.append(None)
        return found

    def image(self, frame: int) -> CameraImage:
        """One RGB image, of the size that the rig names.

        Raises:
            MissingImageError: When the file is missing, or the camera delivered no image.
            ValueError: When the file is truncated or no image, has another size than the rig names, or is not 8-bit
                colour; names camera and file.
        """
        camera = int(self.cameras[frame])
        place = f"Camera {self.rig.names[camera]}"
        if self.source is not None:
            (image,) = self.source.images([frame])
            if image is None:
                raise MissingImageError(f"{place} delivered no image. Leave the camera out, or repair it.")
            return image
        path = self.path(frame)
        if not path.is_file():
            raise MissingImageError(
                f"{place} has no image {path}. Logs name their images, but the sensor blobs are downloaded"
                " separately: put them under sensor_blobs/ of the data root."
            )
        return read_image(path, tuple(self.rig.image_sizes[camera].tolist()), place)

    def resampled(self, rig: CameraRig) -> "CameraFrames":
        """The frames with images of another rig, which `resized` and `cropped` made of this one.

        Raises:
            ValueError: When a camera of the rig differs in more than size and intrinsics (the camera is named), or
                when the images are no files: they are made for their rig.
        """
        if self.source is not None:
            raise ValueError("Only image files can be resampled. Render images with the other rig instead.")
        for row, name in enumerate(self.rig.names):
            same = rig.names[row : row + 1] == (name,) and all(
                np.array_equal(getattr(rig, part)[row], getattr(self.rig, part)[row])
                for part in ("distortion", "ego_from_camera")
            )
            if not same or len(rig.names) != len(self.rig.names):
                raise ValueError(
                    f"Images of camera {name} cannot be resampled: the new rig has another camera there, another pose"
                    " or another distortion. Derive it from the rig of the images by `resized` and `cropped`."
                )
        return replace(self, rig=rig, paths=(), source=_ResampledImages(self, rig))

    def until(self, time_us: int) -> "CameraFrames":
        """The frames taken up to a time, which a planner may use then."""
        count = int(np.searchsorted(self.time_us, time_us, side="right"))
        return replace(
            self,
            cameras=self.cameras[:count].copy(),
            time_us=self.time_us[:count].copy(),
            global_from_ego=self.global_from_ego[:count].copy(),
            paths=self.paths[:count],
        )


@dataclass(frozen=True)
class _ResampledImages:
    """Images of frames, cut and resized to another rig."""

    frames: CameraFrames
    rig: CameraRig

    def images(self, frames: Sequence[int]) -> list[CameraImage | None]:
        images = self.frames.images(frames)
        return [
            None if image is None else self._resampled(image, int(self.frames.cameras[frame]))
            for frame, image in zip(frames, images, strict=True)
        ]

    def _resampled(self, image: CameraImage, camera: int) -> UInt8[np.ndarray, "rows columns 3"]:
        width, height = self.rig.image_sizes[camera].tolist()
        old_from_new = self.frames.rig.intrinsics[camera] @ np.linalg.inv(self.rig.intrinsics[camera])
        edges = old_from_new @ np.array([[-0.5, width - 0.5], [-0.5, height - 0.5], [1.0, 1.0]])
        # Pillow counts from the border of the first pixel, not from its centre.
        left, right, top, bottom = (edges[:2] + 0.5).reshape(-1).tolist()
        old_width, old_height = self.frames.rig.image_sizes[camera].tolist()
        window = (max(left, 0.0), max(top, 0.0), min(right, old_width), min(bottom, old_height))
        resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR, box=window)
        return np.asarray(resized)


_COLOUR_MODES = ("RGB", "RGBA", "P")
"""Modes of Pillow that hold 8-bit colours."""


def read_image(path: Path, size: tuple[int, int], place: str) -> UInt8[np.ndarray, "height width 3"]:
    """Read an image file.

    Args:
        path: JPEG, PNG or another format that Pillow reads.
        size: Expected width and height [px].
        place: Begin of error messages, which names the camera.

    Raises:
        ValueError: When the file is truncated or no image, has another size, or is not 8-bit colour.
    """
    try:
        with Image.open(path) as image:
            if image.mode not in _COLOUR_MODES:
                raise ValueError(
                    f"{place}: image {path} has pixels of mode {image.mode}, expected 8-bit colour (RGB). Convert it,"
                    " a grey image by repeating its channel."
                )
            if image.size != size:
                raise ValueError(
                    f"{place}: image {path} has {image.width} x {image.height} px, the rig names {size[0]} x"
                    f" {size[1]}. Use the rig of these images. If they were resized or cropped, change it by"
                    " `rig.resized(...)` and `rig.cropped(...)`, so that the intrinsics follow."
                )
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError) as error:
        raise ValueError(f"{place}: image {path} cannot be read: {error}. Copy or download it again.") from error
