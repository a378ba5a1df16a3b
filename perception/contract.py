"""What the perception network receives, what it predicts, and the targets of its training.

Legend of the tensors: B batch, T frames (oldest first, the last is the present one), C cameras, H W image rows and
columns, X Y cells of the grid of the heads (x forward, y left), x y cells of the features, D channels, I channels of
image features. All positions, directions and velocities are in the present ego frame.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from driving.agents import AgentKind

CENTRE_CLASSES = ("vehicle", "pedestrian", "bicycle", "static_object")
"""Classes of the centre heatmaps."""
CLASS_OF_KIND = {
    AgentKind.VEHICLE: 0,
    AgentKind.PEDESTRIAN: 1,
    AgentKind.BICYCLE: 2,
    AgentKind.TRAFFIC_CONE: 3,
    AgentKind.BARRIER: 3,
    AgentKind.CZONE_SIGN: 3,
    AgentKind.GENERIC_OBJECT: 3,
}
"""Index into `CENTRE_CLASSES` by kind of agent."""
BOX_PARAMETERS = (
    "offset_x_m",
    "offset_y_m",
    "log_length",
    "log_width",
    "log_height",
    "sin_heading",
    "cos_heading",
    "velocity_x_mps",
    "velocity_y_mps",
)
"""Of a box, at the cells around its centre. The offset leads from the centre of the cell to that of the box; sizes
are logarithms of metres; the velocity is over ground, not relative to the ego."""
OCCUPANCY_CLASSES = ("vehicle", "person")
"""Footprints now; pedestrians and bicycles are persons."""
ROAD_CLASSES = ("drivable", "lane_line", "crosswalk", "stop_line")
FUTURE_S = (1.0, 2.0, 3.0)
"""Instants of the forecast vehicle occupancy."""
NUM_SIGNAL_STATES = 4
"""Values of `LightStatus`; UNKNOWN where no signal governs the ego's lane."""
IGNORED_SIGNAL = -1
"""Target of a signal that no camera shows."""


class PerceptionInput(NamedTuple):
    """Images of one rig or of one rig per sample; the geometry is in the lift tables."""

    images: Float[Tensor, "B T C 3 H W"]
    """Normalised, see `perception.images`; anything finite where a camera is missing."""
    present: Bool[Tensor, "B T C"]
    """Whether the image of a camera may be used. A past frame without any is left out."""
    then_from_now: Float[Tensor, "B T 3"]
    """Pose (x, y, heading) of the present ego in the ego frame of each frame; zeros for the last."""
    age_s: Float[Tensor, "B T"]
    """Time from each frame to the present; zero for the last."""


class PerceptionOutput(NamedTuple):
    """Predictions; grids are logits unless a unit is given."""

    centres: Float[Tensor, "B 4 X Y"]
    boxes: Float[Tensor, "B 9 X Y"]
    """In the order and units of `BOX_PARAMETERS`."""
    occupancy: Float[Tensor, "B 2 X Y"]
    road: Float[Tensor, "B 4 X Y"]
    direction: Float[Tensor, "B 2 X Y"]
    """Cosine and sine of the lane direction, not normalised."""
    future: Float[Tensor, "B 3 X Y"]
    flow: Float[Tensor, "B 3 2 X Y"]
    """Displacement [m] from a cell at the instant back to where the same point of the vehicle is now."""
    signal: Float[Tensor, "B 4"]
    """State of the signal that governs the ego's lane, in the order of `LightStatus`."""
    signal_place: Float[Tensor, "B places"]
    """Logits of its place: the feature pixels of the forward camera (row-major), then nowhere."""
    memory: Float[Tensor, "B D x y"]
    """Features of the present frame alone, which the next steps fuse as the past."""
    bev: Float[Tensor, "B D x y"]
    """Features of all frames, which the heads read."""


class PerceptionTargets(NamedTuple):
    """Targets; only what some camera shows counts."""

    centres: Float[Tensor, "B 4 X Y"]
    """Gaussians around the centres of visible agents, exactly 1 in the cell of a centre; see `boxes.encode_boxes`."""
    boxes: Float[Tensor, "B 9 X Y"]
    """In the order and units of `BOX_PARAMETERS`; anything finite outside of `box_cells`."""
    box_cells: Bool[Tensor, "B X Y"]
    """Cells around centres of visible agents, where `boxes` holds."""
    occupancy: Bool[Tensor, "B 2 X Y"]
    road: Bool[Tensor, "B 4 X Y"]
    direction: Float[Tensor, "B 2 X Y"]
    """Cosine and sine; zeros where there is no lane, or several of different directions."""
    future: Bool[Tensor, "B 3 X Y"]
    flow: Float[Tensor, "B 3 2 X Y"]
    """Read where `future` is true."""
    signal: Int64[Tensor, "B"]
    """`LightStatus`, or `IGNORED_SIGNAL`."""
    signal_place: Int64[Tensor, "B"]
    """Index into the places of `PerceptionOutput.signal_place`, or `IGNORED_SIGNAL`."""
    agents_seen: Bool[Tensor, "B X Y"]
    """False under agents that no camera shows: neither their presence nor their absence is a target there."""
    ground_seen: Bool[Tensor, "B X Y"]
    """Cells whose ground some camera shows; the losses of the road are computed there."""

    def to(self, device: torch.device | str) -> "PerceptionTargets":
        """The targets on a device."""
        return PerceptionTargets(*(value.to(device) for value in self))
