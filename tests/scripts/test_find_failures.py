import importlib

import pytest
from adversarial_cases import straight_scenario

from driving.nuplan.writer import write_scenarios


@pytest.fixture
def command(repository, monkeypatch):
    monkeypatch.syspath_prepend(repository / "scripts")
    return importlib.import_module("find_failures")


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90.0), ("10m", 600.0), ("1.5h", 5400.0)])
def test_budgets_have_units(command, text, seconds):
    assert command.seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["10", "m", "-5m", "0s", "10 minutes"])
def test_other_budgets_are_refused(command, text):
    with pytest.raises(ValueError, match="such as 90s, 10m or 2h"):
        command.seconds_of(text)


def test_a_search_has_one_budget(command, tmp_path):
    given = command.Arguments(planner="idm", data=tmp_path, output=tmp_path, budget="1m", drives=3)
    with pytest.raises(ValueError, match="--budget or --drives, not both"):
        command.budget_of(given)
    assert command.budget_of(command.Arguments(planner="idm", data=tmp_path, output=tmp_path)).cpu_s == 300.0


def test_on_ray_the_actors_are_the_workers_of_the_arguments(command, tmp_path):
    given = command.Arguments(
        planner="idm", data=tmp_path, output=tmp_path, backend="ray", workers=3, ray_address="auto"
    )
    options = command.run_on_ray(given).keywords["settings"]
    assert (options.workers, options.ray_address) == (3, "auto")


@pytest.mark.parametrize(("given", "policies"), [({}, 0), ({"learned_policies": True}, 2)])
def test_learned_policies_are_searched_where_they_are_wanted(command, tmp_path, given, policies):
    write_scenarios([straight_scenario()], tmp_path / "data")
    settings = command.settings_of(
        command.Arguments(planner="idm", data=tmp_path / "data", output=tmp_path / "out", **given)
    )
    assert settings.search.policies == policies
    assert settings.scenes is not None


def test_a_search_that_finds_nothing_says_so_and_raises_nothing(command, tmp_path, capsys):
    write_scenarios([straight_scenario()], tmp_path / "data")
    command.main(
        command.Arguments(
            planner="idm",
            data=tmp_path / "data",
            output=tmp_path / "out",
            drives=2,
            drives_per_scenario=2,
            neighbours="no",
            quiet=True,
        )
    )
    printed = capsys.readouterr().out
    assert "The search found no failure." in printed
    assert "no agent comes near the ego" in printed
    assert "The search found no failure" in (tmp_path / "out" / "summary.md").read_text()
    assert not (tmp_path / "out" / "data").exists()
