import json
from dataclasses import asdict

import pytest

from driving.synthetic.scenes import scene
from simulation.generation.text.facts import facts_of, wrong_facts
from simulation.generation.text.grammar import parse
from simulation.generation.text.relative_agents import RelativeAgents
from simulation.rendering.appearance import NIGHT


def view_of(name: str) -> RelativeAgents:
    return RelativeAgents(scenario=scene(name).with_metadata(appearance=json.dumps(asdict(NIGHT))))


@pytest.mark.parametrize(
    ("name", "sentence", "wrong"),
    [
        ("cut_in", "a car cuts in from the left, the ego drives at 43.2 km/h", []),
        ("cut_in", "a car cuts in from the right", ["car: right"]),
        ("cut_in", "a truck cuts in from the left", ["truck: cut in", "truck: left"]),
        ("cut_in", "a car 27 m ahead cuts in at 36 km/h after 3.5 s", []),
        ("cut_in", "a car cuts in after 8 s", ["car: 8.0 s"]),
        ("cut_in", "a car cuts in at 70 km/h", ["car: 19.4 m/s"]),
        ("queue", "three stopped cars ahead, narrow street, night", []),
        ("queue", "two stopped cars ahead", ["2 car: stand", "2 car: ahead"]),
        ("queue", "a stopped car 58 m ahead", []),
        ("queue", "a stopped car 30 m ahead", ["car: 30.0 m"]),
        ("queue", "a car ahead brakes hard, day", ["car: brake hard", "car: ahead", "day"]),
        ("pedestrian_crossing", "a pedestrian crosses from the right at a crosswalk, sparse traffic", []),
        ("pedestrian_crossing", "a cyclist crosses, dense traffic", ["density high", "cyclist: cross"]),
        ("red_light", "red light", []),
        ("red_light", "green light", ["green light"]),
        ("red_light", "no traffic light", ["no traffic light"]),
        ("t_junction", "the ego turns left, junction", []),
        ("t_junction", "the ego goes straight", ["ego: straight"]),
    ],
)
def test_facts_of_hand_made_scenes_are_measured(name, sentence, wrong):
    assert wrong_facts(parse(sentence), view_of(name)) == wrong


def test_a_scenario_without_an_appearance_shows_no_time_of_day():
    view = RelativeAgents(scenario=scene("straight_road"))
    assert wrong_facts(parse("night, rain"), view) == ["night", "rain"]
    assert wrong_facts(parse("night, rain"), view, with_appearance=False) == []


def test_a_sentence_has_a_fact_for_each_of_its_parts():
    condition = parse("two cars 12 m ahead brake hard".replace("two cars", "a car") + ", wet night, dense traffic")
    assert [fact.text for fact in facts_of(condition)] == [
        "density high",
        "car: brake hard",
        "car: ahead",
        "car: 12.0 m",
        "night",
        "wet",
    ]


def test_events_alike_are_counted_together():
    view = view_of("queue")
    assert wrong_facts(parse("a stopped car, two stopped cars, night"), view) == []


def test_measurements_are_kept_for_the_next_fact():
    view = view_of("cut_in")
    assert wrong_facts(parse("a car cuts in from the left"), view) == []
    assert len(view.kept) == 1
