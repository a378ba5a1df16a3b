"""The input of the student: an observation as arrays of fixed size, in the ego frame, float32.

Tokens of agents and static objects, pieces of lanes, traffic lights, and the route with the distances to the edges of
the road. They do not depend on whether agents come from labels or from a perception network.
"""

from dataclasses import dataclass, fields
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Bool, Float32, Int64

from driving.agents import LightStatus, static_mask
from driving.ego import EgoState
from driving.geometry import local_from_global, wrap_angle
from driving.map import MapGraph
from driving.observation import Observation
from driving.route import Route
from planning.lane_sampling import SPACING_M
from planning.neural import tokens
from planning.neural.route_line import LaneSamples, RouteContext, RouteContextCache, lane_samples

Tokens = tuple[Float32[np.ndarray, "tokens values"], Bool[np.ndarray, "tokens"]]
"""Tokens, and which of them are valid."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Features:
    """One observation for the network. Rows without a token are zero and masked out."""

    ego: Float32[np.ndarray, "ego"]
    """Speed, steering, yaw rate; offset and heading relative to the route, limit, red light ahead."""
    agents: Float32[np.ndarray, "agents agent_values"]
    agents_mask: Bool[np.ndarray, "agents"]
    lanes: Float32[np.ndarray, "lanes lane_values"]
    lanes_mask: Bool[np.ndarray, "lanes"]
    lights: Float32[np.ndarray, "lights light_values"]
    lights_mask: Bool[np.ndarray, "lights"]
    route: Float32[np.ndarray, "route route_values"]
    route_mask: Bool[np.ndarray, "route"]


FEATURE_NAMES: tuple[str, ...] = tuple(item.name for item in fields(Features))


def trimmed(features: tokens.StackedFeatures) -> tokens.StackedFeatures:
    """Stacked features without the rows of agents, lanes and lights that are masked out in all states."""
    kept = dict(features)
    for name in ("agents", "lanes", "lights"):
        count = max(1, int(features[f"{name}_mask"].sum(axis=1).max()))
        kept[name], kept[f"{name}_mask"] = features[name][:, :count], features[f"{name}_mask"][:, :count]
    return kept


class FeatureBuilder:
    """Turns observations into features; keeps the contexts of maps and routes."""

    def __init__(self) -> None:
        self._contexts = RouteContextCache()

    def prepare(self, map_graph: MapGraph, route: Route) -> None:
        """Look up the lanes of a route before the first plan needs them.

        Raises:
            ValueError: When the route names no lane of the map.
        """
        self._contexts.get(map_graph, route)

    def context(self, observation: Observation) -> RouteContext:
        """Map and route of an observation.

        Raises:
            ValueError: When the route names no lane of the map.
        """
        return self._contexts.get(observation.map, observation.route)

    def build(self, observation: Observation) -> Features:
        """The features of an observation. Without agents, lights or lanes nearby, these are masked out.

        Args:
            observation: The scene now.

        Raises:
            ValueError: When the route names no lane of the map.
        """
        context, ego = self.context(observation), observation.ego_now
        ids, statuses = observation.traffic_lights.at(0)
        lights = dict(zip(ids.tolist(), statuses.tolist(), strict=True))
        route, route_mask = _route_tokens(context.line(ego), ego, lights, observation.map)
        agent_tokens, agents_mask = _agent_tokens(observation, ego)
        lane_tokens, lanes_mask = _lane_tokens(context, ego, lights)
        light_tokens, lights_mask = _light_tokens(context, ego, lights)
        return Features(
            ego=_ego_token(ego, route, route_mask),
            agents=agent_tokens,
            agents_mask=agents_mask,
            lanes=lane_tokens,
            lanes_mask=lanes_mask,
            lights=light_tokens,
            lights_mask=lights_mask,
            route=route,
            route_mask=route_mask,
        )


def nearest_agents(observation: Observation) -> Int64[np.ndarray, "agents"]:
    """Rows of the agents that get a token, from near to far, in the order of the tokens."""
    agents, ego = observation.agents, observation.ego_now
    seen = np.flatnonzero(agents.valid[:, -1] & (agents.kinds < tokens.NUM_KINDS))
    distances_m = np.hypot(*(agents.poses[seen, -1, :2] - ego.center_pose()[:2]).T)
    near = seen[distances_m <= tokens.AGENT_RADIUS_M]
    return near[np.argsort(distances_m[distances_m <= tokens.AGENT_RADIUS_M], kind="stable")][: tokens.MAX_AGENTS]


def _agent_tokens(observation: Observation, ego: EgoState) -> Tokens:
    agents, rows = observation.agents, nearest_agents(observation)
    values, mask = (
        np.zeros((tokens.MAX_AGENTS, tokens.AGENT_SIZE), dtype=np.float32),
        np.zeros(tokens.MAX_AGENTS, dtype=bool),
    )
    count = len(rows)
    mask[:count] = True
    steps = np.array([step for step in tokens.HISTORY_STEPS if step < agents.num_steps])
    cells = rows[:, np.newaxis], -1 - steps
    poses, valid = agents.poses[cells], agents.valid[cells]
    turned = poses[..., 2] - ego.rear_axle_pose[2]
    history = np.ones((count, len(steps), 5))
    history[..., :2] = local_from_global(poses[..., :2].reshape(-1, 2), ego.rear_axle_pose).reshape(*valid.shape, 2)
    history[..., :2] /= tokens.POSITION_M
    history[..., 2], history[..., 3] = np.cos(turned), np.sin(turned)
    history[~valid] = 0.0
    values[:count, : 5 * len(steps)] = history.reshape(count, 5 * len(steps))
    rotation = np.array([0.0, 0.0, ego.rear_axle_pose[2]])
    values[:count, tokens.VELOCITY] = local_from_global(agents.velocities_mps[rows, -1], rotation) / tokens.SPEED_MPS
    values[:count, tokens.BOX] = agents.sizes[rows, -1] / tokens.SPEED_MPS
    values[np.arange(count), tokens.KIND.start + agents.kinds[rows]] = 1.0
    static = static_mask(agents.kinds[rows])
    values[:count, tokens.VELOCITY][static] = 0.0
    return values, mask


def _route_tokens(line: LaneSamples, ego: EgoState, lights: dict[int, int], map_graph: MapGraph) -> Tokens:
    distances_m = np.hypot(*(line.poses[:, :2] - ego.rear_axle_pose[:2]).T)
    # Where a route crosses itself, the part in the direction of the ego.
    turned = np.abs(wrap_angle(line.poses[:, 2] - ego.rear_axle_pose[2]))
    first = max(0, int(np.argmin(distances_m + 2.0 * turned)) - tokens.ROUTE_BEHIND)
    part = slice(first, first + tokens.ROUTE_POINTS)
    count = len(line.poses[part])
    values, mask = (
        np.zeros((tokens.ROUTE_POINTS, tokens.ROUTE_SIZE), dtype=np.float32),
        np.zeros(tokens.ROUTE_POINTS, dtype=bool),
    )
    mask[:count] = True
    headings = line.poses[part, 2]
    values[:count, :2] = local_from_global(line.poses[part, :2], ego.rear_axle_pose) / tokens.POSITION_M
    values[:count, 2] = np.cos(headings - ego.rear_axle_pose[2])
    values[:count, 3] = np.sin(headings - ego.rear_axle_pose[2])
    values[:count, tokens.EDGES] = line.edges_m[part] / tokens.EDGE_M
    values[:count, tokens.LIMIT] = line.limit_mps[part] / tokens.SPEED_MPS
    values[:count, tokens.IS_CONNECTOR] = line.is_connector[part]
    for row in np.unique(line.rows[part][line.is_connector[part]]).tolist():
        status = lights.get(int(map_graph.lanes.ids[row]), int(LightStatus.UNKNOWN))
        if status != LightStatus.UNKNOWN:
            values[:count, tokens.ROUTE_LIGHT + status][line.rows[part] == row] = 1.0
    values[:count, tokens.CURVATURE] = np.append(wrap_angle(np.diff(headings)), 0.0) / SPACING_M * 10.0
    return values, mask


def _ego_token(
    ego: EgoState, route: Float32[np.ndarray, "route values"], mask: Bool[np.ndarray, "route"]
) -> Float32[np.ndarray, "ego"]:
    points = route[mask]
    nearest = points[int(np.argmin(np.hypot(points[:, 0], points[:, 1])))]
    offset = nearest[2] * nearest[1] - nearest[3] * nearest[0]
    red = points[(points[:, tokens.IS_RED] > 0) & (points[:, 0] > 0)]
    to_red = float(np.hypot(red[0, 0], red[0, 1])) if len(red) else 5.0
    return np.array(
        [
            ego.velocity_mps[0] / tokens.SPEED_MPS,
            ego.steering_rad * 3.0,
            ego.yaw_rate_radps * 3.0,
            -offset * tokens.POSITION_M / 2.0,
            nearest[3],
            nearest[tokens.LIMIT],
            float(len(red) > 0),
            min(to_red, 5.0),
            len(points) / tokens.ROUTE_POINTS,
        ],
        dtype=np.float32,
    )


_PIECES: WeakKeyDictionary[MapGraph, dict[int, tuple[np.ndarray, np.ndarray]]] = WeakKeyDictionary()


def _pieces(map_graph: MapGraph, row: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (pieces, 6, 2), global, and flags (pieces, 8) of the pieces of a lane, computed once per map."""
    known = _PIECES.setdefault(map_graph, {})
    if row not in known:
        samples = lane_samples(map_graph, row)
        starts = np.arange(
            0, max(len(samples.poses) - tokens.LANE_SPACING, 1), (tokens.LANE_POINTS - 1) * tokens.LANE_SPACING
        )
        picks = np.minimum(
            starts[:, np.newaxis] + np.arange(tokens.LANE_POINTS) * tokens.LANE_SPACING, len(samples.poses) - 1
        )
        flags = np.zeros((len(starts), tokens.LANE_SIZE - 2 * tokens.LANE_POINTS), dtype=np.float32)
        flags[:, tokens.CONNECTOR] = map_graph.lanes.is_connector(row)
        flags[:, tokens.LANE_LIMIT] = samples.limit_mps[0] / tokens.SPEED_MPS
        flags[:, tokens.LANE_EDGES] = samples.edges_m[picks[:, 0], :2] / tokens.EDGE_M
        known[row] = samples.poses[picks, :2], flags
    return known[row]


def _lane_tokens(context: RouteContext, ego: EgoState, lights: dict[int, int]) -> Tokens:
    rows = context.map.lane_rows_near(ego.rear_axle_pose[:2], tokens.LANE_RADIUS_M).tolist()
    if not rows:
        return np.zeros((tokens.MAX_LANES, tokens.LANE_SIZE), dtype=np.float32), np.zeros(
            tokens.MAX_LANES, dtype=bool
        )
    pieces = [_pieces(context.map, row) for row in rows]
    points = local_from_global(np.concatenate([points for points, _ in pieces]), ego.rear_axle_pose)
    flags = np.concatenate([flags for _, flags in pieces])
    lengths = [len(flags) for _, flags in pieces]
    flags[:, tokens.ON_ROUTE] = np.repeat([row in context.on_route for row in rows], lengths)
    ids = context.map.lanes.ids[rows].tolist()
    statuses = np.repeat([lights.get(lane, int(LightStatus.UNKNOWN)) for lane in ids], lengths)
    known = np.flatnonzero(statuses != LightStatus.UNKNOWN)
    flags[known, tokens.LANE_LIGHT + statuses[known]] = 1.0
    values = np.concatenate([(points.reshape(len(points), -1) / tokens.POSITION_M).astype(np.float32), flags], axis=1)
    return _nearest(values, np.hypot(points[..., 0], points[..., 1]).min(axis=1), tokens.MAX_LANES)


def _light_tokens(context: RouteContext, ego: EgoState, lights: dict[int, int]) -> Tokens:
    areas = context.map.lanes.areas
    rows = {light: areas.row(light) for light, status in lights.items() if status != LightStatus.UNKNOWN}
    known = [(row, lights[light]) for light, row in rows.items() if row is not None]
    if not known:
        return np.zeros((tokens.MAX_LIGHTS, tokens.LIGHT_SIZE), dtype=np.float32), np.zeros(
            tokens.MAX_LIGHTS, dtype=bool
        )
    stops = np.stack([lane_samples(context.map, row).poses[0] for row, _ in known])
    points = local_from_global(stops[:, :2], ego.rear_axle_pose)
    turned = stops[:, 2] - ego.rear_axle_pose[2]
    on_route = np.array([row in context.on_route for row, _ in known], dtype=np.float64)
    values = np.zeros((len(known), tokens.LIGHT_SIZE), dtype=np.float32)
    values[:, :2] = points / tokens.POSITION_M
    values[:, 2], values[:, 3], values[:, tokens.LIGHT_ON_ROUTE] = np.cos(turned), np.sin(turned), on_route
    values[np.arange(len(known)), [tokens.LIGHT_STATUS + status for _, status in known]] = 1.0
    distances_m = np.hypot(points[:, 0], points[:, 1])
    near = distances_m <= tokens.AGENT_RADIUS_M
    # Lights of the route come first.
    return _nearest(values[near], (distances_m - 1e3 * on_route)[near], tokens.MAX_LIGHTS)


def _nearest(values: np.ndarray, distances_m: np.ndarray, most: int) -> Tokens:
    """The nearest rows, in order, padded to `most`."""
    nearest = np.argsort(distances_m, kind="stable")[:most]
    padded, mask = np.zeros((most, values.shape[1]), dtype=np.float32), np.zeros(most, dtype=bool)
    padded[: len(nearest)] = values[nearest]
    mask[: len(nearest)] = True
    return padded, mask
