import pytest

from simulation.generation.condition import SceneCondition
from simulation.generation.text.condition import (
    RULES,
    AppearanceCondition,
    EventCondition,
    TextCondition,
    json_schema,
)
from simulation.generation.text.grammar import parse
from simulation.generation.text.vocabulary import (
    ActorKind,
    EgoManoeuvre,
    Manoeuvre,
    Relation,
    RoadType,
    TimeOfDay,
)


def event(manoeuvre: Manoeuvre, kind: ActorKind = ActorKind.CAR, **values) -> EventCondition:
    return EventCondition(kind=kind, manoeuvres=(manoeuvre,), **values)


@pytest.mark.parametrize(
    "text",
    [
        "three pedestrians cross from the left at a crosswalk, dusk, fog",
        "a car 12 m ahead brakes hard after 2 s and stops, the ego drives at 30 km/h, dense traffic",
        "the ego turns left, two oncoming trucks, no traffic light",
    ],
)
def test_json_gives_the_condition_back(text):
    condition = parse(text)
    assert TextCondition.from_json(condition.to_json()) == condition


def test_json_leaves_out_what_is_open():
    condition = TextCondition(appearance=AppearanceCondition(time_of_day=TimeOfDay.NIGHT))
    assert condition.to_json().replace(" ", "").replace("\n", "") == '{"appearance":{"time_of_day":"night"}}'


def test_the_schema_names_every_manoeuvre_and_forbids_other_keys():
    schema = json_schema()
    assert set(schema["$defs"]["Manoeuvre"]["enum"]) == {str(one) for one in Manoeuvre}
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("no json", "no condition: condition: Invalid JSON"),
        ('{"colour": "red"}', "colour"),
        ('{"events": [{"kind": "tram"}]}', r"events\.0\.kind.*'car'"),
        ('{"events": [{"kind": "pedestrian", "manoeuvres": ["cut_in"]}]}', "A pedestrian cannot cut in"),
    ],
)
def test_wrong_json_is_refused_with_the_place(text, match):
    with pytest.raises(ValueError, match=match):
        TextCondition.from_json(text)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: event(Manoeuvre.CUT_IN, ActorKind.PEDESTRIAN), "cannot cut in. It can: cross, wait, walk"),
        (lambda: event(Manoeuvre.BRAKE, relation=Relation.LEFT), "is not left. Possible: ahead"),
        (lambda: event(Manoeuvre.CROSS, ActorKind.CYCLIST, count=9), "From 1 to 6 agents can cross at once, got 9"),
        (lambda: event(Manoeuvre.STAND, distance_m=200.0), "distance is 3 to 60 m, got 200 m"),
        (lambda: event(Manoeuvre.BRAKE, time_s=20.0), "time of an event is 0.5 to 9 s, got 20 s"),
        (
            lambda: EventCondition(manoeuvres=(Manoeuvre.CROSS, Manoeuvre.BRAKE)),
            "cannot do cross then brake. Possible: brake then stop",
        ),
    ],
)
def test_events_that_no_scenario_can_show_say_what_is_possible(make, match):
    with pytest.raises(ValueError, match=match):
        make()


@pytest.mark.parametrize(
    ("values", "match"),
    [
        (
            {"events": (event(Manoeuvre.MERGE),), "road": RoadType.JUNCTION},
            "No road shows everything.*'merge': ramp; road 'junction'",
        ),
        ({"ego": EgoManoeuvre.MERGE, "scene": SceneCondition(signal="red")}, "ego that does 'merge': ramp"),
        ({"has_signal": False, "scene": SceneCondition(signal="red")}, "without signals has no red light"),
        ({"events": (event(Manoeuvre.BRAKE),) * 5}, "up to 4 events, got 5"),
        (
            {"events": (event(Manoeuvre.RUN_RED),), "scene": SceneCondition(signal="red")},
            "Leave the red light of the ego out",
        ),
        (
            {"events": (event(Manoeuvre.CROSS),), "scene": SceneCondition(signal="green")},
            "has red. Possible: a red light, no traffic light",
        ),
    ],
)
def test_contradictions_say_what_is_possible(values, match):
    with pytest.raises(ValueError, match=match):
        TextCondition(**values)


def test_an_agent_without_a_manoeuvre_does_what_its_kind_usually_does():
    assert EventCondition(kind=ActorKind.PEDESTRIAN).first == Manoeuvre.WALK
    assert EventCondition(kind=ActorKind.CONE).first == Manoeuvre.STAND
    assert EventCondition(kind=ActorKind.BUS).first == Manoeuvre.DRIVE


def test_vehicles_cross_at_junctions_only():
    assert event(Manoeuvre.CROSS).roads == (RoadType.JUNCTION, RoadType.CROSSWALK)
    assert RoadType.NARROW in event(Manoeuvre.CROSS, ActorKind.CYCLIST).roads


def test_every_manoeuvre_has_a_rule_with_a_kind_a_place_and_a_road():
    assert set(RULES) == set(Manoeuvre)
    assert all(rule.kinds and rule.relations and rule.roads for rule in RULES.values())
