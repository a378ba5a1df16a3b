"""Cameras: calibration, projection, and their images, which are read lazily.

Axes of a camera: z along the optical axis, x to the right, y down.

Pixels: the centre of the first pixel is (0, 0), as in OpenCV: an image of width w covers u from -0.5 to w - 0.5.
A resize by a factor s therefore moves u to (u + 0.5) s - 0.5, and the principal point in the same way.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64, UInt8
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


@dataclass(frozen=True, kw_only=True)
class CameraFrames:
    """F images of a rig, in time order: their paths, and a method that reads one."""

    rig: CameraRig
    cameras: Int64[np.ndarray, "frames"]
    """Index into the rig."""
    time_us: Int64[np.ndarray, "frames"]
    global_from_ego: Float64[np.ndarray, "frames 4 4"]
    """Pose of the ego when the image was taken."""
    paths: tuple[str, ...]
    """Absolute, or relative to `root`."""
    root: str = ""
    is_logged: bool = True
    """Whether the images show the recorded drive, whatever the ego does in a rollout."""

    def path(self, frame: int) -> Path:
        """File of an image."""
        return Path(self.root) / self.paths[frame]

    def image(self, frame: int) -> UInt8[np.ndarray, "height width 3"]:
        """Read one image.

        Raises:
            FileNotFoundError: When the file is missing.
        """
        path = self.path(frame)
        if not path.is_file():
            raise FileNotFoundError(
                f"No camera image {path}. Logs name their images, but the sensor blobs are downloaded separately:"
                " put them under sensor_blobs/ of the data root."
            )
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))

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
