"""Camera images of a scenario with the projected boxes of its agents."""

import io
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Integer
from PIL import Image

from driving.agents import AgentKind
from driving.cameras import CameraFrames, CameraRig, monotone_radius
from driving.geometry import solid_corners
from driving.scenario import Scenario

MAX_DISTANCE_M = 80.0
"""Range of projected boxes."""
MAX_GAP_US = 60_000
"""Largest time between an image and the scenario frame of its boxes."""
MIN_DEPTH_M = 0.5
SMALL_WIDTH_PX = 320
SMALL_QUALITY = 60
SMALL_IMAGES = 120
"""Largest number of images in a saved page, evenly over time for each camera."""
SMALL_BYTES = 1_200_000
"""Largest total size of these images."""


def camera_strip(scenario: Scenario) -> dict[str, Any]:
    """Cameras and their images with time and boxes, as JSON.

    Raises:
        FileNotFoundError: When the log has no cameras, or all image files are missing.
    """
    frames = _frames(scenario)
    images = []
    for frame in range(len(frames.paths)):
        time_s = (int(frames.time_us[frame]) - scenario.start_time_us) * 1e-6
        if frames.path(frame).is_file():
            boxes = projected_boxes(scenario, frames, frame)
            camera = int(frames.cameras[frame])
            images.append({"frame": frame, "camera": camera, "time_s": round(time_s, 3), "boxes": boxes})
    if not images:
        raise FileNotFoundError(
            f"The log names {len(frames.paths)} camera images of this scenario, but {frames.root} holds none of"
            " them. Copy the sensor blobs there."
        )
    return {"names": list(frames.rig.names), "sizes": frames.rig.image_sizes.tolist(), "images": images}


def small_strip(scenario: Scenario) -> tuple[dict[str, Any], dict[int, bytes]]:
    """The strip with fewer images, and small JPEGs of these by frame, for a saved page.

    Raises:
        FileNotFoundError: When the log has no cameras, or all image files are missing.
    """
    return fewer_images(camera_strip(scenario), lambda frame: image_file(scenario, frame))


def fewer_images(
    strip: dict[str, Any], file_of: Callable[[int], Path | io.BytesIO]
) -> tuple[dict[str, Any], dict[int, bytes]]:
    """A strip with fewer images, and small JPEGs of these by frame.

    Args:
        strip: From `camera_strip`, or in its form.
        file_of: Gives the image of a frame as a file.
    """
    every = max(1, math.ceil(len(strip["images"]) / SMALL_IMAGES))
    while True:
        kept: list[dict[str, Any]] = []
        for camera in range(len(strip["names"])):
            kept += [image for image in strip["images"] if image["camera"] == camera][::every]
        small = {image["frame"]: _small_jpeg(file_of(image["frame"])) for image in kept}
        if len(kept) <= len(strip["names"]) or sum(map(len, small.values())) <= SMALL_BYTES:
            return {**strip, "images": kept}, small
        every *= 2


def _small_jpeg(path: Path | io.BytesIO) -> bytes:
    with Image.open(path) as image:
        height_px = round(image.height * SMALL_WIDTH_PX / image.width)
        image.draft("RGB", (2 * SMALL_WIDTH_PX, 2 * height_px))
        small = image.convert("RGB").resize((SMALL_WIDTH_PX, height_px), Image.Resampling.BILINEAR, reducing_gap=2.0)
    packed = io.BytesIO()
    small.save(packed, "JPEG", quality=SMALL_QUALITY, optimize=True)
    return packed.getvalue()


def image_file(scenario: Scenario, frame: int) -> Path:
    """File of a camera image.

    Raises:
        LookupError: When the scenario has no such image.
        PermissionError: When the log names a file outside its image folder.
        FileNotFoundError: When the file is missing.
    """
    frames = _frames(scenario)
    if not 0 <= frame < len(frames.paths):
        raise LookupError(f"Scenario {scenario.scenario_id} has images 0 to {len(frames.paths) - 1}, not {frame}.")
    path = frames.path(frame)
    # Compare names, not link targets: the image folder may be a link to another disk.
    root, named = os.path.normpath(frames.root), os.path.normpath(path)
    if not frames.root or not named.startswith(root + os.sep) or path.suffix.lower() not in (".jpg", ".jpeg", ".png"):
        raise PermissionError(f"The log names {frames.paths[frame]!r}, which is not an image below its sensor blobs.")
    if not path.is_file():
        raise FileNotFoundError(f"There is no image {path}.")
    return path


def projected_boxes(scenario: Scenario, frames: CameraFrames, frame: int) -> list[dict[str, Any]]:
    """Corners of the agents' boxes in one image [px], farthest first, so that the nearest is drawn on top."""
    step = int(np.argmin(np.abs(scenario.time_us - frames.time_us[frame])))
    if abs(int(scenario.time_us[step]) - int(frames.time_us[frame])) > MAX_GAP_US:
        return []
    agents = scenario.agents
    ego_z_m = float(frames.global_from_ego[frame][2, 3])
    rows = agents.rows_at(step)
    heights_m = agents.heights_m[rows]
    # Sources without elevation: all boxes stand on the plane of the ego.
    z_m = np.where(agents.z_m[rows, step] == 0, ego_z_m + heights_m / 2, agents.z_m[rows, step])
    boxes = OutlinedBoxes(
        poses=agents.poses[rows, step],
        sizes_m=np.column_stack([agents.sizes[rows, step], heights_m]),
        bottom_m=z_m - heights_m / 2,
    )
    return [
        {
            "track": agents.track_ids[rows[index]],
            "kind": AgentKind(int(agents.kinds[rows[index]])).name.lower(),
            "corners": corners,
        }
        for index, corners in outlines(boxes, frames, frame)
    ]


class OutlinedBoxes(NamedTuple):
    """Upright boxes, global."""

    poses: Float64[np.ndarray, "boxes 3"]
    sizes_m: Float64[np.ndarray, "boxes 3"]
    bottom_m: Float64[np.ndarray, "boxes"]


def outlines(boxes: OutlinedBoxes, frames: CameraFrames, frame: int) -> list[tuple[int, list[list[float]]]]:
    """Row and corners [px] of the boxes that lie in an image, farthest first."""
    camera, global_from_ego = int(frames.cameras[frame]), frames.global_from_ego[frame]
    distances_m = np.hypot(*(boxes.poses[:, :2] - global_from_ego[:2, 3]).T)
    rows = np.flatnonzero(distances_m <= MAX_DISTANCE_M)
    corners = solid_corners(boxes.poses[rows], boxes.sizes_m[rows], boxes.bottom_m[rows]).reshape(-1, 3)
    ego_from_global = np.linalg.inv(global_from_ego)
    points = corners @ ego_from_global[:3, :3].T + ego_from_global[:3, 3]
    pixels, depth = frames.rig.project(camera, points)
    # A lens maps rays beyond this radius back into the image.
    is_far = _radii(frames.rig, camera, points) > monotone_radius(frames.rig.distortion[camera])
    is_shown = ((depth >= MIN_DEPTH_M) & ~is_far).reshape(-1, 8)
    found = [
        (float(distances_m[rows[index]]), int(rows[index]), np.round(outline, 1).tolist())
        for index, outline in enumerate(pixels.reshape(-1, 8, 2))
        if is_shown[index].all() and _is_in_image(outline, frames.rig.image_sizes[camera])
    ]
    return [(row, outline) for _, row, outline in sorted(found, key=lambda each: -each[0])]


def _radii(rig: CameraRig, camera: int, points: Float64[np.ndarray, "points 3"]) -> Float64[np.ndarray, "points"]:
    """Distance of points from the optical axis over their depth."""
    camera_from_ego = np.linalg.inv(rig.ego_from_camera[camera])
    in_camera = points @ camera_from_ego[:3, :3].T + camera_from_ego[:3, 3]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.hypot(in_camera[:, 0], in_camera[:, 1]) / in_camera[:, 2]


def _is_in_image(pixels: Float[np.ndarray, "corners 2"], size: Integer[np.ndarray, "2"]) -> bool:
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    return bool(high[0] > 0 and high[1] > 0 and low[0] < size[0] and low[1] < size[1])


def _frames(scenario: Scenario) -> CameraFrames:
    if scenario.cameras is None or not len(scenario.cameras.paths):
        raise FileNotFoundError("This scenario has no camera images.")
    return scenario.cameras
