"""What turns a plan into the next state of the ego: tracking it, being on it, or ignoring it.

Source:
    nuPlan devkit, `TwoStageController`, `PerfectTrackingController`, `LogPlaybackController`.
"""

from typing import Protocol

import numpy as np

from driving.geometry import wrap_angle
from driving.scenario import Scenario
from driving.trajectory import Trajectory
from driving.vehicle import PACIFICA, VehicleParameters
from simulation.ego.dynamics import MAX_PERFECT_TRACKING_SPEED_MPS, STATE_SIZE, states_of, step_bicycle
from simulation.ego.tracking import MIN_PLAN_HORIZON_S, plan_time_us, track_plan


class Controller(Protocol):
    """Moves the ego on by one frame."""

    min_horizon_s: float
    """How long a plan must be."""

    def next_state(self, iteration: int, state: np.ndarray, plan: Trajectory) -> np.ndarray:
        """The state (10,) at iteration + 1, from that at `iteration`; columns as in `simulation.ego.dynamics`."""
        ...


class TrackingController:
    """LQR tracker and kinematic bicycle, over the log's real time steps: nuPlan's closed loop."""

    min_horizon_s = MIN_PLAN_HORIZON_S

    def __init__(self, scenario: Scenario, vehicle: VehicleParameters = PACIFICA) -> None:
        self._time_us = scenario.time_us[scenario.frames].tolist()
        self._wheelbase_m = vehicle.wheelbase_m

    def next_state(self, iteration: int, state: np.ndarray, plan: Trajectory) -> np.ndarray:
        """Follow the plan as a car can."""
        now_us, next_us = self._time_us[iteration], self._time_us[iteration + 1]
        poses = np.ascontiguousarray(plan.poses)
        accel, steering_rate = track_plan(now_us, plan_time_us(plan), poses, state, self._wheelbase_m)
        following = np.empty(STATE_SIZE)
        step_bicycle(state, accel, steering_rate, (next_us - now_us) / 1e6, self._wheelbase_m, following)
        return following


class PerfectController:
    """The ego is where the plan says. Speeds are differences of its poses, as a plan holds no speeds."""

    min_horizon_s = MIN_PLAN_HORIZON_S

    def __init__(self, scenario: Scenario) -> None:
        self._time_us = scenario.time_us[scenario.frames].tolist()

    def next_state(self, iteration: int, state: np.ndarray, plan: Trajectory) -> np.ndarray:
        """The plan's pose at the next frame.

        Raises:
            ValueError: When the plan ends before, or is driven at 50 m/s or more.
        """
        dt_s = (self._time_us[iteration + 1] - self._time_us[iteration]) / 1e6
        pose = plan.at(np.array([dt_s]))[0]
        moved = pose[:2] - state[:2]
        speed_mps = float(np.cos(state[2]) * moved[0] + np.sin(state[2]) * moved[1]) / dt_s
        if abs(speed_mps) >= MAX_PERFECT_TRACKING_SPEED_MPS:
            raise ValueError(f"The plan asks for {speed_mps:.1f} m/s; perfect tracking allows less than 50 m/s.")
        yaw_rate = wrap_angle(float(pose[2] - state[2])) / dt_s
        following = np.zeros(STATE_SIZE)
        following[:3] = pose
        following[3] = speed_mps
        following[5] = (speed_mps - state[3]) / dt_s
        following[8] = yaw_rate
        following[9] = (yaw_rate - state[8]) / dt_s
        return following


class LogPlayback:
    """The ego does what it did in the log, whatever is planned: the open loop."""

    min_horizon_s = 0.0

    def __init__(self, scenario: Scenario) -> None:
        self._states = states_of(scenario.ego)[0, scenario.frames]

    def next_state(self, iteration: int, state: np.ndarray, plan: Trajectory) -> np.ndarray:
        """The log's state at the next frame."""
        return self._states[iteration + 1]
