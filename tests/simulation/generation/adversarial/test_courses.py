from dataclasses import replace

import numpy as np
import pytest
from adversarial_cases import straight_scenario, with_car

from driving.agents import AgentKind
from simulation.generation.adversarial.courses import agent_course


def test_a_course_follows_the_log_and_continues_along_the_lane():
    scenario = with_car(straight_scenario(), 20.0, 0.0, 8.0)
    course = agent_course(scenario, 0)
    assert course.moves
    assert course.kind == AgentKind.VEHICLE
    poses = course.path.poses(course.along_m) + np.array([*course.origin, 0.0])
    assert np.abs(poses - scenario.agents.poses[0]).max() < 0.02
    assert course.speed_at(100) == pytest.approx(8.0, abs=0.01)
    assert course.path.length_m > course.along_m[-1] + 20.0


def test_places_beyond_the_ends_keep_the_speed():
    course = agent_course(with_car(straight_scenario(), 20.0, 0.0, 8.0), 0)
    last = len(course.along_m) - 1
    assert course.places(np.array([last + 10.0]))[0] == pytest.approx(course.along_m[-1] + 8.0, abs=0.05)
    assert course.places(np.array([-10.0]))[0] == pytest.approx(course.along_m[0] - 8.0, abs=0.05)


def test_a_track_that_the_log_cuts_off_is_observed_beyond_its_end_and_one_that_ends_is_not():
    scenario = with_car(straight_scenario(), 20.0, 0.0, 8.0)
    course = agent_course(scenario, 0)
    assert course.is_observed(np.array([-5.0, 100.0, 300.0])).all()
    valid = scenario.agents.valid.copy()
    valid[0, 200:] = False
    ended = agent_course(replace(scenario, agents=replace(scenario.agents, valid=valid)), 0)
    assert ended.is_observed(np.array([-5.0, 100.0, 210.0])).tolist() == [True, True, False]


def test_a_standing_car_has_its_lane_ahead():
    course = agent_course(with_car(straight_scenario(), 30.0, 0.0, 0.0), 0)
    assert not course.moves
    assert np.ptp(course.along_m) == 0.0
    assert course.path.length_m > 40.0


@pytest.mark.parametrize("seen", [slice(0, 5), slice(0, 253, 2)])
def test_short_and_interrupted_tracks_have_no_course(seen):
    scenario = with_car(straight_scenario(), 20.0, 0.0, 8.0)
    valid = np.zeros_like(scenario.agents.valid)
    valid[0, seen] = True
    assert agent_course(replace(scenario, agents=replace(scenario.agents, valid=valid)), 0) is None
