"""Planners of nuPlan's devkit in this simulator, made from the classes of this file."""

from dataclasses import replace

import numpy as np
import pytest

from driving.synthetic.scenes import scene

pytest.importorskip("nuplan", reason="nuPlan's devkit is not on the PYTHONPATH")

from nuplan.common.actor_state.ego_state import EgoState
from nuplan.common.actor_state.state_representation import StateVector2D, TimePoint
from nuplan.planning.simulation.observation.observation_type import DetectionsTracks, Sensors
from nuplan.planning.simulation.planner.abstract_planner import AbstractPlanner
from nuplan.planning.simulation.trajectory.interpolated_trajectory import InterpolatedTrajectory

from planning.devkit.planner import DevkitPlanner, load


class Standing(AbstractPlanner):
    """Plans to stay where the ego is."""

    made = 0

    def __init__(self):
        type(self).made += 1
        self.initialization = None

    def name(self):
        return "standing"

    def initialize(self, initialization):
        self.initialization = initialization

    def observation_type(self):
        return DetectionsTracks

    def compute_planner_trajectory(self, current_input):
        now, _ = current_input.history.current_state
        later = EgoState.build_from_rear_axle(
            rear_axle_pose=now.rear_axle,
            rear_axle_velocity_2d=StateVector2D(0.0, 0.0),
            rear_axle_acceleration_2d=StateVector2D(0.0, 0.0),
            tire_steering_angle=0.0,
            time_point=TimePoint(now.time_us + 2_000_000),
            vehicle_parameters=now.car_footprint.vehicle_parameters,
        )
        return InterpolatedTrajectory([now, later])


class PlansThePast(Standing):
    def compute_planner_trajectory(self, current_input):
        return InterpolatedTrajectory(list(current_input.history.ego_states)[-2:])


class NeedsScenario(Standing):
    requires_scenario = True


class NeedsSensors(Standing):
    def observation_type(self):
        return Sensors


@pytest.fixture(scope="module")
def seen():
    return scene("queue").observation_at(40)


def test_a_planner_is_made_anew_for_each_scenario(seen):
    before = Standing.made
    planner = load(f"{__name__}:Standing")
    assert planner.name == "standing"
    planner.reset(seen.map, seen.route)
    planner.reset(seen.map, seen.route)
    assert Standing.made == before + 3


def test_route_and_goal_reach_the_planner(seen):
    planner = DevkitPlanner(f"{__name__}:Standing")
    planner.reset(seen.map, seen.route)
    found = planner._planner.initialization
    assert found.route_roadblock_ids == [str(block) for block in seen.route.roadblock_ids]
    assert list(found.mission_goal.serialize()) == pytest.approx(list(seen.route.goal_pose))


def test_a_plan_is_the_trajectory_of_the_planner(seen):
    planner = DevkitPlanner(f"{__name__}:Standing")
    planner.reset(seen.map, seen.route)
    plan = planner.plan(seen)
    assert plan.time_s[-1] == pytest.approx(2.0)
    assert plan.poses == pytest.approx(np.tile(seen.ego_now.rear_axle_pose, (len(plan.poses), 1)), abs=1e-6)


def test_a_plan_that_ends_now_is_rejected(seen):
    planner = DevkitPlanner(f"{__name__}:PlansThePast")
    planner.reset(seen.map, seen.route)
    with pytest.raises(ValueError, match="but the present time is"):
        planner.plan(seen)


def test_a_route_without_goal_is_rejected(seen):
    planner = DevkitPlanner(f"{__name__}:Standing")
    with pytest.raises(ValueError, match="no mission goal"):
        planner.reset(seen.map, replace(seen.route, goal_pose=None))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("NeedsScenario", "requires the devkit's scenario object"),
        ("NeedsSensors", "requires Sensors; the bridge provides tracked objects only"),
    ],
)
def test_planners_that_need_other_inputs_are_rejected(name, reason):
    with pytest.raises(ValueError, match=reason):
        DevkitPlanner(f"{__name__}:{name}")


def test_a_class_that_is_no_planner_is_rejected():
    with pytest.raises(ValueError, match="does not derive from AbstractPlanner"):
        DevkitPlanner("collections:OrderedDict")
