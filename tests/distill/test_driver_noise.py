"""Disturbed plans start at the ego, move aside smoothly and change their speed."""

import numpy as np
import pytest

from distill.driver_noise import NoiseSettings, NoisyDriver, disturbed
from driving.synthetic.scenes import scene
from driving.trajectory import Trajectory
from planning.idm import IdmPlanner


def straight(speed_mps=10.0):
    times_s = np.arange(81) * 0.1
    poses = np.zeros((81, 3))
    poses[:, 0] = speed_mps * times_s
    return Trajectory(time_s=times_s, poses=poses)


def test_a_shift_is_reached_after_a_second():
    plan = disturbed(straight(), 1.0, 1.0)
    assert plan.poses[0] == pytest.approx(np.zeros(3))
    assert plan.poses[10:, 1] == pytest.approx(1.0)
    assert (np.diff(plan.poses[:11, 1]) > 0).all()
    assert plan.poses[5, 2] > 0.0
    assert plan.horizon_s == pytest.approx(4.0)


def test_the_factor_scales_the_distance():
    assert disturbed(straight(), 0.0, 0.5).poses[-1, 0] == pytest.approx(20.0)
    assert disturbed(straight(), 0.0, 1.25).poses[-1, 0] == pytest.approx(50.0)


def test_a_standing_plan_does_not_move_sideways():
    assert disturbed(straight(0.0), 2.0, 1.0).poses == pytest.approx(np.zeros((41, 3)))


def test_phases_with_and_without_noise_alternate_and_depend_on_the_seed():
    observation = scene("straight_road").observation_at(10)
    planner = IdmPlanner()
    planner.reset(observation.map, observation.route)
    settings = NoiseSettings(phase_steps=(1, 1))
    ends = []
    for seed in (0, 0, 1):
        driver = NoisyDriver(planner, settings, np.random.default_rng(seed))
        ends.append([tuple(driver.plan(observation).poses[-1]) for _ in range(12)])
    assert ends[0] == ends[1] != ends[2]
    undisturbed = tuple(disturbed(planner.plan(observation), 0.0, 1.0).poses[-1])
    assert 0 < ends[0].count(undisturbed) < 12
