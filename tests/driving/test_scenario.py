import pickle
from dataclasses import replace

import numpy as np
import pytest

from driving.agents import AgentTracks, LightStatus
from driving.scenario import FUTURE_STEPS, HISTORY_STEPS
from driving.synthetic.scenes import scene


def test_a_scenario_has_history_frames_and_future():
    scenario = scene("queue")
    assert (scenario.first_frame, scenario.num_frames, len(scenario.time_us)) == (22, 151, 22 + 151 + 80)
    assert (HISTORY_STEPS, FUTURE_STEPS) == (22, 80)
    assert scenario.time_us[scenario.frames].tolist() == [scenario.start_time_us + 100_000 * i for i in range(151)]
    assert scenario.anchor_frame - scenario.first_frame == 30
    assert scenario.map_name == "us-nv-las-vegas-strip"


def test_iterations_count_from_the_first_frame():
    scenario = scene("straight_road")
    way = scenario.logged_ego_pose(150) - scenario.logged_ego_pose(0)
    np.testing.assert_allclose(way, [150.0, 0.0, 0.0], atol=1e-6)


@pytest.mark.parametrize("iteration", [-1, 151])
def test_an_iteration_outside_of_the_frames_is_refused(iteration):
    with pytest.raises(IndexError, match=f"has iterations 0 to 150, got {iteration}"):
        scene("queue").observation_at(iteration)


def test_all_parts_share_the_time_axis():
    with pytest.raises(ValueError, match=r"share the time axis of 253 steps, got \[7, 253\]"):
        replace(scene("queue"), agents=AgentTracks.none(7))


def test_frames_must_fit_the_time_axis():
    with pytest.raises(ValueError, match="frames 22 to 321 do not fit a time axis of 253 steps"):
        replace(scene("queue"), num_frames=300)


def test_a_scenario_can_be_pickled():
    scenario = scene("red_light")
    copy = pickle.loads(pickle.dumps(scenario))
    np.testing.assert_array_equal(copy.agents.poses, scenario.agents.poses)
    assert copy.route.roadblock_ids == scenario.route.roadblock_ids
    assert copy.traffic_lights.ids_showing(0, LightStatus.RED) == scenario.traffic_lights.ids_showing(
        0, LightStatus.RED
    )


def test_metadata_accumulates():
    noted = scene("queue").with_metadata(speed_limit="default 13.89 m/s")
    assert noted.metadata == {"origin": "synthetic: queue", "speed_limit": "default 13.89 m/s"}
