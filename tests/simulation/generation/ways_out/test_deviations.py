import numpy as np
import pytest

from driving.synthetic.scenes import scene
from simulation.ego.dynamics import states_of
from simulation.generation.ways_out.continuation import lane_approach, lane_continuation
from simulation.generation.ways_out.deviations import LateralChoice, ReferenceDrive, SpeedChoice, quintic_shift

KEEP = SpeedChoice(0.0, 1.0, 0.0)


def reference(name):
    scenario = scene(name)
    states = states_of(scenario.ego)[0, scenario.frames]
    return scenario, states, ReferenceDrive.of(states, len(states) + 50, scenario.map)


def test_the_schedule_is_that_of_the_drive_and_continues_at_its_last_speed():
    _, _, drive = reference("straight_road")
    assert drive.num_driven == 151
    assert drive.along_m[100] == pytest.approx(100.0)
    assert drive.along_m[180] == pytest.approx(180.0)


def test_keeping_the_path_repeats_the_drive():
    _, states, drive = reference("queue")
    (driven,) = drive.deviations(states[20], 20, [(LateralChoice(0.0, 1.5), (KEEP,))], 100)
    assert np.abs(driven[:, :2] - states[20:120, :2]).max() < 2.0


def test_braking_stops_and_recovers_up_to_the_schedule():
    _, states, drive = reference("straight_road")
    speeds = (SpeedChoice(5.0, 0.0, 99.0), SpeedChoice(5.0, 0.3, 0.5))
    stopped, slowed = drive.deviations(states[20], 20, [(LateralChoice(0.0, 1.5), speeds)], 120)
    # 10 m/s at 5 m/s^2: 10 m, and up to 0.4 s of delay of tracker and brakes.
    assert 10.0 < stopped[-1, 0] - stopped[0, 0] < 14.0
    assert 2.5 < slowed[:, 3].min() < 5.5
    assert slowed[-1, 3] == pytest.approx(10.0, abs=0.3)
    assert slowed[-1, 0] < states[139, 0] - 5.0


def test_no_candidate_is_ahead_of_the_schedule_by_more_than_its_lead():
    _, states, drive = reference("straight_road")
    speeds = (KEEP, SpeedChoice(2.0, 1.4, 9.0, 8.0))
    driven = drive.deviations(states[10], 10, [(LateralChoice(0.0, 1.5), speeds)], 120)
    ahead = driven[:, -1, 0] - states[129, 0]
    assert ahead[0] < 0.5
    assert 5.0 < ahead[1] < 9.0


def test_a_shift_stays_and_one_with_a_return_comes_back():
    _, states, drive = reference("straight_road")
    choices = [(LateralChoice(2.0, 2.0), (KEEP,)), (LateralChoice(2.0, 2.0, 1.0), (KEEP,))]
    stays, returns = drive.deviations(states[10], 10, choices, 120)
    start = states[10, 1]
    assert stays[-1, 1] - start == pytest.approx(2.0, abs=0.1)
    assert 1.8 < (returns[:, 1] - start).max() < 2.7
    assert returns[-1, 1] - start == pytest.approx(0.0, abs=0.1)


def test_a_standing_ego_has_no_path():
    scenario = scene("queue")
    states = states_of(scenario.ego)[0, scenario.frames][-20:]
    assert ReferenceDrive.of(states, 40, scenario.map) is None


def test_a_quintic_ends_without_slope():
    left, slope = quintic_shift(np.array([-1.0, 0.0, 5.0, 10.0, 20.0]), 0.0, 10.0, 3.0)
    assert left == pytest.approx([0.0, 0.0, 1.5, 3.0, 3.0])
    assert slope[[0, 1, 3, 4]] == pytest.approx(0.0)


def test_a_drive_continues_along_its_lane_at_its_offset():
    scenario = scene("straight_road")
    pose = scenario.ego.rear_axle_poses[0, 60] + np.array([0.0, 0.4, 0.0])
    points = lane_continuation(scenario.map, pose, 30.0)
    assert points[:, 1] == pytest.approx(pose[1], abs=0.05)
    assert points[0, 0] - pose[0] == pytest.approx(2.0, abs=0.1)
    assert np.diff(points[:, 0]) == pytest.approx(2.0, abs=0.05)


def test_a_pose_across_the_lanes_continues_straight_on():
    scenario = scene("straight_road")
    pose = scenario.ego.rear_axle_poses[0, 60].copy()
    pose[2] = np.pi / 2
    points = lane_continuation(scenario.map, pose, 10.0)
    assert points[:, 0] == pytest.approx(pose[0], abs=1e-6)
    assert len(points) == 5


def test_an_approach_leads_along_the_lane_to_the_pose():
    scenario = scene("straight_road")
    pose = scenario.ego.rear_axle_poses[0, scenario.first_frame] + np.array([0.0, 0.5, 0.02])
    poses = lane_approach(scenario.map, pose, np.array([20.0, 5.0, 0.0]))
    np.testing.assert_allclose(poses[:, 0], pose[0] - np.array([20.0, 5.0, 0.0]), atol=1e-6)
    np.testing.assert_allclose(poses[:, 1:], np.broadcast_to(pose[1:], (3, 2)), atol=1e-6)


def test_an_approach_is_straight_beside_all_lanes_and_before_the_first():
    scenario = scene("straight_road")
    pose = scenario.ego.rear_axle_poses[0, scenario.first_frame] + np.array([0.0, 40.0, 0.0])
    np.testing.assert_allclose(lane_approach(scenario.map, pose, np.array([10.0]))[0], pose - [10.0, 0.0, 0.0])
    near = scenario.ego.rear_axle_poses[0, scenario.first_frame]
    far = lane_approach(scenario.map, near, np.array([1000.0]))[0]
    np.testing.assert_allclose(far, near - [1000.0, 0.0, 0.0], atol=1e-6)
