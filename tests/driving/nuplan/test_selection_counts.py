"""A listing reports what each condition removed, which requested names are missing, and which logs are unreadable."""

import sqlite3
from dataclasses import replace

import pytest

from driving.nuplan.data import DataRoot
from driving.nuplan.filters import ScenarioFilter
from driving.nuplan.scenarios import list_scenarios, select_scenarios
from driving.nuplan.selection_counts import MissingNames, Selection
from driving.nuplan.writer import write_world
from driving.synthetic.scenes import SCENES

SCENE_NAMES = ("straight_road", "queue", "cut_in")


@pytest.fixture
def world(tmp_path):
    write_world([SCENES[name]() for name in SCENE_NAMES], tmp_path)
    return DataRoot.find(tmp_path)


def counts_of(selection):
    return {count.condition: (count.removed, count.left) for count in selection.counts}


def execute(log_file, statement):
    with sqlite3.connect(log_file) as connection:
        connection.execute(statement)


def test_a_listing_without_a_filter_loses_nothing(world):
    selection = select_scenarios(world)
    assert list(selection.entries) == list_scenarios(world)
    assert counts_of(selection) == {
        "scenario_types": (0, 3),
        "valid scenes": (0, 3),
        "remove_invalid_goals": (0, 3),
    }
    assert (selection.missing, selection.log_errors) == ((), ())


def test_tokens_that_are_not_in_the_data_are_counted_and_named(world):
    present = [entry.token for entry in list_scenarios(world)[:2]]
    absent = [f"{number:016x}" for number in range(8)]
    chosen = ScenarioFilter(scenario_tokens=(*present, *absent))
    selection = select_scenarios(world, chosen)
    assert [entry.token for entry in selection.entries] == present
    (missing,) = selection.missing
    assert missing.names == tuple(absent)
    assert missing.sentence == (
        "8 of 10 tokens are not in the data: 0000000000000000, 0000000000000001, 0000000000000002 and 5 more."
    )


@pytest.mark.parametrize(
    ("condition", "present", "sentence"),
    [
        ("scenario_types", "scenario_type", "1 of 2 scenario types is not in the data: atlantis."),
        ("map_names", "map_name", "1 of 2 map names is not in the data: atlantis."),
        ("log_names", "log_name", "1 of 2 log names is not in the data: atlantis."),
    ],
)
def test_other_names_that_are_not_in_the_data_are_named_too(world, condition, present, sentence):
    entries = list_scenarios(world)
    chosen = ScenarioFilter(scenario_types=tuple({entry.scenario_type for entry in entries}))
    chosen = replace(chosen, **{condition: (getattr(entries[0], present), "atlantis")})
    selection = select_scenarios(world, chosen)
    assert selection.entries
    assert selection.missing[0].sentence == sentence
    assert all("in the selected logs" in missing.sentence for missing in selection.missing[1:])


def test_goals_types_and_outer_scenes_report_what_they_removed(world):
    first, second, third = world.log_files
    execute(first, "UPDATE scene SET goal_ego_pose_token = NULL")
    execute(second, "UPDATE scenario_tag SET type = 'not_of_nuplan'")
    execute(third, "UPDATE lidar_pc SET scene_token = (SELECT token FROM scene ORDER BY name LIMIT 1)")
    selection = select_scenarios(world)
    assert selection.entries == ()
    assert counts_of(selection) == {
        "scenario_types": (1, 2),
        "valid scenes": (1, 1),
        "remove_invalid_goals": (1, 0),
    }
    with pytest.raises(
        ValueError, match="2 scenarios after scenario_types, 1 scenarios after valid scenes, 0 scenarios"
    ):
        selection.require_scenarios()


def test_logs_that_a_filter_removes_are_counted_as_logs(world):
    name = list_scenarios(world)[0].log_name
    selection = select_scenarios(world, replace(ScenarioFilter.tagged(), log_names=(name,)))
    assert selection.counts[0].sentence == "log_names removed 2 of 3 logs."
    assert len(selection.entries) == 1


def test_a_truncated_log_costs_its_own_scenarios_only(world):
    log = world.log_files[0]
    log.write_bytes(log.read_bytes()[: log.stat().st_size // 2])
    selection = select_scenarios(world)
    assert len(selection.entries) == 2
    assert [log.name in str(error) and "is truncated" in str(error) for error in selection.log_errors] == [True]
    with pytest.raises(ValueError, match="is truncated"):
        list_scenarios(world)


def test_a_selection_of_unreadable_logs_only_says_so():
    selection = Selection(entries=(), log_errors=(ValueError("a.db is truncated."),))
    with pytest.raises(ValueError, match=r"no log can be read\. 1 logs cannot be read: a\.db is truncated"):
        selection.require_scenarios()


def test_missing_names_are_those_of_the_request_without_repetition():
    (missing,) = MissingNames.of("log_names", ("b", "a", "b"), {"a"})
    assert (missing.requested, missing.names) == (2, ("b",))
    assert MissingNames.of("log_names", None, set()) == []
