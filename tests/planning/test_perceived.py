"""Planners on perceived agents and signals."""

from dataclasses import replace

import numpy as np
import pytest
from small_perception import small_network

from driving.agents import LightStatus
from driving.perceived import ROAD_LAYERS
from driving.routing import connectors_ahead
from driving.synthetic.scenes import scene
from perception.checkpoint import Checkpoint
from perception.contract import ROAD_CLASSES
from planning.idm import IdmPlanner
from planning.perceived import PerceivedPlanner, PerceptionReports
from planning.registry import load_planner, planner_parameters
from simulation.rollout import Rollout, run_rollout


class Recorder(IdmPlanner):
    """Keeps the observations that it receives."""

    name = "recorder"

    def __init__(self):
        super().__init__()
        self.received = []

    def plan(self, observation):
        self.received.append(observation)
        return super().plan(observation)


@pytest.fixture
def perceived():
    return PerceivedPlanner(Recorder(), small_network(), every_s=0.5)


def first_observation(scenario, planner):
    return Rollout(scenario, cameras=planner.camera_settings).observation()


def test_the_wrapped_planner_receives_perceived_agents_and_no_images(perceived):
    queue = scene("queue")
    perceived.reset(queue.map, queue.route)
    truth = first_observation(queue, perceived)
    plan = perceived.plan(truth)
    (received,) = perceived._planner.received
    assert received.cameras is None
    assert received.agents is perceived.scene.agents
    assert not set(received.agents.track_ids) & set(truth.agents.track_ids)
    assert received.ego is truth.ego
    assert plan.poses.shape[1] == 3


def test_the_perceived_state_holds_for_the_connectors_ahead_on_the_route(perceived):
    red = scene("red_light")
    perceived.reset(red.map, red.route)
    observation = first_observation(red, perceived)
    seen = perceived.perceived(observation)
    for status in (LightStatus.RED, LightStatus.UNKNOWN):
        known = replace(perceived.scene, signal=np.eye(4)[status])
        lights = perceived._signals(observation, known)
        expected = red.map.lanes.ids[connectors_ahead(red.map, red.route, observation.ego_now.rear_axle_pose)]
        assert lights.num_steps == 1
        if status == LightStatus.RED:
            assert set(lights.lane_connector_ids.tolist()) == set(expected.tolist())
            assert (lights.statuses == LightStatus.RED).all()
        else:
            assert not len(lights.statuses)
    assert seen.traffic_lights.num_steps == 1


def test_an_observation_without_cameras_is_a_sentence(perceived):
    queue = scene("queue")
    perceived.reset(queue.map, queue.route)
    with pytest.raises(ValueError, match="perceived:recorder needs camera images"):
        perceived.plan(queue.observation_at(0))


def test_a_rollout_renders_the_cameras_of_the_planner(perceived):
    queue = scene("queue")
    log = run_rollout(queue, perceived)
    assert log.planner_name == "perceived:recorder"
    assert log.cameras["rig"]["cameras"][0]["name"] == "CAM_FRONT"
    assert log.num_steps == queue.num_frames - 1
    assert len(log.perceived) == log.num_steps
    assert len({id(one.road.ego_pose) for one in log.perceived}) == -(-log.num_steps // 5)


def test_the_reported_road_keeps_lines_that_are_narrower_than_its_cells(perceived):
    queue = scene("queue")
    perceived.reset(queue.map, queue.route)
    assert perceived.perceptions() == [None]
    perceived.plan(first_observation(queue, perceived))
    road = np.zeros_like(perceived.scene.grid.road)
    road[ROAD_CLASSES.index("lane_line"), 5, 3] = 1.0
    known = replace(perceived.scene, grid=replace(perceived.scene.grid, road=road))
    reports = PerceptionReports()
    found = reports.of(known).road
    assert found.cell_m == 1.0
    assert found.probabilities.shape == (3, 16, 16)
    assert np.argwhere(found.probabilities).tolist() == [[ROAD_LAYERS.index("lane_line"), 2, 1]]
    assert found.probabilities.max() == 255
    assert reports.of(known).road is found
    assert reports.of(perceived.scene).road is not found
    assert reports.of(None) is None


def test_candidates_are_those_of_the_wrapped_planner():
    perceived = PerceivedPlanner(load_planner("pdm_closed"), small_network(), every_s=0.5)
    queue = scene("queue")
    perceived.reset(queue.map, queue.route)
    plan = perceived.plan(first_observation(queue, perceived))
    (found,) = perceived.candidates()
    assert found.poses[found.chosen, 1] == pytest.approx(plan.poses[5])


def test_the_registry_wraps_any_planner(tmp_path):
    Checkpoint(network=small_network()).save(tmp_path)
    planner = load_planner("perceived:simple", arguments=[f"checkpoint={tmp_path}", "every_s=1"])
    assert planner.name == "perceived:simple"
    assert set(planner_parameters("perceived:simple")) == {"checkpoint", "every_s", "device"}
    with pytest.raises(FileNotFoundError, match=r"Train one with scripts/train_perception.py"):
        load_planner("perceived:simple", arguments=[f"checkpoint={tmp_path / 'none'}"])
    with pytest.raises(KeyError, match=r"No planner named 'simpel'. Did you mean 'simple'"):
        load_planner("perceived:simpel", arguments=[f"checkpoint={tmp_path}"])
