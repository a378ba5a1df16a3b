"""Planners are found by name, by class and by folder."""

import pytest

from driving import Planner
from planning.registry import PLANNERS, load_planner


@pytest.mark.parametrize("name", sorted(PLANNERS))
def test_each_name_gives_a_planner_of_that_name(name):
    planner = load_planner(name)
    assert isinstance(planner, Planner)
    assert planner.name == name


def test_an_unknown_name_raises_with_the_nearest_known_one():
    with pytest.raises(KeyError, match="Did you mean 'pdm_closed'"):
        load_planner("pdm_close")


def test_a_class_of_ones_own_is_made_from_its_module():
    assert load_planner("planning.simple:SimplePlanner").name == "simple"


@pytest.mark.parametrize(
    ("spec", "match"),
    [
        ("planning.nowhere:Planner", "no module 'planning.nowhere'"),
        ("planning.simple:SimplePlaner", r"no class 'SimplePlaner'; it has \['MapGraph'"),
        ("fractions:Fraction", "no planner: it needs `name`"),
    ],
)
def test_a_class_that_cannot_be_used_says_why(spec, match):
    with pytest.raises(ValueError, match=match):
        load_planner(spec)


def test_recorded_plans_need_their_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="recorded plans"):
        load_planner(f"recorded:{tmp_path / 'nowhere'}")
