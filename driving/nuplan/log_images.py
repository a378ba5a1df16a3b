"""Camera images as rows of a log: rig, image names, and the ego pose of each image."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64
from scipy.spatial.transform import Rotation

from driving.cameras import CameraFrames, CameraRig
from driving.geometry import wrap_angle
from driving.nuplan.logs import headings_of
from driving.recording import Recording

SHARED_WITHIN_US = 1_000
SHARED_WITHIN_M = 1e-4
SHARED_WITHIN_RAD = 1e-5
"""Largest differences in time and pose between an image and a frame with a shared ego pose."""


@dataclass(frozen=True, kw_only=True)
class ImageRows:
    """Images of a log. An image taken at a frame shares the frame's ego pose; others have a pose of their own."""

    frames: CameraFrames
    camera_tokens: list[bytes]
    image_tokens: list[bytes]
    pose_tokens: list[bytes]
    """Tokens of own poses; one per image."""
    frame_of_image: Int64[np.ndarray, "images"]
    """Frame with the shared ego pose; -1 for an own pose."""
    shared_frames: Int64[np.ndarray, "shared"]
    shared_z_m: Float64[np.ndarray, "shared"]
    shared_quaternions: Float64[np.ndarray, "shared 4"]
    """(w, x, y, z): the full orientation; a frame without images has a heading only."""

    def file_name(self, log_name: str, image: int) -> str:
        """Path of an image relative to the sensor blobs."""
        channel = self.frames.rig.names[self.frames.cameras[image]]
        suffix = PurePath(self.frames.paths[image]).suffix if self.frames.paths else ""
        return f"{log_name}/{channel}/{self.image_tokens[image].hex()}{suffix or '.jpg'}"

    def source(self, image: int) -> Path:
        """File of the image."""
        return self.frames.path(image)

    def rows(self, log_name: str, ego_pose_tokens: list[bytes]) -> Iterator[tuple]:
        """Rows of the `image` table, linked to the next and the previous image of the same camera."""
        after: list[bytes | None] = [None] * len(self.image_tokens)
        before: list[bytes | None] = [None] * len(self.image_tokens)
        last_of_camera: dict[int, int] = {}
        for image, camera in enumerate(self.frames.cameras.tolist()):
            last = last_of_camera.get(camera)
            if last is not None:
                after[last], before[image] = self.image_tokens[image], self.image_tokens[last]
            last_of_camera[camera] = image
        for image, camera in enumerate(self.frames.cameras.tolist()):
            frame = int(self.frame_of_image[image])
            yield (
                self.image_tokens[image],
                after[image],
                before[image],
                self.pose_tokens[image] if frame < 0 else ego_pose_tokens[frame],
                self.camera_tokens[camera],
                self.file_name(log_name, image),
                int(self.frames.time_us[image]),
            )

    def own_poses(self) -> Iterator[tuple[bytes, int, tuple[float, ...]]]:
        """Token, time and (x, y, z, qw, qx, qy, qz) of the own poses of images."""
        for image in np.flatnonzero(self.frame_of_image < 0).tolist():
            transform = self.frames.global_from_ego[image]
            pose = (*transform[:3, 3].tolist(), *_quaternion(transform).tolist())
            yield self.pose_tokens[image], int(self.frames.time_us[image]), pose

    def cameras(self) -> Iterator[tuple[bytes, str, tuple[list[Any], ...], tuple[int, int]]]:
        """Token, channel, calibration (translation, rotation, intrinsic, distortion) and size of each camera."""
        rig: CameraRig = self.frames.rig
        for row, channel in enumerate(rig.names):
            transform = rig.ego_from_camera[row]
            calibration = (
                transform[:3, 3].tolist(),
                _quaternion(transform).tolist(),
                rig.intrinsics[row].tolist(),
                rig.distortion[row].tolist(),
            )
            width, height = rig.image_sizes[row].tolist()
            yield self.camera_tokens[row], channel, calibration, (width, height)


def image_rows(
    recording: Recording, camera_tokens: list[bytes], image_tokens: list[bytes], pose_tokens: list[bytes]
) -> ImageRows | None:
    """Match images to frames; None for a recording without cameras."""
    frames = recording.cameras
    if frames is None:
        return None
    poses = recording.ego.rear_axle_poses[0]
    frame_of_image = np.full(len(frames.time_us), -1, dtype=np.int64)
    quaternions = np.array([_quaternion(transform) for transform in frames.global_from_ego]).reshape(-1, 4)
    # The heading by nuPlan's formula, which differs for a tilted ego.
    headings = headings_of(quaternions)
    shared: dict[int, tuple[float, np.ndarray]] = {}
    for image, time_us in enumerate(frames.time_us.tolist()):
        frame = int(np.argmin(np.abs(recording.time_us - time_us)))
        transform = frames.global_from_ego[image]
        if abs(int(recording.time_us[frame]) - time_us) > SHARED_WITHIN_US:
            continue
        if np.hypot(*(transform[:2, 3] - poses[frame, :2])) > SHARED_WITHIN_M:
            continue
        if abs(float(wrap_angle(headings[image] - poses[frame, 2]))) > SHARED_WITHIN_RAD:
            continue
        orientation = (float(transform[2, 3]), quaternions[image])
        known = shared.setdefault(frame, orientation)
        if known[0] == orientation[0] and np.array_equal(known[1], orientation[1]):
            frame_of_image[image] = frame
    return ImageRows(
        frames=frames,
        camera_tokens=camera_tokens,
        image_tokens=image_tokens,
        pose_tokens=pose_tokens,
        frame_of_image=frame_of_image,
        shared_frames=np.array(list(shared), dtype=np.int64),
        shared_z_m=np.array([z_m for z_m, _ in shared.values()], dtype=np.float64),
        shared_quaternions=np.array([turn for _, turn in shared.values()], dtype=np.float64).reshape(-1, 4),
    )


def _quaternion(transform: Float64[np.ndarray, "4 4"]) -> Float64[np.ndarray, "4"]:
    """(w, x, y, z) of the rotation, w >= 0."""
    x, y, z, w = Rotation.from_matrix(transform[:3, :3]).as_quat(canonical=True)
    return np.array([w, x, y, z])
