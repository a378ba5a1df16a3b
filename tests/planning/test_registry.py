"""Planners are made by name, by class and by folder, with arguments and a device."""

import pytest

from driving import Planner
from planning.registry import PLANNERS, load_planner, planner_parameters


@pytest.mark.parametrize("name", sorted(PLANNERS))
def test_each_name_gives_a_planner_of_that_name(name):
    planner = load_planner(name)
    assert isinstance(planner, Planner)
    assert planner.name == name


def test_an_unknown_name_raises_with_the_nearest_known_one():
    with pytest.raises(KeyError, match="Did you mean 'pdm_closed'"):
        load_planner("pdm_close")


def test_a_users_class_is_made_from_its_module():
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


def test_a_module_that_fails_on_import_says_why(tmp_path, monkeypatch):
    (tmp_path / "broken_module.py").write_text("raise RuntimeError('no licence')")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ValueError, match=r"Cannot import 'broken_module' .* RuntimeError: no licence"):
        load_planner("broken_module:Planner")


def test_only_planners_with_a_device_get_one():
    planner = load_planner("odd_planners:WithArguments", device="cuda:3", arguments=("checkpoint=x",))
    assert planner.device == "cuda:3"
    chosen = load_planner("odd_planners:WithArguments", device="cuda:3", arguments=("checkpoint=x", "device=cpu"))
    assert chosen.device == "cpu"
    assert load_planner("idm", device="cuda:3").name == "idm"
    assert "device" not in planner_parameters("idm")


def test_arguments_that_the_spec_holds_are_not_required():
    assert "folder" not in planner_parameters("recorded:plans")
