import numpy as np
import pytest
from adversarial_cases import FIRST, STEPS, TRACK, straight_course, straight_scenario, with_car

from driving.agents import AgentKind
from simulation.generation.adversarial.changes import AgentChange, changed_motion, changed_scenario
from simulation.generation.adversarial.courses import agent_course
from simulation.generation.adversarial.limits import excess

FRAMES = slice(FIRST, FIRST + 151)


def motion_of(course, **numbers):
    return changed_motion(course, AgentChange(manoeuvre="test", track_id=TRACK, **numbers), FRAMES)


def test_a_time_shift_moves_the_agent_along_its_path():
    motion = motion_of(straight_course(), time_shift_s=1.5)
    assert motion.poses[100, 0] == pytest.approx(100.0 + 15.0)
    assert motion.visible_step == FIRST


def test_a_speed_scale_counts_from_iteration_0():
    motion = motion_of(straight_course(), speed_scale=0.5)
    assert motion.poses[FIRST, 0] == pytest.approx(22.0)
    assert motion.poses[FIRST + 40, 0] == pytest.approx(22.0 + 20.0)


def test_braking_stops_after_the_braking_distance():
    motion = motion_of(straight_course(), event_s=2.0, accel_mps2=5.0, target_mps=0.0)
    event = FIRST + 20
    # 10 m/s at 5 m/s^2: 10 m.
    assert motion.poses[-1, 0] - motion.poses[event, 0] == pytest.approx(10.0, abs=0.3)
    assert event < motion.visible_step < event + 8
    assert excess(motion.poses, motion.valid, AgentKind.VEHICLE) <= 1.0


def test_a_shift_ends_at_its_offset_and_may_return():
    motion = motion_of(straight_course(), event_s=2.0, left_m=3.0, shift_s=3.0)
    assert motion.poses[FIRST + 20, 1] == 0.0
    assert motion.poses[-1, 1] == pytest.approx(3.0)
    assert motion.poses[FIRST + 35, 2] > 0.05
    back = motion_of(straight_course(), event_s=2.0, left_m=3.0, shift_s=3.0, back_s=1.0)
    assert back.poses[:, 1].max() == pytest.approx(3.0, abs=0.01)
    assert back.poses[-1, 1] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("speed_mps", [1.0, 6.0, 14.0])
def test_a_short_shift_takes_as_long_as_the_limits_require(speed_mps):
    motion = motion_of(straight_course(speed_mps), event_s=2.0, left_m=3.5, shift_s=0.1)
    assert excess(motion.poses, motion.valid, AgentKind.VEHICLE) <= 1.0


def test_a_pedestrian_crosses_and_stands():
    course = straight_course(0.0, AgentKind.PEDESTRIAN)
    motion = motion_of(course, event_s=1.0, target_mps=2.0, cross_rad=np.pi / 2, cross_m=6.0)
    assert motion.poses[FIRST + 10, 1] == pytest.approx(0.0)
    assert motion.poses[-1, 1] == pytest.approx(6.0, abs=0.1)
    assert np.abs(motion.poses[:, 0]).max() < 1e-9
    assert motion.poses[FIRST + 30, 2] == pytest.approx(np.pi / 2)
    assert excess(motion.poses, motion.valid, AgentKind.PEDESTRIAN) <= 1.0


@pytest.mark.parametrize(("target_mps", "stop_m"), [(3.0, 12.0), (9.0, 4.0)])
def test_an_agent_pulls_out_and_stands_after_its_distance(target_mps, stop_m):
    motion = motion_of(straight_course(0.0), event_s=1.0, accel_mps2=2.0, target_mps=target_mps, stop_m=stop_m)
    assert motion.poses[FIRST + 10, 0] == pytest.approx(0.0)
    assert motion.poses[-1, 0] == pytest.approx(stop_m, abs=0.2)
    assert motion.poses[-1, 0] == motion.poses[-50, 0]
    assert excess(motion.poses, motion.valid, AgentKind.VEHICLE) <= 1.0


def test_a_placed_agent_stands_from_the_beginning():
    motion = motion_of(straight_course(0.0), stands_m=12.0, left_m=-1.0)
    np.testing.assert_allclose(motion.poses, np.broadcast_to([12.0, -1.0, 0.0], (STEPS, 3)), atol=1e-9)
    assert motion.valid[: FRAMES.stop].all()
    assert motion.visible_step == 0


def test_the_agent_is_not_observed_after_the_last_frame():
    motion = motion_of(straight_course())
    assert motion.valid[: FRAMES.stop].all()
    assert not motion.valid[FRAMES.stop :].any()


def test_the_changed_scenario_is_about_the_agent_and_changes_nothing_else():
    scenario = with_car(straight_scenario(), 20.0, 3.5, 8.0)
    course = agent_course(scenario, 0)
    motion = motion_of(course, time_shift_s=1.0)
    changed = changed_scenario(scenario, course, motion, TRACK)
    assert changed.about_track == TRACK
    assert changed.ego is scenario.ego
    moved = changed.agents.poses[0, FIRST, 0] - scenario.agents.poses[0, FIRST, 0]
    assert abs(moved) == pytest.approx(8.0, abs=0.1)
    assert np.isnan(changed.agents.poses[0, FRAMES.stop :]).all()


def test_a_generated_neighbour_is_one_more_agent():
    scenario = with_car(straight_scenario(), 20.0, 3.5, 8.0)
    course = straight_course(5.0, AgentKind.BICYCLE, row=1)
    changed = changed_scenario(scenario, course, motion_of(course), "00000000000000bb")
    assert changed.agents.track_ids == (TRACK, "00000000000000bb")
    assert changed.agents.kinds.tolist() == [AgentKind.VEHICLE, AgentKind.BICYCLE]
    assert changed.agents.valid[1].sum() == FRAMES.stop
    assert changed.agents.rows_at(50).tolist() == [0, 1]
    assert changed.agents.velocities_mps[1, 50] == pytest.approx([5.0, 0.0])
    assert changed.agents.num_steps == STEPS
