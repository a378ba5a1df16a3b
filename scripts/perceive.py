"""Perceive agents and road in photos of a calibrated rig: boxes on the images and a picture from above.

    python scripts/perceive.py --images photos --rig my_rig.json --checkpoint checkpoints/eyes --output seen

The folder of --images holds one image per camera, named as the camera in the rig: `front.jpg`, `left.png`, ... Or it
holds folders, one per instant, each with such images; instants are perceived independently. A camera without an image
is left out and named. The output gets an image with boxes for each camera, `from_above.png`, and `boxes.json` (ego
frame, metres, radians). The images must have the sizes that the rig names.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from command_line import CommonArguments, console, errors, progress, run

from driving.cameras import CameraFrames, CameraRig
from driving.ego import EgoMotion
from driving.rig_files import read_rig
from perception.checkpoint import SHIPPED, Checkpoint
from perception.drawing import box_records, drawn_boxes, drawn_from_above
from perception.perceiver import PerceivedScene, Perceiver

SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Images, calibration, network."""

    images: Path
    """Folder with one image per camera, or with one folder per instant."""
    rig: Path
    """Calibration of the cameras, a JSON file; driving/rig_files.py describes it."""
    checkpoint: Path = SHIPPED
    """Folder of the network."""
    output: Path
    """Folder for the pictures."""
    min_score: float = 0.3
    """Boxes with a lower score are not drawn."""


def main(arguments: Arguments) -> None:
    """Perceive each instant and write its pictures."""
    rig = read_rig(arguments.rig)
    network = Checkpoint.load(arguments.checkpoint).network
    folders = instants(arguments.images, rig)
    count = 0
    with progress(arguments) as bar:
        for folder in bar.track(folders, description="instants"):
            output = arguments.output / folder.relative_to(arguments.images)
            frames = frames_of(folder, rig)
            scene = Perceiver(network).perceive(frames, standing_ego())
            for note in scene.notes:
                errors.print(f"{folder.name}: {note}", highlight=False)
            if scene.grid is None:
                raise ValueError(f"No image of {folder} can be used, see the lines above.")
            count += write(output, frames, scene, arguments.min_score)
    console.print(f"{count} boxes in {len(folders)} instants; the pictures are in {arguments.output}.")


def instants(images: Path, rig: CameraRig) -> list[Path]:
    """Folders with images of the rig's cameras.

    Raises:
        FileNotFoundError: When there is none.
    """
    folders = [images, *sorted(path for path in images.glob("*") if path.is_dir())] if images.is_dir() else []
    found = [folder for folder in folders if any(image_of(folder, name) for name in rig.names)]
    if not found:
        raise FileNotFoundError(
            f"{images} holds no image of a camera of the rig. Expected files such as {rig.names[0]}.jpg, or folders"
            " with such files."
        )
    return found


def image_of(folder: Path, camera: str) -> Path | None:
    """The image file of a camera."""
    return next((path for suffix in SUFFIXES if (path := folder / f"{camera}{suffix}").is_file()), None)


def frames_of(folder: Path, rig: CameraRig) -> CameraFrames:
    """The images of one instant."""
    paths = {row: path for row, name in enumerate(rig.names) if (path := image_of(folder, name))}
    return CameraFrames(
        rig=rig,
        cameras=np.array(list(paths), dtype=np.int64),
        time_us=np.zeros(len(paths), dtype=np.int64),
        global_from_ego=np.tile(np.eye(4), (len(paths), 1, 1)),
        paths=tuple(str(path) for path in paths.values()),
    )


def standing_ego() -> EgoMotion:
    """An ego at the origin: photos have no motion."""
    zeros = np.zeros((1, 1))
    return EgoMotion(
        time_us=np.zeros(1, dtype=np.int64),
        rear_axle_poses=np.zeros((1, 1, 3)),
        velocities_mps=np.zeros((1, 1, 2)),
        accelerations_mps2=np.zeros((1, 1, 2)),
        steering_rad=zeros,
        yaw_rate_radps=zeros,
        yaw_acceleration_radps2=zeros,
    )


def write(output: Path, frames: CameraFrames, scene: PerceivedScene, min_score: float) -> int:
    """Write the pictures of one instant; returns the number of boxes."""
    output.mkdir(parents=True, exist_ok=True)
    detections = scene.detections.take(scene.detections.scores >= min_score)
    for row, camera in enumerate(frames.cameras.tolist()):
        name = frames.rig.names[camera]
        if scene.health[name] == "seen":
            picture = drawn_boxes(frames.image(row), frames.rig, camera, detections)
            picture.save(output / f"{name}.jpg", quality=90)
    assert scene.grid is not None
    drawn_from_above(scene.grid, detections).save(output / "from_above.png")
    (output / "boxes.json").write_text(json.dumps(box_records(detections), indent=1) + "\n", encoding="utf-8")
    return len(detections.scores)


if __name__ == "__main__":
    run(Arguments, main, __doc__)
