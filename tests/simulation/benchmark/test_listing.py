"""What a run drives and what it leaves out: unreadable logs, short scenarios, names that the data lacks."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from benchmark_runs import STRAIGHT, run, settings

from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios
from driving.nuplan.writer import write_world
from driving.synthetic.scenes import SCENES
from simulation.benchmark.listing import list_run

NUM_FRAMES = 101


@pytest.fixture
def world(tmp_path, world):
    """A copy that a test may spoil."""
    return shutil.copytree(world, tmp_path / "world")


@pytest.fixture
def logs(world):
    return [(entry.token, entry.log_file) for entry in list_scenarios(DataRoot.find(world))]


def shorten(log_file, frames=NUM_FRAMES):
    """Cut a log such that its scenario keeps some frames: at the end, and at the start where few are to be left."""
    with sqlite3.connect(log_file) as connection:
        (tagged_us,) = connection.execute(
            "SELECT timestamp FROM lidar_pc WHERE token = (SELECT lidar_pc_token FROM scenario_tag)"
        ).fetchone()
        first_us = tagged_us - min(30, frames // 2) * 100_000
        last_us = first_us + (frames - 1) * 100_000
        connection.execute("DELETE FROM lidar_pc WHERE timestamp > ?", (last_us + 20_000,))
        if frames // 2 < 30:
            connection.execute("DELETE FROM lidar_pc WHERE timestamp < ?", (first_us - 20_000,))


def truncate(log_file):
    path = Path(log_file)
    path.write_bytes(path.read_bytes()[:50_000])


def lines_of_reports(folder):
    """The lines that summary.json, summary.md and report.html hold."""
    lines = json.loads((folder / "summary.json").read_text())["selection"]["lines"]
    summary, page = (folder / "summary.md").read_text(), (folder / "report.html").read_text()
    for line in lines:
        assert f"- {line}" in summary
        assert f"<li>{line}</li>" in page
    return lines


def test_a_run_of_everything_has_nothing_to_report(world):
    scenarios = list_run(settings(world, world))
    assert len(scenarios.entries) == 3
    assert (scenarios.lines(), scenarios.num_left_out) == ([], 0)


def test_a_truncated_log_is_named_and_counted_and_the_run_continues(world, logs, tmp_path):
    log_file = logs[0][1]
    truncate(log_file)
    report = run(world, tmp_path / "r", STRAIGHT)
    assert [len(group.results) for group in report.groups] == [2]
    assert report.num_left_out == 1
    first, second = lines_of_reports(tmp_path / "r")
    assert first == "1 log cannot be read (left out):"
    assert f"{log_file} is truncated" in second


def test_a_run_of_unreadable_logs_only_is_an_error(world, logs):
    for _, log_file in logs:
        truncate(log_file)
    with pytest.raises(ValueError, match=r"no log can be read\. 3 logs cannot be read: .* is truncated"):
        list_run(settings(world, world))


def test_short_scenarios_are_left_out_before_anything_is_scored(world, logs, tmp_path):
    token, log_file = logs[1]
    shorten(log_file)
    report = run(world, tmp_path / "r", STRAIGHT)
    assert token not in {result.scenario for result in report.groups[0].results}
    assert (len(report.groups[0].results), report.num_left_out) == (2, 1)
    first, second = lines_of_reports(tmp_path / "r")
    assert first == "1 scenario cut off by the end of a log (left out):"
    assert f"Scenario {token}" in second
    assert "101 of 151 frames" in second


def test_short_scenarios_are_driven_at_their_length_when_allowed(world, logs, tmp_path):
    shorten(logs[1][1])
    report = run(world, tmp_path / "r", STRAIGHT, allow_short=True)
    assert [result.status for result in report.groups[0].results] == ["succeeded"] * 3
    assert report.num_left_out == 0
    assert lines_of_reports(tmp_path / "r") == ["1 scenario cut off by the end of a log (driven that far)."]
    with pytest.raises(ValueError, match="was run with allow_short = True, now it is False"):
        run(world, tmp_path / "r", STRAIGHT, resume=True)


@pytest.mark.parametrize("frames", [5, 6, 41])
def test_scenarios_of_any_length_are_driven_and_scored(world, logs, tmp_path, frames):
    shorten(logs[0][1], frames)
    for traffic in ("nonreactive", "reactive"):
        report = run(world, tmp_path / traffic, STRAIGHT, "idm", traffic=(traffic,), allow_short=True)
        for group in report.groups:
            assert [result.reason for result in group.results] == [""] * 3


def test_a_scenario_too_short_for_a_score_is_left_out_even_when_short_ones_are_allowed(world, logs):
    token, log_file = logs[0]
    shorten(log_file, 4)
    scenarios = list_run(settings(world, world, allow_short=True))
    assert (len(scenarios.entries), scenarios.num_left_out) == (2, 1)
    first, second = scenarios.lines()
    assert first == "1 scenario too short for a score (left out):"
    assert f"Scenario {token} of log" in second
    assert "has 4 of at least 5 frames" in second


def test_a_run_of_short_scenarios_only_is_refused_with_the_option_that_drives_them(world, logs):
    for _, log_file in logs:
        shorten(log_file)
    with pytest.raises(ValueError, match=r"None of 3 scenarios can be driven\. .*101 of 151 frames.*--allow-short"):
        list_run(settings(world, world))


def test_tokens_that_the_data_lacks_are_counted(world, logs, tmp_path):
    tokens = [logs[0][0], *(f"{number:016x}" for number in range(4))]
    chosen = tmp_path / "filter.yaml"
    chosen.write_text("scenario_tokens:\n" + "".join(f"  - '{token}'\n" for token in tokens))
    run(world, tmp_path / "r", STRAIGHT, filter=chosen)
    first, second = lines_of_reports(tmp_path / "r")
    assert first == (
        "4 of 5 tokens are not in the data: 0000000000000000, 0000000000000001, 0000000000000002 and 1 more."
    )
    assert second.startswith("scenario_tokens removed ")
    selection = json.loads((tmp_path / "r" / "summary.json").read_text())["selection"]
    assert selection["missing"] == [{"condition": "scenario_tokens", "requested": 5, "names": tokens[1:]}]


def test_a_limit_counts_what_it_removes(world):
    scenarios = list_run(settings(world, world, limit=1))
    assert scenarios.lines() == ["limit removed 2 of 3 scenarios."]
    assert scenarios.num_left_out == 0


def test_a_renamed_copy_of_a_log_counts_once(world, logs):
    log = Path(logs[0][1])
    shutil.copy(log, log.with_name("2022.01.01.00.00.00_copy.db"))
    scenarios = list_run(settings(world, world))
    assert len(scenarios.entries) == 3
    assert scenarios.lines() == ["1 scenario with the token of another one (left out)."]


def test_scenes_without_a_goal_are_driven_when_the_filter_lets_them_pass(world, logs, tmp_path):
    with sqlite3.connect(logs[0][1]) as connection:
        connection.execute("UPDATE scene SET goal_ego_pose_token = NULL")
    assert list_run(settings(world, world)).lines() == ["remove_invalid_goals removed 1 of 3 scenarios."]
    chosen = tmp_path / "filter.yaml"
    types = sorted({entry.scenario_type for entry in list_run(settings(world, world)).entries})
    chosen.write_text(f"remove_invalid_goals: false\nscenario_types: {types}\n")
    entries = list_run(settings(world, world, filter=chosen)).entries
    report = run(world, tmp_path / "r", "idm", "pdm_closed", filter=chosen)
    for group in report.groups:
        assert [result.reason for result in group.results] == [""] * len(entries)


def test_odd_characters_in_paths_and_names_reach_all_reports(tmp_path):
    folder = tmp_path / "a b|ü [red] 100% #1"
    write_world([SCENES["straight_road"]()], folder / "world")
    log = next((folder / "world").rglob("*.db"))
    log = log.rename(log.with_name("2021.01.01 [red]|<b>%s$x_1$.db"))
    report = run(folder / "world", folder / "r", STRAIGHT, "odd_planners:Throws")
    assert report.groups[0].results[0].log_name == log.stem
    assert "the engine failed" in (folder / "r" / "summary.md").read_text()
    assert (folder / "r" / "scores.csv").read_text().count(log.stem) == 2
