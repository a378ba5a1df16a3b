"""Evaluation of a perception network on rendered samples, and changes of the cameras that serve as controls.

evaluation = Evaluation(network, CameraChange(missing=("CAM_FRONT",)))
evaluation.add(sample, rig)
evaluation.grids["vehicle", "all"].iou()
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool

from driving.agents import AgentKind
from driving.cameras import CameraRig
from perception.boxes import Boxes
from perception.contract import (
    CLASS_OF_KIND,
    IGNORED_SIGNAL,
    NUM_SIGNAL_STATES,
    OCCUPANCY_CLASSES,
    ROAD_CLASSES,
    PerceptionInput,
)
from perception.decoding import decode_boxes
from perception.grid import BevGrid
from perception.images import network_images
from perception.lift import LiftTable
from perception.metrics import BoxFrame, GridCounts, ring
from perception.network import PerceptionNetwork
from perception.samples import Sample

NEAR_M = 20.0
GRID_CLASSES = (*OCCUPANCY_CLASSES, *ROAD_CLASSES)


Past = Literal["kept", "none", "shuffled"]
"""What the network receives as its past frames; `shuffled`, those of another state, is a control."""


@dataclass(frozen=True, kw_only=True)
class CameraChange:
    """How the images and the calibration that a network receives differ from those of the sample."""

    missing: tuple[str, ...] = ()
    """Cameras that are left out and reported as missing."""
    black: tuple[str, ...] = ()
    """Cameras with black images that are not reported."""
    pitch_deg: float = 0.0
    """Error of the calibration, of all cameras."""
    yaw_deg: float = 0.0
    height_m: float = 0.0
    assumed_rig: CameraRig | None = None
    """Calibration in place of the right one, with as many cameras."""
    past: Past = "kept"

    def calibration(self, rig: CameraRig) -> CameraRig:
        """The rig that the network is given."""
        return (self.assumed_rig or rig).shifted(
            pitch_rad=np.radians(self.pitch_deg), yaw_rad=np.radians(self.yaw_deg), height_m=self.height_m
        )


class Evaluation:
    """Counts of grids by class and distance, the boxes of each sample, and the signal."""

    def __init__(self, network: PerceptionNetwork, change: CameraChange | None = None) -> None:
        """Start without samples; the network must be in inference mode."""
        self.network, self.change = network, change or CameraChange()
        self.rings = rings(network.config.grid)
        self.grids = {(name, where): GridCounts() for name in GRID_CLASSES for where in self.rings}
        self.frames: list[BoxFrame] = []
        self.signals = np.zeros((NUM_SIGNAL_STATES, NUM_SIGNAL_STATES), dtype=np.int64)
        """States by true and predicted signal, without those whose signal the forward camera does not show."""
        self._tables: dict[int, tuple[CameraRig, LiftTable]] = {}

    @torch.inference_mode()
    def add(
        self, sample: Sample, rig: CameraRig, *, shown: Sample | None = None, other: Sample | None = None
    ) -> None:
        """Take in one state.

        Args:
            sample: Its targets count.
            rig: Of the images.
            shown: The state whose images are shown, by default the same.
            other: The state whose past is shown when the past is shuffled.

        Raises:
            ValueError: When the past is to be shuffled and there is no other state.
        """
        shown, change = shown or sample, self.change
        present = shown.present & ~np.isin(rig.names, change.missing)
        images, then_from_now = shown.images, shown.then_from_now
        if change.past == "none":
            present[:-1] = False
        elif change.past == "shuffled":
            if other is None:
                raise ValueError("A shuffled past needs another state. Pass other=.")
            images = np.concatenate([other.images[:-1], images[-1:]])
        is_shown = present & ~np.isin(rig.names, change.black)
        images = np.where(is_shown[..., np.newaxis, np.newaxis, np.newaxis], images, 0).astype(np.uint8)
        inputs = PerceptionInput(
            images=network_images(images)[None],
            present=torch.from_numpy(present)[None],
            then_from_now=torch.from_numpy(then_from_now)[None].float(),
            age_s=torch.from_numpy(shown.age_s)[None].float(),
        )
        output = self.network(inputs, self._table(rig))
        probability = torch.sigmoid(torch.cat([output.occupancy[0], output.road[0]])).numpy()
        truth = torch.cat([sample.targets.occupancy, sample.targets.road]).numpy()
        for row, name in enumerate(GRID_CLASSES):
            for where, mask in self.rings.items():
                self.grids[name, where].add(probability[row], truth[row], counted(sample, row) & mask)
        (detections,) = decode_boxes(output, self.network.config.grid)
        self.frames.append(BoxFrame(detections, *_boxes(sample, self.network.config.grid)))
        if int(sample.targets.signal) != IGNORED_SIGNAL:
            self.signals[int(sample.targets.signal), int(output.signal[0].argmax())] += 1

    def _table(self, rig: CameraRig) -> LiftTable:
        # The rig is kept beside its table, so that its identity stays taken.
        if id(rig) not in self._tables:
            self._tables[id(rig)] = rig, self.network.table(self.change.calibration(rig))
        return self._tables[id(rig)][1]


def counted(sample: Sample, row: int) -> Bool[np.ndarray, "X Y"]:
    """Cells in which a class of `GRID_CLASSES` counts."""
    targets = sample.targets
    cells: Bool[np.ndarray, "X Y"] = (
        targets.agents_seen if row < len(OCCUPANCY_CLASSES) else targets.ground_seen
    ).numpy()
    return cells


def rings(grid: BevGrid) -> dict[str, Bool[np.ndarray, "X Y"]]:
    """Masks of the grid by distance."""
    return {
        "all": np.ones(grid.shape, dtype=bool),
        "0-20 m": ring(grid, 0.0, NEAR_M),
        "20 m and more": ring(grid, NEAR_M, np.inf),
    }


def _boxes(sample: Sample, grid: BevGrid) -> tuple[Boxes, Bool[np.ndarray, "boxes"]]:
    """True boxes inside the grid, and whether some camera shows each."""
    states = sample.states
    boxes = Boxes(
        classes=np.array([CLASS_OF_KIND[AgentKind(kind)] for kind in states.kinds.tolist()], dtype=np.int64),
        poses=states.poses,
        sizes_m=states.sizes_m,
        velocities_mps=states.velocities_mps,
    )
    inside = grid.contains(states.poses[:, :2])
    return boxes.take(inside), sample.is_visible[inside]
