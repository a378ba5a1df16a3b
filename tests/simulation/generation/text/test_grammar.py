import pytest

from simulation.generation.condition import SceneCondition
from simulation.generation.text.condition import AppearanceCondition, EventCondition, TextCondition
from simulation.generation.text.grammar import CATEGORIES, known_words, parse, vocabulary_tables
from simulation.generation.text.vocabulary import (
    ActorKind,
    EgoManoeuvre,
    Manoeuvre,
    Relation,
    RoadType,
    TimeOfDay,
    Weather,
)

LEAD = EventCondition(manoeuvres=(Manoeuvre.BRAKE_HARD,), relation=Relation.AHEAD)


def test_the_sentence_of_the_documentation_gives_two_events_density_and_appearance():
    text = "a cyclist crosses from the right while the car ahead brakes hard, wet night, dense traffic"
    crossing = EventCondition(kind=ActorKind.CYCLIST, manoeuvres=(Manoeuvre.CROSS,), relation=Relation.RIGHT)
    assert parse(text) == TextCondition(
        scene=SceneCondition(density="high"),
        events=(crossing, LEAD),
        appearance=AppearanceCondition(time_of_day=TimeOfDay.NIGHT, weather=Weather.WET),
    )


@pytest.mark.parametrize(
    "text",
    [
        "The car ahead brakes hard.",
        "the leading vehicle is braking hard",
        "CAR IN FRONT OF THE EGO BRAKES SHARPLY!",
        "a car in front of us, which suddenly brakes".replace(" of us", ""),
    ],
)
def test_articles_punctuation_case_and_verb_forms_do_not_matter(text):
    assert parse(text) == TextCondition(events=(LEAD,))


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("a truck 12 m ahead", "distance_m", 12.0),
        ("a car ahead brakes after 2 s", "time_s", 2.0),
        ("a car ahead brakes after two seconds", "time_s", 2.0),
        ("a motorcycle overtakes at 72 km/h", "speed_mps", 20.0),
        ("an oncoming car at 10 m/s", "speed_mps", 10.0),
        ("a stopped truck 100 ft ahead", "distance_m", 30.48),
        ("three pedestrians cross", "count", 3),
        ("2 parked cars", "count", 2),
    ],
)
def test_numbers_are_read_with_their_units(text, field, value):
    assert getattr(parse(text).events[0], field) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the ego turns left", EgoManoeuvre.TURN_LEFT),
        ("the ego must change lanes", EgoManoeuvre.CHANGE_LANE),
        ("we merge", EgoManoeuvre.MERGE),
        ("the ego goes straight", EgoManoeuvre.STRAIGHT),
    ],
)
def test_the_ego_gets_manoeuvres_of_its_own(text, expected):
    assert parse(text).ego == expected


def test_the_speed_of_the_ego_is_that_of_the_scene():
    assert parse("the ego drives at 36 km/h").scene.ego_speed_mps == pytest.approx((10.0, 10.0))


@pytest.mark.parametrize(
    ("text", "signal", "has_signal"),
    [("the traffic light is red", "red", None), ("green light", "green", None), ("no traffic light", None, False)],
)
def test_the_light_of_the_ego_is_read(text, signal, has_signal):
    condition = parse(text)
    assert (condition.scene.signal, condition.has_signal) == (signal, has_signal)


def test_running_a_red_light_is_an_event_and_not_the_light_of_the_ego():
    condition = parse("a truck runs a red light from the left")
    assert condition.events[0].manoeuvres == (Manoeuvre.RUN_RED,)
    assert condition.scene.signal is None
    assert condition.needs_signal


def test_an_adjective_before_the_agent_belongs_to_it_and_not_to_the_agent_before():
    first, second = parse("a bus ahead stops, an oncoming truck turns left, junction").events
    assert (first.kind, first.relation) == (ActorKind.BUS, Relation.AHEAD)
    assert (second.kind, second.relation, second.manoeuvres) == (
        ActorKind.TRUCK,
        Relation.ONCOMING,
        (Manoeuvre.TURN_LEFT,),
    )


def test_two_manoeuvres_of_one_agent_stay_in_their_order():
    assert parse("a car cuts in from the left and brakes").events[0].manoeuvres == (Manoeuvre.CUT_IN, Manoeuvre.BRAKE)


def test_a_phrase_of_more_words_wins():
    assert parse("at a pedestrian crossing").road == RoadType.CROSSWALK
    assert parse("narrow street").road == RoadType.NARROW


def test_an_unknown_word_is_named_with_the_nearest_known_one():
    with pytest.raises(ValueError, match=r"No word 'cyclst'\. Did you mean 'cyclist'\?"):
        parse("a cyclst crosses")


def test_a_word_that_occurs_in_phrases_only_is_answered_with_these_phrases():
    with pytest.raises(
        ValueError, match="'narrow' has no meaning of its own; it is known in: narrow road, narrow street"
    ):
        parse("a narrow one")


def test_all_unknown_words_are_named():
    with pytest.raises(ValueError, match=r"'zeppelin'.*'flys'"):
        parse("a zeppelin flys at night")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "states nothing"),
        ("brakes hard", "'brakes hard' has no road user before it"),
        ("the ego brakes", "cannot be prescribed for the ego"),
        ("a car from the left from the right", "two values of relation"),
        ("day, night", "two values of time of day"),
        ("an oncoming", "cannot be read from 'oncoming' on|cannot be read"),
    ],
)
def test_sentences_without_a_meaning_are_refused(text, match):
    with pytest.raises(ValueError, match=match):
        parse(text)


def test_no_phrase_has_two_meanings():
    seen: dict[str, str] = {}
    for rule, terms in CATEGORIES.items():
        for term, phrases in terms.items():
            for phrase in phrases:
                assert seen.setdefault(phrase, f"{rule} {term}") == f"{rule} {term}"


def test_every_phrase_of_the_vocabulary_can_be_read():
    for rule, terms in CATEGORIES.items():
        for phrases in terms.values():
            for phrase in phrases:
                assert set(phrase.split()) <= known_words()
                if rule in ("density", "time_of_day", "weather", "signal", "road"):
                    assert parse(phrase) is not None
                elif rule == "kind":
                    assert len(parse(phrase).events) == 1


def test_the_documentation_lists_every_phrase(repository):
    page = (repository / "docs" / "text_scenarios.md").read_text(encoding="utf-8")
    phrases = [one for terms in vocabulary_tables().values() for found in terms.values() for one in found]
    assert [one for one in phrases if one not in page] == []
