"""Track archives: a plain form for recordings, and the simplest way to bring own data.

    <archive>/tracks/<scene>.npz                      ego and agents over time
    <archive>/maps/<scene>.json or .json.gz           lanes, crosswalks, walkways
    <archive>/maps/drivable_area_<map>.geojson[.gz]   drivable area, optional
    <archive>/camera/<scene>_*/frame.json             calibrated images of one instant each, optional

docs/importing.md describes every field. nuScenes scenes in this form are placed where they were recorded.
"""

import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

from driving.agents import AgentKind, AgentTracks
from driving.cameras import CameraFrames, CameraRig
from driving.importers.assemble import recording_of
from driving.importers.places import Place
from driving.importers.smoothing import (
    TrackSamples,
    ego_motion,
    grid_times,
    steps_before_trailing_jump,
    tracks_on_grid,
)
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
"""Words of the `type` column."""

REQUIRED = ("t", "track_id", "type", "position", "heading", "valid", "size_lwh", "map_name")


def find_scenes(source: Path) -> list[Path]:
    """Track files of an archive, of its `tracks` folder, or the one that is named.

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
        ValueError: When an array is missing, of the wrong shape, or of an unknown type; when no agent or no
            ego is in it.
    """
    tracks = _read_tracks(source)
    scene = source.stem
    map_name = str(tracks["map_name"])
    camera_folders = sorted((source.parent.parent / "camera").glob(f"{scene}_*/frame.json"))
    frame_us = _start_us(tracks, camera_folders) + np.round(np.asarray(tracks["t"], dtype=np.float64) * 1e6).astype(
        np.int64
    )
    positions = np.asarray(tracks["position"], dtype=np.float64)
    headings = np.asarray(tracks["heading"], dtype=np.float64)
    ego_poses = np.column_stack([positions[0, :, :2], headings[0]])

    time_us, on_grid, dropped = _ego_on_grid(frame_us, ego_poses, np.asarray(tracks["valid"])[0])
    archive_map = read_map(source.parent.parent / "maps", scene, map_name, on_grid)
    place = archive_map.place
    smoothed = ego_motion(time_us, place.poses_to_global(on_grid))
    size = np.asarray(tracks["size_lwh"], dtype=np.float64)[0]
    tail = f"; the last {dropped} steps are dropped, as the path jumps there" if dropped else ""
    return recording_of(
        log_name=f"{scene}-{map_name}",
        map_graph=archive_map.graph,
        ego=smoothed.motion,
        agents=_agents(tracks, frame_us, time_us, place),
        metadata={
            "source": f"track archive, scene {scene} of {map_name}",
            "driving_side": archive_map.driving_side,
            **place.metadata,
            "ego_path": smoothed.note + tail,
            "agents": f"as in the archive, at 0.1 s; velocities {_velocity_note(tracks)}",
        },
        recorded_size_m=(float(size[0]), float(size[1])),
        cameras=_cameras(camera_folders, source.parent.parent, place),
    )


def _read_tracks(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise FileNotFoundError(f"No track file {path}.")
    try:
        # allow_pickle stays off: an archive from elsewhere runs no code.
        with np.load(path, allow_pickle=False) as archive:
            tracks = {name: archive[name] for name in archive.files}
    except (zipfile.BadZipFile, ValueError, EOFError) as error:
        raise ValueError(f"{path} is no complete npz file of plain arrays: {error}") from error
    missing = [name for name in REQUIRED if name not in tracks]
    if missing:
        raise ValueError(f"{path} needs the arrays {', '.join(REQUIRED)}; {', '.join(missing)} are missing.")
    count, steps = len(tracks["track_id"]), len(tracks["t"])
    if count == 0 or steps == 0:
        raise ValueError(f"{path} holds {count} tracks at {steps} steps; the ego is track 0.")
    shapes = {"heading": (count, steps), "valid": (count, steps), "type": (count,), "size_lwh": (count, 3)}
    for name, shape in shapes.items():
        if tracks[name].shape != shape:
            raise ValueError(f"{path}: {name} must have the shape {shape}, got {tracks[name].shape}.")
    if tracks["position"].shape not in ((count, steps, 2), (count, steps, 3)):
        raise ValueError(f"{path}: position must be ({count}, {steps}, 3), got {tracks['position'].shape}.")
    if (np.diff(tracks["t"]) <= 0).any():
        raise ValueError(f"{path}: the times t must rise.")
    return tracks


def _start_us(tracks: dict[str, np.ndarray], cameras: list[Path]) -> int:
    """Time of t = 0: `start_time_us` where given, else that of the images at the first step, else noon of the day."""
    if "start_time_us" in tracks:
        return int(tracks["start_time_us"])
    if cameras:
        return int(read_json(cameras[0])["lidar_timestamp_us"])
    date = str(tracks["date"]) if "date" in tracks else "2000-01-01"
    return round(datetime.fromisoformat(date).replace(hour=12, tzinfo=UTC).timestamp() * 1e6)


def _ego_on_grid(
    frame_us: Int64[np.ndarray, "steps"], poses: Float64[np.ndarray, "steps 3"], valid: Bool[np.ndarray, "steps"]
) -> tuple[Int64[np.ndarray, "time"], Float64[np.ndarray, "time 3"], int]:
    """The ego every 0.1 s over the time in which it is known, without the jump that some sources end with."""
    known = np.flatnonzero(valid)
    if not len(known):
        raise ValueError("Track 0, the ego, is never valid.")
    time_us = grid_times(int(frame_us[known[0]]), int(frame_us[known[-1]]))
    start_us = int(time_us[0])
    unwrapped = np.column_stack([poses[known, :2], np.unwrap(poses[known, 2])])
    on_grid = np.stack(
        [np.interp(time_us - start_us, frame_us[known] - start_us, unwrapped[:, column]) for column in range(3)],
        axis=-1,
    )
    kept = steps_before_trailing_jump(on_grid[:, :2])
    return time_us[:kept], on_grid[:kept], len(time_us) - kept


def _agents(
    tracks: dict[str, np.ndarray],
    frame_us: Int64[np.ndarray, "steps"],
    time_us: Int64[np.ndarray, "time"],
    place: Place,
) -> AgentTracks:
    unknown = sorted(set(tracks["type"][1:].tolist()) - set(KIND_OF_TYPE))
    if unknown:
        raise ValueError(f"Unknown types {unknown}; known: {sorted(KIND_OF_TYPE)}.")
    samples = []
    for row in range(1, len(tracks["track_id"])):
        seen = np.flatnonzero(tracks["valid"][row])
        if not len(seen):
            continue
        position = np.asarray(tracks["position"][row, seen], dtype=np.float64)
        length, width, height = np.asarray(tracks["size_lwh"][row], dtype=np.float64)
        samples.append(
            TrackSamples(
                track_id=str(tracks["track_id"][row]),
                kind=KIND_OF_TYPE[str(tracks["type"][row])],
                time_us=frame_us[seen],
                poses=np.column_stack(
                    [place.to_global(position[:, :2]), np.asarray(tracks["heading"][row, seen], dtype=np.float64)]
                ),
                sizes=np.tile([length, width], (len(seen), 1)),
                z_m=position[:, 2] if position.shape[1] == 3 else np.zeros(len(seen)),
                height_m=float(height),
            )
        )
    return tracks_on_grid(time_us, samples)


def _velocity_note(tracks: dict[str, np.ndarray]) -> str:
    given = ", those in the archive are not used" if "velocity" in tracks else ""
    return f"by central differences{given}"


@dataclass(frozen=True, kw_only=True, eq=False)
class _Image:
    name: str
    entry: dict[str, Any]
    path: str
    global_from_ego: Float64[np.ndarray, "4 4"]


def _cameras(frames: list[Path], root: Path, place: Place) -> CameraFrames | None:
    """The images of all instants; their calibration is that of the first."""
    images = []
    for file in frames:
        frame = read_json(file)
        global_from_ego = np.array(frame["ego_to_global"], dtype=np.float64)
        global_from_ego[:2, 3] = place.to_global(global_from_ego[:2, 3])
        folder = file.parent.relative_to(root).as_posix()
        for name, entry in frame["cameras"].items():
            images.append(
                _Image(name=name, entry=entry, path=f"{folder}/{entry['file']}", global_from_ego=global_from_ego)
            )
    if not images:
        return None
    first = {image.name: image.entry for image in reversed(images)}
    names = sorted(first)
    images.sort(key=lambda image: (image.entry["timestamp_us"], image.name))
    return CameraFrames(
        rig=CameraRig(
            names=tuple(names),
            intrinsics=np.array([first[name]["intrinsic"] for name in names], dtype=np.float64),
            distortion=np.zeros((len(names), 5)),
            ego_from_camera=np.array([first[name]["cam_to_ego"] for name in names], dtype=np.float64),
            image_sizes=np.array([[first[name]["width"], first[name]["height"]] for name in names], dtype=np.int64),
        ),
        cameras=np.array([names.index(image.name) for image in images], dtype=np.int64),
        time_us=np.array([image.entry["timestamp_us"] for image in images], dtype=np.int64),
        global_from_ego=np.stack([image.global_from_ego for image in images]),
        paths=tuple(image.path for image in images),
        root=str(root.resolve()),
    )
