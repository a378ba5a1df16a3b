"""nuPlan's IDM planner: stay on the lanes of the route, keep a distance to what is in the way."""

import numpy as np
from jaxtyping import Float64

from driving.agents import static_mask
from driving.map import MapGraph
from driving.observation import Observation
from driving.route import Route
from driving.routing import require_ego_on_route
from driving.trajectory import Trajectory
from driving.vehicle import PACIFICA
from planning.idm_rollout import plan_idm
from planning.lane_search import breadth_first_lanes, joined_centerlines, starting_lane
from simulation.geometry.polylines import arc_lengths, chunk_bounds
from simulation.metrics.nuplan.flat_map import flat_map
from simulation.traffic.idm_law import NUPLAN_PLANNER

TARGET_SPEED_MPS = 10.0
"""Where the first lane has no speed limit."""
NUM_STEPS = 16
PLAN_STEP_S = 0.5
RADIUS_M = 40.0


class IdmPlanner:
    """Follows the lanes that lead along the route, found once, by the intelligent driver model.

    Agents stay where they are while the plan is made, and red lights block the connectors behind them. The plan is
    the middle of the box on the lane's centerline, converted to the rear axle; 16 poses over 8 s.

    Source:
        nuPlan devkit, `IDMPlanner` with the values of `idm_planner.yaml`. It refuses routes of fewer than two
        roadblocks, we do not.
    """

    name = "idm"
    sees_agents = True

    def __init__(self) -> None:
        self._route_lanes: list[int] = []
        self._is_started = False

    def reset(self, map: MapGraph, route: Route) -> None:  # noqa: A002
        """Collect the lanes of the route.

        Raises:
            ValueError: When the map has no lane for the route.
        """
        self._map, self._route = map, route
        self._route_lanes = [row for block in route.roadblock_ids for row in map.lane_rows_of_roadblock(block)]
        if not self._route_lanes:
            raise ValueError(
                f"Map {map.name} has no lane on the route {route.roadblock_ids}; this planner follows lanes."
            )
        self._lights = map.connector_rows(self._route_lanes)
        self._areas = flat_map(map).lanes
        self._is_started = False

    def plan(self, observation: Observation) -> Trajectory:
        """Roll the present state along the path."""
        if not self._is_started:
            self._find_path(observation)
            self._is_started = True
        ego = observation.ego_now
        center = ego.center_pose()
        poses = plan_idm(
            self._points,
            self._arc,
            self._headings,
            self._chunks,
            len(self._points) - 1,
            np.append(center, ego.velocity_mps[0]),
            (PACIFICA.length_m, PACIFICA.width_m),
            PACIFICA.rear_axle_to_center_m,
            agents_now(observation) if self.sees_agents else np.zeros((0, 6)),
            self._areas,
            observation.traffic_lights.red_rows(0, self._lights),
            RADIUS_M,
            self._target_speed_mps,
            NUPLAN_PLANNER,
            PLAN_STEP_S,
            NUM_STEPS,
        )
        return Trajectory(time_s=np.arange(NUM_STEPS + 1) * PLAN_STEP_S, poses=poses)

    def _find_path(self, observation: Observation) -> None:
        ego, blocks = observation.ego_now, self._route.roadblock_ids
        near = [row for block in blocks[:2] for row in self._map.lane_rows_of_roadblock(block)]
        chain = breadth_first_lanes(self._map, blocks, starting_lane(self._map, near or self._route_lanes, ego))
        limit_mps = self._map.speed_limit_mps(chain[0]) or TARGET_SPEED_MPS
        self._target_speed_mps = max(limit_mps, ego.speed_mps)
        points, headings = joined_centerlines(self._map, chain)
        # Of doubled vertices the last stays, as in nuPlan's `create_path_from_se2`.
        steps_m = np.hypot(*np.diff(points, axis=0).T)
        keep = np.append(steps_m > 1e-8, True)
        self._points = np.ascontiguousarray(points[keep])
        require_ego_on_route(self._map, self._route, ego.rear_axle_pose, self._points)
        self._headings = np.unwrap(headings[keep])
        self._arc = arc_lengths(self._points)
        self._chunks = chunk_bounds(self._points)


def agents_now(observation: Observation) -> Float64[np.ndarray, "agents 6"]:
    """What is seen now, unordered: x, y, heading, speed (0 for static objects) [m/s], length and width [m]."""
    agents = observation.agents
    seen = np.flatnonzero(agents.valid[:, -1])
    rows = np.empty((len(seen), 6))
    rows[:, :3] = agents.poses[seen, -1]
    velocities = agents.velocities_mps[seen, -1]
    rows[:, 3] = np.hypot(velocities[:, 0], velocities[:, 1])
    rows[static_mask(agents.kinds[seen]), 3] = 0.0
    rows[:, 4:] = agents.sizes[seen, -1]
    return rows
