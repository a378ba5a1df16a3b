"""Scenes to learn from: instants of generated towns, or of recorded scenarios."""

from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import Int64

from driving.agents import AgentKind, LightStatus
from driving.map import MapGraph
from driving.scenario import Scenario
from driving.vehicle import PACIFICA
from simulation.generation.learned.pieces import cut_short
from simulation.generation.learned.scene import Boxes, Scene, scene_agents
from simulation.generation.learned.window import WINDOW_M, scene_window
from simulation.generation.town.generator import simulate_town
from simulation.generation.town.layout import TownSettings
from simulation.generation.town.observed import ObservedTown
from simulation.geometry.lane_anchors import lane_anchors

TOWN_STEP_S = 5.0
"""Time between the instants that are taken from a town."""
EGOS_PER_INSTANT = 36
"""Scenes of one instant of a town, each around another vehicle."""
SCENARIO_STEP_S = 3.0
"""Time between the instants at which a scenario is rated."""
RECORDED_STEP_S = 1.0
"""Time between the instants that are learned from a recording."""
REACH_M = WINDOW_M + 30.0
"""Agents within this distance may be anchored to a window's pieces."""


def scene_at(
    map_graph: MapGraph, boxes: Boxes, ego_row: int, lights: dict[int, LightStatus] | None = None
) -> Scene | None:
    """The scene around one of some agents; None when it is in no lane or the map around does not fit.

    Args:
        map_graph: The map.
        boxes: All agents, the ego included.
        ego_row: The ego.
        lights: Status by lane connector id.
    """
    found = scene_and_rows(map_graph, boxes, ego_row, lights)
    return None if found is None else found[0]


def scene_and_rows(
    map_graph: MapGraph, boxes: Boxes, ego_row: int, lights: dict[int, LightStatus] | None = None
) -> tuple[Scene, Int64[np.ndarray, "agents"]] | None:
    """As `scene_at`, with the row in `boxes` of each agent of the scene."""
    anchor = lane_anchors(map_graph, boxes.poses[ego_row : ego_row + 1])
    if not anchor.has_lane[0]:
        return None
    try:
        window = scene_window(map_graph, int(anchor.rows[0]), float(anchor.along_m[0]))
    except ValueError:
        return None
    near = np.flatnonzero(np.hypot(*(boxes.poses[:, :2] - window.center[:2]).T) < REACH_M)
    agents, rows = scene_agents(window, boxes.take(near))
    found = np.flatnonzero(near[rows] == ego_row)
    # An ego that changes lanes or leaves a parking place may be beside its lane.
    if not len(found) or agents.classes[found[0]] != 0:
        return None
    return Scene(window=window, agents=agents, ego=int(found[0]), lights=lights or {}), near[rows]


def town_scenes(
    seed: int, settings: TownSettings, *, egos: int = EGOS_PER_INSTANT, has_short_pieces: bool = False
) -> list[Scene]:
    """Scenes of the town of a seed; `has_short_pieces` cuts its lanes as `cut_short` does."""
    observed = simulate_town(seed, settings)
    if has_short_pieces:
        cut_short(observed.town.map, np.random.default_rng([seed, 17]))
    return observed_scenes(observed, seed, egos=egos)


def observed_scenes(observed: ObservedTown, seed: int, *, egos: int = EGOS_PER_INSTANT) -> list[Scene]:
    """Scenes of a town, around vehicles with the ego's dimensions."""
    rng = np.random.default_rng([seed, 16])
    steps = range(0, len(observed.history.v), round(TOWN_STEP_S / 0.1))
    made = np.flatnonzero(observed.drivers["is_ego_make"])
    lanes = observed.town.map.lanes
    lit = lanes.ids[np.flatnonzero(lanes.has_traffic_lights)].tolist()
    found = []
    for step in steps:
        boxes = town_boxes(observed, step)
        lights = {lane_id: LightStatus(int(one)) for lane_id, one in zip(lit, observed.lights[:, step], strict=True)}
        for ego in np.sort(rng.choice(made, min(egos, len(made)), replace=False)).tolist():
            # In the recordings of others it may have another size.
            sizes = boxes.sizes.copy()
            sizes[ego] = PACIFICA.length_m, PACIFICA.width_m
            scene = scene_at(observed.town.map, boxes._replace(sizes=sizes), ego, lights)
            if scene is not None:
                found.append(scene)
    return found


def town_boxes(observed: ObservedTown, step: int) -> Boxes:
    """All agents of a town at a step as recordings show them: vehicles and bicycles, parked cars, pedestrians."""
    drivers, parked, people = observed.drivers, observed.parked, observed.history.people[step]
    return Boxes(
        poses=np.concatenate([observed.motions.poses[step], parked.poses, people[:, :3]]),
        sizes=np.concatenate([observed.vehicle_sizes[:, :2], parked.sizes[:, :2], observed.people_sizes[:, :2]]),
        speeds_mps=np.concatenate([observed.motions.speed[step], np.zeros(len(parked.poses)), people[:, 3]]),
        kinds=np.concatenate(
            [
                drivers["kind"],
                np.full(len(parked.poses), AgentKind.VEHICLE),
                np.full(len(people), AgentKind.PEDESTRIAN),
            ]
        ).astype(np.int8),
    )


def recorded_scenes(scenarios: Iterable[Scenario], every_s: float = RECORDED_STEP_S) -> list[Scene]:
    """Scenes of recorded scenarios, around the logged ego."""
    return [scene for scenario in scenarios for scene in scenario_scenes(scenario, scene_frames(scenario, every_s))]


def scene_frames(scenario: Scenario, every_s: float = SCENARIO_STEP_S) -> Int64[np.ndarray, "frames"]:
    """Frames at equal times from iteration 0 on."""
    return np.arange(scenario.first_frame, scenario.first_frame + scenario.num_frames, round(every_s / 0.1))


def scenario_scenes(scenario: Scenario, frames: Int64[np.ndarray, "frames"] | None = None) -> Iterator[Scene]:
    """Scenes of some frames of a scenario; every `SCENARIO_STEP_S` by default."""
    if frames is None:
        frames = scene_frames(scenario)
    for frame in frames.tolist():
        boxes = scenario_boxes(scenario, frame)
        scene = scene_at(scenario.map, boxes, len(boxes.kinds) - 1, lights_at(scenario, frame))
        if scene is not None:
            yield scene


def lights_at(scenario: Scenario, frame: int) -> dict[int, LightStatus]:
    """Status of the lights by lane connector id."""
    ids, statuses = scenario.traffic_lights.at(frame)
    return {int(lane_id): LightStatus(int(one)) for lane_id, one in zip(ids, statuses, strict=True)}


def scenario_boxes(scenario: Scenario, frame: int) -> Boxes:
    """The agents of a frame, then the ego."""
    agents, ego = scenario.agents, scenario.ego
    rows = np.flatnonzero(agents.valid[:, frame])
    size = np.array([[PACIFICA.length_m, PACIFICA.width_m]])
    speeds = np.nan_to_num(np.hypot(*agents.velocities_mps[rows, frame].T))
    return Boxes(
        poses=np.concatenate([agents.poses[rows, frame], ego.center_poses()[:, frame]]),
        sizes=np.concatenate([agents.sizes[rows, frame], size]),
        speeds_mps=np.concatenate([speeds, ego.speed_mps[:, frame]]),
        kinds=np.append(agents.kinds[rows], np.int8(AgentKind.VEHICLE)).astype(np.int8),
    )
