"""Cameras: extrinsics, projection, and their images, which are read lazily.

Axes of a camera: z along the optical axis, x to the right, y down.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64, UInt8
from PIL import Image


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
        return CameraFrames(
            rig=self.rig,
            cameras=self.cameras[:count].copy(),
            time_us=self.time_us[:count].copy(),
            global_from_ego=self.global_from_ego[:count].copy(),
            paths=self.paths[:count],
            root=self.root,
        )
