"""Rendered camera images of a drive, drawn again from its log.

A log that holds camera settings gives the images of its drive, byte by byte. Other drives and recorded scenarios are
shown from the default rig.
"""

import io
import threading
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from PIL import Image

from driving.cameras import CameraFrames, CameraImage, CameraRig
from driving.scenario import Scenario
from simulation.log import SimulationLog
from simulation.sensors.rendered import CameraSettings, logged_images
from simulation.viewer.cameras import OutlinedBoxes, outlines, projected_boxes
from simulation.viewer.perception import Comparison, comparison

DEFAULT_EVERY_STEPS = 2
"""Steps between the images of drives without camera settings."""
VISIBLE_EVERY_STEPS = 2
"""Steps between the instants at which visible agents are computed."""
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
        self._log = log
        self._num_steps = scenario.num_frames if log is None else log.num_steps
        self._drawn = logged_images(self._scenario, self._settings)

    @property
    def rig(self) -> CameraRig:
        """Cameras of the images."""
        return self._settings.rig

    def strip(self) -> dict[str, Any]:
        """Cameras and their images with time and boxes, as JSON."""
        steps = range(0, self._num_steps, self._settings.every_steps)
        images = [image for step in steps for image in self.images_at(step)]
        return {"names": list(self.rig.names), "sizes": self.rig.image_sizes.tolist(), "images": images}

    def images_at(self, step: int) -> list[dict[str, Any]]:
        """The image of each camera at a step, with time and boxes, as JSON.

        Raises:
            ValueError: When the drive has no such step.
        """
        if not 0 <= step < self._num_steps:
            raise ValueError(f"The drive has steps 0 to {self._num_steps - 1}, not {step}.")
        frames = self._drawn.newest(step, self._scenario.ego.rear_axle_poses[0])
        return [
            {
                "frame": step * len(self.rig.names) + camera,
                "camera": camera,
                "time_s": round((int(frames.time_us[camera]) - self._scenario.start_time_us) * 1e-6, 3),
                "boxes": projected_boxes(self._scenario, frames, camera),
                **self._perceived(step, frames, camera),
            }
            for camera in range(len(self.rig.names))
        ]

    @cached_property
    def _comparison(self) -> Comparison:
        assert self._log is not None
        return comparison(self._log)

    def _perceived(self, step: int, frames: CameraFrames, camera: int) -> dict[str, Any]:
        """Perceived boxes in an image, with a mark of the false ones."""
        one = self._log.perceived[step] if self._log is not None and self._log.perceived else None
        if one is None:
            return {}
        agents = one.agents
        boxes = OutlinedBoxes(
            poses=agents.poses[:, 0],
            sizes_m=np.column_stack([agents.sizes[:, 0], agents.heights_m]),
            bottom_m=np.full(agents.num_agents, frames.global_from_ego[camera][2, 3]),
        )
        is_false = self._comparison.is_false[step].tolist()
        found = [
            {"track": agents.track_ids[row], "is_false": is_false[row], "corners": corners}
            for row, corners in outlines(boxes, frames, camera)
        ]
        return {"perceived": found}

    def visible(self) -> dict[str, Any]:
        """Rows of the log's agents that some camera shows, at every second step, as JSON."""
        assert self._log is not None
        row_of = {track_id: row for row, track_id in enumerate(self._log.agents.track_ids)}
        steps = []
        for step in range(0, self._num_steps, VISIBLE_EVERY_STEPS):
            with _rendering:
                shown = self._drawn.visible_tracks(step)
            steps.append([row_of[track_id] for track_id in shown if track_id in row_of])
        return {"every": VISIBLE_EVERY_STEPS, "agents": steps}

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
