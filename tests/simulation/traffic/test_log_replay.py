import numpy as np

from driving.synthetic.scenes import scene
from planning.stand_still import StandStillPlanner
from simulation.rollout import run_rollout
from simulation.traffic.log_replay import LogReplay


def test_the_tracks_are_those_of_the_log_before_and_after_a_step():
    scenario = scene("cut_in")
    traffic = LogReplay(scenario)
    traffic.step(0, np.full(10, 1e3))
    np.testing.assert_array_equal(traffic.tracks.poses, scenario.agents.poses)
    np.testing.assert_array_equal(traffic.tracks.valid, scenario.agents.valid)


def test_agents_do_not_react_to_a_standing_ego():
    scenario = scene("queue")
    log = run_rollout(scenario, StandStillPlanner(), traffic="nonreactive")
    frames = slice(scenario.first_frame, scenario.first_frame + log.num_steps)
    logged = scenario.agents.steps(frames.start, frames.stop)
    assert log.agents.track_ids == logged.track_ids
    np.testing.assert_array_equal(log.agents.poses, logged.poses)
