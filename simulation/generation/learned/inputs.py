"""Scenes as inputs of the network: pieces, decisions and targets of a batch."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from driving.geometry import poses_in_frame_of
from simulation.generation.condition import SceneCondition
from simulation.generation.learned.facts import condition_vector, count_targets
from simulation.generation.learned.network import PieceInput, RowInput, SlotInput
from simulation.generation.learned.pieces import lane_pieces
from simulation.generation.learned.scene import Scene, SceneAgents
from simulation.generation.learned.sweep_state import (
    NUM_RUNNING,
    TOTAL_M,
    Placed,
    Progress,
    Road,
    Rows,
    Slots,
    empty_rows,
    empty_slots,
)
from simulation.generation.learned.trace import trace
from simulation.generation.learned.vocabulary import (
    CLOSING,
    HEADING,
    LATERAL,
    LENGTH,
    OFF_HEADING,
    OFF_LATERAL,
    POSITION,
    SPEED,
    WIDTH,
    is_in_lane,
)
from simulation.generation.learned.window import SceneWindow

_NO_LEADER = int(CLOSING.of(np.zeros(1))[0])
_SPEED_MIDDLES = SPEED.middles.copy()
_SPEED_MIDDLES[0] = 0.0


class Targets(NamedTuple):
    """What is drawn at the rows with an agent."""

    row: Int64[Tensor, "agents"]
    """Row of the decision."""
    classes: Int64[Tensor, "agents"]
    bins: dict[str, Int64[Tensor, "agents"]]
    """By name of the attribute; lateral and heading in the bins of the agent's class."""
    is_in_lane: Bool[Tensor, "agents"]
    is_ego: Bool[Tensor, "agents"]
    """Class, size and position of the ego are given."""


class Batch(NamedTuple):
    """Some scenes."""

    pieces: PieceInput
    rows: RowInput
    slots: SlotInput
    """Of the rows with an agent."""
    targets: Targets
    scene_of_row: Int64[Tensor, "rows"]
    agent_of_row: Int64[Tensor, "rows"]
    """Row in the scene's agents; -1 where the piece is left."""

    def to(self, device: str) -> "Batch":
        """The batch on a device."""

        def moved(value: object) -> object:
            if isinstance(value, dict):
                return {name: one.to(device) for name, one in value.items()}
            return value.to(device) if isinstance(value, Tensor) else type(value)(*map(moved, value))  # type: ignore[call-overload]

        return Batch(*map(moved, self))  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True, eq=False)
class TracedScene:
    """Decisions of one scene."""

    scene: Scene
    condition: SceneCondition
    rows: Rows
    slots: Slots
    drawn: Int64[np.ndarray, "rows"]
    """Agent that is drawn at each row; -1 where the piece is left."""

    def take(self, rows: Int64[np.ndarray, "rows"]) -> "TracedScene":
        """Some of the decisions."""
        return replace(
            self,
            rows=Rows(*(values[rows] for values in self.rows)),
            slots=Slots(*(values[rows] for values in self.slots)),
            drawn=self.drawn[rows],
        )


def road_of(window: SceneWindow) -> Road:
    """The pieces of a window for the compiled functions."""
    pieces, rows = lane_pieces(window.map), window.pieces
    local = poses_in_frame_of(pieces.poses[rows].reshape(-1, 3), window.center).reshape(len(rows), -1, 3)
    local[..., 2] = np.unwrap(local[..., 2], axis=1)
    after = window.successors
    target = after.values
    source = np.repeat(np.arange(len(rows)), np.diff(after.offsets))
    order = np.argsort(target, kind="stable")
    offsets = np.concatenate([[0], np.cumsum(np.bincount(target, minlength=len(rows)))]).astype(np.int64)
    return Road(
        length=pieces.length_m[rows],
        limit=pieces.speed_limit_mps[rows],
        poses=local,
        next_offsets=after.offsets,
        next_places=target,
        before_offsets=offsets,
        before_places=source[order],
    )


def placed_of(window: SceneWindow, agents: SceneAgents, is_ego: Bool[np.ndarray, "agents"]) -> Placed:
    """Agents for `trace`, which reads their values only."""
    none = np.zeros(0, dtype=np.int64)
    return Placed(
        place=agents.places,
        along=agents.along_m,
        lateral=agents.lateral_m,
        pose=poses_in_frame_of(agents.poses(window), window.center),
        speed=agents.speeds_mps,
        size=agents.sizes,
        kind=agents.classes,
        is_ego=is_ego,
        first=none,
        following=none,
        num=none,
    )


def new_progress(road: Road, condition: SceneCondition) -> Progress:
    """Nothing drawn yet."""
    running = np.zeros(NUM_RUNNING)
    running[TOTAL_M] = road.length.sum()
    return Progress(running, count_targets(condition))


def traced(
    scene: Scene, condition: SceneCondition | None = None, is_kept: Bool[np.ndarray, "agents"] | None = None
) -> TracedScene:
    """The decisions that draw a scene.

    Args:
        scene: The scene.
        condition: What the network gets as condition; nothing by default.
        is_kept: Agents that are given and not drawn; none by default.
    """
    condition = condition or SceneCondition()
    agents, window = scene.agents, scene.window
    is_ego = np.arange(len(agents)) == scene.ego
    kept = np.zeros(len(agents), dtype=bool) if is_kept is None else is_kept
    road = road_of(window)
    capacity = 2 * len(window) + len(agents)
    rows, slots, drawn = empty_rows(capacity), empty_slots(capacity), np.full(capacity, -1, dtype=np.int64)
    count = trace(road, placed_of(window, agents, is_ego), kept, new_progress(road, condition), (rows, slots, drawn))
    return TracedScene(
        scene=scene,
        condition=condition,
        rows=Rows(*(values[:count] for values in rows)),
        slots=Slots(*(values[:count] for values in slots)),
        drawn=drawn[:count],
    )


def piece_input(
    windows: list[SceneWindow], features: list[np.ndarray], conditions: list[SceneCondition]
) -> PieceInput:
    """The pieces of some scenes, padded to the largest.

    Args:
        windows: Their pieces.
        features: Of `window_features`, for each window.
        conditions: What the network gets as condition.
    """
    most = max(len(window) for window in windows)
    padded = np.zeros((len(windows), most, features[0].shape[1]), dtype=np.float32)
    neighbours = np.full((len(windows), most, windows[0].neighbours.shape[1]), -1, dtype=np.int64)
    is_piece = np.zeros((len(windows), most), dtype=bool)
    for number, (window, values) in enumerate(zip(windows, features, strict=True)):
        padded[number, : len(window)] = values
        neighbours[number, : len(window)] = window.neighbours
        is_piece[number, : len(window)] = True
    vectors = np.stack([condition_vector(one) for one in conditions])
    return PieceInput(*map(torch.from_numpy, (padded, neighbours, is_piece, vectors)))


def slot_input(slots: Slots) -> SlotInput:
    """Slots as tensors."""
    return SlotInput(
        is_free=torch.from_numpy(slots.is_free),
        gap_ahead=torch.from_numpy(slots.gap_ahead),
        gap_behind=torch.from_numpy(slots.gap_behind),
        speed=torch.from_numpy(slots.speed),
        closing=torch.from_numpy(closing_bins(slots.lead_speed.astype(np.float64))),
    )


def closing_bins(lead_speed: Float64[np.ndarray, "agents"]) -> Int64[np.ndarray, "agents speeds"]:
    """Bin of `CLOSING` for each bin of speed, relative to the leader's speed (NaN without a leader)."""
    relative = _SPEED_MIDDLES - np.nan_to_num(lead_speed)[:, np.newaxis]
    return np.where(np.isnan(lead_speed)[:, np.newaxis], _NO_LEADER, CLOSING.of(relative))


def attribute_bins(agents: SceneAgents) -> dict[str, Int64[np.ndarray, "agents"]]:
    """The bins of all attributes; lateral and heading offset in those of the agent's class."""
    inside = is_in_lane(agents.classes)
    return {
        "length": LENGTH.of(agents.sizes[:, 0]),
        "width": WIDTH.of(agents.sizes[:, 1]),
        "lateral": np.where(inside, LATERAL.of(agents.lateral_m), OFF_LATERAL.of(agents.lateral_m)),
        "heading": np.where(inside, HEADING.of(agents.heading_rad), OFF_HEADING.of(agents.heading_rad)),
        "position": POSITION.of(agents.along_m),
        "speed": SPEED.of(agents.speeds_mps),
    }


def batch_of(scenes: list[TracedScene]) -> Batch:
    """Stack the decisions of some scenes."""
    pieces = piece_input(
        [one.scene.window for one in scenes],
        [one.scene.piece_features for one in scenes],
        [one.condition for one in scenes],
    )
    most = pieces.features.shape[1]
    counts = [len(one.drawn) for one in scenes]
    scene_of_row = np.repeat(np.arange(len(scenes)), counts)
    rows = Rows(*(np.concatenate(values) for values in zip(*(one.rows for one in scenes), strict=True)))
    drawn = np.concatenate([one.drawn for one in scenes])
    row = np.flatnonzero(drawn >= 0)
    slots = Slots(*(np.concatenate(values)[row] for values in zip(*(one.slots for one in scenes), strict=True)))
    places = [one.drawn[one.drawn >= 0] for one in scenes]
    agents = [one.scene.agents.take(chosen) for one, chosen in zip(scenes, places, strict=True)]
    together = agents[0]
    for more in agents[1:]:
        together = together.joined(more)
    is_ego = np.concatenate([chosen == one.scene.ego for one, chosen in zip(scenes, places, strict=True)])
    return Batch(
        pieces=pieces,
        rows=RowInput(
            *map(torch.from_numpy, (rows.place + most * scene_of_row, rows.features, rows.near, rows.is_near))
        ),
        slots=slot_input(slots),
        targets=Targets(
            row=torch.from_numpy(row),
            classes=torch.from_numpy(together.classes),
            bins={name: torch.from_numpy(values) for name, values in attribute_bins(together).items()},
            is_in_lane=torch.from_numpy(is_in_lane(together.classes)),
            is_ego=torch.from_numpy(is_ego),
        ),
        scene_of_row=torch.from_numpy(scene_of_row),
        agent_of_row=torch.from_numpy(drawn),
    )
