"""A scene: the agents of one instant, each anchored to a lane piece of a window, and back to global poses."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float16, Float64, Int8, Int64

from driving.agents import AgentKind, LightStatus
from driving.geometry import wrap_angle
from simulation.generation.learned.pieces import lane_pieces
from simulation.generation.learned.vocabulary import (
    KIND_OF_CLASS,
    LENGTH,
    MAX_IN_LANE_M,
    MAX_IN_LANE_RAD,
    MAX_OFF_LANE_M,
    AgentClass,
    is_in_lane,
)
from simulation.generation.learned.window import SceneWindow, window_features, without_layers, without_lights
from simulation.geometry.lane_anchors import anchored_poses, lane_anchors

MAX_RESIDUAL_M = 0.5
"""Agents that their anchor describes worse are left out, for example beyond the end of a lane."""
REPRESENTED_KINDS = (AgentKind.VEHICLE, AgentKind.BICYCLE, AgentKind.PEDESTRIAN)
BARE_LAYERS = ("walkways", "carparks")
"""Layers of areas that most recorded maps do not have."""


class Boxes(NamedTuple):
    """Agents of one instant, global."""

    poses: Float64[np.ndarray, "agents 3"]
    """Box centres."""
    sizes: Float64[np.ndarray, "agents 2"]
    """Length and width [m]."""
    speeds_mps: Float64[np.ndarray, "agents"]
    kinds: Int8[np.ndarray, "agents"]
    """Values of `AgentKind`."""

    def take(self, rows: np.ndarray) -> "Boxes":
        """Some of the agents."""
        return Boxes(*(values[rows] for values in self))


@dataclass(frozen=True, kw_only=True, eq=False)
class SceneAgents:
    """A agents in coordinates of the pieces of a window, in the order in which they are drawn."""

    places: Int64[np.ndarray, "agents"]
    """Place of the agent's piece in the window."""
    along_m: Float64[np.ndarray, "agents"]
    """Distance along the piece."""
    lateral_m: Float64[np.ndarray, "agents"]
    heading_rad: Float64[np.ndarray, "agents"]
    """Relative to the centerline."""
    sizes: Float64[np.ndarray, "agents 2"]
    speeds_mps: Float64[np.ndarray, "agents"]
    classes: Int64[np.ndarray, "agents"]
    """Values of `AgentClass`."""

    def __len__(self) -> int:
        return len(self.places)

    @classmethod
    def none(cls) -> "SceneAgents":
        """No agents."""
        whole, real = np.zeros(0, dtype=np.int64), np.zeros(0)
        return cls(
            places=whole,
            along_m=real,
            lateral_m=real,
            heading_rad=real,
            sizes=np.zeros((0, 2)),
            speeds_mps=real,
            classes=whole,
        )

    def take(self, rows: np.ndarray) -> "SceneAgents":
        """Some of the agents, by rows or by a mask."""
        return replace(self, **{name: values[rows] for name, values in vars(self).items()})

    def joined(self, other: "SceneAgents") -> "SceneAgents":
        """These agents, then the others."""
        mine, theirs = vars(self), vars(other)
        return replace(self, **{name: np.concatenate([mine[name], theirs[name]]) for name in mine})

    def poses(self, window: SceneWindow) -> Float64[np.ndarray, "agents 3"]:
        """Global poses of the box centres."""
        pieces = lane_pieces(window.map)
        rows = window.pieces[self.places]
        along = pieces.begin_m[rows] + self.along_m
        return anchored_poses(window.map, pieces.lane_rows[rows], along, self.lateral_m, self.heading_rad)

    def boxes(self, window: SceneWindow) -> Boxes:
        """The agents in the map's frame."""
        return Boxes(self.poses(window), self.sizes, self.speeds_mps, KIND_OF_CLASS[self.classes])


def scene_agents(window: SceneWindow, boxes: Boxes) -> tuple[SceneAgents, Int64[np.ndarray, "agents"]]:
    """Anchor agents to the pieces of a window, in the order of drawing.

    Left out are kinds without a class (cones, barriers), agents with a nearest lane outside of the window or farther
    than `MAX_OFF_LANE_M`, for example inside a car park, and agents beside a sharp bend that their anchor does not
    describe.

    Returns:
        The agents, and their rows in `boxes`.
    """
    pieces = lane_pieces(window.map)
    anchors = lane_anchors(window.map, boxes.poses)
    found, along = pieces.of(anchors)
    place_of = np.full(len(pieces) + 1, -1, dtype=np.int64)
    place_of[window.pieces] = np.arange(len(window))
    places = place_of[found]
    kept = (places >= 0) & np.isin(boxes.kinds, REPRESENTED_KINDS) & (boxes.sizes[:, 0] < LENGTH.edges[-1])
    kept &= np.abs(np.nan_to_num(anchors.lateral_m, nan=np.inf)) < MAX_OFF_LANE_M
    agents = SceneAgents(
        places=np.maximum(places, 0),
        along_m=along,
        lateral_m=anchors.lateral_m,
        heading_rad=anchors.heading_offset_rad,
        sizes=boxes.sizes,
        speeds_mps=boxes.speeds_mps,
        classes=_classes(boxes.kinds, anchors.lateral_m, anchors.heading_offset_rad),
    )
    rows = np.flatnonzero(kept)
    agents = agents.take(rows)
    residual = np.hypot(*(agents.poses(window)[:, :2] - boxes.poses[rows, :2]).T)
    agents, rows = agents.take(residual < MAX_RESIDUAL_M), rows[residual < MAX_RESIDUAL_M]
    order = drawing_order(agents)
    return agents.take(order), rows[order]


def drawing_order(agents: SceneAgents) -> Int64[np.ndarray, "agents"]:
    """Agents in lanes first; piece by piece, downstream first; within a piece the one ahead first."""
    return np.lexsort((-agents.along_m, agents.places, ~is_in_lane(agents.classes)))


def _classes(
    kinds: Int8[np.ndarray, "agents"],
    lateral_m: Float64[np.ndarray, "agents"],
    heading_rad: Float64[np.ndarray, "agents"],
) -> Int64[np.ndarray, "agents"]:
    in_lane = np.abs(lateral_m) < MAX_IN_LANE_M
    in_lane &= np.abs(np.asarray(wrap_angle(np.nan_to_num(heading_rad)))) < MAX_IN_LANE_RAD
    vehicle = np.where(in_lane, AgentClass.VEHICLE, AgentClass.PARKED)
    bicycle = np.where(in_lane, AgentClass.BICYCLE, AgentClass.OFF_LANE_BICYCLE)
    found = np.where(kinds == AgentKind.VEHICLE, vehicle, bicycle)
    return np.where(kinds == AgentKind.PEDESTRIAN, int(AgentClass.PEDESTRIAN), found).astype(np.int64)


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """One instant around an ego."""

    window: SceneWindow
    agents: SceneAgents
    """In the order of drawing, ego included."""
    ego: int
    """Row of the ego in `agents`."""
    lights: dict[int, LightStatus] = field(default_factory=dict)
    """Status by lane connector id."""

    @cached_property
    def piece_features(self) -> Float16[np.ndarray, "pieces features"]:
        """`window_features`, in the half precision in which a training keeps them."""
        return window_features(self.window, self.lights).astype(np.float16)

    @property
    def others(self) -> SceneAgents:
        """The agents without the ego."""
        return self.agents.take(np.arange(len(self.agents)) != self.ego)

    def on_bare_map(self, hidden_layers: Collection[str] = BARE_LAYERS) -> "Scene":
        """The scene with the features of a map that does not know its traffic lights, nor some layers of areas."""
        other = replace(self, lights={})
        vars(other)["piece_features"] = without_layers(without_lights(self.piece_features), hidden_layers)
        return other

    def in_order(self) -> "Scene":
        """The scene with its agents in the order of drawing."""
        order = drawing_order(self.agents)
        ego = int(np.flatnonzero(order == self.ego)[0])
        return replace(self, agents=self.agents.take(order), ego=ego)
