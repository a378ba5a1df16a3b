import re
import time
from dataclasses import replace

import numpy as np
import pytest

from driving.agents import AgentTracks
from driving.candidates import Candidates
from driving.perceived import Perceived
from driving.planner import reset_planner
from driving.synthetic.scenes import scene
from driving.trajectory import Trajectory
from simulation import log as log_module
from simulation.rollout import TRAFFIC, Rollout, run_lockstep, run_rollout
from simulation.sensors.logged import LoggedSensors
from simulation.time_limit import StepTimeoutError


class Straight:
    """A batched planner that keeps heading and speed."""

    name = "straight"

    def __init__(self, num_poses=41):
        self.resets = 0
        self.times = np.arange(num_poses) * 0.1

    def reset(self, map, route):  # noqa: A002
        self.resets += 1

    def plan(self, observation):
        ego = observation.ego_now
        distance = ego.speed_mps * self.times
        x, y, heading = ego.rear_axle_pose
        poses = np.stack(
            [x + distance * np.cos(heading), y + distance * np.sin(heading), np.full(len(distance), heading)], axis=1
        )
        return Trajectory(time_s=self.times, poses=poses)

    def plan_batch(self, observations):
        return [self.plan(observation) for observation in observations]


class LogPlayer(Straight):
    """Plans along the logged ego."""

    def reset_with_scenario(self, scenario):
        self.scenario = scenario

    def plan(self, observation):
        now = self.scenario.first_frame + observation.iteration
        times = np.arange(30) * 0.1
        return Trajectory(time_s=times, poses=self.scenario.ego.rear_axle_poses[0, now : now + 30].copy())


class FarAway(LogPlayer):
    """Replays a recording that is 60 m from the ego."""

    def plan(self, observation):
        plan = super().plan(observation)
        return Trajectory(time_s=plan.time_s, poses=plan.poses + np.array([60.0, 0.0, 0.0]))


def _arrays(log):
    arrays = log_module._arrays_of(log)
    arrays.pop("planning_time_s")
    return arrays


def drive_together(scenarios, planner, **options):
    """Logs of rollouts in lockstep, all without error."""
    rollouts = [Rollout(scenario, planner_name=planner.name, **options) for scenario in scenarios]
    assert run_lockstep(rollouts, planner) == [None] * len(rollouts)
    return [rollout.log() for rollout in rollouts]


def _assert_same(log, other):
    for name, array in _arrays(log).items():
        np.testing.assert_array_equal(array, _arrays(other)[name], err_msg=name)


@pytest.mark.parametrize("traffic", ["nonreactive", "open_loop"])
def test_a_rollout_has_one_step_less_than_the_scenario_has_frames(traffic):
    scenario = scene("queue")
    log = run_rollout(scenario, LogPlayer(), traffic=traffic, seed=3)
    assert log.num_steps == scenario.num_frames - 1 == 150
    assert (log.planner_name, log.traffic, log.seed, log.scenario_id) == (
        "straight",
        traffic,
        3,
        scenario.scenario_id,
    )
    assert log.ego.time_us[0] == scenario.start_time_us


def test_open_loop_leaves_the_ego_on_the_log():
    scenario = scene("queue")
    log = run_rollout(scenario, Straight(), traffic="open_loop")
    start = scenario.first_frame
    np.testing.assert_array_equal(log.ego.rear_axle_poses, scenario.ego.rear_axle_poses[:, start : start + 150])


def test_the_logged_path_is_followed_closely():
    scenario = scene("queue")
    log = run_rollout(scenario, LogPlayer())
    logged = scenario.logged_ego_pose(149)
    assert np.hypot(*(log.ego.rear_axle_poses[0, -1, :2] - logged[:2])) < 1.5


def test_non_reactive_traffic_is_the_log():
    scenario = scene("pedestrian_crossing")
    log = run_rollout(scenario, Straight())
    frames = slice(scenario.first_frame, scenario.first_frame + 150)
    expected = scenario.agents.steps(frames.start, frames.stop)
    assert log.agents.track_ids == expected.track_ids
    for name in ("kinds", "poses", "velocities_mps", "sizes", "valid", "order", "heights_m", "z_m"):
        np.testing.assert_array_equal(getattr(log.agents, name), getattr(expected, name), err_msg=name)


def test_observations_hold_22_steps_and_no_way_to_the_future():
    scenario = scene("pedestrian_crossing")
    rollout = Rollout(scenario)
    planner = Straight()
    for _ in range(30):
        observation = rollout.observation()
        assert observation is rollout.observation()
        assert observation.ego.num_steps == observation.agents.num_steps == 22
        now = scenario.first_frame + observation.iteration
        assert observation.time_us == scenario.time_us[now]
        expected = scenario.agents.steps(now - 21, now + 1)
        np.testing.assert_array_equal(observation.agents.poses, expected.poses)
        np.testing.assert_array_equal(observation.agents.order, expected.order)
        assert observation.agents.track_ids == expected.track_ids
        for holder in (observation.ego, observation.agents, observation.traffic_lights):
            for value in vars(holder).values():
                if isinstance(value, np.ndarray):
                    assert not isinstance(value.base, np.ndarray)
        rollout.advance(planner.plan(observation))


def test_history_before_the_start_is_the_log_and_then_what_was_driven():
    scenario = scene("straight_road")
    rollout = Rollout(scenario)
    planner = Straight()
    driven = []
    for _ in range(5):
        observation = rollout.observation()
        driven.append(observation.ego.rear_axle_poses[0, -1])
        rollout.advance(planner.plan(observation))
    history = rollout.observation().ego.rear_axle_poses[0]
    np.testing.assert_array_equal(history[16:21], driven)
    first = scenario.first_frame
    np.testing.assert_array_equal(history[:17], scenario.ego.rear_axle_poses[0, first - 16 : first + 1])


def test_without_past_the_history_is_short():
    scenario = scene("straight_road")
    first = scenario.first_frame
    late = replace(
        scenario,
        time_us=scenario.time_us[first:],
        ego=scenario.ego.steps(first, scenario.ego.num_steps),
        agents=scenario.agents.steps(first, scenario.agents.num_steps),
        traffic_lights=scenario.traffic_lights.steps(first, scenario.traffic_lights.num_steps),
        first_frame=0,
        anchor_frame=0,
    )
    observation = Rollout(late).observation()
    assert observation.ego.num_steps == 1
    assert not isinstance(observation.ego.rear_axle_poses.base, np.ndarray)


def test_lights_are_those_of_the_present_frame():
    scenario = scene("red_light")
    rollout = Rollout(scenario, traffic="open_loop")
    planner = Straight()
    while not rollout.is_finished:
        observation = rollout.observation()
        ids, statuses = scenario.traffic_lights.at(scenario.first_frame + observation.iteration)
        shown_ids, shown = observation.traffic_lights.at(0)
        np.testing.assert_array_equal(shown_ids, ids)
        np.testing.assert_array_equal(shown, statuses)
        rollout.advance(planner.plan(observation))


@pytest.mark.parametrize("traffic", sorted(TRAFFIC))
def test_lockstep_equals_one_after_the_other_bit_for_bit(traffic):
    scenarios = [scene(name) for name in ("straight_road", "pedestrian_crossing", "red_light")]
    scenarios[1] = replace(scenarios[1], num_frames=40)
    planner = Straight()
    together = drive_together(scenarios, planner, traffic=traffic)
    assert planner.resets == 3
    for scenario, log in zip(scenarios, together, strict=True):
        _assert_same(log, run_rollout(scenario, Straight(), traffic=traffic))
        assert log.planner_name == "straight"


@pytest.mark.parametrize("traffic", sorted(TRAFFIC))
def test_the_same_rollout_twice_is_the_same(traffic):
    scenario = scene("t_junction")
    _assert_same(
        run_rollout(scenario, Straight(), traffic=traffic), run_rollout(scenario, Straight(), traffic=traffic)
    )


def test_errors_of_the_planner_are_not_caught():
    class Broken(Straight):
        def plan(self, observation):
            raise ZeroDivisionError("own fault")

    with pytest.raises(ZeroDivisionError, match="own fault"):
        run_rollout(scene("straight_road"), Broken())


def test_a_plan_in_the_wrong_frame_is_refused():
    class Lost(Straight):
        def plan(self, observation):
            plan = super().plan(observation)
            return Trajectory(time_s=plan.time_s, poses=plan.poses + np.array([200.0, 0.0, 0.0]))

    with pytest.raises(ValueError, match=r"starts 200\.00 m from the ego's rear axle"):
        run_rollout(scene("straight_road"), Lost())


def test_a_plan_shorter_than_one_step_is_refused():
    class Hasty(Straight):
        def plan(self, observation):
            plan = super().plan(observation)
            return Trajectory(time_s=np.array([0.0, 0.05]), poses=plan.poses[:2])

    with pytest.raises(ValueError, match=r"ends after 0\.05 s; 0\.10 s are needed"):
        run_rollout(scene("straight_road"), Hasty())


def test_two_poses_are_a_plan():
    assert run_rollout(scene("straight_road"), Straight(num_poses=2)).num_steps == 150


def test_planners_that_replay_a_recording_may_start_away_from_the_ego():
    scenario = scene("straight_road")
    planner = LogPlayer()
    reset_planner(planner, scenario)
    plan = planner.plan(Rollout(scenario).observation())
    away = Trajectory(time_s=plan.time_s, poses=plan.poses + np.array([60.0, 0.0, 0.0]))
    Rollout(scenario).advance(away, max_start_gap_m=np.inf)
    with pytest.raises(ValueError, match=r"starts 60\.00 m from the ego"):
        Rollout(scenario).advance(away)
    assert run_rollout(scenario, FarAway()).num_steps == 150


def test_a_late_plan_times_out():
    with pytest.raises(StepTimeoutError, match=r"The plan of step 0 took longer than 0 s\."):
        run_rollout(scene("straight_road"), Straight(), step_timeout_s=0.0)


def test_an_unknown_traffic_names_the_nearest():
    with pytest.raises(KeyError, match=r"No traffic named 'reactiv'. Did you mean 'reactive'"):
        Rollout(scene("straight_road"), traffic="reactiv")


def test_a_finished_rollout_refuses_further_steps():
    scenario = replace(scene("straight_road"), num_frames=2)
    rollout = Rollout(scenario)
    with pytest.raises(RuntimeError, match="Nothing was driven yet"):
        rollout.log()
    rollout.advance(Straight().plan(rollout.observation()))
    assert rollout.is_finished
    with pytest.raises(RuntimeError, match="is finished"):
        rollout.observation()


class Faulty(Straight):
    """Fails in one scenario only, which it recognises by its route: at reset, or at step 3 with a fault of choice."""

    name = "faulty"

    def __init__(self, scenario, fault):
        super().__init__()
        self.route, self.fault, self.queries = scenario.route, fault, 0

    def reset(self, map, route):  # noqa: A002
        super().reset(map, route)
        if self.fault == "reset" and route is self.route:
            raise ValueError("no such road")

    def plan(self, observation):
        self.queries += 1
        plan = super().plan(observation)
        if observation.route is not self.route or observation.iteration != 3:
            return plan
        if self.fault == "error":
            raise RuntimeError("the engine failed")
        if self.fault == "exit":
            raise SystemExit(3)
        if self.fault == "slow":
            time.sleep(30.0)
        if self.fault == "shape":
            return Trajectory(time_s=plan.time_s, poses=plan.poses[:, :2])
        return plan.poses if self.fault == "type" else plan


@pytest.mark.parametrize(
    ("fault", "error", "sentence", "steps"),
    [
        ("reset", ValueError, "no such road", 0),
        ("error", RuntimeError, "the engine failed", 3),
        ("exit", SystemExit, "3", 3),
        ("slow", StepTimeoutError, "The plan of step 3 took longer than 0.2 s", 3),
        # The test run's own type check comes before that of the class.
        ("shape", Exception, "poses", 3),
        ("type", TypeError, "returns a driving.Trajectory, got ndarray", 3),
    ],
)
def test_a_failing_scenario_fails_alone(fault, error, sentence, steps):
    scenarios = [replace(scene(name), num_frames=8) for name in ("queue", "straight_road", "red_light")]
    rollouts = [Rollout(scenario, planner_name="straight") for scenario in scenarios]
    first, second, third = run_lockstep(rollouts, Faulty(scenarios[1], fault), step_timeout_s=0.2)
    assert (first, third) == (None, None)
    assert isinstance(second, error)
    assert re.search(sentence, str(second))
    assert rollouts[1].iteration == steps
    for row in (0, 2):
        _assert_same(rollouts[row].log(), run_rollout(scenarios[row], Straight()))


def test_a_batch_that_fails_is_repeated_one_by_one_once():
    scenarios = [replace(scene(name), num_frames=8) for name in ("queue", "straight_road", "red_light")]
    planner = Faulty(scenarios[1], "error")
    run_lockstep([Rollout(scenario) for scenario in scenarios], planner)
    # Steps 0 to 2: 3 plans each. Step 3: the batch fails at its second plan, 3 single queries follow. Then 2 each.
    assert planner.queries == 3 * 3 + 2 + 3 + 3 * 2


def test_a_batch_with_a_plan_missing_is_repeated_one_by_one():
    class Incomplete(Straight):
        def plan_batch(self, observations):
            return super().plan_batch(observations)[1:]

    scenarios = [replace(scene(name), num_frames=4) for name in ("queue", "red_light")]
    for scenario, log in zip(scenarios, drive_together(scenarios, Incomplete()), strict=True):
        _assert_same(log, run_rollout(scenario, Straight()))


def test_a_planner_without_batches_drives_one_scenario_after_the_other():
    scenarios = [replace(scene(name), num_frames=5) for name in ("queue", "red_light")]

    class Alone:
        name, reset = "straight", Straight.reset
        resets = 0

        def plan(self, observation):
            assert observation.route is scenarios[self.resets - 1].route
            return Straight().plan(observation)

    for scenario, log in zip(scenarios, drive_together(scenarios, Alone()), strict=True):
        _assert_same(log, run_rollout(scenario, Straight()))


def test_a_rollout_ends_before_a_step_when_the_caller_says_so():
    scenarios = [replace(scene(name), num_frames=8) for name in ("queue", "red_light")]
    rollouts = [Rollout(scenario) for scenario in scenarios]
    seen = []

    def before_step(rollout):
        seen.append((rollouts.index(rollout), rollout.iteration))
        return rollout is rollouts[0] or rollout.iteration < 2

    assert run_lockstep(rollouts, Straight(), before_step=before_step) == [None, None]
    assert [rollout.iteration for rollout in rollouts] == [7, 2]
    assert seen[:6] == [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2)]
    assert all(row == 0 for row, _ in seen[6:])


def test_the_time_of_a_batched_query_is_divided_among_its_scenarios():
    class Slow(Straight):
        def plan_batch(self, observations):
            time.sleep(0.02)
            return super().plan_batch(observations)

    scenarios = [replace(scene(name), num_frames=3) for name in ("queue", "red_light")]
    logs = drive_together(scenarios, Slow())
    np.testing.assert_array_equal(logs[0].planning_time_s, logs[1].planning_time_s)
    assert (logs[0].planning_time_s >= 0.01).all()
    assert logs[0].stage_time_s["planning"] == pytest.approx(logs[0].planning_time_s.sum())


def test_sensors_make_what_the_planner_observes():
    class Blind(LoggedSensors):
        def observe(self, iteration, ego_states, tracks):
            observation = super().observe(iteration, ego_states, tracks)
            return replace(observation, agents=AgentTracks.none(observation.ego.num_steps))

    scenario = replace(scene("queue"), num_frames=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TRAFFIC, "blind", replace(TRAFFIC["nonreactive"], make_sensors=Blind))
        rollout = Rollout(scenario, traffic="blind")
        assert rollout.observation().agents.num_agents == 0
        rollout.advance(Straight().plan(rollout.observation()))
        assert rollout.log().agents.num_agents > 0


class Explaining(Straight):
    """Reports one candidate per observation: its plan."""

    def plan_batch(self, observations):
        self.plans = super().plan_batch(observations)
        return self.plans

    def plan(self, observation):
        plan = super().plan(observation)
        self.plans = [plan]
        return plan

    def candidates(self):
        return [
            Candidates(time_s=plan.time_s, poses=plan.poses[np.newaxis], scores=np.ones(1), chosen=0)
            for plan in self.plans
        ]


def test_candidates_are_logged_every_half_second_in_lockstep_as_alone():
    scenarios = [replace(scene(name), num_frames=frames) for name, frames in (("queue", 5), ("straight_road", 8))]
    together = drive_together(scenarios, Explaining(61))
    for scenario, log in zip(scenarios, together, strict=True):
        alone = run_rollout(scenario, Explaining(61))
        _assert_same(log, alone)
        for found, plan in zip(log.candidates, log.plans, strict=True):
            assert found.poses[0] == pytest.approx(plan.poses[:41:5])


def test_planners_without_candidates_leave_none_in_the_log():
    assert run_rollout(replace(scene("queue"), num_frames=3), Straight()).candidates == ()


def test_what_a_planner_perceived_is_logged_at_each_step():
    class Perceives(Straight):
        def perceptions(self):
            self.reports = [*getattr(self, "reports", []), Perceived(agents=AgentTracks.none(1), road=None)]
            return self.reports[-1:]

    planner = Perceives()
    log = run_rollout(replace(scene("queue"), num_frames=4), planner)
    assert [one is report for one, report in zip(log.perceived, planner.reports, strict=True)] == [True] * 3
    assert run_rollout(replace(scene("queue"), num_frames=4), Straight()).perceived == ()


def test_candidates_of_another_number_of_observations_are_refused():
    class Chatty(Explaining):
        def candidates(self):
            return [None, None]

    with pytest.raises(ValueError, match="received 1 observations and returned 2 entries of `candidates`"):
        run_rollout(scene("straight_road"), Chatty())
