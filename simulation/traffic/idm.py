"""Reactive traffic: vehicles on their lanes that keep their distance; everything else that is left follows the log.

Source:
    nuPlan devkit, `IDMAgents`, `IDMAgentManager`, `IDMAgent`, with the values of `idm_agents_observation.yaml`.
    That some may follow the log all the same (`is_scripted`) is ours.
"""

import numpy as np
from jaxtyping import Bool

from driving.agents import AgentKind, LightStatus
from driving.scenario import Scenario
from driving.vehicle import PACIFICA, VehicleParameters
from simulation.ego.dynamics import HEADING, VELOCITY_X, VELOCITY_Y, X, Y
from simulation.geometry.boxes import box_corners
from simulation.geometry.compiling import njit
from simulation.traffic.idm_paths import build_path
from simulation.traffic.idm_roads import IdmRoads, RoadArrays, roads_of
from simulation.traffic.idm_shapes import CORNERS, parts_needed, set_part
from simulation.traffic.idm_start import (
    KIND_ORDER,
    StartingAgent,
    replayed_tracks,
    scripted_tracks,
    starting_agents,
)
from simulation.traffic.idm_step import MAX_ROUTE, Agents, Lights, Others, Storage, place_agent, step_agents
from simulation.traffic.tracks import TrackArrays, arrays_of_tracks

_PATH_CAPACITY = 128


class IdmTraffic:
    """The reactive agents of one rollout."""

    def __init__(
        self, scenario: Scenario, vehicle: VehicleParameters = PACIFICA, *, is_scripted: bool = False
    ) -> None:
        """Put the agents on their lanes.

        Args:
            scenario: Whose first frame it starts at.
            vehicle: The ego.
            is_scripted: Whether those of `scripted_tracks` follow the log; else nuPlan's kinds do.
        """
        self._scenario = scenario
        self._roads = roads_of(scenario.map)
        self._follows_log = scripted_tracks(scenario, self._roads) if is_scripted else replayed_tracks(scenario)
        found = starting_agents(scenario, self._roads, self._follows_log, vehicle)
        self._rows = np.array([agent.row for agent in found], dtype=np.int64)
        self._agents, self._storage = _agents_from(found, self._roads)
        self._lights = _lights_of(scenario, self._roads)
        self._light_rows = _rows_of_lights(scenario)
        self._ego_box = (vehicle.rear_axle_to_center_m, vehicle.length_m, vehicle.width_m)
        self._tracks = _tracks_from_first_frame(scenario, self._follows_log)
        _write_frame(self._tracks, self._follows_log, scenario.first_frame, self._rows, self._agents)

    @property
    def tracks(self) -> TrackArrays:
        """Log boxes before the first frame; from it on the agents in the order of creation, then what is replayed."""
        return self._tracks

    def step(self, iteration: int, ego: np.ndarray) -> None:
        """Move on to frame `iteration + 1`, with its lights and replayed objects, and the ego of `iteration`."""
        scenario = self._scenario
        now = scenario.first_frame + iteration
        # quirk: float_seconds (the step is a difference of seconds since 1970 in float64: 2.4e-7 s coarse)
        dt_s = int(scenario.time_us[now + 1]) * 1e-6 - int(scenario.time_us[now]) * 1e-6
        start, stop = scenario.traffic_lights.offsets[now + 1], scenario.traffic_lights.offsets[now + 2]
        self._storage = _advance(
            self._tracks,
            self._follows_log,
            now + 1,
            self._rows,
            self._agents,
            self._storage,
            self._roads.arrays,
            self._lights,
            self._light_rows[start:stop],
            scenario.traffic_lights.statuses[start:stop],
            ego,
            dt_s,
            self._ego_box,
        )


def _agents_from(found: list[StartingAgent], roads: IdmRoads) -> tuple[Agents, Storage]:
    road, num = roads.arrays, len(found)
    lines = [
        np.concatenate([road.points[piece], road.headings[piece, np.newaxis]], axis=1)
        for piece in (slice(road.offsets[each.lane_row], road.offsets[each.lane_row + 1]) for each in found)
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
        place_agent(agents, storage, a)
    return agents, storage


def _lights_of(scenario: Scenario, roads: IdmRoads) -> Lights:
    """No light yet, but the stop lines of all connectors that ever turn red."""
    lights, areas = scenario.traffic_lights, scenario.map.lanes.areas
    num_rows = len(scenario.map.lanes)
    red_ids = np.unique(lights.lane_connector_ids[lights.statuses == LightStatus.RED]).tolist()
    rows = sorted(row for row in (areas.row(lane_id) for lane_id in red_ids) if row is not None)
    counts = np.zeros(num_rows, dtype=np.int64)
    stops = [roads.stop_rows(row) if row >= roads.num_lanes else () for row in rows]
    counts[rows] = [len(each) for each in stops]
    return Lights(
        green=np.zeros(num_rows, dtype=bool),
        red=np.zeros(num_rows, dtype=bool),
        stop_offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        stop_rows=np.array([row for each in stops for row in each], dtype=np.int64),
    )


def _rows_of_lights(scenario: Scenario) -> np.ndarray:
    """Lane row of each row of the scenario's lights, -1 where the map lacks the connector."""
    areas = scenario.map.lanes.areas
    ids, inverse = np.unique(scenario.traffic_lights.lane_connector_ids, return_inverse=True)
    rows = [areas.row(lane_id) for lane_id in ids.tolist()]
    return np.array([-1 if row is None else row for row in rows], dtype=np.int64)[inverse]


def _tracks_from_first_frame(scenario: Scenario, follows_log: Bool[np.ndarray, "agents"]) -> TrackArrays:
    """Copies of the log's tracks in which, from the first frame on, only those that follow the log are left."""
    tracks = TrackArrays(*(array.copy() for array in arrays_of_tracks(scenario.agents)))
    gone = ~follows_log
    start = scenario.first_frame
    tracks.valid[gone, start:] = False
    for array in (tracks.poses, tracks.velocities, tracks.sizes, tracks.z):
        array[gone, start:] = np.nan
    return tracks


_KIND_ORDER = np.array([int(kind) for kind in KIND_ORDER], dtype=np.int8)
_DRIVING_KINDS = (int(AgentKind.VEHICLE), int(AgentKind.BICYCLE))
"""Of those who follow the log, whose speed the agents know: in nuPlan's reactive traffic none of these does."""


@njit(cache=True)
def _replayed_rows(tracks: TrackArrays, follows_log: np.ndarray, step: int) -> np.ndarray:
    """Rows of those who follow the log at a frame, kind after kind, each kind in the log's order."""
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
def _advance(
    tracks: TrackArrays,
    follows_log: np.ndarray,
    step: int,
    rows: np.ndarray,
    agents: Agents,
    storage: Storage,
    road: RoadArrays,
    lights: Lights,
    light_rows: np.ndarray,
    statuses: np.ndarray,
    ego: np.ndarray,
    dt_s: float,
    ego_box: tuple[float, float, float],
) -> Storage:
    """One call a step, because taking so many arrays apart costs more than most steps.

    Args:
        tracks: Receive the agents at `step`.
        follows_log: (N,) bool, which tracks are replayed.
        step: Where to move on to, on the scenario's time axis.
        rows: (A,) of the agents in `tracks`.
        agents: At the step before.
        storage: Of the agents.
        road: The map.
        lights: Overwritten with what is shown at `step`.
        light_rows: (R,) lane rows of the lights shown at `step`, -1 for unknown ones.
        statuses: (R,) of these lights.
        ego: (10,) state at the step before.
        dt_s: Time from the step before.
        ego_box: From the rear axle to the centre, length and width [m].
    """
    _set_lights(lights, light_rows, statuses)
    shift, length, width = ego_box
    center = np.array([ego[X] + shift * np.cos(ego[HEADING]), ego[Y] + shift * np.sin(ego[HEADING]), ego[HEADING]])
    ego_speed = np.hypot(ego[VELOCITY_X], ego[VELOCITY_Y])
    others = _others(tracks, follows_log, step, center, ego_speed, length, width)
    storage = step_agents(agents, storage, road, lights, others, center, dt_s)
    _write_frame(tracks, follows_log, step, rows, agents)
    return storage


@njit(cache=True)
def _others(
    tracks: TrackArrays,
    follows_log: np.ndarray,
    step: int,
    ego_center: np.ndarray,
    ego_speed: float,
    ego_length: float,
    ego_width: float,
) -> Others:
    rows = _replayed_rows(tracks, follows_log, step)
    parts, bounds = np.empty((len(rows) + 1, 1, CORNERS, 2)), np.empty((len(rows) + 1, 1, 4))
    speed, heading = np.zeros(len(rows) + 1), np.empty(len(rows) + 1)
    corners = box_corners(ego_center[0], ego_center[1], ego_center[2], ego_length, ego_width)
    set_part(parts[0], bounds[0], 0, corners)
    speed[0], heading[0] = ego_speed, ego_center[2]
    for i in range(len(rows)):
        row = rows[i]
        pose, size = tracks.poses[row, step], tracks.sizes[row, step]
        set_part(parts[i + 1], bounds[i + 1], 0, box_corners(pose[0], pose[1], pose[2], size[0], size[1]))
        heading[i + 1] = pose[2]
        # quirk: replayed_objects_stand (a walking pedestrian has speed 0)
        if tracks.kinds[row] in _DRIVING_KINDS:
            velocity = tracks.velocities[row, step]
            along = velocity[0] * np.cos(pose[2]) + velocity[1] * np.sin(pose[2])
            # Who has no velocity in the log stands, as all did that nuPlan replays.
            speed[i + 1] = 0.0 if np.isnan(along) else along
    return Others(parts, bounds, speed, heading)


@njit(cache=True)
def _set_lights(lights: Lights, rows: np.ndarray, statuses: np.ndarray) -> None:
    lights.green[:] = False
    lights.red[:] = False
    for i in range(len(rows)):
        if rows[i] >= 0:
            lights.green[rows[i]] = lights.green[rows[i]] or statuses[i] == 0
            lights.red[rows[i]] = lights.red[rows[i]] or statuses[i] == 2


@njit(cache=True)
def _write_frame(tracks: TrackArrays, follows_log: np.ndarray, step: int, rows: np.ndarray, agents: Agents) -> None:
    """Put the agents into a frame, and number the boxes: agents first, then what is replayed."""
    replayed = _replayed_rows(tracks, follows_log, step)
    place = 0
    for a in range(len(rows)):
        if not agents.alive[a]:
            continue
        row = rows[a]
        heading = agents.pose[a, 2]
        tracks.valid[row, step] = True
        tracks.poses[row, step, 0], tracks.poses[row, step, 1] = agents.pose[a, 0], agents.pose[a, 1]
        tracks.poses[row, step, 2] = heading
        tracks.velocities[row, step, 0] = agents.speed[a] * np.cos(heading)
        tracks.velocities[row, step, 1] = agents.speed[a] * np.sin(heading)
        tracks.sizes[row, step, 0], tracks.sizes[row, step, 1] = agents.length[a], agents.width[a]
        tracks.z[row, step] = 0.0
        tracks.order[row, step] = place
        place += 1
    for i in range(len(replayed)):
        tracks.order[replayed[i], step] = place
        place += 1
