"""Scores of a perception network on rendered cameras: grids, boxes by distance, and controls.

    python benchmarks/perception_scores.py --checkpoint checkpoints/eyes --data held_out_worlds --mean-map worlds
    python benchmarks/perception_scores.py --checkpoint checkpoints/eyes --data held_out_worlds --rig nuplan_8
    python benchmarks/perception_scores.py ... --drop CAM_FRONT             # one camera missing, reported as missing
    python benchmarks/perception_scores.py ... --pitch-deg 1                # a wrong calibration
    python benchmarks/perception_scores.py ... --shuffle-images             # control: images of another state

Grids: IoU at 0.5 and at the best threshold. The mean map, also at its best threshold, is the share of training states
in which a cell was true. Boxes: average precision by distance of matching; recall, precision and errors at 1 m. Only
agents that some camera shows count, unless the row says "all".
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from tyro.conf import UseAppendAction

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from command_line import CommonArguments, print_line, print_lines, progress, require_count, run
from tables import TextTable

from driving.agents import AgentKind
from driving.names import unknown_name
from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios, open_scenario
from driving.rig_files import rig_named
from perception.boxes import Boxes
from perception.checkpoint import Checkpoint
from perception.contract import CENTRE_CLASSES, CLASS_OF_KIND, OCCUPANCY_CLASSES, ROAD_CLASSES, PerceptionInput
from perception.decoding import decode_boxes
from perception.images import network_images
from perception.metrics import DISTANCES_M, BoxFrame, BoxQuery, GridCounts, MeanMap, ring, score_boxes
from perception.network import PerceptionNetwork
from perception.samples import RenderedSamples, Sample, SampleSettings, validation_settings
from simulation.benchmark.provenance import provenance

NEAR_M = 20.0
MEAN_MAP_STATES = 400


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Network, states and changes of the cameras."""

    checkpoint: Path
    """Folder of the network."""
    data: Annotated[UseAppendAction[tuple[Path, ...]], None] = ()
    """nuPlan data root with scenarios that training did not use; may be repeated."""
    mean_map: Annotated[UseAppendAction[tuple[Path, ...]], None] = ()
    """Data root of the training, for the control; by default the tested one, which favours the control."""
    states: int = 200
    """Number of states, drawn at random."""
    rig: str = "nuscenes_6"
    """nuplan_8, nuscenes_6, argoverse2_7, or a JSON file."""
    drop: Annotated[UseAppendAction[tuple[str, ...]], None] = ()
    """Camera that is missing; may be repeated."""
    pitch_deg: float = 0.0
    """Error of the calibration: pitch of all cameras."""
    yaw_deg: float = 0.0
    """Error of the calibration: yaw of all cameras."""
    height_m: float = 0.0
    """Error of the calibration: height of all cameras."""
    shuffle_images: bool = False
    """Control: show the images of another state."""
    untrained: bool = False
    """Control: a network of the same form with random weights."""
    seed: int = 0
    """Of the states."""


def main(arguments: Arguments) -> None:
    """Evaluate and print tables."""
    require_count("--states", arguments.states)
    if not arguments.data:
        raise ValueError("Name at least one data root with scenarios, for example --data held_out_worlds.")
    torch.set_num_threads(1)
    network = Checkpoint.load(arguments.checkpoint).network
    if arguments.untrained:
        torch.manual_seed(0)
        network = PerceptionNetwork(network.config).eval()
    samples = listed(arguments.data, arguments, network)
    for name in arguments.drop:
        if name not in samples.rigs[0].names:
            raise ValueError(unknown_name("camera named", name, samples.rigs[0].names))
    rng = np.random.default_rng(arguments.seed)
    rows = rng.permutation(len(samples))[: arguments.states]
    grids = {(name, where): GridCounts() for name in class_names() for where in (*rings(network), "mean map")}
    frames: list[BoxFrame] = []
    with progress(arguments) as bar:
        control = mean_map(arguments, network, bar)
        previous: Sample | None = None
        for row in bar.track(rows.tolist(), description="states"):
            sample = samples.sample(row, np.random.default_rng([arguments.seed, row]))
            shown = previous if arguments.shuffle_images and previous is not None else sample
            add(network, samples, (sample, shown), arguments, (grids, frames, control))
            previous = sample
    print_lines(grid_table(grids).markdown())
    print_lines(box_table(frames).markdown())
    about = provenance()
    changes = {name: value for name, value in vars(arguments).items() if name not in ("data", "mean_map", "quiet")}
    print_line(f"{len(rows)} states of {len(samples)}; {changes}; commit {about['commit']}; {about['hardware']}")


def listed(data: tuple[Path, ...], arguments: Arguments, network: PerceptionNetwork) -> RenderedSamples:
    """States of data roots, seen by the rig itself from the logged poses."""
    entries = [entry for root in data for entry in list_scenarios(DataRoot.find(root))]
    settings = validation_settings(SampleSettings(rig=rig_named(arguments.rig), seed=arguments.seed))
    return RenderedSamples([open_scenario(entry) for entry in entries], settings, network.config)


def class_names() -> tuple[str, ...]:
    """Classes of all grids."""
    return (*OCCUPANCY_CLASSES, *ROAD_CLASSES)


def rings(network: PerceptionNetwork) -> dict[str, Any]:
    """Masks of the grid by distance."""
    grid = network.config.grid
    return {
        "all": np.ones(grid.shape, dtype=bool),
        "0-20 m": ring(grid, 0.0, NEAR_M),
        "20-32 m": ring(grid, NEAR_M, np.inf),
    }


def mean_map(arguments: Arguments, network: PerceptionNetwork, bar: Any) -> MeanMap:
    """The control of the grids, from targets of training states."""
    samples = listed(arguments.mean_map or arguments.data, arguments, network)
    control = MeanMap.empty(len(class_names()), network.config.grid)
    rows = np.random.default_rng(arguments.seed + 1).permutation(len(samples))[:MEAN_MAP_STATES]
    for row in bar.track(rows.tolist(), description="mean map"):
        targets = samples.sample(row, np.random.default_rng(0)).targets
        truth = torch.cat([targets.occupancy, targets.road]).numpy()[np.newaxis]
        control.add(truth, targets.ground_seen.numpy()[np.newaxis])
    return control


@torch.inference_mode()
def add(
    network: PerceptionNetwork,
    samples: RenderedSamples,
    pair: tuple[Sample, Sample],
    arguments: Arguments,
    results: tuple[dict[tuple[str, str], GridCounts], list[BoxFrame], MeanMap],
) -> None:
    """Take in one state.

    Args:
        network: In inference mode.
        samples: Of the states.
        pair: The state whose targets count, and the one whose images are shown.
        arguments: Changes of the cameras.
        results: Counts of the grids, frames of the boxes, the control.
    """
    (sample, shown), (grids, frames, control) = pair, results
    rig = samples.rigs[shown.rig].shifted(
        pitch_rad=np.radians(arguments.pitch_deg),
        yaw_rad=np.radians(arguments.yaw_deg),
        height_m=arguments.height_m,
    )
    present = shown.present & ~np.isin(rig.names, arguments.drop)
    images = np.where(present[..., np.newaxis, np.newaxis, np.newaxis], shown.images, 0).astype(np.uint8)
    inputs = PerceptionInput(
        images=network_images(images)[None],
        present=torch.from_numpy(present)[None],
        then_from_now=torch.from_numpy(shown.then_from_now)[None].float(),
        age_s=torch.from_numpy(shown.age_s)[None].float(),
    )
    output = network(inputs, network.table(rig))
    probability = torch.sigmoid(torch.cat([output.occupancy[0], output.road[0]])).numpy()
    truth = torch.cat([sample.targets.occupancy, sample.targets.road]).numpy()
    mean = control.probability()
    for row, name in enumerate(class_names()):
        counted = (sample.targets.agents_seen if row < len(OCCUPANCY_CLASSES) else sample.targets.ground_seen).numpy()
        for where, mask in rings(network).items():
            grids[name, where].add(probability[row], truth[row], counted & mask)
        grids[name, "mean map"].add(mean[row], truth[row], counted)
    states = sample.states
    boxes = Boxes(
        classes=np.array([CLASS_OF_KIND[AgentKind(kind)] for kind in states.kinds.tolist()], dtype=np.int64),
        poses=states.poses,
        sizes_m=states.sizes_m,
        velocities_mps=states.velocities_mps,
    )
    (detections,) = decode_boxes(output, network.config.grid)
    inside = network.config.grid.contains(states.poses[:, :2])
    frames.append(BoxFrame(detections, boxes.take(inside), sample.is_visible[inside]))


def grid_table(grids: dict[tuple[str, str], GridCounts]) -> TextTable:
    """IoU by class and distance."""
    head = ("class", "IoU", "best", "0-20 m", "20-32 m", "mean map, best", "share of cells")
    table = TextTable(title="Grids", head=head)
    for name in class_names():
        every = grids[name, "all"]
        table.add(
            name,
            f"{every.iou():.3f}",
            "{:.3f} at {:.2f}".format(*every.best()),
            f"{grids[name, '0-20 m'].iou():.3f}",
            f"{grids[name, '20-32 m'].iou():.3f}",
            f"{grids[name, 'mean map'].best()[0]:.3f}",
            f"{100 * every.true_cells / max(every.cells, 1):.2f} %",
        )
    return table


def box_table(frames: list[BoxFrame]) -> TextTable:
    """Boxes by class and distance."""
    head = ("class", "where", *(f"AP {distance:g} m" for distance in DISTANCES_M), "recall", "precision")
    head += ("median error [m]", "velocity error [m/s]", "standing [m/s]", "boxes")
    table = TextTable(title="Boxes; recall, precision and errors at 1 m", head=head, num_left=2)
    near = BoxQuery(range_m=(0.0, NEAR_M))
    queries = {
        "0-20 m": near,
        "20 m and more": BoxQuery(range_m=(NEAR_M, np.inf)),
        "all agents, 0-20 m": replace(near, visible_only=False),
    }
    for kind, name in enumerate(CENTRE_CLASSES):
        for where, query in queries.items():
            found = {
                distance: score_boxes(frames, replace(query, kind=kind, match_m=distance)) for distance in DISTANCES_M
            }
            one = found[1.0]
            values = (one.recall, one.precision, one.position_error_m, one.velocity_error_mps, one.standing_error_mps)
            table.add(
                name,
                where,
                *(f"{found[distance].average_precision:.3f}" for distance in DISTANCES_M),
                *(f"{value:.3f}" for value in values),
                str(one.num_true),
            )
    return table


if __name__ == "__main__":
    run(Arguments, main, __doc__)
