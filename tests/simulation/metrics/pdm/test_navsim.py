"""The parts of NAVSIM's scores that need no planner."""

from dataclasses import replace

import numpy as np
import pytest

from driving.agents import AgentTracks
from driving.synthetic.scenes import scene
from driving.trajectory import Trajectory
from simulation.ego.dynamics import ACCEL_X, STATE_SIZE, VELOCITY_X, X, motion_of
from simulation.metrics.nuplan.comfort import ego_is_comfortable
from simulation.metrics.nuplan.drive import Drive
from simulation.metrics.pdm.navsim import (
    NUM_STEPS,
    history_comfort,
    human_plan,
    past_states,
    red_connector_rows,
    replayed_agents,
    simulate_plan,
    simulate_poses,
    two_frame_comfort,
)
from simulation.metrics.pdm.rules import EPDMS_RULES, PDMS_RULES, TUPLAN_RULES
from tests.support.drives import straight_map
from tests.support.random_motions import random_states

NOW = 40


@pytest.fixture(scope="module")
def site():
    return scene("red_light")


def straight_plan(pose, speed_mps, horizon_s, step_s):
    time_s = np.arange(round(horizon_s / step_s) + 1) * step_s
    ahead = speed_mps * time_s[:, np.newaxis] * np.array([np.cos(pose[2]), np.sin(pose[2]), 0.0])
    return Trajectory(time_s=time_s, poses=pose + ahead)


def test_a_plan_at_the_present_speed_is_driven_without_deviation(site):
    ego = replace(site.observation_at(0).ego_now, acceleration_mps2=np.zeros(2), steering_rad=0.0)
    plan = straight_plan(ego.rear_axle_pose, float(ego.velocity_mps[0]), 4.0, 0.5)
    states = simulate_plan(ego, plan)
    assert states.shape == (NUM_STEPS + 1, STATE_SIZE)
    np.testing.assert_allclose(states[::5, :2], plan.poses[:, :2], atol=0.05)


def test_poses_between_half_seconds_do_not_count(site):
    ego = site.observation_at(0).ego_now
    plan = straight_plan(ego.rear_axle_pose, float(ego.velocity_mps[0]), 4.0, 0.1)
    shaken = plan.poses.copy()
    shaken[np.arange(len(shaken)) % 5 != 0, 1] += 1.0
    disturbed = Trajectory(time_s=plan.time_s, poses=shaken)
    np.testing.assert_array_equal(simulate_plan(ego, disturbed), simulate_plan(ego, plan))
    assert not np.array_equal(simulate_poses(ego, disturbed), simulate_poses(ego, plan))


def test_a_plan_shorter_than_4_s_is_refused(site):
    ego = site.observation_at(0).ego_now
    with pytest.raises(ValueError, match=r"plans of 4.0 s, this one ends after 3.00 s"):
        simulate_plan(ego, straight_plan(ego.rear_axle_pose, 5.0, 3.0, 0.5))


def test_the_human_plan_is_the_log_every_half_second(site):
    plan = human_plan(site, NOW)
    assert plan.time_s.tolist() == [0.5 * k for k in range(9)]
    first = site.first_frame + NOW
    np.testing.assert_array_equal(plan.poses, site.ego.rear_axle_poses[0, first : first + 41 : 5])


def test_past_states_end_2_steps_before_now(site):
    past = past_states(site, NOW)
    now = site.first_frame + NOW
    assert past.shape == (14, STATE_SIZE)
    for step in (0, 5, 10):
        np.testing.assert_allclose(past[step, :2], site.ego.rear_axle_poses[0, now - 15 + step, :2])
    # Between two frames of 0.5 s, states are interpolated.
    expected = 0.4 * site.ego.rear_axle_poses[0, now - 5, :2] + 0.6 * site.ego.rear_axle_poses[0, now - 10, :2]
    np.testing.assert_allclose(past[7], 0.6 * past[5] + 0.4 * past[10])
    np.testing.assert_allclose(past[7, :2], expected)


def test_agents_that_overlap_the_ego_are_left_out():
    cut_in = scene("cut_in")
    observation = cut_in.observation_at(NOW)
    all_agents = replayed_agents(cut_in, NOW, 20)
    assert all_agents.valid[0].any()
    np.testing.assert_array_equal(replayed_agents(cut_in, NOW, 20, observation.ego_now).valid, all_agents.valid)
    first = int(np.flatnonzero(all_agents.valid[0])[0])
    moved = replace(observation.ego_now, rear_axle_pose=all_agents.poses[0, first].copy())
    assert not replayed_agents(cut_in, NOW, 20, moved).valid[:, first].any()


def test_a_log_that_ends_is_refused_with_the_missing_time(site):
    last = len(site.time_us) - 1 - site.first_frame
    with pytest.raises(ValueError, match=r"ends 4.0 s too early to score a plan at this iteration"):
        human_plan(site, last)
    with pytest.raises(ValueError, match=r"ends 1.0 s too early"):
        replayed_agents(site, last - 10, 20)


def test_red_connectors_are_held_for_half_a_second(site):
    route_rows = [row for block in site.route.roadblock_ids for row in site.map.lane_rows_of_roadblock(block)]
    rows = red_connector_rows(site, 0, route_rows)
    assert len(rows) == NUM_STEPS + 1
    for start in range(0, NUM_STEPS, 5):
        assert (rows[start : start + 5] == rows[start]).all()
    assert (rows >= 0).any()


def test_history_comfort_is_nuplans_comfort_of_past_and_motion_together():
    rng = np.random.default_rng(5)
    states = random_states(rng, 80, NUM_STEPS + 1, np.zeros(3), sharpness=2.0)
    past = random_states(rng, 1, 14, np.array([-12.0, 0.0, 0.0]), sharpness=0.3)[0]
    whole = np.concatenate([np.broadcast_to(past, (80, *past.shape)), states], axis=1)
    time_us = np.arange(whole.shape[1]) * 100_000
    together = Drive(motion=motion_of(time_us, whole), agents=AgentTracks.none(len(time_us)), map=straight_map())
    expected = [result.score for result in ego_is_comfortable(together)]
    assert history_comfort(states, past).tolist() == expected
    assert {0.0, 1.0} == set(expected)


def test_without_a_past_all_motions_are_comfortable():
    assert history_comfort(np.full((3, 41, STATE_SIZE), 99.0), None).tolist() == [1.0, 1.0, 1.0]


def constant_acceleration(accel_mps2: float) -> np.ndarray:
    time_s = np.arange(NUM_STEPS + 1) * 0.1
    states = np.zeros((NUM_STEPS + 1, STATE_SIZE))
    states[:, X] = 5.0 * time_s + 0.5 * accel_mps2 * time_s**2
    states[:, VELOCITY_X] = 5.0 + accel_mps2 * time_s
    states[:, ACCEL_X] = accel_mps2
    return states


@pytest.mark.parametrize(("accel_mps2", "comfortable"), [(0.69, 1.0), (0.71, 0.0)])
def test_two_plans_may_differ_by_0_7_metres_per_second_squared(accel_mps2, comfortable):
    assert two_frame_comfort(constant_acceleration(accel_mps2), constant_acceleration(0.0), 0.5) == comfortable


@pytest.mark.parametrize("gap_s", [0.0, 0.55, -0.5])
def test_frames_must_be_less_than_0_55_s_apart(gap_s):
    with pytest.raises(ValueError, match=r"frames up to 0.55 s apart"):
        two_frame_comfort(constant_acceleration(0.0), constant_acceleration(0.0), gap_s)


def test_only_epdms_spares_intersections_and_multiplies_lights():
    assert [rules.spares_intersections for rules in (TUPLAN_RULES, PDMS_RULES, EPDMS_RULES)] == [False, False, True]
    assert [rules.multiplies_lights for rules in (TUPLAN_RULES, PDMS_RULES, EPDMS_RULES)] == [False, False, True]
    assert [sum(rules.weights) for rules in (TUPLAN_RULES, PDMS_RULES, EPDMS_RULES)] == [12.0, 12.0, 14.0]
