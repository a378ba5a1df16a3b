import numpy as np
import pytest

from driving.geometry import poses_in_frame_of
from driving.synthetic.scenes import scene
from driving.trajectory import Trajectory
from simulation.ego.dynamics import HEADING, Commands
from simulation.ego.tracking import plan_time_us, track_plan
from simulation.environment.actions import CommandActions, TrajectoryActions, actions_of
from simulation.rollout import Rollout

AHEAD = np.stack([np.linspace(4.0, 32.0, 8), np.linspace(0.1, 1.0, 8), np.full(8, 0.03)], axis=-1)


def plan_ahead(rollout):
    pose = rollout.observation().ego_now.rear_axle_pose
    time_s = np.arange(0.0, 4.1, 0.5)
    poses = np.stack([pose[0] + 8.0 * time_s, pose[1] + 0.2 * time_s**2, pose[2] + 0.05 * time_s], axis=-1)
    return Trajectory(time_s=time_s, poses=poses)


def test_commands_of_the_tracker_drive_the_same_states_as_the_plan():
    scenario = scene("queue")
    by_plan, by_commands = Rollout(scenario), Rollout(scenario)
    for _ in range(60):
        plan = plan_ahead(by_plan)
        now_us = int(scenario.time_us[by_plan.now])
        commands = track_plan(now_us, plan_time_us(plan), plan.poses, by_commands.ego_state, 3.089)
        by_plan.advance(plan)
        by_commands.drive(Commands(*commands))
    np.testing.assert_array_equal(by_plan.ego_state, by_commands.ego_state)
    log = by_commands.log()
    np.testing.assert_array_equal(log.plans[3].poses[1], log.ego.rear_axle_poses[0, 4])


def test_commands_do_not_drive_a_replayed_log():
    rollout = Rollout(scene("queue"), traffic="open_loop")
    with pytest.raises(ValueError, match="open_loop repeats the log"):
        rollout.drive(Commands(0.0, 0.0))


def test_an_array_is_a_plan_in_the_ego_frame():
    rollout = Rollout(scene("queue"))
    actions = TrajectoryActions()
    assert AHEAD in actions.space
    before = rollout.ego_state[: HEADING + 1]
    actions.drive(rollout, AHEAD)
    plan = rollout.log().plans[0]
    np.testing.assert_allclose(poses_in_frame_of(plan.poses, before), np.vstack([np.zeros(3), AHEAD]), atol=1e-9)
    np.testing.assert_array_equal(plan.time_s, np.arange(9) * 0.5)


def test_a_trajectory_is_driven_as_it_is():
    rollout = Rollout(scene("queue"))
    actions, plan = TrajectoryActions(), plan_ahead(rollout)
    assert plan in actions.space
    actions.check(rollout, plan)
    assert rollout.iteration == 0
    actions.drive(rollout, plan)
    assert rollout.log().plans[0] is plan


@pytest.mark.parametrize(
    ("change", "got"), [((0, 0, np.nan), "nan"), ((3, 1, 500.0), r"shape \(8, 3\)"), ((2, 2, 4.0), "shape")]
)
def test_wrong_trajectories_are_sentences(change, got):
    poses = AHEAD.copy()
    row, column, value = change
    poses[row, column] = value
    rollout = Rollout(scene("queue"))
    with pytest.raises(ValueError, match=got):
        TrajectoryActions().check(rollout, poses)
    with pytest.raises(ValueError, match="8 rows of x, y up to 200 m"):
        TrajectoryActions().check(rollout, AHEAD[:4])


def test_a_trajectory_object_is_checked_as_it_is_driven():
    rollout = Rollout(scene("queue"))
    actions, plan = TrajectoryActions(), plan_ahead(rollout)
    away = Trajectory(time_s=plan.time_s, poses=plan.poses + np.array([0.0, 51.0, 0.0]))
    late = Trajectory(time_s=plan.time_s + 0.5, poses=plan.poses)
    for wrong, got in ((away, r"starts 51\.00 m from"), (late, "must start at 0")):
        for method in (actions.check, actions.drive):
            with pytest.raises(ValueError, match=got):
                method(rollout, wrong)
    assert rollout.iteration == 0


def test_commands_are_checked_without_driving():
    rollout = Rollout(scene("queue"))
    CommandActions().check(rollout, [1.0, -1.0])
    assert rollout.iteration == 0
    with pytest.raises(ValueError, match=r"acceleration / 6 m/s2 .* got \[2.0, 0.0\]"):
        CommandActions().check(rollout, [2.0, 0.0])


@pytest.mark.parametrize("limit", [0.0, -1.0, np.nan, np.inf])
def test_limits_of_commands_are_above_zero(limit):
    for name in ("max_accel_mps2", "max_steering_rate_radps"):
        with pytest.raises(ValueError, match=f"`{name}` must be finite and above 0, got {limit:g}"):
            CommandActions(**{name: limit})
    with pytest.raises(TypeError, match="`max_accel_mps2` must be a number, got 'fast'"):
        CommandActions(max_accel_mps2="fast")


@pytest.mark.parametrize("wrong", [3, None, CommandActions])
def test_other_objects_are_no_actions(wrong):
    with pytest.raises(TypeError, match=r"`actions` must be `commands`, `trajectory`, or an object"):
        actions_of(wrong)


def test_kinds_have_names():
    assert isinstance(actions_of("trajectory"), TrajectoryActions)
    own = CommandActions(max_accel_mps2=3.0)
    assert actions_of(own) is own


@pytest.mark.parametrize("times_s", [(), (1.0, 0.5), (0.0, 1.0), (0.05,), (1e9,), (np.nan,), ("a",), 1.0])
def test_times_of_a_trajectory_rise_and_are_of_this_drive(times_s):
    with pytest.raises(ValueError, match=r"`time_s` must rise from above 0, with the last time from 0.1 to 30 s"):
        TrajectoryActions(time_s=times_s)
    assert TrajectoryActions(time_s=(0.1,)).space.shape == (1, 3)
