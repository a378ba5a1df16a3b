"""Where agents will be, to begin with: each follows its lane, its leader and the lights, or goes on as it does.

Straight on at its present velocity, an oncoming car in a bend would drive into our lane.
"""

from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.spatial import cKDTree

from driving import PACIFICA, AgentKind, MapGraph, Observation
from driving.agents import static_mask
from driving.geometry import wrap_angle
from planning.forecasting.lane_following import (
    NUM_INSTANTS,
    NUM_WAY,
    SPACING_M,
    SampledLanes,
    follow_lanes,
    lane_samples_under,
)

__all__ = ["NUM_INSTANTS", "NUM_WAY", "TrafficLanes", "agents_ahead", "traffic_lanes"]

NEAREST_SAMPLES, MAX_ASIDE_M = 16, 4.0
"""Lane samples that may be the one under an agent."""
SLOWEST_MPS = 0.5
"""Who stands is taken to stay: parked, waiting or queueing, which lanes do not tell."""
FALLBACK_SPEED_MPS = 15.0
"""Where a lane has no limit."""
ACCEL_STEPS, STEP_S = 5, 0.1
"""Steps over which the present acceleration of an agent is measured."""
MAX_BRAKING_MPS2, MAX_ACCEL_MPS2 = 6.0, 3.0
"""Beyond, it is noise."""


class TrafficLanes(NamedTuple):
    """All lanes of a map as samples, and a tree to look them up."""

    sampled: SampledLanes
    """Of forks, the lane that goes on straightest follows."""
    tree: cKDTree


_LANES: WeakKeyDictionary[MapGraph, TrafficLanes] = WeakKeyDictionary()


def traffic_lanes(map_graph: MapGraph) -> TrafficLanes:
    """The lanes of a map, sampled once and kept as long as the map."""
    if map_graph not in _LANES:
        _LANES[map_graph] = _sample_lanes(map_graph)
    return _LANES[map_graph]


def _sample_lanes(map_graph: MapGraph) -> TrafficLanes:
    lines = [map_graph.centerline(row) for row in range(len(map_graph.lanes))]
    parts = [line.at(np.arange(0.0, max(line.length_m - 1e-6, 1e-3), SPACING_M)) for line in lines]
    samples = np.concatenate(parts) if parts else np.zeros((0, 3))
    counts = np.array([len(part) for part in parts], dtype=np.int64)
    after = np.full(len(parts), -1, dtype=np.int64)
    for row in range(len(parts)):
        following = map_graph.lanes.successors[row]
        if len(following):
            turns = [abs(float(wrap_angle(parts[lane][-1, 2] - parts[lane][0, 2]))) for lane in following]
            after[row] = following[int(np.argmin(turns))]
    limits = [map_graph.speed_limit_mps(row, FALLBACK_SPEED_MPS) for row in range(len(parts))]
    sampled = SampledLanes(
        samples=samples,
        lane=np.repeat(np.arange(len(parts)), counts),
        stops=np.cumsum(counts),
        after=after,
        limits=np.array(limits, dtype=np.float64),
    )
    return TrafficLanes(sampled=sampled, tree=cKDTree(samples[:, :2]))


def agents_ahead(
    observation: Observation, rows: Int64[np.ndarray, "agents"]
) -> tuple[Float64[np.ndarray, "agents 8 2"], Float64[np.ndarray, "agents way"]]:
    """Where agents will be every half second [m, global], and what is known of their way.

    Args:
        observation: The scene now.
        rows: Which of its agents.

    Returns:
        Positions, and per agent whether it follows a lane, room to its leader and to a red light [m], speed it
        wishes [m/s], offset to the middle of its lane [m].
    """
    lanes = traffic_lanes(observation.map)
    agents, ego = observation.agents, observation.ego_now
    moving = np.empty((len(rows) + 1, 8))
    moving[:-1, :3], moving[:-1, 3:5] = agents.poses[rows, -1], agents.velocities_mps[rows, -1]
    moving[:-1, 5:7], moving[:-1, 7] = agents.sizes[rows, -1], _accelerations(observation, rows)
    # The ego is in the way of those behind it; what it will do is not known.
    center = ego.center_pose()
    cos, sin = np.cos(center[2]), np.sin(center[2])
    moving[-1] = [
        *center,
        ego.velocity_mps[0] * cos,
        ego.velocity_mps[0] * sin,
        PACIFICA.length_m,
        PACIFICA.width_m,
        0,
    ]
    moving[:-1, 3:5][static_mask(agents.kinds[rows])] = 0.0
    starts = np.full(len(moving), -1, dtype=np.int64)
    on_wheels = (agents.kinds[rows] == AgentKind.VEHICLE) | (agents.kinds[rows] == AgentKind.BICYCLE)
    drives = np.flatnonzero(on_wheels & (np.hypot(moving[:-1, 3], moving[:-1, 4]) > SLOWEST_MPS))
    if len(drives) and len(lanes.sampled.samples):
        near = lanes.tree.query(moving[drives, :2], k=NEAREST_SAMPLES, distance_upper_bound=MAX_ASIDE_M)[1]
        starts[drives] = lane_samples_under(moving[drives, :3], near, lanes.sampled.samples)
    ahead, way = follow_lanes(moving, starts, lanes.sampled, _red_lanes(observation))
    return ahead[:-1], way[:-1]


def _accelerations(observation: Observation, rows: np.ndarray) -> Float64[np.ndarray, "agents"]:
    """Present acceleration [m/s^2] of agents that were seen a while ago, 0 of others."""
    agents = observation.agents
    if agents.num_steps <= ACCEL_STEPS:
        return np.zeros(len(rows))
    now, then = (np.hypot(*agents.velocities_mps[rows, step].T) for step in (-1, -1 - ACCEL_STEPS))
    gained = np.where(agents.valid[rows, -1 - ACCEL_STEPS], (now - then) / (ACCEL_STEPS * STEP_S), 0.0)
    return np.clip(gained, -MAX_BRAKING_MPS2, MAX_ACCEL_MPS2)


def _red_lanes(observation: Observation) -> Bool[np.ndarray, "lanes"]:
    areas = observation.map.lanes.areas
    is_red = np.zeros(len(areas), dtype=bool)
    is_red[observation.traffic_lights.red_rows(0, areas.row_of_id)] = True
    return is_red
