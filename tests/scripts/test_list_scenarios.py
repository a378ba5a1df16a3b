import importlib
import json
import shutil
import sqlite3
import sys
from dataclasses import replace

import numpy as np
import pytest

from driving.nuplan.writer import write_world
from driving.recording import Recording, Tag
from driving.synthetic.scenes import queue


@pytest.fixture
def world(tmp_path) -> Recording:
    """One hand-made drive as a nuPlan data root in `tmp_path`, tagged twice."""
    recording = queue()
    first = recording.tags[0]
    recording = replace(recording, tags=(first, Tag(frame=first.frame + 10, scenario_type="changing_lane")))
    write_world([recording], tmp_path, fill_locations=False)
    return recording


@pytest.fixture
def call(repository, monkeypatch, capsys):
    """Runs the command in this process; returns its exit code, what it printed, and what it complained about."""
    monkeypatch.syspath_prepend(str(repository / "scripts"))

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["list_scenarios.py", *map(str, words)])
        script = importlib.import_module("list_scenarios")
        try:
            script.run(script.Arguments, script.main, script.__doc__)
            code = 0
        except SystemExit as stop:
            code = stop.code
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def log_of(folder):
    (log,) = folder.rglob("*.db")
    return log


def test_lines_have_the_devkits_order_and_keys(world, tmp_path, call):
    code, out, _ = call("--data", tmp_path, "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    tokens = [line["token"] for line in lines]
    assert code == 0
    assert tokens == sorted(tokens)
    assert set(tokens) == {world.token(tag) for tag in world.tags}
    assert lines[0]["frames"] == 151


def test_the_table_is_for_people(world, tmp_path, call):
    code, out, _ = call("--data", tmp_path)
    assert code == 0
    assert "2 scenarios" in out
    assert "changing_lane" in out


def test_arrays_are_those_of_the_golden_listing(golden, tmp_path, call):
    code, out, _ = call("--data", golden / "world1", "--json", "--arrays", tmp_path / "arrays")
    listing = golden / "world1" / "listing"
    assert code == 0
    assert out == (listing / "listing.jsonl").read_text()
    for file in listing.glob("*.npz"):
        with np.load(file) as expected, np.load(tmp_path / "arrays" / file.name) as ours:
            for name in expected.files:
                np.testing.assert_array_equal(ours[name], expected[name])


def test_a_filter_chooses(world, tmp_path, call):
    (tmp_path / "filter.yaml").write_text("scenario_types: [changing_lane]\nremove_invalid_goals: true")
    code, out, _ = call("--data", tmp_path, "--json", "--filter", tmp_path / "filter.yaml")
    assert code == 0
    assert [json.loads(line)["scenario_type"] for line in out.splitlines()] == ["changing_lane"]


def test_an_empty_result_is_an_error(world, tmp_path, call):
    (tmp_path / "filter.yaml").write_text("scenario_types: [on_carpark]")
    code, out, err = call("--data", tmp_path, "--filter", tmp_path / "filter.yaml")
    assert (code, out) == (1, "")
    assert "No scenario passes the filter" in err


def test_scenarios_that_the_log_cuts_off_are_left_out_with_a_line(world, tmp_path, call):
    with sqlite3.connect(log_of(tmp_path)) as connection:
        later = world.time_us[world.tags[1].frame] + 11_950_000
        connection.execute("DELETE FROM lidar_pc WHERE timestamp > ?", (int(later),))
    code, out, err = call("--data", tmp_path, "--json", "--arrays", tmp_path / "arrays")
    assert code == 1
    assert [json.loads(line)["token"] for line in out.splitlines()] == [world.token(world.tags[0])]
    assert "cut off by the end of its log" in err
    assert "150 of 151 frames" in err
    assert [file.stem for file in (tmp_path / "arrays").iterdir()] == [world.token(world.tags[0])]
    code, out, _ = call("--data", tmp_path, "--json", "--allow-short")
    assert (code, len(out.splitlines())) == (0, 2)


def test_scenarios_with_missing_poses_are_left_out_with_a_line(world, tmp_path, call):
    with sqlite3.connect(log_of(tmp_path)) as connection:
        connection.execute("UPDATE ego_pose SET y = NULL")
    code, out, err = call("--data", tmp_path, "--json")
    assert (code, out) == (1, "")
    assert "missing or not a number" in err
    assert err.count("Left out") == 2


def test_an_unreadable_log_does_not_hide_the_scenarios_of_other_logs(world, tmp_path, call):
    log = log_of(tmp_path)
    log.with_name("2021.01.01.bad.db").write_bytes(log.read_bytes()[:50_000])
    code, out, err = call("--data", tmp_path, "--json")
    assert (code, len(out.splitlines())) == (1, 2)
    assert err.count("Left out") == 1
    assert "2021.01.01.bad.db is truncated" in err


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda folder: log_of(folder).write_bytes(log_of(folder).read_bytes()[:50_000]), "is truncated"),
        (lambda folder: shutil.rmtree(folder / "maps"), "No maps inside, next to or above"),
        (lambda folder: log_of(folder).unlink(), "No logs in"),
    ],
)
def test_an_unusable_data_root_gives_one_sentence(world, tmp_path, call, spoil, sentence):
    spoil(tmp_path)
    code, out, err = call("--data", tmp_path, "--json")
    assert (code, out) == (1, "")
    assert sentence in err
    assert "Traceback" not in err


def test_arrays_need_a_folder_that_may_be_written(world, tmp_path, call):
    (tmp_path / "file").write_text("")
    code, _, err = call("--data", tmp_path, "--arrays", tmp_path / "file" / "below", "--json")
    assert code == 1
    assert "a file stands where a folder is needed" in err
    assert "Left out" not in err


def test_tokens_that_are_not_in_the_data_are_printed(world, tmp_path, call):
    token = world.token(world.tags[0])
    (tmp_path / "filter.yaml").write_text(f"scenario_tokens: ['{token}', '00000000000000ab']")
    code, out, err = call("--data", tmp_path, "--json", "--filter", tmp_path / "filter.yaml")
    assert (code, len(out.splitlines())) == (0, 1)
    assert "1 of 2 tokens is not in the data: 00000000000000ab." in err
