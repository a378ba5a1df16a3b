"""The emergency brake."""

import numpy as np
import pytest

from driving import EgoState
from planning.rule_based.emergency import braking_plan, is_emergency


def ego_at(heading: float, speed_mps: float, accel_mps2: float = 0.0) -> EgoState:
    return EgoState(
        time_us=0,
        rear_axle_pose=np.array([0.0, 0.0, heading]),
        velocity_mps=np.array([speed_mps, 0.0]),
        acceleration_mps2=np.array([accel_mps2, 0.0]),
    )


@pytest.mark.parametrize(
    ("speed_mps", "collision_s", "brakes"),
    [(4.0, 1.9, True), (4.0, 2.1, False), (5.1, 0.5, False), (4.0, None, False)],
)
def test_an_emergency_is_a_collision_within_two_seconds_at_low_speed(speed_mps, collision_s, brakes):
    assert is_emergency(ego_at(0.0, speed_mps), collision_s) is brakes


def test_the_plan_has_a_constant_speed_that_makes_the_tracker_brake():
    # 1.1 (3 + clip(-30, -4.05, 2.4)) = -1.155 m/s.
    plan = braking_plan(ego_at(0.0, 3.0), num_steps=80, step_s=0.1)
    assert plan.poses[-1, 0] == pytest.approx(-1.155 * 8.0)
    # Nearly stopped: clip(-4 v - a) = -0.4 - 0.5.
    plan = braking_plan(ego_at(np.pi / 2, 0.1, 0.5), num_steps=10, step_s=0.1)
    assert plan.poses[-1, 1] == pytest.approx(-0.9)
