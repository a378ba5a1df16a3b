from dataclasses import replace

import numpy as np
import pytest

from driving import Mission, Tag
from driving.recording import frame_token
from driving.synthetic.scenes import SCENES


def test_a_tag_gives_the_15_s_from_3_s_before_it():
    recording = SCENES["queue"]()
    tag = Tag(frame=80, scenario_type="stopping_with_lead")
    scenario = recording.scenario(tag)
    assert scenario.num_frames == 151
    assert scenario.time_us[scenario.anchor_frame] == recording.time_us[80]
    assert scenario.start_time_us == recording.time_us[50]
    assert scenario.first_frame == 22


def test_a_scenario_names_the_agent_of_its_tag():
    recording = SCENES["queue"]()
    first = recording.agents.track_ids[0]
    assert recording.scenario(Tag(frame=80, scenario_type="stopping_with_lead", track_id=first)).about_track == first
    scenario = recording.scenario(Tag(frame=80, scenario_type="stopping_with_lead"))
    assert scenario.about_track is None
    with pytest.raises(ValueError, match="refers to track absent, which is not among its agents"):
        replace(scenario, about_track="absent")


def test_the_end_of_the_log_cuts_frames_and_future():
    recording = SCENES["queue"]()
    last = len(recording.time_us) - 1
    scenario = recording.scenario(Tag(frame=last, scenario_type="unknown"))
    assert scenario.num_frames == 31
    assert scenario.time_us[-1] == recording.time_us[-1]


def test_the_start_of_the_log_cuts_the_history():
    recording = SCENES["queue"]()
    assert recording.scenario(Tag(frame=35, scenario_type="unknown")).first_frame == 5


def test_tokens_of_frames_are_reproducible():
    recording = SCENES["queue"]()
    assert frame_token("a", 1) == "b27f9d5bfd0616c0"
    assert recording.token(Tag(frame=0, scenario_type="unknown")) == frame_token(
        recording.log_name, int(recording.time_us[0])
    )
    assert recording.token(Tag(frame=0, scenario_type="unknown", token="00000000000000ff")) == "00000000000000ff"


def test_a_mission_holds_until_the_next_one():
    recording = SCENES["straight_road"]()
    first = recording.missions[0]
    shorter = Mission(first_frame=100, roadblock_ids=first.roadblock_ids[2:], goal_pose=None)
    recording = replace(recording, missions=(first, shorter))
    assert recording.mission_at(99) is first
    assert recording.mission_at(100) is shorter


def test_a_scenario_is_a_copy_of_its_part():
    recording = SCENES["cut_in"]()
    (scenario,) = recording.scenarios()
    for ours, theirs in (
        (scenario.time_us, recording.time_us),
        (scenario.ego.rear_axle_poses, recording.ego.rear_axle_poses),
        (scenario.agents.poses, recording.agents.poses),
    ):
        assert not np.shares_memory(ours, theirs)


@pytest.mark.parametrize("name", SCENES)
def test_log_names_are_unique(name):
    others = [make().log_name for other, make in SCENES.items() if other != name]
    assert SCENES[name]().log_name not in others
