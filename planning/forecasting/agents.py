"""A forecast of agents: each follows its lane, its leader and the traffic lights, or keeps its velocity.

At constant velocity, an oncoming car in a bend would enter the ego's lane.
"""

from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.spatial import cKDTree

from driving.agents import AgentKind, static_mask
from driving.geometry import wrap_angle
from driving.map import MapGraph
from driving.observation import Observation
from driving.timing import STEP_S
from driving.vehicle import PACIFICA
from planning.forecasting.lane_following import (
    AGENT_COLUMNS,
    LaneForecasts,
    SampledLanes,
    follow_lanes,
    lane_samples_under,
)
from planning.lane_sampling import FALLBACK_SPEED_MPS, sample_lane

NEAREST_SAMPLES, MAX_OFFSET_M = 16, 4.0
"""Lane samples that are tried for an agent, and how far away they may be."""
MIN_SPEED_MPS = 0.5
"""Slower agents are forecast to stand: lanes do not say if they are parked, wait or queue."""
ACCEL_STEPS = 5
"""Steps over which the present acceleration of an agent is measured."""
MAX_BRAKING_MPS2, MAX_ACCEL_MPS2 = 6.0, 3.0
"""Larger measured values are noise and clipped."""


class LaneNetwork(NamedTuple):
    """All lanes of a map as samples, with a search tree."""

    sampled: SampledLanes
    """At a fork, the straightest lane follows."""
    tree: cKDTree


_NETWORKS: WeakKeyDictionary[MapGraph, LaneNetwork] = WeakKeyDictionary()


def lane_network(map_graph: MapGraph) -> LaneNetwork:
    """The lanes of a map, sampled once per map."""
    if map_graph not in _NETWORKS:
        _NETWORKS[map_graph] = _sample_lanes(map_graph)
    return _NETWORKS[map_graph]


def _sample_lanes(map_graph: MapGraph) -> LaneNetwork:
    parts = [sample_lane(map_graph, row) for row in range(len(map_graph.lanes))]
    samples = np.concatenate(parts) if parts else np.zeros((0, 3))
    counts = np.array([len(part) for part in parts], dtype=np.int64)
    successor = np.full(len(parts), -1, dtype=np.int64)
    for row in range(len(parts)):
        following = map_graph.lanes.successors[row]
        if len(following):
            turns = [abs(float(wrap_angle(parts[lane][-1, 2] - parts[lane][0, 2]))) for lane in following]
            successor[row] = following[int(np.argmin(turns))]
    limits = [map_graph.speed_limit_mps(row, FALLBACK_SPEED_MPS) for row in range(len(parts))]
    sampled = SampledLanes(
        samples=samples,
        lane=np.repeat(np.arange(len(parts)), counts),
        stops=np.cumsum(counts),
        successor=successor,
        limits=np.array(limits, dtype=np.float64),
    )
    return LaneNetwork(sampled=sampled, tree=cKDTree(samples[:, :2]))


def forecast_along_lanes(observation: Observation, rows: Int64[np.ndarray, "agents"]) -> LaneForecasts:
    """Forecast some agents of an observation over 4 s, every half second.

    Args:
        observation: The scene now.
        rows: Rows of its agents.
    """
    network = lane_network(observation.map)
    agents, ego = observation.agents, observation.ego_now
    moving = np.empty((len(rows) + 1, AGENT_COLUMNS))
    moving[:-1, :3], moving[:-1, 3:5] = agents.poses[rows, -1], agents.velocities_mps[rows, -1]
    moving[:-1, 5:7], moving[:-1, 7] = agents.sizes[rows, -1], _accelerations(observation, rows)
    # The ego is a leader of the agents behind it; its own plan is not known yet.
    center = ego.center_pose()
    cos, sin = np.cos(center[2]), np.sin(center[2])
    velocity = ego.velocity_mps[0] * cos, ego.velocity_mps[0] * sin
    moving[-1] = [*center, *velocity, PACIFICA.length_m, PACIFICA.width_m, 0]
    moving[:-1, 3:5][static_mask(agents.kinds[rows])] = 0.0
    starts = np.full(len(moving), -1, dtype=np.int64)
    has_wheels = (agents.kinds[rows] == AgentKind.VEHICLE) | (agents.kinds[rows] == AgentKind.BICYCLE)
    drives = np.flatnonzero(has_wheels & (np.hypot(moving[:-1, 3], moving[:-1, 4]) > MIN_SPEED_MPS))
    if len(drives) and len(network.sampled.samples):
        near = network.tree.query(moving[drives, :2], k=NEAREST_SAMPLES, distance_upper_bound=MAX_OFFSET_M)[1]
        starts[drives] = lane_samples_under(moving[drives, :3], near, network.sampled.samples)
    forecasts = follow_lanes(moving, starts, network.sampled, _red_lanes(observation))
    return LaneForecasts(*(values[:-1] for values in forecasts))


def _accelerations(observation: Observation, rows: Int64[np.ndarray, "agents"]) -> Float64[np.ndarray, "agents"]:
    """Present acceleration [m/s^2] of agents that are tracked for half a second, 0 of newer ones."""
    agents = observation.agents
    if agents.num_steps <= ACCEL_STEPS:
        return np.zeros(len(rows))
    now, before = (np.hypot(*agents.velocities_mps[rows, step].T) for step in (-1, -1 - ACCEL_STEPS))
    gained = np.where(agents.valid[rows, -1 - ACCEL_STEPS], (now - before) / (ACCEL_STEPS * STEP_S), 0.0)
    return np.clip(gained, -MAX_BRAKING_MPS2, MAX_ACCEL_MPS2)


def _red_lanes(observation: Observation) -> Bool[np.ndarray, "lanes"]:
    areas = observation.map.lanes.areas
    is_red = np.zeros(len(areas), dtype=bool)
    is_red[observation.traffic_lights.red_rows(0, areas.row_of_id)] = True
    return is_red
