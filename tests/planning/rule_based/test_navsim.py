"""NAVSIM's scores of plans in hand-made scenes."""

import numpy as np
import pytest

from driving import Trajectory
from driving.planner import reset_planner
from driving.synthetic.scenes import scene
from planning.registry import load_planner
from planning.rule_based.navsim import epdms, pdms
from simulation.metrics.pdm.navsim import replayed_agents, two_frame_comfort

NOW = 30


@pytest.fixture(scope="module")
def road():
    return scene("straight_road")


def plan_of(name, scenario, iteration=NOW):
    planner = load_planner(name)
    reset_planner(planner, scenario)
    return planner.plan(scenario.observation_at(iteration))


def test_versions_are_stamped_and_differ(road):
    plan = plan_of("log_future", road)
    assert pdms(road, NOW, plan).version == "navsim v1.1"
    assert epdms(road, NOW, plan).version == "navsim v2 0a380a9"


def test_the_log_on_an_empty_road_loses_progress_only(road):
    for score in (pdms(road, NOW, plan_of("log_future", road)), epdms(road, NOW, plan_of("log_future", road))):
        assert {name for name, part in score.parts.items() if part < 1.0} <= {"ego_progress"}
        # 40 m at 10 m/s against PDM-Closed, which speeds up towards the limit of 13.89 m/s.
        assert 0.8 < score.parts["ego_progress"] < 1.0


def test_standing_still_is_safe_and_gets_nowhere(road):
    score = pdms(road, NOW, plan_of("stand_still", road))
    assert score.parts["no_at_fault_collisions"] == 1.0
    assert score.parts["ego_progress"] < 0.5
    assert score.score < pdms(road, NOW, plan_of("log_future", road)).score


def test_driving_into_a_queue_costs_everything():
    queue = scene("queue")
    # 25 m before the standing cars at about 8 m/s.
    plan = plan_of("constant_velocity", queue, iteration=45)
    assert pdms(queue, 45, plan).score == epdms(queue, 45, plan).score == 0.0


def test_crossing_at_red_costs_everything_in_the_second_version_only():
    light = scene("red_light")
    plan = plan_of("constant_velocity", light, iteration=25)
    assert epdms(light, 25, plan).parts["traffic_light_compliance"] == 0.0
    assert "traffic_light_compliance" not in pdms(light, 25, plan).parts


def test_equal_plans_of_two_frames_are_comfortable_and_a_change_of_mind_is_not(road):
    before = epdms(road, NOW, plan_of("log_future", road))
    steady = epdms(road, NOW + 5, plan_of("log_future", road, NOW + 5), previous=before)
    sudden = epdms(road, NOW + 5, plan_of("stand_still", road, NOW + 5), previous=before)
    assert steady.parts["two_frame_extended_comfort"] == 1.0
    assert sudden.parts["two_frame_extended_comfort"] == 0.0
    with pytest.raises(ValueError, match=r"up to 0.55 s apart, got 0.60 s"):
        two_frame_comfort(before.states, before.states, 0.6)


def test_others_move_between_two_frames_a_second():
    cut_in = scene("cut_in")
    agents = replayed_agents(cut_in, NOW, 40)
    now = cut_in.first_frame + NOW
    assert agents.valid.shape == (41, cut_in.agents.num_agents)
    np.testing.assert_allclose(agents.poses[5, :, :2], cut_in.agents.poses[:, now + 5, :2])
    middle = 0.4 * cut_in.agents.poses[:, now, :2] + 0.6 * cut_in.agents.poses[:, now + 5, :2]
    np.testing.assert_allclose(agents.poses[3, :, :2], middle)


def test_short_plans_and_logs_are_refused(road):
    poses = np.tile(road.logged_ego_pose(NOW), (3, 1))
    with pytest.raises(ValueError, match=r"plans of 4.0 s, this one ends after 2.00 s"):
        pdms(road, NOW, Trajectory(time_s=np.array([0.0, 1.0, 2.0]), poses=poses))
    last = road.num_frames - 1
    if road.first_frame + last + 50 < len(road.time_us):
        pytest.skip("the log of the scene is long enough")
    with pytest.raises(ValueError, match="too early to score a plan"):
        pdms(road, last, plan_of("constant_velocity", road, last))
