from dataclasses import replace

import numpy as np
import pytest

from driving.agents import AgentKind
from driving.synthetic.scenes import scene
from planning.registry import load_planner
from simulation.metrics.nuplan.drive import drive_of, logged_drive_of
from simulation.rollout import run_rollout
from tests.support.drives import FRONT_M, LEFT_LANE_Y, STEPS, TIME_S, agents, drive, motion, steady


def three_motions():
    return drive(motion(20.0 + np.array([[8.0], [5.0], [0.0]]) * TIME_S, LEFT_LANE_Y))


def test_a_result_is_computed_once_and_not_shared_with_copies():
    calls = []

    def count(measured):
        calls.append(measured)
        return len(calls)

    ego = drive(steady())
    assert (ego.cached(count), ego.cached(count)) == (1, 1)
    assert replace(ego, plans=()).cached(count) == 2
    assert ego.one(0).cached(count) == 3


def test_a_preset_result_is_not_computed():
    ego = drive(steady())
    ego.preset(len, 7)
    assert ego.cached(len) == 7


def test_one_motion_keeps_all_inputs_but_the_other_motions():
    whole = three_motions()
    alone = whole.one(1)
    assert (alone.num_motions, alone.num_steps) == (1, STEPS)
    np.testing.assert_array_equal(alone.motion.rear_axle_poses[0], whole.motion.rear_axle_poses[1])
    np.testing.assert_array_equal(alone.corners[0], whole.corners[1])
    assert alone.agents is whole.agents
    assert alone.logged is whole.logged


def test_times_start_at_0_and_steps_have_a_mean():
    ego = drive(steady())
    assert ego.time_s[[0, 1, -1]] == pytest.approx([0.0, 0.1, 14.9])
    assert ego.mean_step_us == pytest.approx(100_000.0)


def test_a_single_instant_has_no_mean_step():
    part = drive(steady())
    alone = replace(part, motion=part.motion.steps(0, 1), agents=part.agents.steps(0, 1))
    assert np.isnan(alone.mean_step_us)


def test_the_arrays_of_the_ego_hold_centres_and_corners():
    ego = drive(steady(y=0.0)).ego_arrays
    assert ego.centers[0, 0] == pytest.approx([21.461, 0.0, 0.0])
    assert ego.corners[0, 0, 0] == pytest.approx([20.0 + FRONT_M, 2.297 / 2])
    assert ego.speeds[0] == pytest.approx(np.full(STEPS, 8.0))


def test_the_arrays_of_agents_give_static_objects_no_speed():
    moving = {"x": 50.0, "y": 0.0, "speed": 4.0, "heading": 2.0}
    arrays = drive(steady(), agents(moving, {**moving, "kind": AgentKind.BARRIER})).agent_arrays
    assert arrays.speeds[0] == pytest.approx(np.full(STEPS, 4.0))
    assert (arrays.speeds[1] == 0.0).all()


def test_a_result_is_valid_everywhere_unless_a_mask_is_given():
    ego = drive(steady())
    series = np.arange(float(STEPS))
    assert ego.result("m", {}, series, "m").valid.all()
    masked = ego.result("m", {}, series, "m", score=0.5, valid=series > 3, violations=[ego.violation(4, "late")])
    assert masked.valid.sum() == STEPS - 4
    assert masked.first_violation.time_s == pytest.approx(0.4)


def test_the_logged_drive_is_cached_with_its_scenario():
    straight = scene("straight_road")
    logged = logged_drive_of(straight)
    assert logged is logged_drive_of(straight)
    assert logged.num_steps == straight.frames.stop - straight.frames.start
    assert logged.agents.num_agents == 0


def test_a_log_of_another_scenario_is_refused():
    straight = scene("straight_road")
    log = run_rollout(straight, load_planner("log_future"))
    with pytest.raises(ValueError, match="The log is of scenario another, not of "):
        drive_of(replace(log, scenario_id="another"), straight)
