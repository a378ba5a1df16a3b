"""A planner of this project as an `AbstractPlanner`, for use in the devkit's simulation.

    planner = CamberPlanner("pdm_closed", maps_root="/path/to/maps")

or in the devkit's configuration:

    _target_: planning.devkit.ours.CamberPlanner
    planner: pdm_closed
    maps_root: ${oc.env:NUPLAN_MAPS_ROOT}
"""

from pathlib import Path
from typing import Any

import numpy as np
from nuplan.common.actor_state.ego_state import EgoState as DevkitEgoState
from nuplan.common.actor_state.state_representation import StateSE2, StateVector2D, TimePoint
from nuplan.common.actor_state.tracked_objects import TrackedObjects
from nuplan.common.actor_state.vehicle_parameters import get_pacifica_parameters
from nuplan.planning.simulation.observation.observation_type import DetectionsTracks
from nuplan.planning.simulation.observation.observation_type import Observation as DevkitObservation
from nuplan.planning.simulation.planner.abstract_planner import AbstractPlanner, PlannerInitialization, PlannerInput
from nuplan.planning.simulation.trajectory.interpolated_trajectory import InterpolatedTrajectory

from driving.agents import AgentTracks, TrafficLights
from driving.ego import EgoMotion
from driving.map import MapGraph
from driving.nuplan.maps import open_map
from driving.observation import Observation
from driving.routing import build_route
from planning.registry import load_planner


class CamberPlanner(AbstractPlanner):
    """Runs a planner, named as on the command line, in the devkit's simulation."""

    def __init__(self, planner: str, maps_root: str) -> None:
        """Load the planner.

        Args:
            planner: Name of the registry or `package.module:Class`.
            maps_root: Folder of the nuPlan maps, which are read without the devkit.
        """
        self._planner = load_planner(planner)
        self._maps_root = Path(maps_root)
        self._initialization: PlannerInitialization | None = None

    def name(self) -> str:
        """Name in the devkit's reports."""
        return f"camber_{self._planner.name}"

    def observation_type(self) -> type[DevkitObservation]:
        """Tracked objects."""
        return DetectionsTracks

    def initialize(self, initialization: PlannerInitialization) -> None:
        """Keep the route; the start pose, which `build_route` needs as well, arrives with the first step."""
        self._initialization = initialization

    def compute_planner_trajectory(self, current_input: PlannerInput) -> InterpolatedTrajectory:
        """Plan one step."""
        assert self._initialization is not None  # the devkit calls `initialize` first
        states = current_input.history.ego_states
        if current_input.iteration.index == 0:
            self._start(states[-1])
        plan = self._planner.plan(self._observation(current_input))
        now = states[-1].time_us
        return InterpolatedTrajectory(
            [
                _plan_state(pose, now + round(float(time_s) * 1e6))
                for time_s, pose in zip(plan.time_s, plan.poses, strict=True)
            ]
        )

    def _start(self, state: DevkitEgoState) -> None:
        initialization = self._initialization
        assert initialization is not None
        self._map: MapGraph = open_map(self._maps_root, initialization.map_api.map_name)
        goal = initialization.mission_goal
        self._route = build_route(
            self._map,
            tuple(int(roadblock_id) for roadblock_id in initialization.route_roadblock_ids),
            None if goal is None else np.array([goal.x, goal.y, goal.heading]),
            _pose(state),
        )
        self._planner.reset(self._map, self._route)

    def _observation(self, current: PlannerInput) -> Observation:
        history = current.history
        return Observation(
            iteration=current.iteration.index,
            ego=ego_motion(history.ego_states),
            agents=agent_tracks([observation.tracked_objects for observation in history.observations]),
            traffic_lights=_lights(current.traffic_light_data or []),
            route=self._route,
            map=self._map,
        )


def _pose(state: DevkitEgoState) -> np.ndarray:
    return np.array([state.rear_axle.x, state.rear_axle.y, state.rear_axle.heading], dtype=np.float64)


def ego_motion(states: list[DevkitEgoState]) -> EgoMotion:
    """The devkit's ego history as an `EgoMotion`."""
    dynamics = [state.dynamic_car_state for state in states]
    velocities = [d.rear_axle_velocity_2d for d in dynamics]
    accelerations = [d.rear_axle_acceleration_2d for d in dynamics]
    return EgoMotion(
        time_us=np.array([state.time_us for state in states], dtype=np.int64),
        rear_axle_poses=np.array([[_pose(state) for state in states]]),
        velocities_mps=np.array([[[v.x, v.y] for v in velocities]], dtype=np.float64),
        accelerations_mps2=np.array([[[a.x, a.y] for a in accelerations]], dtype=np.float64),
        steering_rad=np.array([[state.tire_steering_angle for state in states]], dtype=np.float64),
        yaw_rate_radps=np.array([[d.angular_velocity for d in dynamics]], dtype=np.float64),
        yaw_acceleration_radps2=np.array([[d.angular_acceleration for d in dynamics]], dtype=np.float64),
    )


def agent_tracks(frames: list[TrackedObjects]) -> AgentTracks:
    """The devkit's tracked objects over its history, in the order of each frame."""
    rows: dict[str, int] = {}
    kinds: list[int] = []
    for frame in frames:
        for item in frame.tracked_objects:
            if item.track_token not in rows:
                rows[item.track_token] = len(rows)
                kinds.append(item.tracked_object_type.value)
    shape = (len(rows), len(frames))
    poses, velocities = np.full((*shape, 3), np.nan), np.full((*shape, 2), np.nan)
    sizes, valid = np.full((*shape, 2), np.nan), np.zeros(shape, dtype=bool)
    order = np.zeros(shape, dtype=np.int32)
    for step, frame in enumerate(frames):
        for place, item in enumerate(frame.tracked_objects):
            row = rows[item.track_token]
            poses[row, step] = item.center.x, item.center.y, item.center.heading
            velocities[row, step] = _velocity(item)
            sizes[row, step] = item.box.length, item.box.width
            valid[row, step] = True
            order[row, step] = place
    return AgentTracks(
        track_ids=tuple(rows),
        kinds=np.array(kinds, dtype=np.int8),
        poses=poses,
        velocities_mps=velocities,
        sizes=sizes,
        valid=valid,
        order=order,
    )


def _velocity(item: Any) -> tuple[float, float]:
    velocity = getattr(item, "velocity", None)  # static objects have none
    return (0.0, 0.0) if velocity is None else (velocity.x, velocity.y)


def _lights(lights: list[Any]) -> TrafficLights:
    return TrafficLights(
        offsets=np.array([0, len(lights)], dtype=np.int64),
        lane_connector_ids=np.array([light.lane_connector_id for light in lights], dtype=np.int64),
        statuses=np.array([light.status.value for light in lights], dtype=np.int8),
    )


def _plan_state(pose: np.ndarray, time_us: int) -> DevkitEgoState:
    # The devkit's tracker reads only poses and times of a plan.
    return DevkitEgoState.build_from_rear_axle(
        rear_axle_pose=StateSE2(float(pose[0]), float(pose[1]), float(pose[2])),
        rear_axle_velocity_2d=StateVector2D(0.0, 0.0),
        rear_axle_acceleration_2d=StateVector2D(0.0, 0.0),
        tire_steering_angle=0.0,
        time_point=TimePoint(time_us),
        vehicle_parameters=get_pacifica_parameters(),
    )
