"""nuPlan's IDM planner: follows the lanes of the route at a distance to obstacles."""

import numpy as np
from jaxtyping import Float64

from driving.agents import static_mask
from driving.map import MapGraph
from driving.observation import Observation
from driving.route import Route
from driving.routing import require_ego_on_route
from driving.trajectory import Trajectory
from planning.idm_rollout import (
    HEADING,
    LENGTH,
    NUM_COLUMNS,
    SPEED,
    WIDTH,
    IdmObstacles,
    IdmPath,
    IdmPlanSettings,
    X,
    overlaps_path,
    plan_idm,
)
from planning.lane_search import breadth_first_lanes, joined_centerlines, starting_lane
from simulation.ego.box import ego_box
from simulation.geometry.polylines import chunked_line
from simulation.metrics.nuplan.flat_map import flat_map
from simulation.traffic.idm_law import NUPLAN_PLANNER

TARGET_SPEED_MPS = 10.0
"""Used if the first lane has no speed limit."""
NUM_STEPS = 16
PLAN_STEP_S = 0.5
RADIUS_M = 40.0


class IdmPlanner:
    """Follows a chain of lanes along the route, searched once, by the intelligent driver model.

    Agents stand still during a plan, and red lights block their connectors. The plan moves the box centre along the
    centerline and is converted to the rear axle; 16 poses over 8 s.

    Source:
        nuPlan devkit, `IDMPlanner` with the values of `idm_planner.yaml`. It refuses routes of fewer than two
        roadblocks; this planner does not.
    """

    name = "idm"
    observes_agents = True

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
        """Roll the present state along the path.

        Raises:
            ValueError: At the first plan, when the ego is not on its route.
        """
        if not self._is_started:
            self._find_path(observation)
            self._is_started = True
        ego = observation.ego_now
        center = ego.center_pose()
        red_rows = observation.traffic_lights.red_rows(0, self._lights)
        is_on_path = self._is_on_path[red_rows]
        obstacles = IdmObstacles(
            agents=agents_now(observation) if self.observes_agents else np.zeros((0, NUM_COLUMNS)),
            areas=self._areas,
            red_rows=red_rows[is_on_path],
            red_rows_beside=red_rows[~is_on_path],
        )
        start = np.append(center, ego.velocity_mps[0])
        poses = plan_idm(self._path, start, ego_box(), obstacles, self._settings)
        return Trajectory(time_s=np.arange(NUM_STEPS + 1) * PLAN_STEP_S, poses=poses)

    def _find_path(self, observation: Observation) -> None:
        ego, blocks = observation.ego_now, self._route.roadblock_ids
        near = [row for block in blocks[:2] for row in self._map.lane_rows_of_roadblock(block)]
        chain = breadth_first_lanes(self._map, blocks, starting_lane(self._map, near or self._route_lanes, ego))
        limit_mps = self._map.speed_limit_mps(chain[0]) or TARGET_SPEED_MPS
        self._settings = IdmPlanSettings(
            target_speed_mps=max(limit_mps, ego.speed_mps),
            parameters=NUPLAN_PLANNER,
            radius_m=RADIUS_M,
            step_s=PLAN_STEP_S,
            num_steps=NUM_STEPS,
        )
        points, headings = joined_centerlines(self._map, chain)
        # Of doubled vertices the last stays, as in nuPlan's `create_path_from_se2`.
        keep = np.append(np.hypot(*np.diff(points, axis=0).T) > 1e-8, True)
        line = chunked_line(np.ascontiguousarray(points[keep]))
        require_ego_on_route(self._map, self._route, ego.rear_axle_pose, line.points)
        self._path = IdmPath(line=line, headings=np.unwrap(headings[keep]), num_points=len(line.points) - 1)
        half_width_m = 0.5 * ego_box().width
        self._is_on_path = np.zeros(len(self._map.lanes), dtype=bool)
        for row in self._lights.values():
            self._is_on_path[row] = overlaps_path(self._path, half_width_m, self._areas, row)


def agents_now(observation: Observation) -> Float64[np.ndarray, "agents 6"]:
    """Agents and static objects of the present step in the columns of `idm_rollout`, in the order of the tracks."""
    agents = observation.agents
    rows = np.flatnonzero(agents.valid[:, -1])
    table = np.empty((len(rows), NUM_COLUMNS))
    table[:, X : HEADING + 1] = agents.poses[rows, -1]
    velocities = agents.velocities_mps[rows, -1]
    table[:, SPEED] = np.hypot(velocities[:, 0], velocities[:, 1])
    table[static_mask(agents.kinds[rows]), SPEED] = 0.0
    table[:, LENGTH : WIDTH + 1] = agents.sizes[rows, -1]
    return table
