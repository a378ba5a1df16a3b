"""Conversion of observations into the devkit's planner input, and of its plans into trajectories."""

from collections import deque

import numpy as np
from nuplan.common.actor_state.agent import Agent
from nuplan.common.actor_state.ego_state import EgoState as DevkitEgoState
from nuplan.common.actor_state.oriented_box import OrientedBox
from nuplan.common.actor_state.scene_object import SceneObjectMetadata
from nuplan.common.actor_state.state_representation import StateSE2, StateVector2D, TimePoint
from nuplan.common.actor_state.static_object import StaticObject
from nuplan.common.actor_state.tracked_objects import TrackedObject, TrackedObjects
from nuplan.common.actor_state.tracked_objects_types import TrackedObjectType
from nuplan.common.actor_state.vehicle_parameters import get_pacifica_parameters
from nuplan.common.maps.maps_datatypes import TrafficLightStatusData, TrafficLightStatusType
from nuplan.planning.simulation.history.simulation_history_buffer import SimulationHistoryBuffer
from nuplan.planning.simulation.observation.observation_type import DetectionsTracks
from nuplan.planning.simulation.planner.abstract_planner import PlannerInput
from nuplan.planning.simulation.simulation_time_controller.simulation_iteration import SimulationIteration
from nuplan.planning.simulation.trajectory.abstract_trajectory import AbstractTrajectory

from driving.agents import AgentKind, AgentTracks
from driving.ego import EgoState
from driving.observation import Observation
from driving.timing import STEP_S
from driving.trajectory import Trajectory

_VEHICLE = get_pacifica_parameters()


def planner_input(observation: Observation) -> PlannerInput:
    """The input of a devkit planner at one step."""
    now = observation.time_us
    ids, statuses = observation.traffic_lights.at(0)
    lights = [
        TrafficLightStatusData(TrafficLightStatusType(int(status)), int(connector), now)
        for connector, status in zip(ids, statuses, strict=True)
    ]
    return PlannerInput(
        iteration=SimulationIteration(TimePoint(now), observation.iteration),
        history=history_buffer(observation),
        traffic_light_data=lights,
    )


def history_buffer(observation: Observation) -> SimulationHistoryBuffer:
    """The history of ego and agents, oldest first."""
    steps = range(observation.ego.num_steps)
    return SimulationHistoryBuffer(
        deque(devkit_ego(observation.ego.state(step)) for step in steps),
        deque(
            DetectionsTracks(tracked_objects(observation.agents, step, int(observation.ego.time_us[step])))
            for step in steps
        ),
        STEP_S,
    )


def devkit_ego(state: EgoState) -> DevkitEgoState:
    """An ego state of the devkit."""
    return DevkitEgoState.build_from_rear_axle(
        rear_axle_pose=StateSE2(*(float(value) for value in state.rear_axle_pose)),
        rear_axle_velocity_2d=StateVector2D(*(float(value) for value in state.velocity_mps)),
        rear_axle_acceleration_2d=StateVector2D(*(float(value) for value in state.acceleration_mps2)),
        tire_steering_angle=state.steering_rad,
        time_point=TimePoint(state.time_us),
        vehicle_parameters=_VEHICLE,
        is_in_auto_mode=True,
        angular_vel=state.yaw_rate_radps,
        angular_accel=state.yaw_acceleration_radps2,
    )


def tracked_objects(agents: AgentTracks, step: int, time_us: int) -> TrackedObjects:
    """The agents of one step, in the order of their frame."""
    return TrackedObjects([_tracked_object(agents, int(row), step, time_us) for row in agents.rows_at(step)])


def _tracked_object(agents: AgentTracks, row: int, step: int, time_us: int) -> TrackedObject:
    kind = TrackedObjectType(int(agents.kinds[row]))
    track_id = agents.track_ids[row]
    x, y, heading = (float(value) for value in agents.poses[row, step])
    length, width = (float(value) for value in agents.sizes[row, step])
    box = OrientedBox(StateSE2(x, y, heading), length, width, float(agents.heights_m[row]))
    # Planners identify tracks by a number.
    metadata = SceneObjectMetadata(
        timestamp_us=time_us,
        token=f"{track_id}-{time_us}",
        track_id=_number_of(track_id),
        track_token=track_id,
        category_name=AgentKind(int(agents.kinds[row])).name.lower(),
    )
    if AgentKind(int(agents.kinds[row])).is_static:
        return StaticObject(kind, box, metadata)
    velocity = StateVector2D(*(float(value) for value in agents.velocities_mps[row, step]))
    return Agent(kind, box, velocity, metadata, angular_velocity=np.nan)


def _number_of(track_id: str) -> int:
    return int.from_bytes(track_id.encode()[-8:], "little")


def trajectory_of(plan: AbstractTrajectory, time_us: int) -> Trajectory:
    """The sampled states of a devkit plan from now on.

    Raises:
        ValueError: When the plan does not cover the present time.
    """
    states = plan.get_sampled_trajectory()
    times = np.array([state.time_point.time_us for state in states], dtype=np.int64)
    if times[0] > time_us or times[-1] <= time_us:
        raise ValueError(f"The plan covers {times[0]} us to {times[-1]} us, but the present time is {time_us} us.")
    if times[0] < time_us:
        keep = times > time_us
        states = [plan.get_state_at_time(TimePoint(time_us)), *np.array(states, dtype=object)[keep]]
        times = np.array([state.time_point.time_us for state in states], dtype=np.int64)
    poses = np.array([[s.rear_axle.x, s.rear_axle.y, s.rear_axle.heading] for s in states])
    return Trajectory(time_s=(times - time_us) / 1e6, poses=poses)
