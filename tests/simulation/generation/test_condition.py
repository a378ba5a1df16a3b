import pytest

from simulation.generation.condition import SceneCondition, parse_range


def test_entries_become_numbers_and_names():
    condition = SceneCondition.parse(["density=high", "vehicles=12", "rarity=0.9..0.99"])
    assert condition == SceneCondition(density="high", vehicles=12, rarity=(0.9, 0.99))


def test_one_text_holds_several_entries():
    condition = SceneCondition.parse("signal=red, pedestrians=0 ego_speed_mps=5")
    assert condition == SceneCondition(signal="red", pedestrians=0, ego_speed_mps=(5.0, 5.0))


def test_no_entries_leave_all_to_the_generator():
    assert SceneCondition.parse("").given == {}


def test_the_text_of_a_condition_is_read_back():
    condition = SceneCondition(parked=3, speed="low", scenario_type="stopping_with_lead", rarity=(0.5, 1.0))
    assert condition.text() == "parked=3 speed=low scenario_type=stopping_with_lead rarity=0.5..1"
    assert SceneCondition.parse(condition.text()) == condition


def test_merging_takes_the_other_properties_first():
    merged = SceneCondition(vehicles=3, density="low").merged(SceneCondition(density="high"))
    assert merged == SceneCondition(vehicles=3, density="high")


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ("densty=high", r"No property of a scene named 'densty'. Did you mean 'density'"),
        ("density", r"written density=VALUE, for example density=high"),
        ("density=huge", r"density of a scene is one of low, medium, high, got 'huge'"),
        ("vehicles=few", r"number of vehicles is a whole number, got 'few'"),
        ("vehicles=-1", r"number of vehicles is 0 to 256, got -1"),
        ("rarity=0.9..2", r"rarity is an ascending range within 0..1 quantiles, got 0.9..2"),
        ("rarity=0.9..0.1", r"ascending range within 0..1 quantiles, got 0.9..0.1"),
        ("rarity=nan", r"ascending range"),
        ("ego_speed_mps=fast", r"number or a range such as 0.9..0.99, got 'fast'"),
        ("signal=blue", r"signal of a scene is one of green, yellow, red, got 'blue'"),
        ("scenario_type=stopping_with_led", r"Did you mean 'stopping_with_lead'"),
        ("speed=low speed=high", r"condition speed occurs twice"),
    ],
)
def test_a_wrong_entry_says_what_is_possible(entry, sentence):
    with pytest.raises(ValueError, match=sentence):
        SceneCondition.parse(entry)


def test_one_number_is_a_range():
    assert parse_range("rarity", "0.5") == (0.5, 0.5)
