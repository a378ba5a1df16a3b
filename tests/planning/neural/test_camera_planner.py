"""The camera student drives from images; nothing else of the observation has an effect."""

from dataclasses import replace

import numpy as np
import pytest
from small_camera_student import small_student
from small_perception import small_network

from driving import ExplainsPlans, Planner
from driving.agents import AgentTracks, TrafficLights
from driving.map import MapGraph
from driving.planner import ReportsPerception, require_valid_plan
from driving.synthetic.scenes import scene
from perception.checkpoint import Checkpoint
from planning.neural.camera_planner import CameraStudentPlanner
from planning.registry import load_planner, planner_parameters
from simulation.rollout import Rollout, run_rollout


@pytest.fixture(scope="module")
def student():
    return small_student()


@pytest.fixture
def planner(student):
    return CameraStudentPlanner(student, small_network(), every_s=0.5)


@pytest.fixture(scope="module")
def queue():
    return replace(scene("queue"), num_frames=8)


class NoMap(MapGraph):
    """Raises when any attribute is read."""

    def __init__(self):
        pass

    def __getattribute__(self, name):
        raise AssertionError(f"The map was read: {name}")


def test_map_agents_and_lights_of_the_observation_have_no_effect(planner, queue):
    observation = Rollout(queue, cameras=planner.camera_settings).observation()
    planner.reset(queue.map, queue.route)
    plan = planner.plan(observation)
    assert observation.agents.num_agents > 0
    changed = replace(
        observation, agents=AgentTracks.none(observation.agents.num_steps), traffic_lights=TrafficLights.none(1)
    )
    no_map = NoMap()
    object.__setattr__(changed, "map", no_map)
    planner.reset(no_map, queue.route)
    assert np.array_equal(planner.plan(changed).poses, plan.poses)


def test_the_images_have_an_effect(student, queue):
    plans = []
    for name in ("queue", "red_light"):
        planner = CameraStudentPlanner(student, small_network())
        planner.reset(queue.map, queue.route)
        own, other = (Rollout(scene(each), cameras=planner.camera_settings).observation() for each in ("queue", name))
        frames = replace(other.cameras, time_us=own.cameras.time_us, global_from_ego=own.cameras.global_from_ego)
        planner.plan(replace(own, cameras=frames))
        plans.append(planner.candidates()[0].scores)
    assert not np.array_equal(*plans)


def test_it_drives_a_scenario_and_reports_its_candidates(planner, queue):
    assert isinstance(planner, Planner)
    assert isinstance(planner, ExplainsPlans)
    log = run_rollout(queue, planner)
    assert log.num_steps == 7
    assert log.cameras["rig"]["cameras"][0]["name"] == "CAM_FRONT"
    assert len(log.candidates) == 7
    assert log.candidates[0].chosen == 0
    assert isinstance(planner, ReportsPerception)
    assert all(one.road is not None for one in log.perceived)
    assert len(log.perceived) == 7


def test_equal_drives_after_a_reset_and_between_instances(student, queue):
    first, second = (CameraStudentPlanner(student, small_network(), every_s=0.3) for _ in range(2))
    logs = [run_rollout(queue, each) for each in (first, first, second)]
    for log in logs[1:]:
        assert np.array_equal(log.plans[-1].poses, logs[0].plans[-1].poses)


def test_plans_start_at_the_ego_and_last_four_seconds(planner, queue):
    observation = Rollout(queue, cameras=planner.camera_settings).observation()
    planner.reset(queue.map, queue.route)
    assert require_valid_plan(planner.plan(observation), observation).horizon_s == pytest.approx(4.0)
    with pytest.raises(ValueError, match="camera_student needs camera images"):
        planner.plan(queue.observation_at(0))


def test_the_registry_loads_a_checkpoint_with_its_perception_network(student, tmp_path):
    student.save(tmp_path / "mine")
    Checkpoint(network=small_network()).save(tmp_path / "eyes")
    Checkpoint(network=small_network(seed=1)).save(tmp_path / "others")
    planner = load_planner(
        "camera_student", arguments=[f"checkpoint={tmp_path / 'mine'}", f"perception={tmp_path / 'eyes'}"]
    )
    assert planner.name == "camera_student:mine"
    assert set(planner_parameters("camera_student")) == {"checkpoint", "perception", "every_s", "device"}
    by_folder = load_planner(f"camera_student:{tmp_path / 'mine'}", arguments=[f"perception={tmp_path / 'eyes'}"])
    assert by_folder.name == "camera_student:mine"
    with pytest.raises(ValueError, match="was trained on perception network"):
        load_planner(
            "camera_student", arguments=[f"checkpoint={tmp_path / 'mine'}", f"perception={tmp_path / 'others'}"]
        )


def test_an_imitation_only_student_drives_too(queue):
    planner = CameraStudentPlanner(small_student(sub_scores=()), small_network())
    observation = Rollout(queue, cameras=planner.camera_settings).observation()
    planner.reset(queue.map, queue.route)
    assert require_valid_plan(planner.plan(observation), observation)
