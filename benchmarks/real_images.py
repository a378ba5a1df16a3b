"""A perception network on real camera frames, before and after adaptation to other, unlabelled real images.

    python benchmarks/real_images.py --checkpoint perception/checkpoints/tiny --recordings ../shared/data \
        --mean-map worlds

The frames are two of nuScenes (six cameras) and six of the DGP test scenes (three and six cameras); those for the
adaptation are nine more frames of nuScenes without calibration. IoU of vehicles at 0.5 over the grid and within 20 m,
recall of vehicles within 20 m at 2 m, and IoU of the drivable area for the frame with a map. The control is the mean
map of rendered training states, at its best threshold. With so few frames, the figures only say whether the network
works on real images at all.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from jaxtyping import Float64, UInt8
from PIL import Image
from scipy.spatial.transform import Rotation
from tyro.conf import UseAppendAction

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from command_line import CommonArguments, print_line, print_lines, progress, run
from perception_scores import grid_truth, listed
from tables import TextTable

from driving.cameras import CameraRig
from driving.importers.track_archive import import_recording
from perception.adaptation import adapted_to_images
from perception.boxes import Boxes
from perception.checkpoint import SHIPPED, Checkpoint
from perception.contract import PerceptionInput
from perception.decoding import decode_boxes
from perception.evaluation import GRID_CLASSES, rings
from perception.grid import BevGrid
from perception.images import fit_rig, network_images
from perception.metrics import BoxFrame, BoxQuery, GridCounts, MeanMap, score_boxes
from perception.network import PerceptionNetwork
from perception.targets import cells_in_box, road_targets
from simulation.benchmark.provenance import provenance

VEHICLES = {"car", "truck", "bus", "construction_vehicle", "trailer"} | {
    "Car",
    "Truck",
    "Bus/RV/Caravan",
    "Trailer",
    "Towed Object",
}
"""Categories of nuScenes and of DGP."""
MEAN_MAP_STATES = 200
SHARES = (0.5, 1.0)


@dataclass(frozen=True, kw_only=True)
class RealFrame:
    """Images of one instant with labelled vehicles, in an ego frame on the road."""

    name: str
    rig: CameraRig
    images: list[UInt8[np.ndarray, "height width 3"]]
    poses: Float64[np.ndarray, "vehicles 3"]
    sizes_m: Float64[np.ndarray, "vehicles 3"]
    has_map: bool = False


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Network and recordings."""

    checkpoint: Path = SHIPPED
    """Folder of the network."""
    recordings: Path
    """Folder with `nuscenes_mini` and `tri_dgp`."""
    mean_map: Annotated[UseAppendAction[tuple[Path, ...]], None] = ()
    """Data root of the training, for the control; may be repeated. None: no control."""


def main(arguments: Arguments) -> None:
    """Evaluate and print."""
    torch.set_num_threads(1)
    network = Checkpoint.load(arguments.checkpoint).network
    frames = nuscenes_frames(arguments.recordings / "nuscenes_mini") + dgp_frames(arguments.recordings / "tri_dgp")
    unlabelled = other_images(arguments.recordings / "nuscenes_mini" / "camera", network.config.image_size)
    networks = {"as trained": network}
    networks |= {
        f"statistics of {len(unlabelled)} real images, share {share:g}": adapted_to_images(
            network, unlabelled, share=share
        )
        for share in SHARES
    }
    head = ("network", "frames", "vehicle IoU", "0-20 m", "recall 0-20 m", "vehicles 0-20 m", "drivable IoU")
    table = TextTable(title="Real images", head=head)
    sets = {"nuScenes": [f for f in frames if "nuscenes" in f.name], "DGP": [f for f in frames if "dgp" in f.name]}
    with progress(arguments) as bar:
        mean = mean_map(arguments, network, bar)
        for title, one in networks.items():
            for name, found in sets.items():
                table.add(title, f"{len(found)} {name}", *evaluated(one, found, arguments.recordings))
    if mean is not None:
        for name, found in sets.items():
            table.add("mean map, best threshold", f"{len(found)} {name}", *control(mean, network.config.grid, found))
    print_lines(table.markdown())
    about = provenance()
    print_line(f"commit {about['commit']}; {about['hardware']}")


def nuscenes_frames(folder: Path) -> list[RealFrame]:
    """The calibrated six-camera frames."""
    frames = []
    for file in sorted(folder.glob("camera/*/frame.json")):
        content = json.loads(file.read_text())
        cameras = content["cameras"]
        boxes = [box for box in content["boxes"] if box["category"] in VEHICLES]
        rig = CameraRig(
            names=tuple(cameras),
            intrinsics=np.array([camera["intrinsic"] for camera in cameras.values()]),
            distortion=np.zeros((len(cameras), 5)),
            ego_from_camera=np.array([camera["cam_to_ego"] for camera in cameras.values()]),
            image_sizes=np.array([[camera["width"], camera["height"]] for camera in cameras.values()]),
        )
        frames.append(
            RealFrame(
                name=f"nuscenes {file.parent.name}",
                rig=rig,
                images=[read(file.parent / camera["file"]) for camera in cameras.values()],
                poses=np.array([[*box["center_ego"][:2], box["yaw_ego"]] for box in boxes]).reshape(-1, 3),
                sizes_m=np.array([box["size_lwh"] for box in boxes]).reshape(-1, 3),
                has_map=file.parent.name.startswith("scene-0061"),
            )
        )
    return frames


def dgp_frames(folder: Path) -> list[RealFrame]:
    """Frames of the DGP test scenes; the origin is put on the road below the boxes near the vehicle."""
    frames = []
    for scene in sorted(folder.glob("scene_*/")):
        content = json.loads(next(scene.glob("scene_*.json")).read_text())
        names = {
            item["id"]: item["name"] for item in json.loads(next(scene.glob("ontology/*.json")).read_text())["items"]
        }
        calibration = json.loads(next(scene.glob("calibration/*.json")).read_text())
        datums = {datum["key"]: datum for datum in content["data"]}
        for number, sample in enumerate(content["samples"]):
            found = {datums[key]["id"]["name"]: datums[key]["datum"] for key in sample["datum_keys"]}
            labels = json.loads((scene / found["LIDAR"]["point_cloud"]["annotations"]["1"]).read_text())
            boxes = [one["box"] for one in labels["annotations"] if names[one["class_id"]] in VEHICLES]
            places = np.array([[*one["pose"]["translation"].values()] for one in boxes]).reshape(-1, 3)
            sizes = np.array([[one["length"], one["width"], one["height"]] for one in boxes]).reshape(-1, 3)
            is_near = np.linalg.norm(places[:, :2], axis=-1) < 20.0
            road_m = float(np.median((places[:, 2] - sizes[:, 2] / 2)[is_near])) if is_near.any() else 0.0
            cameras = [name for name in calibration["names"] if name in found and "image" in found[name]]
            frames.append(
                RealFrame(
                    name=f"dgp {scene.name} {number}",
                    rig=dgp_rig(calibration, cameras, found).shifted(height_m=-road_m),
                    images=[read(scene / found[name]["image"]["filename"]) for name in cameras],
                    poses=np.column_stack([places[:, :2], [heading(one["pose"]["rotation"]) for one in boxes]]),
                    sizes_m=sizes,
                )
            )
    return frames


def dgp_rig(calibration: dict[str, Any], cameras: list[str], datums: dict[str, Any]) -> CameraRig:
    """Calibration of some cameras; the poses of the datums belong to their own instants, which are 0.02 s apart."""
    matrices, intrinsics, sizes = [], [], []
    for name in cameras:
        row = calibration["names"].index(name)
        pose, lens = calibration["extrinsics"][row], calibration["intrinsics"][row]
        matrix = np.eye(4)
        matrix[:3, :3] = Rotation.from_quat([pose["rotation"][key] for key in ("qx", "qy", "qz", "qw")]).as_matrix()
        matrix[:3, 3] = list(pose["translation"].values())
        matrices.append(matrix)
        intrinsics.append([[lens["fx"], 0.0, lens["cx"]], [0.0, lens["fy"], lens["cy"]], [0.0, 0.0, 1.0]])
        sizes.append([datums[name]["image"]["width"], datums[name]["image"]["height"]])
    return CameraRig(
        names=tuple(cameras),
        intrinsics=np.array(intrinsics),
        distortion=np.zeros((len(cameras), 5)),
        ego_from_camera=np.array(matrices),
        image_sizes=np.array(sizes),
    )


def heading(rotation: dict[str, float]) -> float:
    """Rotation about z [rad]."""
    w, x, y, z = (rotation[key] for key in ("qw", "qx", "qy", "qz"))
    return float(np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)))


def all_images(recordings: Path, image_size: tuple[int, int]) -> UInt8[np.ndarray, "images height width 3"]:
    """Images of all frames, with and without calibration, in the network's size."""
    nuscenes = recordings / "nuscenes_mini"
    frames = nuscenes_frames(nuscenes) + dgp_frames(recordings / "tri_dgp")
    calibrated = [fit_rig(frame.rig, image_size).prepare(frame.images)[0] for frame in frames]
    return np.concatenate([*calibrated, other_images(nuscenes / "camera", image_size)])


def other_images(folder: Path, image_size: tuple[int, int]) -> UInt8[np.ndarray, "images height width 3"]:
    """Images of the frames without calibration, cropped as those of the nuScenes rig."""
    rig = nuscenes_frames(folder.parent)[0].rig
    fitted = fit_rig(rig, image_size)
    files = sorted(folder.glob("uncalibrated_*/**/*.jpg"))
    if not files:
        raise FileNotFoundError(f"No images in {folder}/uncalibrated_*.")
    cameras = [
        next(row for row in np.argsort([-len(n) for n in rig.names]) if rig.names[row] in str(f)) for f in files
    ]
    return np.stack([fitted.image(int(row), read(file)) for row, file in zip(cameras, files, strict=True)])


def read(file: Path) -> UInt8[np.ndarray, "height width 3"]:
    """An image file."""
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


@torch.inference_mode()
def evaluated(network: PerceptionNetwork, frames: list[RealFrame], recordings: Path) -> list[str]:
    """Cells of a row of the table."""
    grid = network.config.grid
    counts, near, road = GridCounts(), GridCounts(), GridCounts()
    matched = []
    for frame in frames:
        fitted = fit_rig(frame.rig, network.config.image_size)
        images, present = fitted.prepare(frame.images)
        inputs = PerceptionInput(
            images=network_images(images)[None, None],
            present=torch.from_numpy(present)[None, None],
            then_from_now=torch.zeros(1, 1, 3),
            age_s=torch.zeros(1, 1),
        )
        output = network(inputs, network.table(fitted.rig))
        probability, truth = torch.sigmoid(output.occupancy[0, 0]).numpy(), occupied(frame, grid)
        counts.add(probability, truth, np.ones(grid.shape, dtype=bool))
        near.add(probability, truth, rings(grid)["0-20 m"])
        (detections,) = decode_boxes(output, grid)
        boxes = Boxes(
            classes=np.zeros(len(frame.poses), dtype=np.int64),
            poses=frame.poses,
            sizes_m=frame.sizes_m,
            velocities_mps=np.zeros((len(frame.poses), 2)),
        ).take(grid.contains(frame.poses[:, :2]))
        matched.append(BoxFrame(detections, boxes, np.ones(len(boxes.classes), dtype=bool)))
        if frame.has_map:
            drivable = torch.sigmoid(output.road[0, 0]).numpy()
            road.add(drivable, drivable_cells(recordings, grid), np.ones(grid.shape, dtype=bool))
    found = score_boxes(matched, BoxQuery(match_m=2.0, range_m=(0.0, 20.0)))
    values = [f"{value:.3f}" for value in (counts.iou(), near.iou(), found.recall)]
    return [*values, str(found.num_true), f"{road.iou():.3f}"]


def drivable_cells(recordings: Path, grid: BevGrid) -> np.ndarray:
    """(X, Y) drivable cells of the frame with a map."""
    scenario = import_recording(recordings / "nuscenes_mini" / "tracks" / "scene-0061.npz")
    return road_targets(scenario.map, scenario.ego.rear_axle_poses[0, 0], grid)[0][0]


def occupied(frame: RealFrame, grid: BevGrid) -> np.ndarray:
    """(X, Y) cells that vehicles cover."""
    cells = np.zeros(grid.shape, dtype=bool)
    for pose, size in zip(frame.poses, frame.sizes_m, strict=True):
        cells[cells_in_box(grid, pose, size[:2])[:2]] = True
    return cells


def mean_map(arguments: Arguments, network: PerceptionNetwork, bar: Any) -> MeanMap | None:
    """Mean map of training states, without images."""
    if not arguments.mean_map:
        return None
    samples = listed(arguments.mean_map, "nuscenes_6", network, 0)
    mean = MeanMap.empty(len(GRID_CLASSES), network.config.grid)
    rows = np.random.default_rng(0).permutation(len(samples))[:MEAN_MAP_STATES]
    for row in bar.track(rows.tolist(), description="mean map"):
        sample = samples.sample(row, np.random.default_rng(0))
        mean.add(grid_truth(sample)[np.newaxis], sample.targets.ground_seen.numpy()[np.newaxis])
    return mean


def control(mean: MeanMap, grid: BevGrid, frames: list[RealFrame]) -> list[str]:
    """Cells of the row of the control."""
    counts, near = GridCounts(), GridCounts()
    probability = mean.probability()[GRID_CLASSES.index("vehicle")]
    for frame in frames:
        counts.add(probability, occupied(frame, grid), np.ones(grid.shape, dtype=bool))
        near.add(probability, occupied(frame, grid), rings(grid)["0-20 m"])
    return [f"{counts.best()[0]:.3f}", f"{near.best()[0]:.3f}", "", "", ""]


if __name__ == "__main__":
    run(Arguments, main, __doc__)
