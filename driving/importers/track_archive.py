"""Track archives: a plain form of recordings, and the simplest way to import own data.

    <archive>/tracks/<scene>.npz                      ego and agents over time
    <archive>/maps/<scene>.json or .json.gz           lanes, crosswalks, walkways
    <archive>/maps/drivable_area_<map>.geojson[.gz]   drivable area, optional
    <archive>/camera/<scene>_*/frame.json             calibrated images of one instant each, optional

docs/importing.md describes every field. nuScenes scenes in this form keep their geographic place.
"""

import glob
import zipfile
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from driving.agents import AgentKind
from driving.cameras import CameraFrames, CameraRig
from driving.importers.agent_tracks import TrackSamples, tracks_on_grid
from driving.importers.assemble import recording_of
from driving.importers.ego_path import ego_motion, ego_on_grid, steps_before_trailing_jump
from driving.importers.naming import file_name
from driving.importers.notes import ImportNotes, NoteKind
from driving.importers.numbers import usable
from driving.importers.places import Place
from driving.importers.track_archive_map import read_json, read_map
from driving.recording import Recording

KIND_OF_TYPE = {
    "VEHICLE": AgentKind.VEHICLE,
    "PEDESTRIAN": AgentKind.PEDESTRIAN,
    "CYCLIST": AgentKind.BICYCLE,
    "BICYCLE": AgentKind.BICYCLE,
    "TRAFFIC_CONE": AgentKind.TRAFFIC_CONE,
    "TRAFFIC_BARRIER": AgentKind.BARRIER,
    "BARRIER": AgentKind.BARRIER,
    "CZONE_SIGN": AgentKind.CZONE_SIGN,
    "GENERIC_OBJECT": AgentKind.GENERIC_OBJECT,
}
"""nuPlan's kinds for the `type` column."""

REQUIRED = ("t", "track_id", "type", "position", "heading", "valid", "size_lwh", "map_name")


MAX_TIME_S = 1e7
"""Larger times t are no seconds from the start of a scene."""


def find_scenes(source: Path) -> list[Path]:
    """Track files of an archive, of its `tracks` folder, or the one file that is named.

    Raises:
        FileNotFoundError: When there is none.
    """
    if source.is_file():
        return [source]
    scenes = sorted([*source.glob("*.npz"), *source.glob("tracks/*.npz")])
    if not scenes:
        raise FileNotFoundError(
            f"No track archive in {source}: it holds tracks/<scene>.npz and maps/<scene>.json(.gz)."
        )
    return scenes


def import_recording(source: Path) -> Recording:
    """Read one scene.

    Raises:
        FileNotFoundError: When the tracks or their map are missing.
        ValueError: When an array is missing or of the wrong shape or type, or when the ego is never observed.
    """
    notes = ImportNotes()
    with notes.attached_to_errors():
        return _recording(source, notes)


def _recording(source: Path, notes: ImportNotes) -> Recording:
    tracks = _read_tracks(source)
    scene = source.stem
    map_name = str(tracks["map_name"])
    archive = source.parent.parent
    images = _read_images(sorted((archive / "camera").glob(f"{glob.escape(scene)}_*/frame.json")), archive, notes)
    frame_us = _start_us(tracks, images, notes) + np.round(tracks["t"] * 1e6).astype(np.int64)

    known = np.flatnonzero(tracks["valid"][0])
    if not len(known):
        raise ValueError(f"{source}: track 0, the ego, is never valid.")
    ego_poses = np.column_stack([tracks["position"][0, known, :2], tracks["heading"][0, known]])
    path = ego_on_grid(frame_us[known], ego_poses, notes)
    kept = steps_before_trailing_jump(path.poses[:, :2])
    if kept < len(path.time_us):
        notes.add(NoteKind.LEFT_OUT, "last steps, as the ego's path jumps there", count=len(path.time_us) - kept)
        path = path.first_steps(kept)
    archive_map = read_map(archive / "maps", scene, map_name, path.poses, notes)
    place = archive_map.place
    smoothed = ego_motion(path.time_us, place.poses_to_global(path.poses), path.interval_us)
    length_m, width_m = tracks["size_lwh"][0, :2].tolist()
    return recording_of(
        log_name=file_name(f"{scene}-{map_name}", notes),
        map_graph=archive_map.graph,
        ego=smoothed.motion,
        agents=tracks_on_grid(path.time_us, _agents(tracks, frame_us, place, notes), frame_us, notes),
        metadata={
            "source": f"track archive, scene {scene} of {map_name}",
            "driving_side": archive_map.driving_side,
            **place.metadata,
            "ego_path": smoothed.note,
            "agents": f"boxes of the archive, interpolated to a grid of 0.1 s; velocities {_velocity_rule(tracks)}",
        },
        recorded_size_m=(length_m, width_m),
        notes=notes,
        cameras=_cameras(images, archive, place),
    )


def _read_tracks(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a track file, numbers as float64."""
    if not path.is_file():
        raise FileNotFoundError(f"No track file {path}.")
    try:
        # Without pickle, an archive cannot run code.
        with np.load(path, allow_pickle=False) as archive:
            tracks = {name: archive[name] for name in archive.files}
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, OSError, AttributeError, TypeError) as error:
        raise ValueError(f"{path} is no complete npz file of plain arrays: {error}") from error
    missing = [name for name in REQUIRED if name not in tracks]
    if missing:
        raise ValueError(f"{path} needs the arrays {', '.join(REQUIRED)}; {', '.join(missing)} are missing.")
    for name in ("t", "position", "heading", "size_lwh"):
        if tracks[name].dtype.kind not in "fiu":
            raise ValueError(f"{path}: {name} must hold numbers, got {tracks[name].dtype}.")
        tracks[name] = tracks[name].astype(np.float64)
    if tracks["valid"].dtype.kind not in "biu":
        raise ValueError(f"{path}: valid must hold booleans, got {tracks['valid'].dtype}.")
    if tracks["t"].ndim != 1 or tracks["track_id"].ndim != 1 or tracks["map_name"].ndim:
        raise ValueError(f"{path}: t and track_id must be lists, and map_name one text.")
    count, steps = len(tracks["track_id"]), len(tracks["t"])
    if count == 0 or steps == 0:
        raise ValueError(f"{path} holds {count} tracks at {steps} steps; the ego is track 0.")
    shapes = {"heading": (count, steps), "valid": (count, steps), "type": (count,), "size_lwh": (count, 3)}
    for name, shape in shapes.items():
        if tracks[name].shape != shape:
            raise ValueError(f"{path}: {name} must have the shape {shape}, got {tracks[name].shape}.")
    if tracks["position"].shape not in ((count, steps, 2), (count, steps, 3)):
        raise ValueError(f"{path}: position must be ({count}, {steps}, 3), got {tracks['position'].shape}.")
    if not np.isfinite(tracks["t"]).all() or np.abs(tracks["t"]).max() > MAX_TIME_S:
        raise ValueError(f"{path}: the times t must be seconds within {MAX_TIME_S:.0e} of 0.")
    falling = np.flatnonzero(np.diff(tracks["t"]) <= 0)
    if len(falling):
        step = int(falling[0]) + 1
        raise ValueError(
            f"{path}: the times t must rise; t[{step}] = {tracks['t'][step]} follows {tracks['t'][step - 1]}."
        )
    return {**tracks, "valid": tracks["valid"].astype(bool)}


def _start_us(tracks: dict[str, np.ndarray], images: list["_Image"], notes: ImportNotes) -> int:
    """Time of t = 0: `start_time_us`, else the time of the first images, else noon of the day."""
    if "start_time_us" in tracks:
        return int(tracks["start_time_us"])
    if images:
        return images[0].instant_us
    text = str(tracks["date"]) if "date" in tracks else "2000-01-01"
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        notes.add(NoteKind.ASSUMED, f"recording date 2000-01-01, as the archive has {text!r}")
        date = datetime(2000, 1, 1)
    return round(date.replace(hour=12, tzinfo=UTC).timestamp() * 1e6)


def _agents(
    tracks: dict[str, np.ndarray], frame_us: Int64[np.ndarray, "steps"], place: Place, notes: ImportNotes
) -> list[TrackSamples]:
    samples = []
    for row in range(1, len(tracks["track_id"])):
        track_id, word = str(tracks["track_id"][row]), str(tracks["type"][row])
        observed = np.flatnonzero(tracks["valid"][row])
        if word not in KIND_OF_TYPE:
            notes.add(NoteKind.LEFT_OUT, f"agents of unknown type {word!r}", track_id)
            continue
        position = tracks["position"][row, observed]
        length_m, width_m, height_m = tracks["size_lwh"][row].tolist()
        samples.append(
            TrackSamples(
                track_id=track_id,
                kind=KIND_OF_TYPE[word],
                time_us=frame_us[observed],
                poses=np.column_stack([place.to_global(position[:, :2]), tracks["heading"][row, observed]]),
                sizes=np.tile([length_m, width_m], (len(observed), 1)),
                z_m=position[:, 2] if position.shape[1] == 3 else np.zeros(len(observed)),
                height_m=height_m,
            )
        )
    return samples


def _velocity_rule(tracks: dict[str, np.ndarray]) -> str:
    given = ", those in the archive are not used" if "velocity" in tracks else ""
    return f"by central differences{given}"


@dataclass(frozen=True, kw_only=True, eq=False)
class _Image:
    """An image of one camera at one instant."""

    camera: str
    path: str
    instant_us: int
    """Time of the instant, which the images of all cameras share."""
    time_us: int
    size: tuple[int, int]
    intrinsics: Float64[np.ndarray, "3 3"]
    ego_from_camera: Float64[np.ndarray, "4 4"]
    frame_from_ego: Float64[np.ndarray, "4 4"]
    """Pose of the ego in the frame of the archive."""


def _read_images(frames: list[Path], root: Path, notes: ImportNotes) -> list[_Image]:
    """The images of all instants. Instants that cannot be read are noted as left out."""
    images = []
    for file in frames:
        try:
            frame = read_json(file)
            images += [
                _Image(
                    camera=camera,
                    path=f"{file.parent.relative_to(root).as_posix()}/{entry['file']}",
                    instant_us=int(frame["lidar_timestamp_us"]),
                    time_us=int(entry["timestamp_us"]),
                    size=(int(entry["width"]), int(entry["height"])),
                    intrinsics=_matrix(entry["intrinsic"], 3),
                    ego_from_camera=_matrix(entry["cam_to_ego"], 4),
                    frame_from_ego=_matrix(frame["ego_to_global"], 4),
                )
                for camera, entry in frame["cameras"].items()
            ]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            reason = f"{file.parent.name} ({type(error).__name__}: {error})"
            notes.add(NoteKind.LEFT_OUT, "images of an instant that cannot be read", reason)
    return images


def _matrix(rows: list[Any], size: int) -> Float64[np.ndarray, "rows columns"]:
    matrix = np.array(rows, dtype=np.float64)
    if matrix.shape != (size, size) or not usable(matrix).all():
        raise ValueError(f"expected {size} x {size} numbers, got the shape {matrix.shape}")
    return matrix


def _cameras(images: list[_Image], root: Path, place: Place) -> CameraFrames | None:
    """Rig and images; the calibration is that of a camera's first image."""
    if not images:
        return None
    first = {image.camera: image for image in reversed(images)}
    names = sorted(first)
    images = sorted(images, key=lambda image: (image.time_us, image.camera))
    global_from_ego = np.stack([image.frame_from_ego for image in images])
    global_from_ego[:, :2, 3] = place.to_global(global_from_ego[:, :2, 3])
    return CameraFrames(
        rig=CameraRig(
            names=tuple(names),
            intrinsics=np.array([first[name].intrinsics for name in names]),
            distortion=np.zeros((len(names), 5)),
            ego_from_camera=np.array([first[name].ego_from_camera for name in names]),
            image_sizes=np.array([first[name].size for name in names], dtype=np.int64),
        ),
        cameras=np.array([names.index(image.camera) for image in images], dtype=np.int64),
        time_us=np.array([image.time_us for image in images], dtype=np.int64),
        global_from_ego=global_from_ego,
        paths=tuple(image.path for image in images),
        root=str(root.resolve()),
    )
