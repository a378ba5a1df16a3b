"""The state of all road users at a step, from tracks of a log or of a rollout: training and driving see the same."""

import math

import numpy as np
import shapely
from jaxtyping import Bool, Float64, Int8, Int64

from driving.agents import AgentKind, TrafficLights
from driving.map import MapGraph
from driving.scenario import Scenario
from driving.vehicle import PACIFICA, VehicleParameters
from simulation.ego.box import EgoBox, center_at, ego_box
from simulation.ego.dynamics import HEADING, VELOCITY_X, VELOCITY_Y, X, Y, states_of
from simulation.geometry.angles import wrap
from simulation.geometry.compiling import njit
from simulation.geometry.lane_anchors import lane_anchors
from simulation.traffic.learned.features import Places
from simulation.traffic.learned.state import DECISION_S, DECISION_STEPS, State
from simulation.traffic.tracks import TrackArrays

MAX_LANE_DISTANCE_M = 15.0
"""Pedestrians farther than this from all lanes see no lane."""


class EgoTrack:
    """The ego as a road user: poses of its box centre, and its velocity, over a scenario's time axis."""

    def __init__(self, scenario: Scenario, vehicle: VehicleParameters = PACIFICA) -> None:
        """Take over the logged ego.

        Args:
            scenario: Start of the rollout.
            vehicle: The ego.
        """
        self._box = ego_box(vehicle)
        states = states_of(scenario.ego)[0]
        self.poses = np.empty((len(states), 3))
        self.velocities = np.empty((len(states), 2))
        self.size = np.array([vehicle.length_m, vehicle.width_m])
        for step in range(len(states)):
            self.set(step, states[step])

    def set(self, step: int, state: Float64[np.ndarray, "10"]) -> None:
        """Write the ego's state at a step."""
        self.poses[step], self.velocities[step] = _as_user(state, self._box)


def _as_user(state: np.ndarray, box: EgoBox) -> tuple[tuple[float, float, float], tuple[float, float]]:
    heading = float(state[HEADING])
    x, y = center_at(float(state[X]), float(state[Y]), heading, box)
    cos, sin = math.cos(heading), math.sin(heading)
    forward, left = float(state[VELOCITY_X]), float(state[VELOCITY_Y])
    return (x, y, heading), (cos * forward - sin * left, sin * forward + cos * left)


@njit(cache=True)
def observe(
    tracks: TrackArrays,
    is_present: Bool[np.ndarray, "tracks"],
    ego: tuple[np.ndarray, np.ndarray, np.ndarray],
    step: int,
    state: State,
) -> None:
    """Write everything but `progress` and `lights` of a state.

    Args:
        tracks: Filled up to the step.
        is_present: Tracks to observe, among those that are valid at the step.
        ego: Poses and velocities over the same time axis, and size of the box.
        step: On the time axis.
        state: To be written; the ego is its last row.
    """
    num_tracks = len(tracks.kinds)
    for row in range(num_tracks):
        state.present[row] = is_present[row] and tracks.valid[row, step]
        state.kinds[row] = tracks.kinds[row]
        if state.present[row]:
            state.sizes[row] = tracks.sizes[row, step]
            _observe_one(tracks.poses[row], tracks.velocities[row], tracks.valid[row], step, (state, row))
    state.present[num_tracks], state.kinds[num_tracks] = True, 7
    state.sizes[num_tracks] = ego[2]
    _observe_one(ego[0], ego[1], np.ones(len(ego[0]), dtype=np.bool_), step, (state, num_tracks))


@njit(cache=True)
def _observe_one(
    poses: np.ndarray, velocities: np.ndarray, valid: np.ndarray, step: int, place: tuple[State, int]
) -> None:
    state, user = place
    pose = poses[step]
    vx, vy = velocities[step]
    before = step - DECISION_STEPS
    knows_before = before >= 0 and valid[max(before, 0)]
    if math.isnan(vx) or math.isnan(vy):
        # The source stores no velocities: mean over 0.5 s.
        vx, vy = 0.0, 0.0
        if knows_before:
            vx, vy = (pose[0] - poses[before, 0]) / DECISION_S, (pose[1] - poses[before, 1]) / DECISION_S
    cos, sin = math.cos(pose[2]), math.sin(pose[2])
    state.poses[user, 0], state.poses[user, 1], state.poses[user, 2] = pose[0], pose[1], pose[2]
    state.velocities[user, 0], state.velocities[user, 1] = vx, vy
    speed = cos * vx + sin * vy
    state.speed[user] = speed
    state.accel[user], state.yaw_rate[user] = 0.0, 0.0
    if knows_before:
        earlier = velocities[before]
        heading = poses[before, 2]
        speed_before = math.cos(heading) * earlier[0] + math.sin(heading) * earlier[1]
        if not math.isnan(speed_before):
            state.accel[user] = min(max((speed - speed_before) / DECISION_S, -8.0), 8.0)
        state.yaw_rate[user] = min(max(wrap(pose[2] - heading) / DECISION_S, -2.0), 2.0)
    x, y = pose[0], pose[1]
    for k in range(2):
        at = step - (k + 1) * DECISION_STEPS
        if at >= 0 and valid[max(at, 0)]:
            x, y = poses[at, 0], poses[at, 1]
        else:
            x, y = x - vx * DECISION_S, y - vy * DECISION_S
        state.past[user, k, 0], state.past[user, k, 1] = x, y


class LightTable:
    """States of traffic lights by lane row."""

    def __init__(self, lights: TrafficLights, map_graph: MapGraph) -> None:
        """Look the connectors up.

        Args:
            lights: Of a scenario.
            map_graph: Its map; connectors that it lacks are left out.
        """
        self._lights = lights
        ids, inverse = np.unique(lights.lane_connector_ids, return_inverse=True)
        rows = [map_graph.lanes.areas.row(lane_id) for lane_id in ids.tolist()]
        self._rows = np.array([-1 if row is None else row for row in rows], dtype=np.int64)[inverse]

    def write(self, step: int, statuses: Int8[np.ndarray, "lanes"]) -> None:
        """Write the status of each lane connector at a step, -1 where it was not observed."""
        statuses[:] = -1
        at = slice(self._lights.offsets[step], self._lights.offsets[step + 1])
        rows = self._rows[at]
        known = rows >= 0
        statuses[rows[known]] = self._lights.statuses[at][known]


class PlaceFinder:
    """Places of agents without a path on one map."""

    def __init__(self, map_graph: MapGraph) -> None:
        """Take the map."""
        self._map = map_graph

    def places(self, state: State, users: Int64[np.ndarray, "agents"]) -> Places:
        """Lanes, crosswalks and walkways at the agents that have no path; zeros for the others."""
        found = Places(np.zeros((len(users), 4)), np.zeros((len(users), 2)))
        free = np.flatnonzero(np.isnan(state.progress[users]) & (state.kinds[users] == AgentKind.PEDESTRIAN))
        if not len(free):
            return found
        poses = state.poses[users[free]]
        anchors = lane_anchors(self._map, poses, MAX_LANE_DISTANCE_M)
        found.lanes[free, 0] = np.nan_to_num(anchors.lateral_m)
        found.lanes[free, 1] = np.nan_to_num(anchors.heading_offset_rad)
        found.lanes[free, 2], found.lanes[free, 3] = anchors.is_inside, anchors.has_lane
        points = shapely.points(poses[:, :2])
        for column, layer in enumerate((self._map.crosswalks, self._map.walkways)):
            if len(layer):
                inside = layer.tree.query(points, predicate="within")[0]
                found.areas[free[inside], column] = 1.0
        return found
