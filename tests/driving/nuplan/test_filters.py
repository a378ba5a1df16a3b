import re

import pytest

from driving.nuplan.filters import ScenarioFilter
from driving.scenario_types import CHALLENGE_SCENARIO_TYPES, KNOWN_SCENARIO_TYPES

VAL14 = """
_target_: nuplan.planning.scenario_builder.scenario_filter.ScenarioFilter
_convert_: 'all'

scenario_types: # List of scenario types to include
  - starting_left_turn
  - changing_lane

scenario_tokens:
  - 'fa20c34947a8558d'
  - 1234567890123456
  - 0123456789012345

log_names: ${splitter.log_splits.val}
map_names: null

num_scenarios_per_type: 100
limit_total_scenarios: null
timestamp_threshold_s: 15
ego_displacement_minimum_m: null    # Whether to remove scenarios where the ego moves less than a certain amount
ego_start_speed_threshold: null
ego_stop_speed_threshold: null
speed_noise_tolerance: null

expand_scenarios: false
remove_invalid_goals: true
shuffle: false
"""


@pytest.fixture
def filter_file(tmp_path):
    def write(text, name="filter.yaml"):
        file = tmp_path / "scenario_filter" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        return file

    return write


def test_a_filter_of_the_devkit_is_read_as_it_is(filter_file):
    chosen = ScenarioFilter.from_yaml(filter_file(VAL14))
    assert chosen == ScenarioFilter(
        scenario_types=("starting_left_turn", "changing_lane"),
        scenario_tokens=("fa20c34947a8558d", "1234567890123456", "0123456789012345"),
        num_scenarios_per_type=100,
        timestamp_threshold_s=15.0,
    )


def test_split_names_come_from_the_devkits_splitter(filter_file, tmp_path):
    file = filter_file(VAL14)
    splitter = tmp_path / "splitter" / "nuplan.yaml"
    splitter.parent.mkdir()
    splitter.write_text("log_splits:\n  train: [a]\n  val:\n    - 2021.05.12.19.36.12_veh-35_00005_00204\n")
    names = ("2021.05.12.19.36.12_veh-35_00005_00204",)
    assert ScenarioFilter.from_yaml(file).log_names == names
    elsewhere = splitter.rename(tmp_path / "elsewhere.yaml")
    assert ScenarioFilter.from_yaml(file, splitter=elsewhere).log_names == names


def test_split_names_are_needed_where_no_token_names_the_scenarios(filter_file):
    text = re.sub(r"scenario_tokens:[^$]*log_names", "scenario_tokens: null\nlog_names", VAL14)
    with pytest.raises(ValueError, match=r"log_names refers to \$\{splitter.log_splits.val\}"):
        ScenarioFilter.from_yaml(filter_file(text))


def test_tokens_may_come_with_log_names(filter_file):
    text = "scenario_tokens: [[some_log, 00000000000000AB], [other_log, '00000000000000cd']]"
    chosen = ScenarioFilter.from_yaml(filter_file(text))
    assert chosen.scenario_tokens == ("00000000000000ab", "00000000000000cd")


def test_a_filter_may_build_on_another(filter_file):
    filter_file(VAL14, "val14.yaml")
    chosen = ScenarioFilter.from_yaml(filter_file("defaults:\n  - val14\n  - _self_\nnum_scenarios_per_type: 3"))
    assert (chosen.num_scenarios_per_type, chosen.timestamp_threshold_s) == (3, 15.0)


def test_defaults_may_name_a_config_group(filter_file, tmp_path):
    filter_file(VAL14, "val14.yaml")
    within = filter_file("defaults:\n  - scenario_filter: val14\n  - _self_\nshuffle: true", "derived.yaml")
    beside = tmp_path / "beside.yaml"
    beside.write_text("defaults:\n  - override scenario_filter: val14\nshuffle: true")
    assert ScenarioFilter.from_yaml(within) == ScenarioFilter.from_yaml(beside)
    assert ScenarioFilter.from_yaml(within).num_scenarios_per_type == 100


@pytest.mark.parametrize("entry", ["optional local: mine", "optional override local@_global_: mine"])
def test_a_missing_file_of_an_optional_group_is_skipped(filter_file, entry):
    path = filter_file(f"defaults:\n  - {entry}\n  - _self_\nshuffle: true")
    assert ScenarioFilter.from_yaml(path) == ScenarioFilter(shuffle=True)
    group = path.parent / "local"
    group.mkdir()
    (group / "mine.yaml").write_text("num_scenarios_per_type: 7")
    assert ScenarioFilter.from_yaml(path) == ScenarioFilter(shuffle=True, num_scenarios_per_type=7)


def test_a_missing_file_of_a_group_that_is_not_optional_is_named(filter_file):
    with pytest.raises(FileNotFoundError, match=r"No filter file .*local/mine\.yaml"):
        ScenarioFilter.from_yaml(filter_file("defaults:\n  - local: mine"))


def test_filters_based_on_each_other_are_refused(filter_file):
    filter_file("defaults: [b]", "a.yaml")
    with pytest.raises(ValueError, match=r"a\.yaml is based on .*b\.yaml, which is based on it"):
        ScenarioFilter.from_yaml(filter_file("defaults: [a]", "b.yaml"))


@pytest.mark.parametrize(("text", "limit"), [("4", 4), ("0.25", 0.25), ("1.0", 1.0), ("null", None), ("", None)])
def test_limits_are_numbers_or_fractions(filter_file, text, limit):
    chosen = ScenarioFilter.from_yaml(filter_file(f"limit_total_scenarios: {text}\nshuffle: true"))
    assert chosen.limit_total_scenarios == limit
    assert type(chosen.limit_total_scenarios) is type(limit)
    assert chosen.shuffle


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("scenario_typs: [a]", r"unknown filter settings \['scenario_typs'\]. Known: \['ego_disp"),
        ("scenario_types: changing_lane", "scenario_types must be a list"),
        ("scenario_types: ${other.types}", "refers to .*Write the names out"),
        ("shuffle: maybe", "shuffle has the unusable value 'maybe'"),
        ("timestamp_threshold_s: soon", "unusable value 'soon'"),
        ("num_scenarios_per_type: 0", "must be at least 1, got 0"),
        ("limit_total_scenarios: 1.5", "fraction up to 1.0, got 1.5"),
        ("scenario_tokens: [abc]", "16 lower-case hex digits, got 'abc'"),
        ("fraction_in_token_set_threshold: 2", r"must be in \[0, 1\], got 2"),
        ("_target_: nuplan.Planner", "configures nuplan.Planner, expected a ScenarioFilter"),
        ("_target_: my.OwnScenarioFilter", "configures my.OwnScenarioFilter, expected a ScenarioFilter"),
        ("defaults: [{a: b, c: d}]", "`defaults` must list names of files or one `group: name` each"),
        ("defaults: [[a]]", "`defaults` must list names of files or one `group: name` each"),
        ("shuffle: [true]", "shuffle has the unusable value"),
        ("timestamp_threshold_s: {a: 1}", "timestamp_threshold_s has the unusable value"),
        ("- a\n- b", "must hold settings as `name: value`, got list"),
        ("a: [", "is not readable YAML"),
    ],
)
def test_wrong_filters_say_what_is_wrong(filter_file, text, sentence):
    with pytest.raises(ValueError, match=sentence):
        ScenarioFilter.from_yaml(filter_file(text))


def test_a_config_group_without_its_file_is_named(filter_file):
    with pytest.raises(FileNotFoundError, match=r"No filter file .*scenario_filter.other.x\.yaml"):
        ScenarioFilter.from_yaml(filter_file("defaults: [{other: x}]"))


def test_a_missing_filter_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No filter file .*gone\.yaml"):
        ScenarioFilter.from_yaml(tmp_path / "gone.yaml")


def test_without_a_filter_the_known_types_are_wanted():
    assert set(ScenarioFilter.tagged().scenario_types) == KNOWN_SCENARIO_TYPES
    assert set(CHALLENGE_SCENARIO_TYPES) <= KNOWN_SCENARIO_TYPES
    assert ScenarioFilter.tagged().remove_invalid_goals
