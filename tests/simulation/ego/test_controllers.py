from dataclasses import replace

import numpy as np
import pytest

from driving.synthetic.scenes import scene
from driving.trajectory import Trajectory
from driving.vehicle import PACIFICA
from simulation.ego.controllers import LogPlayback, PerfectController, TrackingController
from simulation.ego.dynamics import HEADING, STATE_SIZE, STEERING, VELOCITY_X, states_of, step_bicycle
from simulation.ego.tracking import plan_time_us, track_plan


def test_the_tracking_controller_steps_by_the_log_time_between_frames():
    scenario = scene("straight_road")
    start = states_of(scenario.ego)[0, scenario.first_frame]
    plan = Trajectory(time_s=np.arange(41) * 0.1, poses=start[:3] + np.outer(np.arange(41), [1.2, 0.0, 0.0]))
    state = TrackingController(scenario).next_state(3, start, plan)
    times_us = scenario.time_us[scenario.frames][3:5]
    commands = track_plan(int(times_us[0]), plan_time_us(plan), plan.poses, start, PACIFICA.wheelbase_m)
    expected = np.empty(STATE_SIZE)
    step_bicycle(start, commands, (times_us[1] - times_us[0]) / 1e6, PACIFICA.wheelbase_m, expected)
    np.testing.assert_array_equal(state, expected)


def test_a_longer_wheelbase_turns_less():
    scenario = scene("straight_road")
    start = states_of(scenario.ego)[0, scenario.first_frame].copy()
    start[VELOCITY_X], start[STEERING] = 8.0, 0.2
    plan = Trajectory(time_s=np.arange(41) * 0.1, poses=start[:3] + np.outer(np.arange(41), [0.8, 0.0, 0.0]))
    turns = []
    for wheelbase_m in (2.5, 3.0, 3.5):
        vehicle = replace(PACIFICA, wheelbase_m=wheelbase_m)
        turns.append(TrackingController(scenario, vehicle).next_state(0, start, plan)[HEADING] - start[HEADING])
    assert turns[0] > turns[1] > turns[2] > 0.0


def test_perfect_tracking_needs_a_plan_up_to_the_next_frame():
    plan = Trajectory(time_s=np.array([0.0, 0.05]), poses=np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"covers 0\.000 s to 0\.050 s, requested were 0\.100 s"):
        PerfectController(scene("straight_road")).next_state(0, np.zeros(STATE_SIZE), plan)


def _plan(speed_mps, turn_rad=0.0):
    return Trajectory(time_s=np.array([0.0, 0.2]), poses=np.array([[0, 0, 0], [0.2 * speed_mps, 0, turn_rad]], float))


def test_perfect_tracking_puts_the_ego_on_the_plan():
    state = PerfectController(scene("straight_road")).next_state(0, np.zeros(STATE_SIZE), _plan(20.0, 0.1))
    np.testing.assert_allclose(state, [2.0, 0.0, 0.05, 20.0, 0.0, 200.0, 0.0, 0.0, 0.5, 5.0], atol=1e-9)


def test_perfect_tracking_refuses_fifty_metres_a_second():
    with pytest.raises(ValueError, match=r"needs 50\.5 m/s at iteration 0"):
        PerfectController(scene("straight_road")).next_state(0, np.zeros(STATE_SIZE), _plan(50.5))


def test_log_playback_ignores_the_plan():
    scenario = scene("straight_road")
    state = LogPlayback(scenario).next_state(4, np.zeros(STATE_SIZE), _plan(0.0))
    np.testing.assert_array_equal(state, states_of(scenario.ego)[0, scenario.first_frame + 5])
