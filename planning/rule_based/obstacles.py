"""Obstacles of the proposals: nearby agents with velocities along their boxes, and red lights of the route.

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
from planning.rule_based.proposals import RedLights, overlaps_now
from simulation.geometry.polygons import FlatPolygons
from simulation.metrics.pdm.agents import AgentsNow

MAX_OF_KIND = {AgentKind.VEHICLE: 50, AgentKind.PEDESTRIAN: 25, AgentKind.BICYCLE: 10}
"""Nearest agents of a kind that count as obstacles."""
MAX_STATIC = 50
_LIMITS = (MAX_STATIC, *MAX_OF_KIND.values())
_GROUP_OF_KIND = np.full(len(AgentKind), -1)
"""Index into `_LIMITS` of each kind; -1 for the ego."""
_GROUP_OF_KIND[[int(kind) for kind in STATIC_KINDS]] = 0
_GROUP_OF_KIND[[int(kind) for kind in MAX_OF_KIND]] = 1 + np.arange(len(MAX_OF_KIND))
_BOX = np.array([PACIFICA.length_m, PACIFICA.width_m])


class ObstacleObserver:
    """Selects the obstacles of each observation of a scenario; those that have overlapped the ego are ignored."""

    def __init__(
        self, map_graph: MapGraph, areas: FlatPolygons, route_rows: list[int], radius_m: float = 50.0
    ) -> None:
        """Start a scenario.

        Args:
            map_graph: The map.
            areas: Its lanes and connectors, in the rows of `MapGraph.lanes`.
            route_rows: Lanes and connectors of the route; other lights do not matter.
            radius_m: Range in which agents are observed.
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
        self._ignored_tracks: set[str] = set()
        self._ignored_lights: set[int] = set()

    def observe(self, observation: Observation) -> tuple[AgentsNow, RedLights]:
        """Nearby agents and red lights."""
        center = observation.ego_now.center_pose()
        rows = self._nearest(observation, center)
        tracks = observation.agents
        poses = np.ascontiguousarray(tracks.poses[rows, -1])
        is_static = static_mask(tracks.kinds[rows])
        velocities, speeds = _along_boxes(poses[:, 2], tracks.velocities_mps[rows, -1], is_static)
        agents = AgentsNow(
            poses=poses,
            sizes=np.ascontiguousarray(tracks.sizes[rows, -1]),
            velocities=velocities,
            speeds=speeds,
            is_static=is_static,
            is_ignored=np.zeros(len(rows), dtype=bool),
        )
        light_rows = observation.traffic_lights.red_rows(0, self._row_of_light)
        lights = RedLights(
            areas=self._areas,
            rows=light_rows,
            centroids=np.array([self._centroids[row] for row in light_rows.tolist()]).reshape(-1, 2),
            is_ignored=np.array([row in self._ignored_lights for row in light_rows.tolist()], dtype=bool),
        )
        # An agent that overlaps the ego now is still an agent at this step, but neither a leader nor at fault.
        overlapping, inside = overlaps_now(agents, lights, box_corners(center, _BOX))
        self._ignored_tracks.update(tracks.track_ids[row] for row in rows[overlapping].tolist())
        self._ignored_lights.update(light_rows[inside].tolist())
        return agents._replace(is_ignored=overlapping), lights._replace(is_ignored=lights.is_ignored | inside)

    def _nearest(self, observation: Observation, center: Float64[np.ndarray, "3"]) -> Int64[np.ndarray, "near"]:
        """Rows of the nearest static objects, vehicles, pedestrians and bicycles, each group from near to far."""
        agents = observation.agents
        rows = agents.rows_at(-1)
        distances_m = np.hypot(*(agents.poses[rows, -1, :2] - center[:2]).T)
        near = ~(distances_m > self._radius_m)
        if self._ignored_tracks:
            near &= np.array([agents.track_ids[row] not in self._ignored_tracks for row in rows.tolist()], dtype=bool)
        rows, distances_m = rows[near], distances_m[near]
        order = np.argsort(distances_m)
        groups = _GROUP_OF_KIND[agents.kinds[rows[order]]]
        return rows[np.concatenate([order[groups == group][:most] for group, most in enumerate(_LIMITS)])]


def _along_boxes(
    headings: Float64[np.ndarray, "agents"],
    velocities_mps: Float64[np.ndarray, "agents 2"],
    is_static: Bool[np.ndarray, "agents"],
) -> tuple[Float64[np.ndarray, "agents 2"], Float64[np.ndarray, "agents"]]:
    """Velocities along the box, backwards if the agent drives backwards, and speeds; 0 for static objects."""
    speeds = np.where(is_static, 0.0, np.hypot(velocities_mps[:, 0], velocities_mps[:, 1]))
    turned = np.abs(wrap_angle(headings - np.arctan2(velocities_mps[:, 1], velocities_mps[:, 0])))
    signed = np.where(turned < np.pi / 2, speeds, -speeds)
    return np.stack([signed * np.cos(headings), signed * np.sin(headings)], axis=-1), speeds
