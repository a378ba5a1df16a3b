"""Rendered images of the scenarios of a nuPlan log, written as nuPlan sensor blobs.

    OUTPUT/nuplan-v1.1/splits/<split>/<log name>.db
    OUTPUT/nuplan-v1.1/sensor_blobs/<log name>/<camera>/<token>.jpg

Each image shows the recorded ego and agents at a frame of the log, as `logged_images` does.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from driving.cameras import CameraFrames
from driving.nuplan.cache import replacing
from driving.nuplan.data import DATASET_FOLDER
from driving.nuplan.entries import ScenarioEntry
from driving.nuplan.image_writer import copy_log_with_images, new_images
from driving.nuplan.logs import log_name_of
from driving.nuplan.scenarios import open_scenario
from driving.scenario import HISTORY_STEPS, Scenario
from simulation.sensors.rendered import CameraSettings, RenderedImagesByFrame, logged_images

QUALITY = 90
"""Of the JPEG files."""
DEFAULT_SPLIT = "mini"


@dataclass(frozen=True, kw_only=True)
class RenderedLog:
    """What was written of a log."""

    scenarios: int
    images: int
    left_out: tuple[str, ...]
    """A sentence for each scenario that cannot be opened."""


@dataclass(frozen=True, kw_only=True)
class _View:
    """A step of a scenario at which images are taken."""

    scenario: int
    iteration: int
    past_steps: int
    """Known steps before it, as far as they count."""


def log_path(output: Path, log_file: Path) -> Path:
    """Place of a log in a data root: the split is that of the log."""
    split = log_file.parent.name if log_file.parent.name != DATASET_FOLDER else ""
    return output / DATASET_FOLDER / "splits" / (split or DEFAULT_SPLIT) / log_file.name


def blob_folder(output: Path, log_file: Path) -> Path:
    """Folder of the images of a log."""
    return output / DATASET_FOLDER / "sensor_blobs" / log_name_of(log_file)


def render_log(
    log_file: Path,
    entries: Sequence[ScenarioEntry],
    output: Path,
    settings: CameraSettings,
    on_step: Callable[[], None] = lambda: None,
) -> RenderedLog:
    """Write the images of the scenarios of a log, their history included, and then the log that names them.

    Args:
        log_file: The log.
        entries: Its scenarios. Where they overlap, an image is taken once.
        output: The data root.
        settings: Of the cameras, without faults and with one rig for images and calibration.
        on_step: Called after the images of each step.

    Raises:
        OSError: When the log is locked, or the output cannot be written.
        ValueError: When no scenario can be opened, or the settings have faults.
    """
    if settings.faults or settings.calibration is not None:
        raise ValueError("Sensor blobs have no faults and the true calibration. Set these when the images are read.")
    scenarios, left_out = _opened(entries)
    if not scenarios:
        raise ValueError(f"No scenario of {log_file} can be opened. {' '.join(left_out)}")
    views = _views(scenarios, settings.every_steps)
    drives = [logged_images(scenario, settings, kept_images=0) for scenario in scenarios]
    frames = _joined([_frames(scenarios, drives, view) for view in views])
    images = new_images(log_name_of(log_file), frames)
    sensor_root = blob_folder(output, log_file).parent
    num_cameras = len(settings.rig.names)
    for step, view in enumerate(views):
        pixels = _frames(scenarios, drives, view).images(range(num_cameras))
        for camera, image in enumerate(pixels):
            name = images.file_name(log_name_of(log_file), step * num_cameras + camera)
            assert image is not None  # No camera has a fault.
            with replacing(sensor_root / name) as temporary:
                Image.fromarray(image).save(temporary, "JPEG", quality=QUALITY)
        on_step()
    copy_log_with_images(log_file, log_path(output, log_file), images)
    return RenderedLog(scenarios=len(scenarios), images=frames.num_frames, left_out=tuple(left_out))


def _opened(entries: Sequence[ScenarioEntry]) -> tuple[list[Scenario], list[str]]:
    scenarios, left_out = [], []
    for entry in entries:
        try:
            scenarios.append(open_scenario(entry, allow_short=True, with_cameras=False))
        except (ValueError, OSError) as error:
            left_out.append(f"Scenario {entry.token}: {error}")
    return scenarios, left_out


def _views(scenarios: Sequence[Scenario], every_steps: int) -> list[_View]:
    """One view of each time, in time order: that of the scenario with the longest history."""
    views: dict[int, _View] = {}
    for index, scenario in enumerate(scenarios):
        for iteration in range(-scenario.first_frame, scenario.num_frames):
            if iteration % every_steps:
                continue
            frame = scenario.first_frame + iteration
            view = _View(scenario=index, iteration=iteration, past_steps=min(frame + 1, HISTORY_STEPS))
            time_us = int(scenario.time_us[frame])
            if time_us not in views or view.past_steps > views[time_us].past_steps:
                views[time_us] = view
    return [views[time_us] for time_us in sorted(views)]


def _frames(scenarios: Sequence[Scenario], drives: Sequence[RenderedImagesByFrame], view: _View) -> CameraFrames:
    poses = scenarios[view.scenario].ego.rear_axle_poses[0]
    return drives[view.scenario].newest(view.iteration, poses)


def _joined(parts: Sequence[CameraFrames]) -> CameraFrames:
    """All frames without their images."""
    return CameraFrames(
        rig=parts[0].rig,
        cameras=np.concatenate([part.cameras for part in parts]),
        time_us=np.concatenate([part.time_us for part in parts]),
        global_from_ego=np.concatenate([part.global_from_ego for part in parts]),
    )
