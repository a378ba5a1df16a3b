"""Rendered camera images of a drive, drawn again from its log.

A log that holds camera settings gives the images of its drive, byte by byte. Other drives and recorded scenarios are
shown from the default rig.
"""

import io
import threading
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from driving.cameras import CameraImage
from driving.scenario import Scenario
from simulation.log import SimulationLog
from simulation.sensors.rendered import CameraSettings, logged_images
from simulation.viewer.cameras import projected_boxes

DEFAULT_EVERY_STEPS = 2
"""Steps between the images of drives without camera settings."""
QUALITY = 85
"""Of the JPEG images."""

_rendering = threading.Lock()
"""A renderer reuses its arrays: one image is drawn at a time."""


class RenderedStrip:
    """Images of a drive's cameras, numbered by step and camera."""

    def __init__(self, scenario: Scenario, log: SimulationLog | None) -> None:
        """Render nothing yet.

        Args:
            scenario: The scenario of the drive.
            log: The drive; None shows the recorded one.

        Raises:
            ValueError: When log and scenario differ in time or agents, or the camera settings are wrong.
            KeyError: When the camera settings are incomplete.
        """
        self._settings = (
            CameraSettings.from_json(log.cameras)
            if log is not None and log.cameras is not None
            else CameraSettings(every_steps=DEFAULT_EVERY_STEPS)
        )
        self._scenario = scenario if log is None else driven_scenario(scenario, log)
        self._num_steps = scenario.num_frames if log is None else log.num_steps
        self._drawn = logged_images(self._scenario, self._settings)

    def strip(self) -> dict[str, Any]:
        """Cameras and their images with time and boxes, as JSON."""
        rig, images = self._settings.rig, []
        for step in range(0, self._num_steps, self._settings.every_steps):
            frames = self._drawn.newest(step, self._scenario.ego.rear_axle_poses[0])
            for camera in range(len(rig.names)):
                time_s = (int(frames.time_us[camera]) - self._scenario.start_time_us) * 1e-6
                images.append(
                    {
                        "frame": step * len(rig.names) + camera,
                        "camera": camera,
                        "time_s": round(time_s, 3),
                        "boxes": projected_boxes(self._scenario, frames, camera),
                    }
                )
        return {"names": list(rig.names), "sizes": rig.image_sizes.tolist(), "images": images}

    def jpeg(self, frame: int) -> bytes:
        """One image.

        Raises:
            LookupError: When the drive has no such image.
        """
        content = io.BytesIO()
        Image.fromarray(self.pixels(frame)).save(content, "JPEG", quality=QUALITY)
        return content.getvalue()

    def pixels(self, frame: int) -> CameraImage:
        """One image; a missing image and pixels that are no numbers are black.

        Raises:
            LookupError: When the drive has no such image.
        """
        num_cameras = len(self._settings.rig.names)
        if not 0 <= frame < self._num_steps * num_cameras:
            raise LookupError(f"The drive has images 0 to {self._num_steps * num_cameras - 1}, not {frame}.")
        step, camera = divmod(frame, num_cameras)
        frames = self._drawn.newest(step, self._scenario.ego.rear_axle_poses[0])
        with _rendering:
            (image,) = frames.images([camera])
        if image is None:
            width, height = self._settings.rig.image_sizes[camera].tolist()
            return np.zeros((height, width, 3), dtype=np.uint8)
        return np.nan_to_num(image).astype(np.uint8)


def driven_scenario(scenario: Scenario, log: SimulationLog) -> Scenario:
    """The scenario with ego and agents of a drive; before the drive they are recorded, after it there are no agents.

    Raises:
        ValueError: When log and scenario differ in time or agents.
    """
    frames = slice(scenario.first_frame, scenario.first_frame + log.num_steps)
    row_of = {track_id: row for row, track_id in enumerate(scenario.agents.track_ids)}
    if not np.array_equal(scenario.time_us[frames], log.ego.time_us) or set(log.agents.track_ids) - set(row_of):
        raise ValueError(f"The drive of scenario {log.scenario_id} is of other data: times or agents differ.")
    rows = np.array([row_of[track_id] for track_id in log.agents.track_ids], dtype=np.int64)
    changed = {}
    for name in ("poses", "velocities_mps", "sizes", "valid", "order", "z_m"):
        values = getattr(scenario.agents, name).copy()
        values[:, frames.start :] = np.nan if values.dtype.kind == "f" else 0
        values[rows, frames] = getattr(log.agents, name)
        changed[name] = values
    poses = scenario.ego.rear_axle_poses.copy()
    poses[:, frames] = log.ego.rear_axle_poses
    return replace(
        scenario, ego=replace(scenario.ego, rear_axle_poses=poses), agents=replace(scenario.agents, **changed)
    )
