"""The future that a teacher receives."""

import numpy as np
import pytest

from distill.contract import FUTURE_STEPS, Future, logged_future
from driving.synthetic.scenes import scene


def test_the_future_starts_now_and_covers_4_9_s():
    road = scene("straight_road")
    future = logged_future(road, 20)
    assert FUTURE_STEPS == 71
    assert future.agents.num_steps == future.traffic_lights.num_steps == FUTURE_STEPS
    # 10 m/s.
    assert future.ego_poses[0] == pytest.approx(road.logged_ego_pose(20))
    assert np.diff(future.ego_poses[:, 0]) == pytest.approx(np.ones(FUTURE_STEPS - 1), abs=1e-6)


def test_the_future_ends_with_the_log():
    road = scene("straight_road")
    last = road.num_frames - 1
    left = len(road.time_us) - road.first_frame - last
    assert logged_future(road, last).agents.num_steps == min(left, FUTURE_STEPS)


@pytest.mark.parametrize("iteration", [-1, 10_000])
def test_an_iteration_outside_the_scenario_is_refused(iteration):
    with pytest.raises(IndexError, match=f"iterations, got {iteration}"):
        logged_future(scene("straight_road"), iteration)


def test_agents_and_lights_of_different_lengths_are_refused():
    future = logged_future(scene("queue"), 0)
    with pytest.raises(ValueError, match="must share the future; got 71 and 3 steps"):
        Future(agents=future.agents, traffic_lights=future.traffic_lights.steps(0, 3))
