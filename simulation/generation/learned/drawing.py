"""Drawing of scenes: piece by piece the class of the next agent, then its attributes, each given those before.

Positions at which the box of the new agent would overlap an earlier one are not drawn (`is_masked`). An agent without
a free position, or a parked vehicle off the drivable area, is drawn again up to `MAX_REDRAWS` times and else dropped.
"""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from driving.agents import LightStatus
from driving.geometry import poses_out_of_frame_of
from driving.vehicle import PACIFICA
from simulation.generation.condition import SceneCondition
from simulation.generation.learned.bin_draws import drawn_bins, value_in_range, value_of
from simulation.generation.learned.canvas import Canvas, DrawnScene
from simulation.generation.learned.drawn_agents import Draft, DrawnAgent, agent_of, scene_agents_of
from simulation.generation.learned.facts import count_targets, drawing_condition
from simulation.generation.learned.free_space import free_positions
from simulation.generation.learned.inputs import new_progress, piece_input, placed_of, road_of, slot_input
from simulation.generation.learned.network import NONE_CLASS, RowInput, SceneNetwork
from simulation.generation.learned.scene import SceneAgents
from simulation.generation.learned.sweep import add_running, write_row, write_slots, write_speed_inputs
from simulation.generation.learned.sweep_state import (
    BESIDE_LANES,
    EGO_PASS,
    IN_LANES,
    NUM_POSITIONS,
    SWEPT,
    empty_placed,
    empty_rows,
    empty_slots,
    link,
    pose_on,
)
from simulation.generation.learned.vocabulary import NUM_CLASSES, OUTPUTS, POSITION, SPEED, AgentClass
from simulation.generation.learned.window import SceneWindow, window_features

MAX_REDRAWS = 6
MAX_SWEEPS = 5
"""Sweeps until all wanted agents have a place."""
MAX_AGENTS = 320
"""Agents of a scene; beyond, pieces stay empty."""
AHEAD = 16
"""Pieces whose decisions are evaluated together, until one of them has an agent."""
_COUNT_OF_CLASS = {
    AgentClass.VEHICLE: 0,
    AgentClass.PARKED: 1,
    AgentClass.BICYCLE: 2,
    AgentClass.OFF_LANE_BICYCLE: 2,
    AgentClass.PEDESTRIAN: 3,
}
"""Index in `COUNTS`."""


def canvas_for(
    network: SceneNetwork,
    window: SceneWindow,
    lights: dict[int, LightStatus],
    condition: SceneCondition | None = None,
) -> Canvas:
    """Encode the pieces of a window once for any number of draws."""
    condition = drawing_condition(condition or SceneCondition())
    with torch.inference_mode():
        pieces = network.encode(piece_input([window], [window_features(window, lights)], [condition]))[0]
    return Canvas(window=window, condition=condition, pieces=pieces)


def draw_scene(
    network: SceneNetwork, canvas: Canvas, rng: np.random.Generator, *, is_masked: bool = True
) -> DrawnScene:
    """Draw a scene.

    Args:
        network: In inference mode, on the CPU.
        canvas: Where.
        rng: For all draws.
        is_masked: Whether taken positions are excluded and invalid agents drawn again; False shows what the network
            alone does.
    """
    with torch.inference_mode():
        return _Drawing(network, canvas, rng, is_masked).run()


def draw_scene_with_counts(network: SceneNetwork, canvas: Canvas, rng: np.random.Generator) -> DrawnScene:
    """Draw a scene; while agents of wanted counts are missing, sweep again and keep what is there."""
    drawn = draw_scene(network, canvas, rng)
    targets = count_targets(canvas.condition)
    for _ in range(MAX_SWEEPS - 1):
        if not (_counted(drawn.agents) < np.nan_to_num(targets, nan=-1.0)).any():
            break
        # Only classes with a wanted count are added.
        again = replace(
            canvas, ego=drawn.agents.take(np.arange(1)), given=drawn.agents.take(np.arange(1, len(drawn.agents)))
        )
        with torch.inference_mode():
            more = _Drawing(network, again, rng, True, only_counted=True).run()
        drawn = replace(
            more,
            num_given=drawn.num_given,
            num_blocked=drawn.num_blocked + more.num_blocked,
            num_off_road=drawn.num_off_road + more.num_off_road,
            num_dropped=drawn.num_dropped + more.num_dropped,
        )
    return drawn


def _counted(agents: SceneAgents) -> Float64[np.ndarray, "4"]:
    """Counts in the order of `COUNTS`, the ego (the first agent) excluded."""
    numbers = [_COUNT_OF_CLASS[AgentClass(int(one))] for one in agents.classes[1:]]
    return np.bincount(np.array(numbers, dtype=np.int64), minlength=4).astype(np.float64)


class _Drawing:
    """State of one scene while it is drawn."""

    def __init__(
        self,
        network: SceneNetwork,
        canvas: Canvas,
        rng: np.random.Generator,
        is_masked: bool,
        *,
        only_counted: bool = False,
    ) -> None:
        self.network, self.canvas, self.rng, self.is_masked = network, canvas, rng, is_masked
        self.only_counted = only_counted
        self.road = road_of(canvas.window)
        self.placed = empty_placed(len(canvas.window), MAX_AGENTS + len(canvas.given))
        self.headings: list[float] = []
        self.progress = new_progress(self.road, canvas.condition)
        self.rows, self.slots = empty_rows(AHEAD), empty_slots(1)
        self.num_blocked = self.num_off_road = self.num_dropped = 0
        self.area = canvas.window.map.drivable_area

    def run(self) -> DrawnScene:
        canvas = self.canvas
        self._place_ego()
        given = placed_of(canvas.window, canvas.given, np.zeros(len(canvas.given), dtype=bool))
        for row in range(len(canvas.given)):
            agent = agent_of(given, row)
            self._place(agent, float(canvas.given.heading_rad[row]))
            add_running(self.progress, agent.kind, agent.speed, float(self.road.limit[agent.place]))
        for number in (IN_LANES, BESIDE_LANES):
            self._sweep(number)
        n = int(self.placed.num[0])
        return DrawnScene(
            agents=scene_agents_of(self.placed, n, np.array(self.headings)),
            num_given=len(canvas.given),
            num_blocked=self.num_blocked,
            num_off_road=self.num_off_road,
            num_dropped=self.num_dropped,
        )

    def _place_ego(self) -> None:
        canvas = self.canvas
        place, along = canvas.window.center_piece, canvas.window.center_along_m
        if canvas.ego is not None:
            found = placed_of(canvas.window, canvas.ego, np.ones(1, dtype=bool))
            self._place(agent_of(found, 0), float(canvas.ego.heading_rad[0]))
            return
        write_row(self.road, self.placed, self.progress, (EGO_PASS, place, along), (self.rows, 0))
        state, _ = self._decide(1)
        size = (PACIFICA.length_m, PACIFICA.width_m)
        draft = Draft(kind=int(AgentClass.VEHICLE), size=size, along=along, is_ego=True)
        drawn = self._attributes(state[:1], draft, (EGO_PASS, place, along))
        assert drawn is not None
        self._place(*drawn)

    def _sweep(self, number: int) -> None:
        """One pass over all pieces."""
        place, top, swept = 0, float(self.road.length[0]), 0.0
        num_pieces = len(self.road.length)
        while place < num_pieces and self.placed.num[0] < len(self.placed.place):
            count = min(AHEAD, num_pieces - place)
            tops = [top, *self.road.length[place + 1 : place + count].tolist()]
            ends = swept + np.concatenate([[0.0], np.cumsum(self.road.length[place : place + count])])
            for row in range(count):
                self.progress.running[SWEPT] = ends[row]
                write_row(self.road, self.placed, self.progress, (number, place + row, tops[row]), (self.rows, row))
            state, logits = self._decide(count)
            classes = drawn_bins(logits + self._reached(), self.rng)
            hits = np.flatnonzero(classes != NONE_CLASS)
            if not len(hits):
                place, top, swept = place + count, 0.0, float(ends[-1])
                top = float(self.road.length[place]) if place < num_pieces else 0.0
                continue
            row = int(hits[0])
            place, swept = place + row, float(ends[row])
            at = (number, place, tops[row])
            drawn = self._agent(state[row : row + 1], int(classes[row]), at)
            top = tops[row]
            if drawn is None:
                self.num_dropped += 1
                # The piece is left: the same decision would be drawn for ever.
                swept += float(self.road.length[place])
                place += 1
                top = float(self.road.length[place]) if place < num_pieces else 0.0
                continue
            self._place(*drawn)
            agent, _ = drawn
            top = agent.along
            add_running(self.progress, agent.kind, agent.speed, float(self.road.limit[place]))

    def _reached(self) -> Tensor:
        """Logits that exclude classes of which the wanted number is placed."""
        blocked = torch.zeros(NUM_CLASSES + 1)
        if np.isnan(self.progress.targets).all():
            return blocked
        n = int(self.placed.num[0])
        kinds = self.placed.kind[:n][~self.placed.is_ego[:n]]
        for kind, number in _COUNT_OF_CLASS.items():
            same = [int(one) for one, other in _COUNT_OF_CLASS.items() if other == number]
            if self.only_counted and np.isnan(self.progress.targets[number]):
                blocked[int(kind)] = -1e9
            if np.isin(kinds, same).sum() >= self.progress.targets[number]:
                blocked[int(kind)] = -1e9
        return blocked

    def _decide(self, count: int) -> tuple[Tensor, Tensor]:
        rows = self.rows
        values = (rows.place[:count], rows.features[:count], rows.near[:count], rows.is_near[:count])
        return self.network.decide(self.canvas.pieces, RowInput(*map(torch.from_numpy, values)))

    def _agent(self, state: Tensor, kind: int, at: tuple[int, int, float]) -> tuple[DrawnAgent, float] | None:
        """An agent of a class with its attributes; None without a valid draw."""
        for _ in range(MAX_REDRAWS + 1 if self.is_masked else 1):
            drawn = self._attributes(state, Draft(kind=kind), at)
            if drawn is not None:
                return drawn
        return None

    def _attributes(self, state: Tensor, draft: Draft, at: tuple[int, int, float]) -> tuple[DrawnAgent, float] | None:
        """Draw the attributes that a draft leaves open; None where nothing is free."""
        network, rng = self.network, self.rng
        number, place, _ = at
        prefix = "" if draft.kind <= AgentClass.BICYCLE else "off_"
        state = network.with_class(state, torch.tensor([draft.kind]))
        size = []
        for name, fixed in zip(("length", "width"), draft.size or (None, None), strict=True):
            value, state = self._value(name, state, fixed)
            size.append(value)
        lateral, state = self._value(f"{prefix}lateral", state)
        heading, state = self._value(f"{prefix}heading", state)
        write_slots(self.road, self.placed, at, (lateral, size[0]), (self.slots, 0))
        along, state = draft.along, state
        if along is None:
            found = self._position(state, place, (lateral, heading, size[0], size[1]))
            if found is None:
                self.num_blocked += 1
                return None
            along, state = found
        else:
            state = network.with_value("position", state, torch.from_numpy(POSITION.of(np.array([along]))))
        write_speed_inputs(self.road, self.placed, (number, place, along), (lateral, size[0]), (self.slots, 0))
        slots = slot_input(self.slots)
        logits = network.logits("speed", network.with_surroundings(state, slots), slots)
        wanted = self.canvas.condition.ego_speed_mps if draft.is_ego else None
        speed = (
            value_in_range(logits, wanted, rng) if wanted else value_of(SPEED, int(drawn_bins(logits, rng)[0]), rng)
        )
        # A standing agent stands exactly.
        speed = 0.0 if speed < SPEED.edges[1] else speed
        x, y, tangent = pose_on(self.road, place, along)
        pose = np.array([x - lateral * np.sin(tangent), y + lateral * np.cos(tangent), tangent + heading])
        if draft.kind == AgentClass.PARKED and self.is_masked and not self._is_on_road(pose):
            self.num_off_road += 1
            return None
        agent = DrawnAgent(place, along, lateral, pose, speed, (size[0], size[1]), draft.kind, draft.is_ego)
        return agent, heading

    def _value(self, name: str, state: Tensor, fixed: float | None = None) -> tuple[float, Tensor]:
        """A drawn or given value of an attribute, and the state after it."""
        bins = OUTPUTS[name]
        if fixed is None:
            number = int(drawn_bins(self.network.logits(name, state), self.rng)[0])
            value = value_of(bins, number, self.rng)
        else:
            number, value = int(bins.of(np.array(fixed))), fixed
        return value, self.network.with_value(name, state, torch.tensor([number]))

    def _position(
        self, state: Tensor, place: int, box: tuple[float, float, float, float]
    ) -> tuple[float, Tensor] | None:
        """A free position along a piece; None without one.

        Args:
            state: Of the agent.
            place: Its piece.
            box: Lateral offset, heading offset, length, width.
        """
        slots = slot_input(self.slots)
        logits = self.network.logits("position", state, slots)
        alongs = POSITION.value(np.arange(NUM_POSITIONS), self.rng.uniform(size=NUM_POSITIONS))
        alongs = np.minimum(alongs, self.road.length[place])
        if self.is_masked:
            free = self.slots.is_free[0] & free_positions(self.road, self.placed, place, alongs, box)
            if not free.any():
                return None
            logits = logits.masked_fill(~torch.from_numpy(free)[None], -1e9)
        number = int(drawn_bins(logits, self.rng)[0])
        return float(alongs[number]), self.network.with_value("position", state, torch.tensor([number]))

    def _is_on_road(self, pose: Float64[np.ndarray, "3"]) -> bool:
        global_pose = poses_out_of_frame_of(pose[np.newaxis], self.canvas.window.center)
        return bool(self.area.contains(global_pose[:, :2])[0])

    def _place(self, agent: DrawnAgent, heading: float) -> None:
        n = int(self.placed.num[0])
        for name in ("place", "along", "lateral", "pose", "speed", "size", "kind", "is_ego"):
            getattr(self.placed, name)[n] = getattr(agent, name)
        link(self.placed, n)
        self.headings.append(heading)
