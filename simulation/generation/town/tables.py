"""Types of the compiled traffic simulation: records of lanes, drivers, vehicles and pedestrians.

Vehicles and pedestrians are arrays of records that the kernels change in place. A kernel that takes each column as an
array of its own would need minutes to compile. In all tables -1 stands for none.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int8, Int32, Int64, Shaped, UInt64

LANE = np.dtype(
    [
        ("length", np.float64),
        ("limit", np.float64),  # Speed limit [m/s].
        ("bend", np.float64),  # Maximum of the curvature [1/m].
        ("width", np.float64),
        ("rank", np.int64),  # Of a connector: right of way. Of a lane: rank of its street.
        ("from_lane", np.int64),
        ("to_lane", np.int64),
        ("left", np.int64),
        ("right", np.int64),
        ("must_stop", np.bool_),  # Whether vehicles always stop before the connector.
        ("gives_way", np.bool_),  # Whether a conflicting connector has a higher rank.
        ("light", np.int64),  # Row of the connector in the table of lights.
        ("successor_begin", np.int64),
        ("successor_end", np.int64),
        ("conflict_begin", np.int64),
        ("conflict_end", np.int64),
        ("walk_begin", np.int64),
        ("walk_end", np.int64),
        ("point_begin", np.int64),
        ("point_end", np.int64),
    ]
)
"""A lane or lane connector, in the row order of the map."""

X, Y, ALONG, HEADING = 0, 1, 2, 3
"""Columns of `LaneNetwork.points`."""
OWN_BEGIN, OWN_END, OTHER_BEGIN, OTHER_END = 0, 1, 2, 3
"""Columns of `LaneNetwork.conflict_zones`."""
WALK_BEGIN, WALK_END, WALK_AT = 0, 1, 2
"""Columns of `LaneNetwork.walk_zones`."""


class LaneNetwork(NamedTuple):
    """Lanes and connectors, and the tables that they point into."""

    num_lanes: int
    """Rows below are lanes, the others connectors."""
    lanes: Shaped[np.ndarray, "lanes"]
    """Records of `LANE`."""
    successors: Int64[np.ndarray, "successors"]
    conflict_other: Int64[np.ndarray, "conflicts"]
    """Connector that shares ground with the own one."""
    conflict_zones: Float64[np.ndarray, "conflicts 4"]
    """Begin and end of the shared ground on the own connector and on the other [m]."""
    conflict_along: Bool[np.ndarray, "conflicts"]
    """Whether both connectors have the same direction there."""
    walk_path: Int64[np.ndarray, "crossings"]
    """Foot path (a crosswalk) that a connector crosses."""
    walk_zones: Float64[np.ndarray, "crossings 3"]
    """Begin and end of the crosswalk on the connector, and the position on the foot path [m]."""
    points: Float64[np.ndarray, "points 4"]
    """x, y, distance along the lane [m], unwrapped heading [rad]."""


DRIVER = np.dtype(
    [
        ("kind", np.int8),  # Value of `AgentKind`.
        ("length", np.float64),
        ("width", np.float64),
        ("height", np.float64),
        ("is_ego_make", np.bool_),
        ("speed_factor", np.float64),  # Desired speed as a share of the limit.
        ("top_speed", np.float64),
        ("headway", np.float64),  # Desired time gap to the leader [s].
        ("min_gap", np.float64),  # Gap to the leader in a queue [m].
        ("accel", np.float64),  # [m/s^2]
        ("brake", np.float64),  # Comfortable deceleration [m/s^2].
        ("lateral", np.float64),  # Accepted lateral acceleration [m/s^2].
        ("jerk", np.float64),  # [m/s^3]
        ("gap", np.float64),  # Accepted time gap to crossing traffic [s].
        ("eagerness", np.float64),  # Probability of a lane change without advantage; negative: no lane changes.
        ("polite", np.float64),  # Weight of the follower's loss in a lane change.
    ]
)
"""A vehicle and its driver."""

VEHICLE = np.dtype(
    [
        ("lane", np.int64),
        ("s", np.float64),  # Box centre along the lane [m].
        ("v", np.float64),
        ("a", np.float64),
        ("next", np.int64),  # Connector after the lane; on a connector the one after its `to_lane`.
        ("prev", np.int64),  # Last connector.
        ("grant", np.int64),  # Number of the permission for the next or present connector, 0 for none.
        ("waited", np.float64),  # Time at a standstill before the junction [s].
        ("stopped", np.bool_),  # Whether the vehicle has stopped at the line.
        ("old_lane", np.int64),  # Lane that a lane change leaves.
        ("shift", np.float64),  # Completed share of the lane change.
        ("shift_m", np.float64),  # Length of the lane change.
        ("side", np.float64),  # From the present centerline to that of the old lane, left positive [m].
        ("last_change", np.float64),  # Time since the last lane change [s].
    ]
)
"""State of a vehicle at the present step."""

PERSON = np.dtype(
    [
        ("path", np.int64),
        ("place", np.float64),  # Along the path [m].
        ("forward", np.int64),  # 1 along the path, -1 against it.
        ("speed", np.float64),  # Walking speed [m/s].
        ("aside", np.float64),  # Distance to the right of the path's middle [m].
        ("state", np.int64),  # WALKS, WAITS or PAUSES.
        ("pace", np.float64),  # Present speed [m/s].
        ("held", np.int64),  # Steps behind a slower pedestrian; below 0 while overtaking.
    ]
)
"""State of a pedestrian at the present step."""

WALKS, WAITS, PAUSES = 0, 1, 2
"""States of a pedestrian: in motion, at the kerb, behind a vehicle on the crosswalk."""

FOOT_PATH = np.dtype(
    [
        ("length", np.float64),
        ("is_crosswalk", np.bool_),
        ("point_begin", np.int64),
        ("point_end", np.int64),
        ("crossed_begin", np.int64),
        ("crossed_end", np.int64),
        ("light_begin", np.int64),
        ("light_end", np.int64),
    ]
)
"""A walkway or a crosswalk."""


class FootNetwork(NamedTuple):
    """Foot paths, global."""

    paths: Shaped[np.ndarray, "paths"]
    """Records of `FOOT_PATH`."""
    points: Float64[np.ndarray, "points 3"]
    """x, y, distance along the path [m]."""
    ends: Int64[np.ndarray, "paths 2"]
    """Corners at both ends."""
    corner_offsets: Int64[np.ndarray, "corners_plus_one"]
    corner_paths: Int64[np.ndarray, "path_ends"]
    """Paths that meet at a corner."""
    crossed_by: Int64[np.ndarray, "crossings"]
    """Connectors that cross a crosswalk."""
    crossed_zone: Int64[np.ndarray, "crossings"]
    """Their rows in `LaneNetwork.walk_zones`."""
    lights: Int64[np.ndarray, "lights"]
    """Lights of the arm that a crosswalk lies on: pedestrians walk while they are red."""


class LaneOrder(NamedTuple):
    """Vehicles sorted by lane and position. A vehicle that changes lanes is on both."""

    offsets: Int64[np.ndarray, "lanes_plus_one"]
    vehicle: Int64[np.ndarray, "entries"]
    s: Float64[np.ndarray, "entries"]


class Traffic(NamedTuple):
    """All vehicles at the present step."""

    net: LaneNetwork
    drivers: Shaped[np.ndarray, "vehicles"]
    """Records of `DRIVER`."""
    now: Shaped[np.ndarray, "vehicles"]
    """Records of `VEHICLE`."""
    order: LaneOrder


class Walkers(NamedTuple):
    """Pedestrians on or before each crosswalk, by foot path."""

    counts: Int64[np.ndarray, "paths"]
    places: Float64[np.ndarray, "paths walkers"]
    """Position along the path [m]."""
    speeds: Float64[np.ndarray, "paths walkers"]
    """Speed along the path [m/s], 0 for a pedestrian that waits."""


class Population(NamedTuple):
    """Vehicles and pedestrians of a simulation, with the state of their random numbers."""

    drivers: Shaped[np.ndarray, "vehicles"]
    vehicles: Shaped[np.ndarray, "vehicles"]
    vehicle_random: UInt64[np.ndarray, "vehicles"]
    people: Shaped[np.ndarray, "people"]
    people_random: UInt64[np.ndarray, "people"]


class TrafficHistory(NamedTuple):
    """Vehicles and pedestrians over time."""

    lane: Int32[np.ndarray, "time vehicles"]
    """Row of the lane or connector."""
    s: Float64[np.ndarray, "time vehicles"]
    """Box centre along it [m]."""
    aside: Float64[np.ndarray, "time vehicles"]
    """Distance from its centerline, left positive [m]."""
    v: Float64[np.ndarray, "time vehicles"]
    """[m/s]"""
    a: Float64[np.ndarray, "time vehicles"]
    """[m/s^2]"""
    people: Float64[np.ndarray, "time people 4"]
    """x, y, heading, speed."""
    is_waiting: Bool[np.ndarray, "time people"]
    """Whether the pedestrian waits at a kerb."""

    def since(self, step: int) -> "TrafficHistory":
        """The history from a step on."""
        return TrafficHistory(*(values[step:] for values in self))


LightTable = Int8[np.ndarray, "lights time"]
"""`LightStatus` of each connector with lights, in row order of the map."""
