"""What the student sees: an observation as arrays of fixed size, in the ego frame, float32.

Tokens of agents and static objects, lane pieces, lights, and the route with the room beside it. Who made the agents,
a label or a camera network, cannot be told from them.
"""

from dataclasses import dataclass, fields
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from driving import EgoState, LightStatus, MapGraph, Observation, Route
from driving.agents import static_mask
from driving.geometry import local_from_global, wrap_angle
from planning.neural.route_line import SPACING_M, LaneSamples, RoadAhead, RoadCache, lane_samples

VERSION = "features.1"
"""Changes whenever the arrays do: stored samples of another version are refused."""

MAX_AGENTS = 48
"""Nearest agents and static objects; the others are left out."""
HISTORY_STEPS = (0, 5, 10, 15, 20)
"""How many steps ago an agent's past is looked at."""
AGENT_RADIUS_M = 80.0
NUM_KINDS = 7
AGENT_SIZE = 5 * len(HISTORY_STEPS) + 4 + NUM_KINDS
"""Per past step x, y, cos, sin, whether seen; then velocity (2), length, width, kind."""
VELOCITY, BOX, KIND = slice(25, 27), slice(27, 29), slice(29, 36)
"""Columns of an agent."""

MAX_LANES = 48
LANE_POINTS = 6
LANE_SPACING = 2
"""Samples of a lane between two points of a piece: 4 m."""
LANE_RADIUS_M = 60.0
LANE_SIZE = 2 * LANE_POINTS + 8
"""Points, then on route, connector, limit, room left and right, light green, yellow, red."""

MAX_LIGHTS = 8
LIGHT_SIZE = 8
"""x, y, cos, sin of the stop, on route, green, yellow, red."""

ROUTE_POINTS = 64
ROUTE_BEHIND = 5
"""Samples of the route behind the ego; one every 2 m."""
ROUTE_SIZE = 14
"""x, y, cos, sin, room (4), limit, connector, green, yellow, red, curvature."""
ROOM, LIMIT, IS_CONNECTOR, IS_RED = slice(4, 8), 8, 9, 12
"""Columns of a route point."""

EGO_SIZE = 10
"""Without lateral velocity and acceleration, which logs have and simulated drives have not."""
POSITION_M, SPEED_MPS = 20.0, 10.0
"""What lengths and speeds of tokens are divided by."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Features:
    """One observation for the network. Rows beyond what there is are zero and masked out."""

    ego: Float32[np.ndarray, "ego"]
    """Speed, acceleration, steering, yaw rate, then how it lies to the route: offset, heading, limit, red ahead."""
    agents: Float32[np.ndarray, "agents agent_values"]
    agents_mask: Bool[np.ndarray, "agents"]
    lanes: Float32[np.ndarray, "lanes lane_values"]
    lanes_mask: Bool[np.ndarray, "lanes"]
    lights: Float32[np.ndarray, "lights light_values"]
    lights_mask: Bool[np.ndarray, "lights"]
    route: Float32[np.ndarray, "route route_values"]
    route_mask: Bool[np.ndarray, "route"]


FEATURE_NAMES: tuple[str, ...] = tuple(item.name for item in fields(Features))


def trimmed(features: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Stacked features without the rows of agents, lanes and lights that none of the states has: less to compute."""
    kept = dict(features)
    for name in ("agents", "lanes", "lights"):
        count = max(1, int(features[f"{name}_mask"].sum(axis=1).max()))
        kept[name], kept[f"{name}_mask"] = features[name][:, :count], features[f"{name}_mask"][:, :count]
    return kept


def route_points(route: Float32[np.ndarray, "states points values"]) -> Float64[np.ndarray, "states points 4"]:
    """x, y [m], cos, sin of the route points of stacked features."""
    points = route[..., :4].astype(np.float64)
    points[..., :2] *= POSITION_M
    return points


class FeatureBuilder:
    """Turns observations into features; keeps what is looked up per map and route."""

    def __init__(self) -> None:
        self._roads = RoadCache()

    def prepare(self, map_graph: MapGraph, route: Route) -> None:
        """Look up the lanes of a route, so that the first plan is not late.

        Raises:
            ValueError: When the route names no lane of the map.
        """
        self._roads.get(map_graph, route)

    def road(self, observation: Observation) -> RoadAhead:
        """The road ahead of an observation.

        Raises:
            ValueError: When the route names no lane of the map.
        """
        return self._roads.get(observation.map, observation.route)

    def build(self, observation: Observation, agents: Int64[np.ndarray, "agents"] | None = None) -> Features:
        """The features of an observation. Without agents, lights or lanes around, these are masked out.

        Args:
            observation: The scene now.
            agents: What `nearest_agents` gives, where the caller has it.

        Raises:
            ValueError: When the route names no lane of the map.
        """
        road = self.road(observation)
        ego = observation.ego_now
        ids, statuses = observation.traffic_lights.at(0)
        lights = dict(zip(ids.tolist(), statuses.tolist(), strict=True))
        line = road.line(ego)
        route, route_mask = _route(line, ego, lights, observation.map)
        shown_agents, agents_mask = _agents(
            observation, ego, nearest_agents(observation) if agents is None else agents
        )
        lanes, lanes_mask = _lanes(road, ego, lights)
        shown, shown_mask = _lights(road, ego, lights)
        return Features(
            ego=_ego(ego, route, route_mask),
            agents=shown_agents,
            agents_mask=agents_mask,
            lanes=lanes,
            lanes_mask=lanes_mask,
            lights=shown,
            lights_mask=shown_mask,
            route=route,
            route_mask=route_mask,
        )


def nearest_agents(observation: Observation) -> np.ndarray:
    """Rows of the agents that get a token, from near to far, in the order of the tokens."""
    agents, ego = observation.agents, observation.ego_now
    seen = np.flatnonzero(agents.valid[:, -1] & (agents.kinds < NUM_KINDS))
    away_m = np.hypot(*(agents.poses[seen, -1, :2] - ego.center_pose()[:2]).T)
    near = seen[away_m <= AGENT_RADIUS_M]
    return near[np.argsort(away_m[away_m <= AGENT_RADIUS_M], kind="stable")][:MAX_AGENTS]


def _agents(observation: Observation, ego: EgoState, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    agents = observation.agents
    values, mask = np.zeros((MAX_AGENTS, AGENT_SIZE), dtype=np.float32), np.zeros(MAX_AGENTS, dtype=bool)
    count = len(rows)
    mask[:count] = True
    known = np.array([ago for ago in HISTORY_STEPS if ago < agents.num_steps])
    picked = rows[:, np.newaxis], -1 - known
    poses, seen = agents.poses[picked], agents.valid[picked]
    turned = poses[..., 2] - ego.rear_axle_pose[2]
    past = np.ones((count, len(known), 5))
    past[..., :2] = local_from_global(poses[..., :2].reshape(-1, 2), ego.rear_axle_pose).reshape(*seen.shape, 2)
    past[..., :2] /= POSITION_M
    past[..., 2], past[..., 3] = np.cos(turned), np.sin(turned)
    past[~seen] = 0.0
    values[:count, : 5 * len(known)] = past.reshape(count, 5 * len(known))
    still = np.array([0.0, 0.0, ego.rear_axle_pose[2]])
    values[:count, VELOCITY] = local_from_global(agents.velocities_mps[rows, -1], still) / SPEED_MPS
    values[:count, BOX] = agents.sizes[rows, -1] / SPEED_MPS
    values[np.arange(count), KIND.start + agents.kinds[rows]] = 1.0
    static = static_mask(agents.kinds[rows])
    values[:count, VELOCITY][static] = 0.0
    return values, mask


def _route(
    line: LaneSamples, ego: EgoState, lights: dict[int, int], map_graph: MapGraph
) -> tuple[np.ndarray, np.ndarray]:
    away_m = np.hypot(*(line.poses[:, :2] - ego.rear_axle_pose[:2]).T)
    # Of a route that crosses itself, the part that points the ego's way.
    turned = np.abs(wrap_angle(line.poses[:, 2] - ego.rear_axle_pose[2]))
    first = max(0, int(np.argmin(away_m + 2.0 * turned)) - ROUTE_BEHIND)
    part = slice(first, first + ROUTE_POINTS)
    count = len(line.poses[part])
    values, mask = np.zeros((ROUTE_POINTS, ROUTE_SIZE), dtype=np.float32), np.zeros(ROUTE_POINTS, dtype=bool)
    mask[:count] = True
    headings = line.poses[part, 2]
    values[:count, :2] = local_from_global(line.poses[part, :2], ego.rear_axle_pose) / POSITION_M
    values[:count, 2] = np.cos(headings - ego.rear_axle_pose[2])
    values[:count, 3] = np.sin(headings - ego.rear_axle_pose[2])
    values[:count, ROOM] = line.room_m[part] / 4.0
    values[:count, LIMIT] = line.limit_mps[part] / SPEED_MPS
    values[:count, IS_CONNECTOR] = line.is_connector[part]
    for row in np.unique(line.rows[part][line.is_connector[part]]).tolist():
        status = lights.get(int(map_graph.lanes.ids[row]), int(LightStatus.UNKNOWN))
        if status != LightStatus.UNKNOWN:
            values[:count, 10 + status][line.rows[part] == row] = 1.0
    values[:count, 13] = np.append(wrap_angle(np.diff(headings)), 0.0) / SPACING_M * 10.0
    return values, mask


def _ego(ego: EgoState, route: np.ndarray, mask: np.ndarray) -> np.ndarray:
    points = route[mask]
    nearest = points[int(np.argmin(np.hypot(points[:, 0], points[:, 1])))]
    offset = nearest[2] * nearest[1] - nearest[3] * nearest[0]
    red = points[(points[:, IS_RED] > 0) & (points[:, 0] > 0)]
    to_red = float(np.hypot(red[0, 0], red[0, 1])) if len(red) else 5.0
    return np.array(
        [
            ego.velocity_mps[0] / SPEED_MPS,
            ego.acceleration_mps2[0] / 3.0,
            ego.steering_rad * 3.0,
            ego.yaw_rate_radps * 3.0,
            -offset * POSITION_M / 2.0,
            nearest[3],
            nearest[LIMIT],
            float(len(red) > 0),
            min(to_red, 5.0),
            len(points) / ROUTE_POINTS,
        ],
        dtype=np.float32,
    )


_PIECES: WeakKeyDictionary[MapGraph, dict[int, tuple[np.ndarray, np.ndarray]]] = WeakKeyDictionary()


def _pieces(map_graph: MapGraph, row: int) -> tuple[np.ndarray, np.ndarray]:
    """Pieces of a lane: points (pieces, 6, 2), global, and what does not change (pieces, 8); made once per map."""
    known = _PIECES.setdefault(map_graph, {})
    if row not in known:
        samples = lane_samples(map_graph, row)
        starts = np.arange(0, max(len(samples.poses) - LANE_SPACING, 1), (LANE_POINTS - 1) * LANE_SPACING)
        picks = np.minimum(starts[:, np.newaxis] + np.arange(LANE_POINTS) * LANE_SPACING, len(samples.poses) - 1)
        flags = np.zeros((len(starts), LANE_SIZE - 2 * LANE_POINTS), dtype=np.float32)
        flags[:, 1] = map_graph.lanes.is_connector(row)
        flags[:, 2] = samples.limit_mps[0] / SPEED_MPS
        flags[:, 3:5] = samples.room_m[picks[:, 0], :2] / 4.0
        known[row] = samples.poses[picks, :2], flags
    return known[row]


def _lanes(road: RoadAhead, ego: EgoState, lights: dict[int, int]) -> tuple[np.ndarray, np.ndarray]:
    rows = road.map.lane_rows_near(ego.rear_axle_pose[:2], LANE_RADIUS_M).tolist()
    if not rows:
        return np.zeros((MAX_LANES, LANE_SIZE), dtype=np.float32), np.zeros(MAX_LANES, dtype=bool)
    found = [_pieces(road.map, row) for row in rows]
    points = local_from_global(np.concatenate([points for points, _ in found]), ego.rear_axle_pose)
    flags = np.concatenate([flags for _, flags in found])
    lengths = [len(flags) for _, flags in found]
    flags[:, 0] = np.repeat([row in road.on_route for row in rows], lengths)
    ids = road.map.lanes.ids[rows].tolist()
    shown = np.repeat([lights.get(lane, int(LightStatus.UNKNOWN)) for lane in ids], lengths)
    known = np.flatnonzero(shown != LightStatus.UNKNOWN)
    flags[known, 5 + shown[known]] = 1.0
    values = np.concatenate([(points.reshape(len(points), -1) / POSITION_M).astype(np.float32), flags], axis=1)
    return _nearest(values, np.hypot(points[..., 0], points[..., 1]).min(axis=1), MAX_LANES)


def _lights(road: RoadAhead, ego: EgoState, lights: dict[int, int]) -> tuple[np.ndarray, np.ndarray]:
    areas = road.map.lanes.areas
    rows = {light: areas.row(light) for light, status in lights.items() if status != LightStatus.UNKNOWN}
    shown = [(row, lights[light]) for light, row in rows.items() if row is not None]
    if not shown:
        return np.zeros((MAX_LIGHTS, LIGHT_SIZE), dtype=np.float32), np.zeros(MAX_LIGHTS, dtype=bool)
    stops = np.stack([lane_samples(road.map, row).poses[0] for row, _ in shown])
    points = local_from_global(stops[:, :2], ego.rear_axle_pose)
    turned = stops[:, 2] - ego.rear_axle_pose[2]
    on_route = np.array([row in road.on_route for row, _ in shown], dtype=np.float64)
    values = np.zeros((len(shown), LIGHT_SIZE), dtype=np.float32)
    values[:, :2] = points / POSITION_M
    values[:, 2], values[:, 3], values[:, 4] = np.cos(turned), np.sin(turned), on_route
    values[np.arange(len(shown)), [5 + status for _, status in shown]] = 1.0
    away_m = np.hypot(points[:, 0], points[:, 1])
    near = away_m <= AGENT_RADIUS_M
    # Lights of the route come first.
    return _nearest(values[near], (away_m - 1e3 * on_route)[near], MAX_LIGHTS)


def _nearest(values: np.ndarray, away_m: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """The nearest rows, in order, padded to `most`; and which of them are there."""
    nearest = np.argsort(away_m, kind="stable")[:most]
    padded, mask = np.zeros((most, values.shape[1]), dtype=np.float32), np.zeros(most, dtype=bool)
    padded[: len(nearest)] = values[nearest]
    mask[: len(nearest)] = True
    return padded, mask
