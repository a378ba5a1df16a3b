import numpy as np
import pytest

from driving import Trajectory, check_planner
from driving.planner import PrivilegedPlanner, require_valid_plan, reset_planner
from driving.synthetic.scenes import scene


class StraightOn:
    """Keeps speed and heading. The other planners here add one mistake each."""

    name = "straight_on"

    def reset(self, map, route):  # noqa: A002
        self.calls = 0

    def plan(self, observation):
        self.calls += 1
        now = observation.ego_now
        time_s = np.arange(81) * 0.1
        ahead = np.stack([np.cos(now.rear_axle_pose[2]), np.sin(now.rear_axle_pose[2]), 0.0])
        return Trajectory(time_s=time_s, poses=now.rear_axle_pose + now.speed_mps * time_s[:, np.newaxis] * ahead)


def changed(plan, **fields):
    return Trajectory(**{**vars(plan), **fields})


class PlansInTheEgoFrame(StraightOn):
    def plan(self, observation):
        plan = super().plan(observation)
        return changed(plan, poses=plan.in_frame_of(observation.ego_now.rear_axle_pose))


class PlansForTheBoxCenter(StraightOn):
    def plan(self, observation):
        plan = super().plan(observation)
        return changed(plan, poses=plan.poses + np.array([1.461, 0.0, 0.0]))


class PlansNan(StraightOn):
    def plan(self, observation):
        plan = super().plan(observation)
        return changed(plan, poses=np.where(np.arange(81)[:, np.newaxis] == 40, np.nan, plan.poses))


class PlansBackInTime(StraightOn):
    def plan(self, observation):
        plan = super().plan(observation)
        return changed(plan, time_s=plan.time_s[::-1].copy())


class PlansLate(StraightOn):
    def plan(self, observation):
        plan = super().plan(observation)
        return changed(plan, time_s=plan.time_s + 0.1)


class TwoPlansForOne(StraightOn):
    def plan_batch(self, observations):
        return [self.plan(observation) for observation in observations] * 2


class ListsOfNumbers(StraightOn):
    def candidates(self):
        return [0.5]


class ForgetsToReset(StraightOn):
    def __init__(self):
        self.calls = 0

    def reset(self, map, route):  # noqa: A002
        pass

    def plan(self, observation):
        return changed(super().plan(observation), time_s=np.arange(81) * (0.1 + 0.01 * self.calls))


class RollsDice(StraightOn):
    def plan(self, observation):
        plan = super().plan(observation)
        sideways = np.linspace(0.0, np.random.default_rng().normal(), 81)
        return changed(plan, poses=plan.poses + np.stack([0 * sideways, sideways, 0 * sideways], axis=-1))


class MovesAgents(StraightOn):
    def plan(self, observation):
        observation.agents.poses[..., 0] += 1.0
        return super().plan(observation)


class MovesTheEgo(StraightOn):
    def plan(self, observation):
        plan = super().plan(observation)
        observation.ego.rear_axle_poses[..., 1] -= 1.0
        return plan


class MovesTheRoute(StraightOn):
    def plan(self, observation):
        observation.route.centerline[0] += 1.0
        return super().plan(observation)


class ReturnsAnArray(StraightOn):
    def plan(self, observation):
        return super().plan(observation).poses


class HasNoName(StraightOn):
    name = ""


def test_a_planner_that_keeps_the_contract_passes():
    check_planner(StraightOn, scene("queue"))


@pytest.mark.parametrize(
    ("planner", "error", "sentence"),
    [
        (PlansInTheEgoFrame, ValueError, "m from the ego's rear axle; plans are global poses"),
        (PlansForTheBoxCenter, ValueError, "starts 1.46 m from the ego's rear axle"),
        (PlansNan, ValueError, "holds NaN or infinite values"),
        (PlansBackInTime, ValueError, "must rise"),
        (PlansLate, ValueError, "must start at 0"),
        (TwoPlansForOne, ValueError, "received 3 observations and returned 6 plans from plan_batch"),
        (ListsOfNumbers, TypeError, "`candidates` returns a list of driving.Candidates or None, got float"),
        (ForgetsToReset, ValueError, "plans differently after a second reset at iteration 0"),
        (RollsDice, ValueError, "plans differently"),
        (MovesAgents, ValueError, r"writes into its observation \(agents\.poses\)"),
        (MovesTheEgo, ValueError, r"writes into its observation \(ego\.rear_axle_poses\)"),
        (MovesTheRoute, ValueError, r"writes into its observation \(route\.centerline\)"),
        (ReturnsAnArray, TypeError, "returns a driving.Trajectory, got ndarray"),
        (HasNoName, ValueError, "has an empty name"),
        (dict, TypeError, "dict needs `name`, `reset"),
    ],
)
def test_each_mistake_is_named(planner, error, sentence):
    with pytest.raises(error, match=sentence):
        check_planner(planner, scene("queue"))


def test_a_plan_shorter_than_the_required_horizon_is_refused():
    observation = scene("queue").observation_at(0)
    planner = StraightOn()
    planner.reset(None, None)
    plan = planner.plan(observation)
    assert require_valid_plan(plan, observation, min_horizon_s=8.0) is plan
    with pytest.raises(ValueError, match=r"ends after 8\.00 s; 9\.00 s are needed"):
        require_valid_plan(plan, observation, min_horizon_s=9.0)


def test_a_privileged_planner_receives_the_scenario():
    class Replay(StraightOn):
        def reset_with_scenario(self, scenario):
            self.scenario = scenario

    planner, scenario = Replay(), scene("queue")
    assert isinstance(planner, PrivilegedPlanner)
    reset_planner(planner, scenario)
    assert planner.scenario is scenario
