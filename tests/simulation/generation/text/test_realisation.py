import json

import numpy as np
import pytest

from driving.agents import LightStatus
from driving.checks import check_scenario
from simulation.generation.corner_cases.corner_maps import corner_map
from simulation.generation.corner_cases.sites import SiteSearch
from simulation.generation.registry import scenario_generator
from simulation.generation.text.facts import wrong_facts
from simulation.generation.text.grammar import parse
from simulation.generation.text.realisation import TEXT_KEY, UnmetConditionError, realise, stage
from simulation.generation.text.relative_agents import RelativeAgents
from simulation.generation.text.scenario_types import scenario_type_of
from simulation.geometry.lane_anchors import lane_anchors
from simulation.rendering.appearance import NIGHT, appearance_in

SENTENCE = "a cyclist crosses from the right while the car ahead brakes hard, wet night, dense traffic"


@pytest.fixture(scope="module")
def recording():
    return realise(SENTENCE, 0)


def test_the_scenario_shows_every_fact_and_is_sound(recording):
    scenario = recording.scenario(recording.tags[0])
    check_scenario(scenario)
    assert wrong_facts(parse(SENTENCE), RelativeAgents(scenario=scenario)) == []
    assert float(recording.metadata["logged_score"]) > 0.9
    assert scenario.about_track is not None


def test_the_condition_and_the_appearance_travel_with_the_recording(recording):
    condition = json.loads(recording.metadata[TEXT_KEY])
    assert [one["kind"] for one in condition["events"] if "kind" in one] == ["cyclist"]
    looks = appearance_in(recording.metadata)
    assert looks.sun_elevation_rad == NIGHT.sun_elevation_rad
    assert looks.rain > 0.0


def test_equal_seeds_give_equal_recordings_and_other_seeds_others(recording):
    again, other = realise(SENTENCE, 0), realise("a car ahead brakes", 0, number=1)
    assert again.log_name == recording.log_name
    for name in ("poses", "sizes", "velocities_mps"):
        assert np.array_equal(getattr(again.agents, name), getattr(recording.agents, name), equal_nan=True)
    assert np.array_equal(again.ego.rear_axle_poses, recording.ego.rear_axle_poses)
    assert again.metadata == recording.metadata
    assert other.log_name != recording.log_name


def test_the_ego_does_not_enter_the_junction_before_its_light_turns_green():
    recording = realise("red light", 0)
    scenario = recording.scenario(recording.tags[0])
    lanes = scenario.map.lanes
    rows = lane_anchors(scenario.map, scenario.ego.center_poses()[0]).rows
    reds = [scenario.traffic_lights.ids_showing(step, LightStatus.RED) for step in range(len(rows))]
    assert not any(int(lanes.ids[row]) in red for row, red in zip(rows.tolist(), reds, strict=True))
    assert any(lanes.has_traffic_lights[row] for row in rows.tolist())
    assert wrong_facts(parse("red light, junction"), RelativeAgents(scenario=scenario)) == []


def test_a_condition_that_no_draw_meets_says_why_and_what_is_possible():
    with pytest.raises(UnmetConditionError, match=r"None of 40 draws.*no suitable stretch.*drives up to \d+ km/h"):
        realise("a car ahead, the ego drives at 120 km/h", 0)


def test_a_distance_that_leaves_no_room_says_that_it_may_be_left_open():
    with pytest.raises(UnmetConditionError, match="leave one open"):
        realise("a stopped truck 4 m ahead, the ego drives at 50 km/h", 0)


def test_the_generator_takes_sentences_from_the_registry():
    scenario = scenario_generator("text").generate(3, "a parked truck, a pedestrian waits")
    assert scenario.num_frames == 151
    with pytest.raises(ValueError, match="Did you mean"):
        scenario_generator("text").generate(3, "a parkd truck")


def test_a_red_light_has_a_wall_for_the_search_only():
    search = SiteSearch(map=corner_map(0), rng=np.random.default_rng(0), speed_mps=9.0)
    staged, walls = stage(search, parse("red light"), is_strict=True)
    assert not isinstance(staged, str)
    assert len(walls) == 1
    assert walls[0] not in staged.agents
    assert walls[0].seen_s[1] > 9.0


@pytest.mark.parametrize(
    ("sentence", "scenario_type"),
    [
        ("a cyclist crosses", "crossed_by_bike"),
        ("a car crosses at a junction", "crossed_by_vehicle"),
        ("a pedestrian crosses at a crosswalk", "traversing_crosswalk"),
        ("two pedestrians cross", "near_multiple_pedestrians"),
        ("a car ahead brakes hard", "stopping_with_lead"),
        ("a truck ahead", "behind_long_vehicle"),
        ("a car ahead", "following_lane_with_lead"),
        ("an oncoming bus", "near_long_vehicle"),
        ("a car cuts in", "changing_lane_with_lead"),
        ("the ego turns right, a car ahead brakes", "starting_right_turn"),
        ("red light", "stopping_at_traffic_light_without_lead"),
        ("green light", "traversing_intersection"),
        ("night", "medium_magnitude_speed"),
    ],
)
def test_the_scenario_type_follows_from_the_condition(sentence, scenario_type):
    assert scenario_type_of(parse(sentence)) == scenario_type
