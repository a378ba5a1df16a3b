"""IoU of a perception network on other rigs, without a camera, and with a wrong calibration.

    python benchmarks/perception_rigs.py --checkpoint perception/checkpoints/tiny --data held_out_worlds

The first table has one row per rig: with its own calibration, and as a control with that of the training rig (where
both have as many cameras). The second one leaves out one camera of the training rig at a time, reported as missing,
and as a control black without report. The third one has errors of the calibration. All rows use the same states.
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from tyro.conf import UseAppendAction

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from command_line import CommonArguments, print_line, print_lines, progress, require_count, run
from perception_scores import listed
from tables import TextTable

from driving.cameras import CameraRig
from driving.rigs import ARGOVERSE2_7, NUPLAN_8, NUSCENES_6
from perception.checkpoint import SHIPPED, Checkpoint
from perception.evaluation import CameraChange, Evaluation
from perception.network import PerceptionNetwork
from perception.samples import RenderedSamples, SampleSettings, validation_settings
from simulation.benchmark.provenance import provenance

CLASSES = ("vehicle", "drivable", "crosswalk", "lane_line")
ERRORS = (
    CameraChange(pitch_deg=0.5),
    CameraChange(pitch_deg=1.0),
    CameraChange(pitch_deg=2.0),
    CameraChange(yaw_deg=1.0),
    CameraChange(yaw_deg=3.0),
    CameraChange(height_m=0.1),
    CameraChange(height_m=0.3),
)


@dataclass(frozen=True, kw_only=True)
class Arguments(CommonArguments):
    """Network and states."""

    checkpoint: Path = SHIPPED
    """Folder of the network."""
    data: Annotated[UseAppendAction[tuple[Path, ...]], None] = ()
    """nuPlan data root with scenarios that training did not use; may be repeated."""
    states: int = 60
    """Number of states, drawn at random."""
    seed: int = 0
    """Of the states."""


def other_rigs() -> dict[str, CameraRig]:
    """Rigs that differ from the training rig in number, place, focal length, height and direction of cameras."""
    wide = np.array([[0.8, 1.0, 1.0], [1.0, 0.8, 1.0], [1.0, 1.0, 1.0]])
    return {
        "nuplan_8": NUPLAN_8,
        "argoverse2_7": ARGOVERSE2_7,
        "nuscenes_6, 0.3 m higher": NUSCENES_6.shifted(height_m=0.3),
        "nuscenes_6, focal length x 0.8": replace(NUSCENES_6, intrinsics=NUSCENES_6.intrinsics * wide),
        "nuscenes_6, turned by 4 degrees, pitched by 2": NUSCENES_6.shifted(
            yaw_rad=np.radians(4.0), pitch_rad=np.radians(2.0)
        ),
    }


def main(arguments: Arguments) -> None:
    """Evaluate and print the tables."""
    require_count("--states", arguments.states)
    if not arguments.data:
        raise ValueError("Name at least one data root with scenarios, for example --data held_out_worlds.")
    torch.set_num_threads(1)
    network = Checkpoint.load(arguments.checkpoint).network
    samples = listed(arguments.data, "nuscenes_6", network, arguments.seed)
    rows = np.random.default_rng(arguments.seed).permutation(len(samples))[: arguments.states]
    names = samples.rigs[0].names
    own = {"training rig": CameraChange()}
    own |= {f"{name} missing": CameraChange(missing=(name,)) for name in names}
    own |= {f"{name} black, not reported": CameraChange(black=(name,)) for name in names}
    own |= {title(change): change for change in ERRORS}
    with progress(arguments) as bar:
        found = evaluated(samples, own, bar.track(rows.tolist(), description="training rig"), network)
        rigs: dict[str, Evaluation] = {}
        for name, rig in other_rigs().items():
            settings = validation_settings(SampleSettings(rig=rig, seed=arguments.seed))
            others = RenderedSamples(samples.scenarios, settings, network.config)
            changes = {name: CameraChange()}
            if len(rig.names) == len(names):
                changes[f"{name}, calibration of the training rig"] = CameraChange(assumed_rig=samples.rigs[0])
            rigs |= evaluated(others, changes, bar.track(rows.tolist(), description=name), network)
    base = found.pop("training rig")
    print_lines(table("Other rigs", base, rigs).markdown())
    print_lines(table("Missing cameras", base, {n: e for n, e in found.items() if n.startswith("CAM")}).markdown())
    print_lines(table("Wrong calibration", base, {n: e for n, e in found.items() if "error" in n}).markdown())
    about = provenance()
    print_line(
        f"{len(rows)} states of {len(samples)}; seed {arguments.seed}; commit {about['commit']}; {about['hardware']}"
    )


def title(change: CameraChange) -> str:
    """Name of a row with an error of the calibration."""
    if change.height_m:
        return f"height error {change.height_m:g} m"
    return f"pitch error {change.pitch_deg:g}°" if change.pitch_deg else f"yaw error {change.yaw_deg:g}°"


def evaluated(
    samples: RenderedSamples, changes: dict[str, CameraChange], rows: object, network: PerceptionNetwork
) -> dict[str, Evaluation]:
    """Evaluate every change on the same states; each state is rendered once."""
    found = {name: Evaluation(network, change) for name, change in changes.items()}
    for row in rows:  # type: ignore[attr-defined]
        sample = samples.sample(row, np.random.default_rng([0, row]))
        for evaluation in found.values():
            evaluation.add(sample, samples.rigs[sample.rig])
    return found


def table(name: str, base: Evaluation, found: dict[str, Evaluation]) -> TextTable:
    """IoU of each class, and its ratio to that of the training rig as it is."""
    head = ("change", *(value for each in CLASSES for value in (each, "ratio")))
    made = TextTable(title=f"{name}: IoU", head=head)
    for row, evaluation in {"training rig": base, **found}.items():
        values = []
        for each in CLASSES:
            iou, of_base = (one.grids[each, "all"].iou() for one in (evaluation, base))
            values += [f"{iou:.3f}", f"{iou / of_base if of_base > 0 else np.nan:.2f}"]
        made.add(row, *values)
    return made


if __name__ == "__main__":
    run(Arguments, main, __doc__)
