from dataclasses import replace

import numpy as np
import pytest

from driving.nuplan.merging import merged_recordings
from driving.recording import Tag
from driving.synthetic.scenes import SCENES


@pytest.fixture(scope="module")
def recording():
    tags = tuple(Tag(frame=frame, scenario_type="changing_lane") for frame in (60, 100))
    return replace(SCENES["queue"](), tags=tags)


def test_scenarios_of_one_log_cover_the_union_of_their_times(recording):
    first, second = recording.scenarios()
    (merged,) = merged_recordings([second, first])
    times = np.union1d(first.time_us, second.time_us)
    assert np.isin(times, merged.time_us).all()
    rows = np.searchsorted(merged.time_us, times)
    sources = np.searchsorted(recording.time_us, times)
    np.testing.assert_array_equal(merged.ego.rear_axle_poses[0, rows], recording.ego.rear_axle_poses[0, sources])
    assert [merged.token(tag) for tag in merged.tags] == [first.scenario_id, second.scenario_id]


def test_agents_of_all_scenarios_are_merged_by_track(recording):
    first, second = recording.scenarios()
    only = replace(second, agents=second.agents.take(np.array([0])), about_track=None)
    (merged,) = merged_recordings([first, only])
    assert merged.agents.track_ids == first.agents.track_ids
    (single,) = merged_recordings([only])
    assert single.agents.track_ids == only.agents.track_ids


def test_logs_stay_apart(recording):
    first, second = recording.scenarios()
    names = [merged.log_name for merged in merged_recordings([first, replace(second, log_name="another")])]
    assert names == [recording.log_name, "another"]


def test_scenarios_of_one_log_share_a_map(recording):
    first, second = recording.scenarios()
    moved = replace(second, map=replace(second.map, name="elsewhere"))
    with pytest.raises(ValueError, match=r"are on maps .* and elsewhere. Give one of them another log name"):
        merged_recordings([first, moved])


def test_one_mission_holds_for_scenarios_of_one_route(recording):
    (merged,) = merged_recordings(recording.scenarios())
    (mission,) = merged.missions
    assert mission.first_frame == 0
    assert mission.roadblock_ids == recording.missions[0].roadblock_ids
