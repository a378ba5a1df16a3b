import pytest
from staged_cases import staged

from driving.synthetic.scenes import scene
from simulation.generation.corner_cases import kinds_junction, kinds_lanes
from simulation.generation.corner_cases.generator import staged_recording
from simulation.generation.text.measured_scene import (
    does,
    ego_speed_mps,
    has_signal,
    is_on_road,
    next_signal,
    vehicles_around,
)
from simulation.generation.text.relative_agents import RelativeAgents
from simulation.generation.text.vocabulary import EgoManoeuvre, RoadType


def view_of(stage, seed: int = 0) -> RelativeAgents:
    recording = staged_recording(staged(stage, seed), "corner-test", "unknown", 0)
    return RelativeAgents(scenario=recording.scenario(recording.tags[0]))


def test_an_empty_road_has_no_traffic_and_no_signal():
    view = RelativeAgents(scenario=scene("straight_road"))
    assert vehicles_around(view) == 0.0
    assert next_signal(view) is None
    assert not has_signal(view)
    assert ego_speed_mps(view) == pytest.approx(10.0)
    assert is_on_road(view, RoadType.STRAIGHT)
    assert is_on_road(view, RoadType.NARROW)
    assert not is_on_road(view, RoadType.MULTI_LANE)
    assert not is_on_road(view, RoadType.JUNCTION)
    assert does(view, EgoManoeuvre.STRAIGHT)


def test_three_cars_of_a_queue_are_the_traffic_near_the_ego():
    assert 1.0 < vehicles_around(RelativeAgents(scenario=scene("queue"))) <= 3.0


def test_the_red_light_ahead_is_the_next_signal():
    view = RelativeAgents(scenario=scene("red_light"))
    assert next_signal(view) == "red"
    assert has_signal(view)
    assert is_on_road(view, RoadType.JUNCTION)


def test_a_crosswalk_on_the_route_is_measured():
    assert is_on_road(RelativeAgents(scenario=scene("pedestrian_crossing")), RoadType.CROSSWALK)
    assert not is_on_road(RelativeAgents(scenario=scene("straight_road")), RoadType.CROSSWALK)


def test_a_left_turn_is_measured_and_no_right_turn():
    view = RelativeAgents(scenario=scene("t_junction"))
    assert does(view, EgoManoeuvre.TURN_LEFT)
    assert not does(view, EgoManoeuvre.TURN_RIGHT)
    assert not does(view, EgoManoeuvre.STRAIGHT)


def test_the_ego_changes_lanes_before_the_construction_zone():
    assert does(RelativeAgents(scenario=scene("construction")), EgoManoeuvre.CHANGE_LANE)
    assert not does(RelativeAgents(scenario=scene("straight_road")), EgoManoeuvre.CHANGE_LANE)


def test_the_ego_merges_from_the_ramp():
    view = view_of(kinds_lanes.ramp_merge)
    assert does(view, EgoManoeuvre.MERGE)
    assert is_on_road(view, RoadType.RAMP)


@pytest.mark.parametrize(
    ("stage", "road", "other"),
    [
        (kinds_lanes.cut_in, RoadType.MULTI_LANE, RoadType.NARROW),
        (kinds_junction.red_light_runner, RoadType.JUNCTION, RoadType.STRAIGHT),
    ],
)
def test_the_road_of_a_corner_case_is_measured(stage, road, other):
    view = view_of(stage)
    assert is_on_road(view, road)
    assert not is_on_road(view, other)
