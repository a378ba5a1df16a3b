"""The network of the camera student: perceived features sampled along each candidate, then one logit per head.

B states, A candidates, 8 instants every 0.5 s, P points of a footprint, D u v features, U V cells of the grids.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from perception.contract import FUTURE_S, NUM_SIGNAL_STATES
from perception.grid import BevGrid
from planning.forecasting.constant_velocity import INSTANTS_S, NUM_INSTANTS
from planning.neural.camera_candidates import (
    AHEAD,
    CENTRE,
    CORNERS,
    GROWN_CORNERS,
    KEPT_COLUMNS,
    NUM_POINTS,
    CameraCandidates,
)
from planning.neural.camera_scene import DIRECTION, DRIVABLE, GRID_CHANNELS, OCCUPANCY, PERSON, SceneArrays
from planning.neural.decoder import IMITATION, Logits
from planning.neural.encoder import two_layers
from planning.neural.tokens import POSITION_M
from simulation.ego.dynamics import ACCEL_X, STEERING, VELOCITY_X, YAW_RATE

_EGO_COLUMNS, _EGO_SCALE = (VELOCITY_X, ACCEL_X, STEERING, YAW_RATE), (0.1, 0.3, 3.0, 3.0)
_ROUTE_POINTS = slice(5, 40, 5)
"""Points of the navigation line every 10 m, from the ego on to 60 m."""
_BODY = slice(CENTRE.start, CORNERS.stop)
_TRUNK_POINTS = (*range(_BODY.start, _BODY.stop), AHEAD.start)
"""Points at which the features are read: centre, corners, front after 0.9 s."""


@dataclass(frozen=True, kw_only=True)
class CameraNetworkConfig:
    """Size and geometry of the network; belongs to the checkpoint."""

    grid: BevGrid
    """Cells of the features."""
    bev_channels: int
    trunk_channels: int = 16
    width: int = 96
    instant_width: int = 48
    dropout: float = 0.1


class CameraBatch(NamedTuple):
    """B scenes with A candidates each."""

    bev: Float[Tensor, "B D u v"]
    grids: Float[Tensor, "B G U V"]
    state: Float[Tensor, "B values"]
    """Ego motion, signal, navigation line, age of the grids."""
    age_s: Float[Tensor, "B"]
    features: Float[Tensor, "B A 8 F"]
    points: Float[Tensor, "B A 8 P 2"]
    headings: Float[Tensor, "B A 8"]

    def to(self, device: torch.device | str) -> "CameraBatch":
        """The batch on a device."""
        return CameraBatch(*(value.to(device) for value in self))


_NUM_SUMMARIES = 8
_NUM_STATE = len(_EGO_COLUMNS) + NUM_SIGNAL_STATES + 7 * 2 + 1


def camera_batch(scenes: SceneArrays, candidates: CameraCandidates) -> CameraBatch:
    """The tensors of stacked scenes and their candidates."""
    ego = torch.from_numpy(scenes.ego[:, list(_EGO_COLUMNS)]).float() * torch.tensor(_EGO_SCALE)
    line = torch.from_numpy(scenes.route[:, _ROUTE_POINTS, :2]).float().flatten(1) / POSITION_M
    age_s = torch.from_numpy(scenes.age_s).float()
    return CameraBatch(
        bev=torch.from_numpy(scenes.bev).float(),
        grids=torch.from_numpy(scenes.grids).float(),
        state=torch.cat([ego, torch.from_numpy(scenes.signal).float(), line, age_s[:, None]], dim=1),
        age_s=age_s,
        features=torch.from_numpy(candidates.features),
        points=torch.from_numpy(candidates.points),
        headings=torch.from_numpy(candidates.headings),
    )


class CameraStudentNetwork(nn.Module):
    """Perceived scenes and candidates -> logits per sub-score and of imitation."""

    # Names of submodules are keys of stored checkpoints.
    def __init__(self, config: CameraNetworkConfig, sub_scores: tuple[str, ...]) -> None:
        super().__init__()
        self.config, self.sub_scores = config, sub_scores
        self.names = (*sub_scores, IMITATION)
        trunk, width = config.trunk_channels, config.width
        self.trunk = nn.Sequential(
            nn.Conv2d(config.bev_channels + len(GRID_CHANNELS), 2 * trunk, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(2 * trunk, trunk, 3, padding=1),
        )
        # The last channel of the grids marks the inside.
        sampled = NUM_POINTS * (len(GRID_CHANNELS) + 1) + len(_TRUNK_POINTS) * trunk
        inputs = len(KEPT_COLUMNS) + sampled + NUM_POINTS + _NUM_SUMMARIES
        self.relate = nn.Linear(inputs, config.instant_width + 16)
        self.instants = nn.Parameter(torch.zeros(NUM_INSTANTS, config.instant_width + 16))
        self.reduce = nn.Sequential(
            nn.GELU(), nn.Linear(config.instant_width + 16, config.instant_width), nn.GELU(), nn.Flatten(-2)
        )
        self.drop = nn.Dropout(config.dropout)
        self.join = nn.Linear(NUM_INSTANTS * config.instant_width, width)
        self.state = two_layers(_NUM_STATE, width)
        self.norm = nn.LayerNorm(width)
        self.heads = two_layers(width, 2 * width, len(self.names))

    def forward(self, batch: CameraBatch) -> Logits:
        """Logits of all heads."""
        related = self.relate(self._relations(batch)) + self.instants
        query = self.join(self.drop(self.reduce(related))) + self.state(batch.state)[:, None]
        logits = self.heads(self.norm(functional.gelu(query)))
        return {name: logits[..., column] for column, name in enumerate(self.names)}

    def _relations(self, batch: CameraBatch) -> Float[Tensor, "B A 8 inputs"]:
        """Own motion, agents, and what the grids hold at the footprint, at each instant."""
        grids = batch.grids
        coarse = functional.avg_pool2d(grids, grids.shape[-1] // batch.bev.shape[-1])
        trunk = self.trunk(torch.cat([batch.bev, coarse], dim=1))
        inside = torch.ones_like(grids[:, :1])
        places = self._places(batch.points)
        seen = _sampled(torch.cat([grids, inside], dim=1), places)
        read = _sampled(trunk, places[..., list(_TRUNK_POINTS), :])
        occupied = self._occupancy(seen[..., OCCUPANCY], batch.age_s)
        cos, sin = torch.cos(batch.headings)[..., None], torch.sin(batch.headings)[..., None]
        lane_x, lane_y = seen[..., DIRECTION].unbind(-1)
        along, across = lane_x * cos + lane_y * sin, lane_y * cos - lane_x * sin
        drivable = seen[..., DRIVABLE]
        summaries = [
            drivable[..., CORNERS].amin(-1),
            drivable[..., GROWN_CORNERS].amin(-1),
            occupied[..., _BODY].amax(-1),
            seen[..., _BODY, PERSON].amax(-1),
            *along[..., [CENTRE.start, AHEAD.start]].unbind(-1),
            *across[..., [CENTRE.start, AHEAD.start]].unbind(-1),
        ]
        parts = [batch.features, seen.flatten(-2), read.flatten(-2), occupied, torch.stack(summaries, dim=-1)]
        return torch.cat(parts, dim=-1)

    def _places(self, points_m: Float[Tensor, "B A 8 P 2"]) -> Float[Tensor, "B A 8 P 2"]:
        """Points in the units of `grid_sample`, which names the last axis of a grid first: here y."""
        grid = self.config.grid
        x = 2 * (points_m[..., 0] - grid.x_min_m) / (grid.x_max_m - grid.x_min_m) - 1
        y = 2 * (points_m[..., 1] - grid.y_min_m) / (grid.y_max_m - grid.y_min_m) - 1
        return torch.stack([y, x], dim=-1)

    @staticmethod
    def _occupancy(perceived: Float[Tensor, "B A 8 P 4"], age_s: Float[Tensor, "B"]) -> Float[Tensor, "B A 8 P"]:
        """Occupancy by vehicles at the instants, linear between those of the forecast."""
        known_s = torch.tensor([0.0, *FUTURE_S], device=age_s.device)
        instants_s = torch.from_numpy(INSTANTS_S).float().to(age_s.device)
        times_s = (instants_s + age_s[:, None]).clamp(max=FUTURE_S[-1])
        shares = (1.0 - (times_s[..., None] - known_s).abs()).clamp(min=0.0)
        return torch.einsum("baipk,bik->baip", perceived, shares)


def _sampled(grids: Float[Tensor, "B N U V"], places: Float[Tensor, "B A 8 P 2"]) -> Float[Tensor, "B A 8 P N"]:
    """Bilinear samples; zeros outside."""
    flat = places.flatten(2, 3)
    values = functional.grid_sample(grids, flat, padding_mode="zeros", align_corners=False)
    return values.permute(0, 2, 3, 1).unflatten(2, places.shape[2:4])
