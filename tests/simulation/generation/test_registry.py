import pytest

from driving.checks import check_scenario
from simulation.generation.registry import GENERATORS, ScenarioGenerator, scenario_generator


@pytest.mark.parametrize("name", GENERATORS)
def test_every_entry_is_a_generator(name):
    assert isinstance(scenario_generator(name), ScenarioGenerator)


def test_an_unknown_name_is_answered_by_the_nearest():
    with pytest.raises(KeyError, match=r"No scenario generator named 'twon'. Did you mean 'town'"):
        scenario_generator("twon")


def test_a_town_contains_the_wanted_type():
    scenario = scenario_generator("town").generate(4, "starting_left_turn")
    assert scenario.scenario_type == "starting_left_turn"
    assert scenario.num_frames == 151
    assert scenario.first_frame == 22
    check_scenario(scenario)


def test_an_unknown_condition_is_answered_by_the_nearest():
    with pytest.raises(ValueError, match=r"named 'left_turn'. Did you mean 'starting_left_turn'"):
        scenario_generator("town").generate(0, "left_turn")
