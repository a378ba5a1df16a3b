"""Scores of a perception network on rendered cameras: grids, boxes by distance, the signal, and controls.

    python benchmarks/perception_scores.py --checkpoint checkpoints/eyes --data held_out_worlds --mean-map worlds
    python benchmarks/perception_scores.py --checkpoint checkpoints/eyes --data held_out_worlds --rig nuplan_8
    python benchmarks/perception_scores.py ... --shuffle-images     # control: images of another state
    python benchmarks/perception_scores.py ... --past shuffled      # control of the velocities
    python benchmarks/perception_scores.py ... --untrained          # control of the boxes

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

from driving.agents import LightStatus
from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios, open_scenario
from driving.rig_files import rig_named
from driving.scenario import Scenario
from perception.checkpoint import SHIPPED, Checkpoint
from perception.contract import CENTRE_CLASSES
from perception.evaluation import GRID_CLASSES, NEAR_M, CameraChange, Evaluation, Past, counted
from perception.metrics import DISTANCES_M, BoxFrame, BoxQuery, GridCounts, MeanMap, score_boxes
from perception.network import PerceptionNetwork
from perception.samples import RenderedSamples, Sample, SampleSettings, validation_settings
from simulation.benchmark.provenance import provenance

MEAN_MAP_STATES = 150


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Network, states and changes of the cameras."""

    checkpoint: Path = SHIPPED
    """Folder of the network."""
    data: Annotated[UseAppendAction[tuple[Path, ...]], None] = ()
    """nuPlan data root with scenarios that training did not use; may be repeated."""
    mean_map: Annotated[UseAppendAction[tuple[Path, ...]], None] = ()
    """Data root of the training, for the control; by default the tested one, which favours the control."""
    states: int = 200
    """Number of states, drawn at random."""
    rig: str = "nuscenes_6"
    """nuplan_8, nuscenes_6, argoverse2_7, or a JSON file."""
    shuffle_images: bool = False
    """Control: show the images of another state."""
    past: Past = "kept"
    """The past frames: kept, none, or shuffled, which is the control of the velocities."""
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
    samples = listed(arguments.data, arguments.rig, network, arguments.seed)
    rng = np.random.default_rng(arguments.seed)
    rows = rng.permutation(len(samples))[: arguments.states]
    evaluation = Evaluation(network, CameraChange(past=arguments.past))
    control_counts = {name: GridCounts() for name in GRID_CLASSES}
    with progress(arguments) as bar:
        control = mean_map(arguments, network, bar)
        before: Sample | None = None
        for row in bar.track(rows.tolist(), description="states"):
            sample = samples.sample(row, np.random.default_rng([arguments.seed, row]))
            other = before or samples.sample(int(rows[-1]), np.random.default_rng([arguments.seed, int(rows[-1])]))
            evaluation.add(
                sample, samples.rigs[sample.rig], shown=other if arguments.shuffle_images else None, other=other
            )
            add_control(control_counts, control, sample)
            before = sample
    print_lines(grid_table(evaluation.grids, control_counts).markdown())
    print_lines(box_table(evaluation.frames).markdown())
    print_lines(signal_table(evaluation.signals).markdown())
    about = provenance()
    changes = {name: value for name, value in vars(arguments).items() if name not in ("data", "mean_map", "quiet")}
    print_line(f"{len(rows)} states of {len(samples)}; {changes}; commit {about['commit']}; {about['hardware']}")


def listed(data: tuple[Path, ...], rig: str, network: PerceptionNetwork, seed: int) -> RenderedSamples:
    """States of data roots, seen by the rig itself from the logged poses."""
    settings = validation_settings(SampleSettings(rig=rig_named(rig), seed=seed))
    return RenderedSamples(opened(data), settings, network.config)


def opened(data: tuple[Path, ...]) -> list[Scenario]:
    """All scenarios of data roots."""
    return [open_scenario(entry) for root in data for entry in list_scenarios(DataRoot.find(root))]


def mean_map(arguments: Arguments, network: PerceptionNetwork, bar: Any) -> MeanMap:
    """The control of the grids, from targets of training states."""
    samples = listed(arguments.mean_map or arguments.data, arguments.rig, network, arguments.seed)
    control = MeanMap.empty(len(GRID_CLASSES), network.config.grid)
    rows = np.random.default_rng(arguments.seed + 1).permutation(len(samples))[:MEAN_MAP_STATES]
    for row in bar.track(rows.tolist(), description="mean map"):
        sample = samples.sample(row, np.random.default_rng(0))
        control.add(grid_truth(sample)[np.newaxis], sample.targets.ground_seen.numpy()[np.newaxis])
    return control


def grid_truth(sample: Sample) -> np.ndarray:
    """(classes, X, Y) true cells of each class."""
    return torch.cat([sample.targets.occupancy, sample.targets.road]).numpy()


def add_control(counts: dict[str, GridCounts], control: MeanMap, sample: Sample) -> None:
    """Count the mean map as the prediction for a state."""
    mean, truth = control.probability(), grid_truth(sample)
    for row, name in enumerate(GRID_CLASSES):
        counts[name].add(mean[row], truth[row], counted(sample, row))


def grid_table(grids: dict[tuple[str, str], GridCounts], control: dict[str, GridCounts]) -> TextTable:
    """IoU by class and distance."""
    head = ("class", "IoU", "best", "0-20 m", "20 m and more", "mean map, best", "share of cells")
    table = TextTable(title="Grids", head=head)
    for name in GRID_CLASSES:
        every = grids[name, "all"]
        table.add(
            name,
            f"{every.iou():.3f}",
            "{:.3f} at {:.2f}".format(*every.best()),
            f"{grids[name, '0-20 m'].iou():.3f}",
            f"{grids[name, '20 m and more'].iou():.3f}",
            f"{control[name].best()[0]:.3f}",
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


def signal_table(counts: np.ndarray) -> TextTable:
    """States by true and predicted signal (rows, columns)."""
    names = [status.name.lower() for status in LightStatus]
    table = TextTable(title="Signal of the ego's lane", head=("true", *(f"as {name}" for name in names), "right"))
    for name, row in zip(names, counts, strict=True):
        share = f"{row[names.index(name)] / row.sum():.1%}" if row.sum() else ""
        table.add(name, *(str(count) for count in row), share)
    return table


if __name__ == "__main__":
    run(Arguments, main, __doc__)
