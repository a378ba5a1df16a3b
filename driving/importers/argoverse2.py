"""Argoverse 2 sensor logs: the data set's own folders, one per log, as they are downloaded.

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
from driving.importers.argoverse2_map import read_map
from driving.importers.assemble import heading_of, recording_of
from driving.importers.places import Place
from driving.importers.smoothing import TrackSamples, ego_motion, grid_times, tracks_on_grid
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
"""nuPlan's kinds for the categories. As in nuPlan, motorcycles are bicycles, posts and animals generic objects."""

KIND_OF_CATEGORY = {category: kind for kind, names in KINDS.items() for category in names.split()}

EGO_CATEGORY = "EGO_VEHICLE"
"""Some files list the ego among the boxes."""

POSE_COLUMNS = ("qw", "qx", "qy", "qz", "tx_m", "ty_m", "tz_m")
BOX_COLUMNS = ("timestamp_ns", "track_uuid", "category", "length_m", "width_m", "height_m", *POSE_COLUMNS)


def find_logs(source: Path) -> list[Path]:
    """Log folders in a folder (at any depth), or the one log that is named by its folder or one of its files.

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
        ValueError: When a file cannot be read, holds no box, or names an unknown category or city.
    """
    annotations = _annotations(source)
    if annotations is None:
        raise FileNotFoundError(f"Log {source} has no annotations.feather: logs of the test split have no boxes.")
    boxes = _read(annotations, BOX_COLUMNS)
    if not len(boxes["timestamp_ns"]):
        raise ValueError(f"{annotations} holds no box: without boxes there is no time axis and no agent.")
    poses = _read(_existing(source / "city_SE3_egovehicle.feather"), ("timestamp_ns", *POSE_COLUMNS))
    order = np.argsort(poses["timestamp_ns"], kind="stable")
    poses = {name: column[order] for name, column in poses.items()}
    frame_ns = np.unique(boxes["timestamp_ns"])
    if frame_ns[0] < poses["timestamp_ns"][0] or frame_ns[-1] > poses["timestamp_ns"][-1]:
        raise ValueError(f"The ego poses of log {source} do not cover the times of its boxes.")

    time_us = grid_times(int(frame_ns[0]) // 1000, int(frame_ns[-1]) // 1000)
    ego_poses = _ego_poses_at(time_us * 1000, poses)
    city_map = read_map(source, ego_poses)
    smoothed = ego_motion(time_us, city_map.place.poses_to_global(ego_poses))
    is_ego = boxes["category"] == EGO_CATEGORY
    size = (float(boxes["length_m"][is_ego][0]), float(boxes["width_m"][is_ego][0])) if is_ego.any() else None
    return recording_of(
        log_name=f"argoverse2-{source.name}",
        map_graph=city_map.graph,
        ego=smoothed.motion,
        agents=tracks_on_grid(time_us, _tracks(boxes, poses, city_map.place)),
        metadata={
            "source": f"Argoverse 2 sensor log {source.name}, {city_map.city}; licence CC BY-NC-SA 4.0",
            "driving_side": "right",
            **city_map.place.metadata,
            "ego_path": f"interpolated between the log's poses; {smoothed.note}",
            "agents": "boxes of the log, moved from the ego to the global frame and interpolated to a grid of 0.1 s;"
            " velocities by central differences",
        },
        recorded_size_m=size,
        cameras=_cameras(source, poses, city_map.place),
    )


def _annotations(log: Path) -> Path | None:
    for name in ("annotations.feather", "annotations_with_ego.feather"):
        if (log / name).is_file():
            return log / name
    return None


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError(f"Log {path.parent} has no {path.name}.")
    return path


def _read(path: Path, columns: tuple[str, ...]) -> dict[str, np.ndarray]:
    try:
        table = pyarrow.feather.read_table(path, columns=list(columns), memory_map=False)
    except (pyarrow.ArrowException, KeyError) as error:
        raise ValueError(
            f"{path} is no complete feather file with the columns {', '.join(columns)}: {error}"
        ) from error
    return {name: np.asarray(table[name].to_pylist()) for name in columns}


def _transforms(rows: dict[str, np.ndarray]) -> Float64[np.ndarray, "rows 4 4"]:
    """Pose columns as matrices."""
    transforms = np.tile(np.eye(4), (len(rows["qw"]), 1, 1))
    quaternions = np.stack([rows["qx"], rows["qy"], rows["qz"], rows["qw"]], axis=-1)
    transforms[:, :3, :3] = Rotation.from_quat(quaternions).as_matrix()
    transforms[:, :3, 3] = np.stack([rows["tx_m"], rows["ty_m"], rows["tz_m"]], axis=-1)
    return transforms


def _ego_poses_at(time_ns: Int64[np.ndarray, "time"], poses: dict[str, np.ndarray]) -> Float64[np.ndarray, "time 3"]:
    headings = np.unwrap(heading_of(_transforms(poses)[:, :3, :3]))
    # Relative times: nanoseconds since 1970 do not fit a float64.
    start_ns = poses["timestamp_ns"][0]
    known_s, wanted_s = (poses["timestamp_ns"] - start_ns) / 1e9, (time_ns - start_ns) / 1e9
    columns = (poses["tx_m"], poses["ty_m"], headings)
    return np.stack([np.interp(wanted_s, known_s, column) for column in columns], axis=-1)


def _tracks(boxes: dict[str, np.ndarray], poses: dict[str, np.ndarray], place: Place) -> list[TrackSamples]:
    unknown = sorted(set(boxes["category"].tolist()) - set(KIND_OF_CATEGORY) - {EGO_CATEGORY})
    if unknown:
        raise ValueError(f"Unknown Argoverse 2 categories {unknown}; known: {sorted(KIND_OF_CATEGORY)}.")
    rows = np.searchsorted(poses["timestamp_ns"], boxes["timestamp_ns"])
    missing = poses["timestamp_ns"][rows] != boxes["timestamp_ns"]
    if missing.any():
        raise ValueError(
            f"The log has no ego pose for {missing.sum()} boxes, first at {boxes['timestamp_ns'][missing][0]} ns."
        )
    city_from_box = _transforms(poses)[rows] @ _transforms(boxes)
    centers = place.to_global(city_from_box[:, :2, 3])
    headings = heading_of(city_from_box[:, :3, :3])
    # Frames in order of time, agents in the order of the file.
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


def _cameras(log: Path, poses: dict[str, np.ndarray], place: Place) -> CameraFrames | None:
    """Rig and images, None without calibration. The data set's images are rectified: no distortion is left."""
    intrinsics_file, extrinsics_file = (
        log / "calibration" / name for name in ("intrinsics.feather", "egovehicle_SE3_sensor.feather")
    )
    if not (intrinsics_file.is_file() and extrinsics_file.is_file()):
        return None
    pixels = _read(intrinsics_file, ("sensor_name", "fx_px", "fy_px", "cx_px", "cy_px", "height_px", "width_px"))
    mounts = _read(extrinsics_file, ("sensor_name", *POSE_COLUMNS))
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
    images = sorted(
        (int(path.stem), camera, f"sensors/cameras/{name}/{path.name}")
        for camera, name in enumerate(names)
        for path in (log / "sensors" / "cameras" / name).glob("*.jpg")
    )
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
