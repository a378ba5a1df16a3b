"""Observations of an environment: made from `driving.Observation` by an encoder.

An encoder is passed in as a class or another function without arguments: each environment makes its own. The default
is `NearbyEncoder`; `RawObservations` hands out the `Observation` itself.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from gymnasium import spaces
from jaxtyping import Float32, Float64, Int8, Int64

from driving.agents import AgentKind, LightStatus
from driving.map import MapGraph
from driving.observation import Observation
from driving.route import Route
from simulation.geometry.angles import wrap
from simulation.geometry.compiling import njit
from simulation.geometry.polygons import FlatPolygons, rows_containing
from simulation.geometry.polylines import ChunkedLine, chunked_line, interpolate, nearest_on_line, project
from simulation.metrics.nuplan.flat_map import flat_map


@runtime_checkable
class Encoder(Protocol):
    """Makes arrays of fixed size from observations."""

    @property
    def space(self) -> spaces.Space:
        """Of an encoded observation."""
        ...

    def reset(self, map: MapGraph, route: Route) -> None:  # noqa: A002  (as in `Planner`)
        """Prepare for a new scenario."""
        ...

    def encode(self, observation: Observation) -> Any:
        """An element of the space, in new arrays."""
        ...


def dict_space(
    shapes: Mapping[str, tuple[int, ...]], masks: Mapping[str, tuple[int, ...]], limit: float
) -> spaces.Dict:
    """A space of named float32 arrays in [-limit, limit], and of masks of 0 and 1."""
    parts: dict[str, spaces.Space] = {
        name: spaces.Box(-limit, limit, shape, np.float32) for name, shape in shapes.items()
    }
    return spaces.Dict({**parts, **{name: spaces.MultiBinary(shape) for name, shape in masks.items()}})


class ObservationSpace(spaces.Space[Observation]):
    """All `driving.Observation`s; cannot be sampled."""

    def contains(self, x: Any) -> bool:
        """Whether x is an observation."""
        return isinstance(x, Observation)

    def sample(self, mask: Any = None, probability: Any = None) -> Observation:
        """Refuse.

        Raises:
            NotImplementedError: Always: observations come from a drive.
        """
        raise NotImplementedError("Observations cannot be drawn at random; take one from `reset` or `step`.")

    @property
    def is_np_flattenable(self) -> bool:
        """False."""
        return False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObservationSpace)

    def __hash__(self) -> int:
        return hash(ObservationSpace)


class RawObservations:
    """Hands out the `Observation`, as planners receive it."""

    def __init__(self) -> None:
        self.space = ObservationSpace()

    def reset(self, map: MapGraph, route: Route) -> None:  # noqa: A002
        """Do nothing: the observation has map and route."""

    def encode(self, observation: Observation) -> Observation:
        """The observation itself."""
        return observation


NUM_AGENTS, NUM_ROUTE_POINTS = 16, 16
ROUTE_SPACING_M = 5.0
POSITION_M, SPEED_MPS, ACCEL_MPS2, SIZE_M, OFFSET_M = 80.0, 20.0, 6.0, 20.0, 8.0
"""Units of the encoded values, which are clipped to [-1, 1]."""
MAX_STEERING_RAD, MAX_YAW_RATE_RADPS = 0.6, 1.0
EGO_VALUES = (
    "speed",
    "acceleration",
    "steering",
    "yaw_rate",
    "route_offset",
    "route_turn",
    "speed_limit",
    "red_light",
)
AGENT_VALUES = ("x", "y", "cos", "sin", "velocity_x", "velocity_y", "length", "width", "is_vehicle", "is_present")
ROUTE_VALUES = ("x", "y", "cos", "sin", "is_present")
_EGO, _AGENT, _ROUTE = len(EGO_VALUES), len(AGENT_VALUES), len(ROUTE_VALUES)


class _EgoNow(NamedTuple):
    x: float
    y: float
    heading: float
    speed: float
    accel: float
    steering: float
    yaw_rate: float


class _Boxes(NamedTuple):
    """Agents over the steps of an observation."""

    kinds: Int8[np.ndarray, "agents"]
    poses: Float64[np.ndarray, "agents time 3"]
    velocities: Float64[np.ndarray, "agents time 2"]
    sizes: Float64[np.ndarray, "agents time 2"]
    valid: np.ndarray


class _Path(NamedTuple):
    """The route of a scenario."""

    line: ChunkedLine
    connectors: Int64[np.ndarray, "connectors"]
    """Lane connectors of the route ..."""
    starts_m: Float64[np.ndarray, "connectors"]
    """... and the arc length of the route at their starts."""


class _Lanes(NamedTuple):
    areas: FlatPolygons
    limits_mps: Float64[np.ndarray, "lanes"]


class NearbyEncoder:
    """Ego, the nearest agents and the route ahead, in the ego frame (x forward, y left), as values in [-1, 1].

    - `ego` (8,): `EGO_VALUES`. Offset to the left of the route / 8 m; angle to it / pi; limit of the lane / 20 m/s, 0
      if unknown; distance to the next red light of the route / 80 m, 1 without one.
    - `agents` (16, 10): `AGENT_VALUES` of the nearest agents and objects within 80 m, near to far; other rows are 0.
    - `route` (16, 5): `ROUTE_VALUES` of the centerline every 5 m from the ego on; 0 behind its end.

    Positions are divided by 80 m, speeds by 20 m/s, accelerations by 6 m/s2, sizes by 20 m, steering by 0.6 rad, yaw
    rates by 1 rad/s.
    """

    def __init__(self) -> None:
        shapes = {"ego": (_EGO,), "agents": (NUM_AGENTS, _AGENT), "route": (NUM_ROUTE_POINTS, _ROUTE)}
        self.space = dict_space(shapes, {}, 1.0)
        self._path: _Path | None = None
        self._lanes: _Lanes | None = None

    def reset(self, map: MapGraph, route: Route) -> None:  # noqa: A002
        """Prepare the route."""
        road = flat_map(map)
        self._path, self._lanes = _path_of(map, route), _Lanes(road.lanes, road.speed_limit_mps)

    def encode(self, observation: Observation) -> dict[str, Float32[np.ndarray, "..."]]:
        """The dictionary of the present instant."""
        assert self._path is not None
        assert self._lanes is not None
        motion, agents = observation.ego, observation.agents
        x, y, heading = motion.rear_axle_poses[0, -1].tolist()
        ego = _EgoNow(
            x,
            y,
            heading,
            float(motion.velocities_mps[0, -1, 0]),
            float(motion.accelerations_mps2[0, -1, 0]),
            float(motion.steering_rad[0, -1]),
            float(motion.yaw_rate_radps[0, -1]),
        )
        boxes = _Boxes(agents.kinds, agents.poses, agents.velocities_mps, agents.sizes, agents.valid)
        lights = observation.traffic_lights
        red = lights.lane_connector_ids[lights.statuses == LightStatus.RED]
        ego_values, agent_values, route_values = _encode(ego, boxes, self._path, red, self._lanes)
        return {"ego": ego_values, "agents": agent_values, "route": route_values}


def _path_of(map_graph: MapGraph, route: Route) -> _Path:
    points = np.ascontiguousarray(route.centerline, dtype=np.float64)
    if len(points) < 2:
        nowhere = ChunkedLine(np.zeros((0, 2)), np.zeros(0), np.zeros((0, 4)))
        return _Path(nowhere, np.zeros(0, dtype=np.int64), np.zeros(0))
    lanes, line = map_graph.lanes, chunked_line(points)
    rows = [row for block in route.roadblock_ids for row in map_graph.lane_rows_of_roadblock(block)]
    rows = [row for row in rows if lanes.is_connector(row)]
    starts_m = [project(line.points, line.arc, *lanes.centerlines[row][0].tolist()) for row in rows]
    connectors = np.array([lanes.ids[row] for row in rows], dtype=np.int64)
    return _Path(line, connectors, np.array(starts_m, dtype=np.float64))


@njit(cache=True)
def _clipped(value: float) -> float:
    return min(max(value, -1.0), 1.0)


@njit(cache=True)
def _encode(
    ego: _EgoNow, boxes: _Boxes, path: _Path, red: np.ndarray, lanes: _Lanes
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    cos, sin = np.cos(ego.heading), np.sin(ego.heading)
    values = np.zeros(_EGO, dtype=np.float32)
    values[0] = _clipped(ego.speed / SPEED_MPS)
    values[1] = _clipped(ego.accel / ACCEL_MPS2)
    values[2] = _clipped(ego.steering / MAX_STEERING_RAD)
    values[3] = _clipped(ego.yaw_rate / MAX_YAW_RATE_RADPS)
    values[7] = 1.0
    for row in rows_containing(lanes.areas, ego.x, ego.y):
        limit = lanes.limits_mps[row]
        if limit > 0.0:
            values[6] = max(values[6], _clipped(limit / SPEED_MPS))
    route = np.zeros((NUM_ROUTE_POINTS, _ROUTE), dtype=np.float32)
    line = path.line
    if len(line.points) > 1:
        along = nearest_on_line(line, ego.x, ego.y)[1]
        for k in range(NUM_ROUTE_POINTS):
            at = along + k * ROUTE_SPACING_M
            if at > line.arc[-1]:
                break
            point_x, point_y, direction = interpolate(line.points, line.arc, at)
            dx, dy, turned = point_x - ego.x, point_y - ego.y, wrap(direction - ego.heading)
            route[k, 0] = _clipped((cos * dx + sin * dy) / POSITION_M)
            route[k, 1] = _clipped((-sin * dx + cos * dy) / POSITION_M)
            route[k, 2], route[k, 3], route[k, 4] = np.cos(turned), np.sin(turned), 1.0
            if k == 0:
                # The ego is to the left of the line where the line is to its right.
                lateral = np.sin(turned) * (cos * dx + sin * dy) - np.cos(turned) * (-sin * dx + cos * dy)
                values[4], values[5] = _clipped(lateral / OFFSET_M), _clipped(-turned / np.pi)
        for i in range(len(path.connectors)):
            gap = path.starts_m[i] - along
            if 0.0 <= gap < values[7] * POSITION_M:
                for number in red:
                    if number == path.connectors[i]:
                        values[7] = gap / POSITION_M
    return values, _encode_agents(ego, boxes, cos, sin), route


@njit(cache=True)
def _encode_agents(ego: _EgoNow, boxes: _Boxes, cos: float, sin: float) -> np.ndarray:
    encoded = np.zeros((NUM_AGENTS, _AGENT), dtype=np.float32)
    squared = np.empty(len(boxes.kinds))
    for n in range(len(squared)):
        dx, dy = boxes.poses[n, -1, 0] - ego.x, boxes.poses[n, -1, 1] - ego.y
        squared[n] = dx * dx + dy * dy if boxes.valid[n, -1] else np.inf
    order = np.argsort(squared, kind="mergesort")
    for k in range(min(NUM_AGENTS, len(order))):
        n = order[k]
        if squared[n] > POSITION_M * POSITION_M:
            break
        dx, dy = boxes.poses[n, -1, 0] - ego.x, boxes.poses[n, -1, 1] - ego.y
        vx, vy = boxes.velocities[n, -1, 0], boxes.velocities[n, -1, 1]
        turned = boxes.poses[n, -1, 2] - ego.heading
        encoded[k, 0] = _clipped((cos * dx + sin * dy) / POSITION_M)
        encoded[k, 1] = _clipped((-sin * dx + cos * dy) / POSITION_M)
        encoded[k, 2], encoded[k, 3] = np.cos(turned), np.sin(turned)
        encoded[k, 4] = _clipped((cos * vx + sin * vy) / SPEED_MPS)
        encoded[k, 5] = _clipped((-sin * vx + cos * vy) / SPEED_MPS)
        encoded[k, 6] = _clipped(boxes.sizes[n, -1, 0] / SIZE_M)
        encoded[k, 7] = _clipped(boxes.sizes[n, -1, 1] / SIZE_M)
        encoded[k, 8] = 1.0 if boxes.kinds[n] == _VEHICLE else 0.0
        encoded[k, 9] = 1.0
    return encoded


_VEHICLE = int(AgentKind.VEHICLE)
