import numpy as np
import pytest

from driving.synthetic.scenes import scene
from driving.trajectory import Trajectory
from simulation.ego.controllers import LogPlayback, PerfectController
from simulation.ego.dynamics import STATE_SIZE, states_of


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
