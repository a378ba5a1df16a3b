"""Planners that use only the state of the ego."""

from dataclasses import replace

import numpy as np
import pytest

from driving.synthetic.scenes import scene
from planning.constant_velocity import ConstantVelocityPlanner
from planning.simple import SimplePlanner
from planning.stand_still import StandStillPlanner


def at_speed(speed_mps: float):
    observation = scene("straight_road").observation_at(30)
    velocities = observation.ego.velocities_mps.copy()
    velocities[..., 0] = speed_mps
    return replace(observation, ego=replace(observation.ego, velocities_mps=velocities))


def distances_m(planner, speed_mps: float) -> np.ndarray:
    observation = at_speed(speed_mps)
    planner.reset(observation.map, observation.route)
    plan = planner.plan(observation)
    heading = observation.ego_now.rear_axle_pose[2]
    return (plan.poses[:, :2] - plan.poses[0, :2]) @ np.array([np.cos(heading), np.sin(heading)])


def test_constant_velocity_covers_speed_times_time():
    assert distances_m(ConstantVelocityPlanner(), 7.0) == pytest.approx(7.0 * 0.5 * np.arange(17))


def test_stand_still_stays():
    assert distances_m(StandStillPlanner(), 7.0).tolist() == [0.0] * 17


def test_simple_keeps_its_speed_up_to_5_mps_and_brakes_above():
    assert distances_m(SimplePlanner(), 4.0) == pytest.approx(4.0 * 0.25 * np.arange(41))
    steps_m = np.diff(distances_m(SimplePlanner(), 9.0)) / 0.25
    # 9, 9 + 0.25 (5 - 9), ...
    assert steps_m[:3] == pytest.approx([9.0, 8.0, 7.25])
    assert steps_m[-1] == pytest.approx(5.0, abs=1e-3)
