"""Reactive traffic: vehicles follow their lanes by the intelligent driver model; other tracks replay the log.

Source:
    nuPlan devkit, `IDMAgents`, `IDMAgentManager`, `IDMAgent`, with the values of `idm_agents_observation.yaml`.
    Scripted traffic (`is_scripted`), in which more tracks follow the log, is ours.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from driving.agents import AgentKind, LightStatus
from driving.scenario import Scenario
from driving.vehicle import PACIFICA, VehicleParameters
from simulation.ego.box import EgoBox, center_at, corners_around, ego_box
from simulation.ego.dynamics import HEADING, VELOCITY_X, VELOCITY_Y, X, Y
from simulation.geometry.boxes import box_corners
from simulation.geometry.compiling import njit
from simulation.traffic.idm_map import IdmMap, LaneArrays, idm_map_of
from simulation.traffic.idm_paths import build_path
from simulation.traffic.idm_shapes import CORNERS, parts_needed, set_part
from simulation.traffic.idm_start import (
    KIND_ORDER,
    StartingAgent,
    replayed_tracks,
    scripted_tracks,
    starting_agents,
)
from simulation.traffic.idm_step import (
    MAX_ROUTE,
    Agents,
    Lights,
    ObstacleBoxes,
    Storage,
    World,
    set_pose,
    step_agents,
)
from simulation.traffic.tracks import TrackArrays, arrays_of_tracks

_PATH_CAPACITY = 128
_KIND_ORDER = np.array([int(kind) for kind in KIND_ORDER], dtype=np.int8)
_DRIVING_KINDS = (int(AgentKind.VEHICLE), int(AgentKind.BICYCLE))
"""Kinds whose logged speed the agents perceive; in nuPlan's reactive traffic no track of these follows the log."""
_GREEN, _RED = int(LightStatus.GREEN), int(LightStatus.RED)


class _Simulation(NamedTuple):
    """State of one rollout's traffic, besides `Storage`; arrays are written in place."""

    tracks: TrackArrays
    """Filled in frame by frame."""
    follows_log: Bool[np.ndarray, "tracks"]
    rows: Int64[np.ndarray, "agents"]
    """Row of each agent in `tracks`."""
    agents: Agents
    lanes: LaneArrays
    lights: Lights
    ego_box: EgoBox


class _Frame(NamedTuple):
    """Input of one step."""

    step: int
    """Index of the new frame on the scenario's time axis."""
    dt_s: float
    """Time since the frame before."""
    ego: Float64[np.ndarray, "10"]
    """State of the ego at the frame before."""
    light_rows: Int64[np.ndarray, "lights"]
    """Lane rows of the traffic lights at the new frame, -1 for connectors that the map lacks."""
    light_statuses: np.ndarray


class IdmTraffic:
    """The reactive agents of one rollout."""

    def __init__(
        self, scenario: Scenario, vehicle: VehicleParameters = PACIFICA, *, is_scripted: bool = False
    ) -> None:
        """Place the agents of the first frame on their lanes.

        Args:
            scenario: Start of the traffic, at its first frame.
            vehicle: The ego.
            is_scripted: Whether the tracks of `scripted_tracks` follow the log, or those of nuPlan's kinds only.
        """
        self._scenario = scenario
        idm_map = idm_map_of(scenario.map)
        follows_log = scripted_tracks(scenario, idm_map) if is_scripted else replayed_tracks(scenario)
        found = starting_agents(scenario, idm_map, follows_log, vehicle)
        agents, self._storage = _agents_from(found, idm_map.lanes)
        self._light_rows = _rows_of_lights(scenario)
        self._simulation = _Simulation(
            tracks=_tracks_from_first_frame(scenario, follows_log),
            follows_log=follows_log,
            rows=np.array([agent.row for agent in found], dtype=np.int64),
            agents=agents,
            lanes=idm_map.lanes,
            lights=_lights_of(scenario, idm_map),
            ego_box=ego_box(vehicle),
        )
        _write_frame(self._simulation, scenario.first_frame)

    @property
    def tracks(self) -> TrackArrays:
        """The log before the first frame; from it on the agents in order of creation, then replayed tracks."""
        return self._simulation.tracks

    def step(self, iteration: int, ego: Float64[np.ndarray, "10"]) -> None:
        """Advance to frame `iteration + 1` with its lights and replayed tracks, given the ego's state before."""
        scenario = self._scenario
        now = scenario.first_frame + iteration
        # quirk: float_seconds (the step is a difference of seconds since 1970 in float64: 2.4e-7 s coarse)
        dt_s = int(scenario.time_us[now + 1]) * 1e-6 - int(scenario.time_us[now]) * 1e-6
        start, stop = scenario.traffic_lights.offsets[now + 1], scenario.traffic_lights.offsets[now + 2]
        frame = _Frame(now + 1, dt_s, ego, self._light_rows[start:stop], scenario.traffic_lights.statuses[start:stop])
        self._storage = _advance(self._simulation, self._storage, frame)


def _agents_from(found: list[StartingAgent], lanes: LaneArrays) -> tuple[Agents, Storage]:
    num = len(found)
    lines = [
        np.concatenate([lanes.points[piece], lanes.headings[piece, np.newaxis]], axis=1)
        for piece in (slice(lanes.offsets[each.lane_row], lanes.offsets[each.lane_row + 1]) for each in found)
    ]
    capacity = max([_PATH_CAPACITY, *(len(line) for line in lines)])
    agents = Agents(
        alive=np.ones(num, dtype=bool),
        progress=np.array([each.progress_m for each in found]),
        speed=np.array([each.speed_mps for each in found]),
        target=np.array([each.target_speed_mps for each in found]),
        length=np.array([each.length_m for each in found]),
        width=np.array([each.width_m for each in found]),
        pose=np.zeros((num, 3)),
        route=np.zeros((num, MAX_ROUTE), dtype=np.int64),
        route_count=np.ones(num, dtype=np.int64),
        path_count=np.zeros(num, dtype=np.int64),
        part_count=np.ones(num, dtype=np.int64),
        bounds=np.zeros((num, 4)),
    )
    num_parts = parts_needed(_PATH_CAPACITY)
    storage = Storage(
        paths=np.zeros((num, capacity, 4)),
        parts=np.zeros((num, num_parts, CORNERS, 2)),
        part_bounds=np.zeros((num, num_parts, 4)),
    )
    for a, (each, line) in enumerate(zip(found, lines, strict=True)):
        agents.route[a, 0] = each.lane_row
        agents.path_count[a] = build_path(line, len(line), storage.paths[a])
        set_part(storage.parts[a], storage.part_bounds[a], 0, each.corners)
        agents.bounds[a] = storage.part_bounds[a, 0]
        set_pose(agents, storage, a)
    return agents, storage


def _lights_of(scenario: Scenario, idm_map: IdmMap) -> Lights:
    """Lights before the first frame, with the stop lines of all connectors that ever turn red."""
    lights, areas = scenario.traffic_lights, scenario.map.lanes.areas
    num_rows = len(scenario.map.lanes)
    red_ids = np.unique(lights.lane_connector_ids[lights.statuses == LightStatus.RED]).tolist()
    rows = sorted(row for row in (areas.row(lane_id) for lane_id in red_ids) if row is not None)
    counts = np.zeros(num_rows, dtype=np.int64)
    stops = [idm_map.stop_rows(row) if row >= idm_map.num_lanes else () for row in rows]
    counts[rows] = [len(each) for each in stops]
    return Lights(
        green=np.zeros(num_rows, dtype=bool),
        red=np.zeros(num_rows, dtype=bool),
        stop_offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        stop_rows=np.array([row for each in stops for row in each], dtype=np.int64),
    )


def _rows_of_lights(scenario: Scenario) -> Int64[np.ndarray, "lights"]:
    """Lane row of each row of the scenario's lights, -1 where the map lacks the connector."""
    areas = scenario.map.lanes.areas
    ids, inverse = np.unique(scenario.traffic_lights.lane_connector_ids, return_inverse=True)
    rows = [areas.row(lane_id) for lane_id in ids.tolist()]
    return np.array([-1 if row is None else row for row in rows], dtype=np.int64)[inverse]


def _tracks_from_first_frame(scenario: Scenario, follows_log: Bool[np.ndarray, "tracks"]) -> TrackArrays:
    """Copies of the log's tracks; from the first frame on, only those that follow the log are valid."""
    tracks = TrackArrays(*(array.copy() for array in arrays_of_tracks(scenario.agents)))
    gone = ~follows_log
    start = scenario.first_frame
    tracks.valid[gone, start:] = False
    for array in (tracks.poses, tracks.velocities, tracks.sizes, tracks.z):
        array[gone, start:] = np.nan
    return tracks


@njit(cache=True)
def _replayed_rows(tracks: TrackArrays, follows_log: np.ndarray, step: int) -> np.ndarray:
    """Rows of the tracks that follow the log at a frame, kind after kind, each kind in the log's order."""
    num_tracks = len(tracks.valid)
    rows = np.empty(num_tracks, dtype=np.int64)
    count = 0
    for kind in _KIND_ORDER:
        first = count
        for row in range(num_tracks):
            if not follows_log[row] or tracks.kinds[row] != kind or not tracks.valid[row, step]:
                continue
            at = count
            while at > first and tracks.order[rows[at - 1], step] > tracks.order[row, step]:
                rows[at] = rows[at - 1]
                at -= 1
            rows[at] = row
            count += 1
    return rows[:count]


@njit(cache=True)
def _advance(simulation: _Simulation, storage: Storage, frame: _Frame) -> Storage:
    """Simulate one step; a single call, because unpacking so many arrays takes longer than most steps."""
    ego, box = frame.ego, simulation.ego_box
    _set_lights(simulation.lights, frame.light_rows, frame.light_statuses)
    x, y = center_at(ego[X], ego[Y], ego[HEADING], box)
    center = np.array([x, y, ego[HEADING]])
    boxes = _obstacle_boxes(simulation, frame.step, center, np.hypot(ego[VELOCITY_X], ego[VELOCITY_Y]))
    world = World(simulation.agents, simulation.lanes, simulation.lights, boxes)
    storage = step_agents(world, storage, center, frame.dt_s)
    _write_frame(simulation, frame.step)
    return storage


@njit(cache=True)
def _obstacle_boxes(simulation: _Simulation, step: int, ego_center: np.ndarray, ego_speed: float) -> ObstacleBoxes:
    tracks = simulation.tracks
    rows = _replayed_rows(tracks, simulation.follows_log, step)
    parts, bounds = np.empty((len(rows) + 1, 1, CORNERS, 2)), np.empty((len(rows) + 1, 1, 4))
    speed, heading = np.zeros(len(rows) + 1), np.empty(len(rows) + 1)
    corners = corners_around(ego_center[X], ego_center[Y], ego_center[HEADING], simulation.ego_box)
    set_part(parts[0], bounds[0], 0, corners)
    speed[0], heading[0] = ego_speed, ego_center[HEADING]
    for i in range(len(rows)):
        row = rows[i]
        pose, size = tracks.poses[row, step], tracks.sizes[row, step]
        set_part(parts[i + 1], bounds[i + 1], 0, box_corners(pose[X], pose[Y], pose[HEADING], size[0], size[1]))
        heading[i + 1] = pose[HEADING]
        # quirk: replayed_objects_stand (a walking pedestrian has speed 0)
        if tracks.kinds[row] in _DRIVING_KINDS:
            velocity = tracks.velocities[row, step]
            along = velocity[0] * np.cos(pose[HEADING]) + velocity[1] * np.sin(pose[HEADING])
            # A track without logged velocity stands, as all tracks do that nuPlan replays.
            speed[i + 1] = 0.0 if np.isnan(along) else along
    return ObstacleBoxes(parts, bounds, speed, heading)


@njit(cache=True)
def _set_lights(lights: Lights, rows: np.ndarray, statuses: np.ndarray) -> None:
    lights.green[:] = False
    lights.red[:] = False
    for i in range(len(rows)):
        if rows[i] >= 0:
            lights.green[rows[i]] = lights.green[rows[i]] or statuses[i] == _GREEN
            lights.red[rows[i]] = lights.red[rows[i]] or statuses[i] == _RED


@njit(cache=True)
def _write_frame(simulation: _Simulation, step: int) -> None:
    """Write the agents into a frame, and number the boxes: agents first, then replayed tracks."""
    tracks, agents, rows = simulation.tracks, simulation.agents, simulation.rows
    replayed = _replayed_rows(tracks, simulation.follows_log, step)
    number = 0
    for a in range(len(rows)):
        if not agents.alive[a]:
            continue
        row = rows[a]
        heading = agents.pose[a, HEADING]
        tracks.valid[row, step] = True
        tracks.poses[row, step, X], tracks.poses[row, step, Y] = agents.pose[a, X], agents.pose[a, Y]
        tracks.poses[row, step, HEADING] = heading
        tracks.velocities[row, step, 0] = agents.speed[a] * np.cos(heading)
        tracks.velocities[row, step, 1] = agents.speed[a] * np.sin(heading)
        tracks.sizes[row, step, 0], tracks.sizes[row, step, 1] = agents.length[a], agents.width[a]
        tracks.z[row, step] = 0.0
        tracks.order[row, step] = number
        number += 1
    for i in range(len(replayed)):
        tracks.order[replayed[i], step] = number
        number += 1
