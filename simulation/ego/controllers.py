"""Controllers: the next state of the ego from a plan, by tracking, perfect tracking or log playback.

Source:
    nuPlan devkit, `TwoStageController`, `PerfectTrackingController`, `LogPlaybackController`.
"""

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64

from driving.geometry import wrap_angle
from driving.scenario import Scenario
from driving.trajectory import Trajectory
from driving.vehicle import PACIFICA, VehicleParameters
from simulation.ego.dynamics import (
    ACCEL_X,
    HEADING,
    MAX_PERFECT_TRACKING_SPEED_MPS,
    STATE_SIZE,
    VELOCITY_X,
    YAW_ACCEL,
    YAW_RATE,
    Commands,
    X,
    Y,
    states_of,
    step_bicycle,
)
from simulation.ego.tracking import MIN_PLAN_HORIZON_S, plan_time_us, step_along_plan

State = Float64[np.ndarray, "10"]


@runtime_checkable
class Controller(Protocol):
    """Propagates the ego by one frame."""

    min_horizon_s: float
    """Minimum duration of a plan."""

    def next_state(self, iteration: int, state: State, plan: Trajectory) -> State:
        """The state at `iteration + 1` from that at `iteration`, in the columns of `simulation.ego.dynamics`."""
        ...


class TrackingController:
    """LQR tracker and kinematic bicycle model over the log's time stamps, as in nuPlan's closed loop."""

    min_horizon_s = MIN_PLAN_HORIZON_S

    def __init__(self, scenario: Scenario, vehicle: VehicleParameters = PACIFICA) -> None:
        self._time_us = scenario.time_us[scenario.frames].tolist()
        self._wheelbase_m = vehicle.wheelbase_m

    def next_state(self, iteration: int, state: State, plan: Trajectory) -> State:
        """The state after tracking the plan for one frame."""
        frames_us = (self._time_us[iteration], self._time_us[iteration + 1])
        poses = np.ascontiguousarray(plan.poses)
        return step_along_plan(frames_us, plan_time_us(plan), poses, state, self._wheelbase_m)

    def state_under(self, iteration: int, state: State, commands: Commands) -> State:
        """The state at `iteration + 1` under given commands: the bicycle model alone, as the tracker moves it."""
        following = np.empty(STATE_SIZE)
        dt_s = (self._time_us[iteration + 1] - self._time_us[iteration]) / 1e6
        step_bicycle(state, commands, dt_s, self._wheelbase_m, following)
        return following


class PerfectController:
    """The ego is on the plan. Speeds are finite differences of poses, as a plan holds no speeds."""

    min_horizon_s = MIN_PLAN_HORIZON_S

    def __init__(self, scenario: Scenario) -> None:
        self._time_us = scenario.time_us[scenario.frames].tolist()

    def next_state(self, iteration: int, state: State, plan: Trajectory) -> State:
        """The plan's pose at the next frame.

        Raises:
            ValueError: When the plan ends before the next frame, or needs 50 m/s or more.
        """
        dt_s = (self._time_us[iteration + 1] - self._time_us[iteration]) / 1e6
        pose = plan.at(np.array([dt_s]))[0]
        moved_x, moved_y = pose[X] - state[X], pose[Y] - state[Y]
        heading = state[HEADING]
        speed_mps = float(np.cos(heading) * moved_x + np.sin(heading) * moved_y) / dt_s
        if abs(speed_mps) >= MAX_PERFECT_TRACKING_SPEED_MPS:
            raise ValueError(
                f"The plan needs {speed_mps:.1f} m/s at iteration {iteration}; perfect tracking allows up to 50 m/s."
            )
        yaw_rate = wrap_angle(float(pose[HEADING] - heading)) / dt_s
        following = np.zeros(STATE_SIZE)
        following[X : HEADING + 1] = pose
        following[VELOCITY_X] = speed_mps
        following[ACCEL_X] = (speed_mps - state[VELOCITY_X]) / dt_s
        following[YAW_RATE] = yaw_rate
        following[YAW_ACCEL] = (yaw_rate - state[YAW_RATE]) / dt_s
        return following


class LogPlayback:
    """The ego repeats the log and ignores the plan: the open loop."""

    min_horizon_s = 0.0

    def __init__(self, scenario: Scenario) -> None:
        self._states = states_of(scenario.ego)[0, scenario.frames]

    def next_state(self, iteration: int, state: State, plan: Trajectory) -> State:
        """The logged state at the next frame."""
        return self._states[iteration + 1]
