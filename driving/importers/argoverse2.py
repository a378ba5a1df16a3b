"""Argoverse 2 sensor logs: the folders of the data set, one per log.

    <log>/annotations.feather (or annotations_with_ego.feather)   boxes in the ego frame, 10 Hz
    <log>/city_SE3_egovehicle.feather                             ego poses in the city frame
    <log>/map/log_map_archive_*.json                              lanes, drivable area, crosswalks
    <log>/calibration/*.feather, sensors/cameras/<camera>/*.jpg   optional

Source: Wilson et al., "Argoverse 2: Next Generation Datasets for Self-Driving Perception and Forecasting", 2021.
"""

from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.feather
from jaxtyping import Float64, Int64
from scipy.spatial.transform import Rotation

from driving.agents import AgentKind
from driving.cameras import CameraFrames, CameraRig
from driving.importers.agent_tracks import TrackSamples, tracks_on_grid
from driving.importers.argoverse2_map import read_map
from driving.importers.assemble import heading_of, recording_of
from driving.importers.ego_path import ego_motion, observed_stretch
from driving.importers.naming import file_name
from driving.importers.notes import ImportNotes, NoteKind
from driving.importers.numbers import usable
from driving.importers.places import Place
from driving.importers.sampling import grid_times, interpolated_poses
from driving.recording import Recording

KINDS = {
    AgentKind.VEHICLE: (
        "REGULAR_VEHICLE LARGE_VEHICLE BUS BOX_TRUCK TRUCK TRUCK_CAB VEHICULAR_TRAILER ARTICULATED_BUS SCHOOL_BUS"
        " RAILED_VEHICLE"
    ),
    AgentKind.BICYCLE: "BICYCLE BICYCLIST MOTORCYCLE MOTORCYCLIST WHEELED_DEVICE WHEELED_RIDER",
    AgentKind.PEDESTRIAN: "PEDESTRIAN OFFICIAL_SIGNALER STROLLER WHEELCHAIR",
    AgentKind.TRAFFIC_CONE: "CONSTRUCTION_CONE CONSTRUCTION_BARREL",
    AgentKind.CZONE_SIGN: "MOBILE_PEDESTRIAN_CROSSING_SIGN MESSAGE_BOARD_TRAILER",
    AgentKind.GENERIC_OBJECT: "BOLLARD SIGN STOP_SIGN TRAFFIC_LIGHT_TRAILER DOG ANIMAL",
}
"""nuPlan's kinds for the categories. As in nuPlan, motorcycles are bicycles, and animals are generic objects."""

KIND_OF_CATEGORY = {category: kind for kind, names in KINDS.items() for category in names.split()}

EGO_CATEGORY = "EGO_VEHICLE"
"""Category of the ego, which some files list among the boxes."""

POSE_COLUMNS = ("qw", "qx", "qy", "qz", "tx_m", "ty_m", "tz_m")
TEXT_COLUMNS = frozenset({"track_uuid", "category", "sensor_name"})
BOX_COLUMNS = ("timestamp_ns", "track_uuid", "category", "length_m", "width_m", "height_m", *POSE_COLUMNS)


def find_logs(source: Path) -> list[Path]:
    """Log folders in a folder at any depth, or the one log of a named folder or file.

    Raises:
        FileNotFoundError: When there is none.
    """
    if source.is_file():
        source = source.parent
    if _annotations(source) is not None:
        return [source]
    logs = sorted({path.parent for path in source.rglob("annotations*.feather")})
    if not logs:
        raise FileNotFoundError(
            f"No Argoverse 2 sensor log in {source}: a log is a folder with annotations.feather,"
            " city_SE3_egovehicle.feather and map/."
        )
    return logs


def import_recording(source: Path) -> Recording:
    """Read one log folder.

    Raises:
        FileNotFoundError: When a file of the log is missing.
        ValueError: When a file cannot be read, holds no box, or names an unknown city.
    """
    notes = ImportNotes()
    with notes.attached_to_errors():
        return _recording(source, notes)


def _recording(source: Path, notes: ImportNotes) -> Recording:
    annotations = _annotations(source)
    if annotations is None:
        raise FileNotFoundError(f"Log {source} has no annotations.feather: logs of the test split have no boxes.")
    boxes = _read(annotations, BOX_COLUMNS, notes)
    if not len(boxes["timestamp_ns"]):
        raise ValueError(f"{annotations} holds no box: without boxes there is no time axis and no agent.")
    poses = _read(_existing(source / "city_SE3_egovehicle.feather"), ("timestamp_ns", *POSE_COLUMNS), notes)
    poses = _observed_poses(poses, source, notes)
    pose_ns = poses["timestamp_ns"]
    frame_ns = np.unique(boxes["timestamp_ns"])
    covered = frame_ns[(frame_ns >= pose_ns[0]) & (frame_ns <= pose_ns[-1])]
    if not len(covered):
        raise ValueError(f"The ego poses of log {source} do not cover the time of any box.")
    if len(covered) < len(frame_ns):
        sentence = "frames of boxes outside the time of the ego poses"
        notes.add(NoteKind.LEFT_OUT, sentence, count=len(frame_ns) - len(covered))

    time_us = grid_times(int(covered[0]) // 1000, int(covered[-1]) // 1000)
    ego_poses = _ego_poses_at(time_us * 1000, poses)
    city_map = read_map(source, ego_poses, notes)
    smoothed = ego_motion(time_us, city_map.place.poses_to_global(ego_poses))
    is_ego = boxes["category"] == EGO_CATEGORY
    size = (float(boxes["length_m"][is_ego][0]), float(boxes["width_m"][is_ego][0])) if is_ego.any() else None
    tracks = _tracks(boxes, poses, city_map.place, notes)
    return recording_of(
        log_name=f"argoverse2-{file_name(source.name, notes)}",
        map_graph=city_map.graph,
        ego=smoothed.motion,
        agents=tracks_on_grid(time_us, tracks, covered // 1000, notes),
        metadata={
            "source": f"Argoverse 2 sensor log {source.name}, {city_map.city}; licence CC BY-NC-SA 4.0",
            "driving_side": "right",
            **city_map.place.metadata,
            "ego_path": f"interpolated between the log's poses; {smoothed.note}",
            "agents": "boxes of the log, moved from the ego to the global frame and interpolated to a grid of 0.1 s;"
            " velocities by central differences",
        },
        recorded_size_m=size,
        notes=notes,
        cameras=_cameras(source, poses, city_map.place, notes),
    )


def _observed_poses(poses: dict[str, np.ndarray], log: Path, notes: ImportNotes) -> dict[str, np.ndarray]:
    """The ego poses in order of time, over their longest stretch without a gap."""
    order = np.argsort(poses["timestamp_ns"], kind="stable")
    columns = np.stack([poses[name][order] for name in POSE_COLUMNS], axis=-1).astype(np.float64)
    known = np.all(usable(columns), axis=1)
    known[known] = np.linalg.norm(columns[known, :4], axis=1) > 0
    known &= np.diff(poses["timestamp_ns"][order], prepend=-1) > 0
    if not known.all():
        sentence = "ego poses without a finite pose and a time of their own"
        notes.add(NoteKind.LEFT_OUT, sentence, count=int((~known).sum()))
    if not known.any():
        raise ValueError(f"Log {log} has no usable ego pose.")
    order = order[known]
    stretch = observed_stretch(poses["timestamp_ns"][order] // 1000, notes)
    return {name: column[order[stretch]] for name, column in poses.items()}


def _annotations(log: Path) -> Path | None:
    for name in ("annotations.feather", "annotations_with_ego.feather"):
        if (log / name).is_file():
            return log / name
    return None


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError(f"Log {path.parent} has no {path.name}.")
    return path


def _read(path: Path, columns: tuple[str, ...], notes: ImportNotes) -> dict[str, np.ndarray]:
    try:
        table = pyarrow.feather.read_table(path, columns=list(columns), memory_map=False)
    except (pyarrow.ArrowException, KeyError, OSError) as error:
        raise ValueError(
            f"{path} is no complete feather file with the columns {', '.join(columns)}: {error}"
        ) from error
    for name in columns:
        kind = table.schema.field(name).type
        is_integer = pyarrow.types.is_integer(kind) or pyarrow.types.is_null(kind)
        is_number = is_integer or (pyarrow.types.is_floating(kind) and name != "timestamp_ns")
        if not (is_number or name in TEXT_COLUMNS):
            raise ValueError(f"{path}: column {name} must hold numbers, integers for timestamp_ns, got {kind}.")
    complete = table.drop_null()
    if len(complete) < len(table):
        sentence = "rows with empty values"
        notes.add(NoteKind.LEFT_OUT, sentence, path.name, count=len(table) - len(complete))
    return {name: np.asarray(complete[name].to_pylist()) for name in columns}


def _transforms(rows: dict[str, np.ndarray]) -> Float64[np.ndarray, "rows 4 4"]:
    """Pose columns as matrices."""
    transforms = np.tile(np.eye(4), (len(rows["qw"]), 1, 1))
    quaternions = np.stack([rows["qx"], rows["qy"], rows["qz"], rows["qw"]], axis=-1)
    transforms[:, :3, :3] = Rotation.from_quat(quaternions).as_matrix()
    transforms[:, :3, 3] = np.stack([rows["tx_m"], rows["ty_m"], rows["tz_m"]], axis=-1)
    return transforms


def _ego_poses_at(time_ns: Int64[np.ndarray, "time"], poses: dict[str, np.ndarray]) -> Float64[np.ndarray, "time 3"]:
    known = np.stack([poses["tx_m"], poses["ty_m"], heading_of(_transforms(poses)[:, :3, :3])], axis=-1)
    # Relative times: nanoseconds since 1970 are not exact in float64.
    start_ns = poses["timestamp_ns"][0]
    return interpolated_poses((time_ns - start_ns) / 1e9, (poses["timestamp_ns"] - start_ns) / 1e9, known)


def _tracks(
    boxes: dict[str, np.ndarray], poses: dict[str, np.ndarray], place: Place, notes: ImportNotes
) -> list[TrackSamples]:
    boxes = _placeable(boxes, poses["timestamp_ns"], notes)
    rows = np.searchsorted(poses["timestamp_ns"], boxes["timestamp_ns"])
    city_from_box = _transforms(poses)[rows] @ _transforms(boxes)
    centers = place.to_global(city_from_box[:, :2, 3])
    headings = heading_of(city_from_box[:, :3, :3])
    # Agents in the order of the file, their frames in order of time.
    tracks = []
    for track_id in dict.fromkeys(boxes["track_uuid"].tolist()):
        own = np.flatnonzero(boxes["track_uuid"] == track_id)
        own = own[np.argsort(boxes["timestamp_ns"][own], kind="stable")]
        category = str(boxes["category"][own[0]])
        if category == EGO_CATEGORY:
            continue
        tracks.append(
            TrackSamples(
                track_id=str(track_id),
                kind=KIND_OF_CATEGORY[category],
                time_us=boxes["timestamp_ns"][own] // 1000,
                poses=np.column_stack([centers[own], headings[own]]),
                sizes=np.stack([boxes["length_m"][own], boxes["width_m"][own]], axis=-1).astype(np.float64),
                z_m=city_from_box[own, 2, 3],
                height_m=float(np.median(boxes["height_m"][own])),
            )
        )
    return tracks


def _placeable(
    boxes: dict[str, np.ndarray], pose_ns: Int64[np.ndarray, "poses"], notes: ImportNotes
) -> dict[str, np.ndarray]:
    """The boxes of known categories with a finite pose, at the time of an ego pose."""
    known = np.isin(boxes["category"], [*KIND_OF_CATEGORY, EGO_CATEGORY])
    timed = np.isin(boxes["timestamp_ns"], pose_ns)
    columns = np.stack([boxes[name] for name in POSE_COLUMNS], axis=-1).astype(np.float64)
    placed = np.all(usable(columns), axis=1)
    placed[placed] = np.linalg.norm(columns[placed, :4], axis=1) > 0
    kept = np.ones(len(timed), dtype=bool)
    for mask, reason in (
        (known, "boxes of unknown category"),
        (timed, "boxes without an ego pose of their time"),
        (placed, "boxes without a finite pose"),
    ):
        for name in np.unique(boxes["category"][kept & ~mask]).tolist():
            count = int((kept & ~mask & (boxes["category"] == name)).sum())
            notes.add(NoteKind.LEFT_OUT, reason, str(name), count)
        kept &= mask
    return {name: column[kept] for name, column in boxes.items()}


def _cameras(log: Path, poses: dict[str, np.ndarray], place: Place, notes: ImportNotes) -> CameraFrames | None:
    """Rig and images; None without calibration. The images of the data set are rectified, without distortion."""
    intrinsics_file, extrinsics_file = (
        log / "calibration" / name for name in ("intrinsics.feather", "egovehicle_SE3_sensor.feather")
    )
    if not (intrinsics_file.is_file() and extrinsics_file.is_file()):
        return None
    pixel_columns = ("sensor_name", "fx_px", "fy_px", "cx_px", "cy_px", "height_px", "width_px")
    pixels = _read(intrinsics_file, pixel_columns, notes)
    mounts = _read(extrinsics_file, ("sensor_name", *POSE_COLUMNS), notes)
    names = [str(name) for name in pixels["sensor_name"] if name in mounts["sensor_name"]]
    matrices = np.tile(np.eye(3), (len(names), 1, 1))
    sizes = np.zeros((len(names), 2), dtype=np.int64)
    mounted = np.zeros((len(names), 4, 4))
    for camera, name in enumerate(names):
        row = int(np.flatnonzero(pixels["sensor_name"] == name)[0])
        matrices[camera, 0] = pixels["fx_px"][row], 0.0, pixels["cx_px"][row]
        matrices[camera, 1] = 0.0, pixels["fy_px"][row], pixels["cy_px"][row]
        sizes[camera] = pixels["width_px"][row], pixels["height_px"][row]
        mounted[camera] = _transforms(mounts)[int(np.flatnonzero(mounts["sensor_name"] == name)[0])]
    images = []
    for camera, name in enumerate(names):
        for path in (log / "sensors" / "cameras" / name).glob("*.jpg"):
            if path.stem.isdecimal():
                images.append((int(path.stem), camera, f"sensors/cameras/{name}/{path.name}"))
            else:
                notes.add(
                    NoteKind.LEFT_OUT, "images with a name that is no time in nanoseconds", f"{name}/{path.name}"
                )
    images.sort()
    times_ns = np.array([time_ns for time_ns, _, _ in images], dtype=np.int64)
    nearest = np.clip(np.searchsorted(poses["timestamp_ns"], times_ns), 0, len(poses["timestamp_ns"]) - 1)
    global_from_ego = _transforms(poses)[nearest]
    global_from_ego[:, :2, 3] = place.to_global(global_from_ego[:, :2, 3])
    return CameraFrames(
        rig=CameraRig(
            names=tuple(names),
            intrinsics=matrices,
            distortion=np.zeros((len(names), 5)),
            ego_from_camera=mounted,
            image_sizes=sizes,
        ),
        cameras=np.array([camera for _, camera, _ in images], dtype=np.int64),
        time_us=times_ns // 1000,
        global_from_ego=global_from_ego,
        paths=tuple(path for _, _, path in images),
        root=str(log.resolve()),
    )
