"""What the others will do: go straight on. And which of them no longer matter, because they touch the ego already.

Source:
    tuPlan garage, `PDMObservation`, `PDMObjectManager`.
"""

import numpy as np
import shapely
from jaxtyping import Bool, Float64, Int64

from driving.agents import STATIC_KINDS, AgentKind, static_mask
from driving.geometry import box_corners, wrap_angle
from driving.map import MapGraph
from driving.observation import Observation
from driving.vehicle import PACIFICA
from planning.rule_based.proposals import Obstacles, touched_now
from simulation.geometry.polygons import FlatPolygons

MOST = {AgentKind.VEHICLE: 50, AgentKind.PEDESTRIAN: 25, AgentKind.BICYCLE: 10}
"""Nearest agents of a kind that are looked at."""
MOST_STATIC = 50
_LIMITS = (MOST_STATIC, *MOST.values())
_GROUP_OF_KIND = np.full(len(AgentKind), -1)
"""Place in `_LIMITS` of each kind; -1 for the ego, which is nobody's obstacle."""
_GROUP_OF_KIND[[int(kind) for kind in STATIC_KINDS]] = 0
_GROUP_OF_KIND[[int(kind) for kind in MOST]] = 1 + np.arange(len(MOST))
_BOX = np.array([PACIFICA.length_m, PACIFICA.width_m])


class Forecaster:
    """Turns observations into obstacles with velocities. Remembers, for one scenario, who touched the ego."""

    def __init__(
        self, map_graph: MapGraph, areas: FlatPolygons, route_rows: list[int], radius_m: float = 50.0
    ) -> None:
        """Begin a scenario.

        Args:
            map_graph: The map.
            areas: Its lanes and connectors, in the rows of `MapGraph.lanes`.
            route_rows: Lanes and connectors of the route: the lights of others do not matter.
            radius_m: Who is farther away is not seen.
        """
        self._radius_m = radius_m
        self._areas = areas
        polygons = map_graph.lanes.areas.polygons
        connectors = [row for row in route_rows if map_graph.lanes.is_connector(row)]
        self._row_of_light = map_graph.connector_rows(connectors)
        centroids = (
            shapely.get_coordinates(shapely.centroid(polygons[connectors])) if connectors else np.zeros((0, 2))
        )
        self._centroids = dict(zip(connectors, centroids, strict=True))
        self._touched_tracks: set[str] = set()
        self._touched_lights: set[int] = set()

    def obstacles(self, observation: Observation) -> Obstacles:
        """What is near the ego now, and where it is heading."""
        center = observation.ego_now.center_pose()
        rows = self._nearest(observation, center)
        agents = observation.agents
        poses = np.ascontiguousarray(agents.poses[rows, -1])
        is_static = static_mask(agents.kinds[rows])
        velocities, speeds = _straight_on(poses[:, 2], agents.velocities_mps[rows, -1], is_static)
        lights = observation.traffic_lights.red_rows(0, self._row_of_light)
        obstacles = Obstacles(
            poses=poses,
            sizes=np.ascontiguousarray(agents.sizes[rows, -1]),
            velocities=velocities,
            speeds=speeds,
            is_static=is_static,
            is_ignored=np.zeros(len(rows), dtype=bool),
            areas=self._areas,
            light_rows=lights,
            light_centroids=np.array([self._centroids[row] for row in lights.tolist()]).reshape(-1, 2),
            is_light_ignored=np.array([row in self._touched_lights for row in lights.tolist()], dtype=bool),
        )
        # Who touches the ego now is still seen at this step, but neither followed nor blamed.
        tracks, inside = touched_now(obstacles, box_corners(center, _BOX))
        self._touched_tracks.update(agents.track_ids[row] for row in rows[tracks].tolist())
        self._touched_lights.update(lights[inside].tolist())
        return obstacles._replace(is_ignored=tracks, is_light_ignored=obstacles.is_light_ignored | inside)

    def _nearest(self, observation: Observation, center: Float64[np.ndarray, "3"]) -> Int64[np.ndarray, "near"]:
        """Rows of what is looked at: static objects, vehicles, pedestrians, bicycles, each from near to far."""
        agents = observation.agents
        seen = agents.rows_at(-1)
        distances_m = np.hypot(*(agents.poses[seen, -1, :2] - center[:2]).T)
        near = ~(distances_m > self._radius_m)
        if self._touched_tracks:
            near &= np.array([agents.track_ids[row] not in self._touched_tracks for row in seen.tolist()], dtype=bool)
        seen, distances_m = seen[near], distances_m[near]
        order = np.argsort(distances_m)
        groups = _GROUP_OF_KIND[agents.kinds[seen[order]]]
        return seen[np.concatenate([order[groups == group][:most] for group, most in enumerate(_LIMITS)])]


def _straight_on(
    headings: Float64[np.ndarray, "agents"],
    velocities_mps: Float64[np.ndarray, "agents 2"],
    is_static: Bool[np.ndarray, "agents"],
) -> tuple[Float64[np.ndarray, "agents 2"], Float64[np.ndarray, "agents"]]:
    """Velocities along the box, backwards where it drives backwards, and speeds; 0 for static objects."""
    speeds = np.where(is_static, 0.0, np.hypot(velocities_mps[:, 0], velocities_mps[:, 1]))
    turned = np.abs(wrap_angle(headings - np.arctan2(velocities_mps[:, 1], velocities_mps[:, 0])))
    signed = np.where(turned < np.pi / 2, speeds, -speeds)
    return np.stack([signed * np.cos(headings), signed * np.sin(headings)], axis=-1), speeds
