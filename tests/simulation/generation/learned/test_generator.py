from dataclasses import replace

import numpy as np
import pytest

from driving.agents import LightStatus
from driving.checks import check_scenario
from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios, open_scenario
from driving.nuplan.writer import write_world
from simulation.generation.condition import SceneCondition
from simulation.generation.learned.driving_side import left_hand_share, require_right_hand_traffic
from simulation.generation.learned.generator import LearnedGenerator, implied
from simulation.generation.learned.signals import light_table


@pytest.fixture(scope="module")
def generator(quiet, street):
    return LearnedGenerator(quiet, street)


@pytest.fixture(scope="module")
def recording(generator):
    return generator.record(1)


def test_a_scenario_passes_the_check(recording):
    scenario = recording.scenario(recording.tags[0])
    check_scenario(scenario)
    assert scenario.num_frames == 151
    assert scenario.first_frame == 22
    assert scenario.agents.num_agents > 0
    assert scenario.route.roadblock_ids


def test_equal_seeds_give_equal_scenarios(generator, recording):
    again = generator.record(1)
    np.testing.assert_array_equal(again.agents.poses, recording.agents.poses)
    np.testing.assert_array_equal(again.ego.rear_axle_poses, recording.ego.rear_axle_poses)
    assert again.log_name == recording.log_name


def test_motion_is_continuous(recording):
    moved = np.hypot(*np.diff(recording.ego.rear_axle_poses[0, :, :2], axis=0).T)
    np.testing.assert_allclose(moved, recording.ego.speed_mps[0, :-1] * 0.1, atol=0.15)
    for row in range(recording.agents.num_agents):
        steps = np.diff(recording.agents.poses[row][recording.agents.valid[row], :2], axis=0)
        assert np.hypot(*steps.T).max(initial=0.0) < 4.5


def test_scenarios_are_written_and_read_back(recording, tmp_path):
    write_world([recording], tmp_path)
    (entry,) = list_scenarios(DataRoot.find(tmp_path))
    read = open_scenario(entry)
    assert read.scenario_id == recording.scenario(recording.tags[0]).scenario_id
    assert read.agents.num_agents == recording.scenario(recording.tags[0]).agents.num_agents


def test_the_wanted_signal_is_ahead(generator):
    recording = generator.record(2, "signal=red")
    scenario = recording.scenario(recording.tags[0])
    assert len(scenario.traffic_lights.ids_showing(scenario.first_frame, LightStatus.RED)) > 0
    assert recording.metadata["condition"] == "signal=red"


def test_a_condition_that_cannot_be_met_says_what_was_found(generator, monkeypatch):
    monkeypatch.setattr("simulation.generation.learned.generator.MAX_ATTEMPTS", 2)
    with pytest.raises(ValueError, match=r"None of 2 scenes of seed 0 .* 'vehicles=200': \d x \d+ vehicles"):
        generator.record(0, SceneCondition(vehicles=200))


def test_an_unknown_condition_says_what_is_possible(generator):
    with pytest.raises(ValueError, match="Did you mean 'density'"):
        generator.generate(0, "densty=high")


def test_kept_agents_stay_in_a_completed_scene(generator, recording):
    scenario = recording.scenario(recording.tags[0])
    now = scenario.first_frame
    keep = tuple(scenario.agents.track_ids[row] for row in scenario.agents.rows_at(now)[:2])
    completed = generator.complete(scenario, 5, keep=keep)
    new = completed.scenario(completed.tags[0])
    for track in keep:
        pose = scenario.agents.poses[scenario.agents.track_ids.index(track), now]
        apart = np.hypot(*(new.agents.poses[:, new.first_frame, :2] - pose[:2]).T)
        assert np.nanmin(apart) < 0.1


def test_a_kept_track_that_is_not_there_is_one_sentence(generator, recording):
    with pytest.raises(ValueError, match="Track missing is not observed"):
        generator.complete(recording.scenario(recording.tags[0]), 5, keep=("missing",))


def test_each_agent_has_a_likelihood(generator, scene):
    assert np.isfinite(generator.log_likelihood(scene)).all()


def test_left_hand_traffic_is_one_sentence(street):
    assert left_hand_share(street) < 0.1
    require_right_hand_traffic(street)
    lines = street.lanes.centerlines
    mirrored = replace(street.lanes, centerlines=replace(lines, values=lines.values * np.array([-1.0, 1.0])))
    with pytest.raises(ValueError, match="has left-hand traffic"):
        require_right_hand_traffic(replace(street, lanes=mirrored))


def test_opposite_approaches_share_a_phase_and_crossing_ones_do_not(street):
    lanes = street.lanes
    ids = lanes.ids[np.flatnonzero(lanes.has_traffic_lights)]
    time_s = np.arange(0.0, 60.0, 0.5)
    wanted = (int(ids[0]), LightStatus.GREEN)
    table = light_table(street, ids, time_s, np.random.default_rng(0), wanted)
    assert table[0, 0] == LightStatus.GREEN
    headings = np.array([street.centerline(street.lane_row(int(one))).headings[0] for one in ids])
    crossing = np.abs(np.sin(headings - headings[0])) > 0.9
    assert (table[crossing, 0] == LightStatus.RED).all()
    assert set(np.unique(table).tolist()) == {LightStatus.GREEN, LightStatus.YELLOW, LightStatus.RED}


def test_a_type_implies_a_speed_unless_one_is_given():
    assert implied(SceneCondition(scenario_type="stationary")).ego_speed_mps == (0.0, 0.0)
    given = SceneCondition(scenario_type="stationary", ego_speed_mps=(1.0, 2.0))
    assert implied(given) == given
    assert implied(SceneCondition(density="low")) == SceneCondition(density="low")
