"""The command that renders the cameras of nuPlan data."""

import importlib
import json
import sys
from dataclasses import replace

import pytest

from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios, open_scenario
from driving.nuplan.writer import write_world
from driving.synthetic.scenes import SCENES

SMALL = ("--size", "48", "27", "--every-steps", "50")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Two logs on two maps."""
    folder = tmp_path_factory.mktemp("world") / "plain"
    recordings = [SCENES[name]() for name in ("queue", "red_light")]
    write_world([replace(each, log_name=f"log-{number}") for number, each in enumerate(recordings)], folder)
    return folder


@pytest.fixture
def call(repository, monkeypatch, capsys):
    """Runs the command in this process; returns its exit code, what it printed, and its errors."""
    monkeypatch.syspath_prepend(str(repository / "scripts"))

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["render_cameras.py", *map(str, words)])
        script = importlib.import_module("render_cameras")
        try:
            script.run(script.Arguments, script.main, script.__doc__)
            code = 0
        except SystemExit as stop:
            code = stop.code
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_the_output_is_a_data_root_with_images(world, call, tmp_path):
    output = tmp_path / "seen"
    code, printed, _ = call("--data", world, "--output", output, *SMALL, "--appearance", "night")
    assert code == 0
    assert "Rendered 64 images of 2 scenarios" in printed
    before, after = (list_scenarios(DataRoot.find(folder)) for folder in (world, output))
    assert [entry.token for entry in after] == [entry.token for entry in before]
    for entry in after:
        frames = open_scenario(entry).cameras
        assert frames.is_logged
        assert frames.rig.names[0] == "CAM_F0"
        assert frames.num_frames == 8 * 4
        assert frames.image(9).shape == (27, 48, 3)
    assert json.loads((output / "cameras.json").read_text())["cameras"]["appearance"] == "night"
    assert not (tmp_path / "seen.part").exists()


def test_an_existing_output_is_refused(world, call, tmp_path):
    code, _, error = call("--data", world, "--output", tmp_path, *SMALL)
    assert code == 1
    assert f"FileExistsError: {tmp_path} exists. Name another --output" in error.replace("\n", " ")


def test_an_interrupted_run_continues_with_the_same_settings_only(world, call, tmp_path, monkeypatch):
    output = tmp_path / "seen"
    script = importlib.import_module("render_cameras")
    real = script.render_log

    def stop_at_the_second_log(log_file, *rest):
        if log_file.name == "log-1.db":
            raise KeyboardInterrupt
        return real(log_file, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(script, "render_log", stop_at_the_second_log)
        assert call("--data", world, "--output", output, *SMALL)[0] == 130
    assert not output.exists()
    code, _, error = call("--data", world, "--output", output, *SMALL, "--seed", "9")
    assert code == 1
    assert "unfinished output of other settings or data" in error
    code, printed, _ = call("--data", world, "--output", output, *SMALL)
    assert code == 0
    assert "holds 2 logs, 1 of them from before" in printed


def test_a_log_that_fails_is_named_and_counted(world, call, tmp_path, monkeypatch):
    script = importlib.import_module("render_cameras")
    real = script.render_log

    def fail_at_the_first_log(log_file, *rest):
        if log_file.name == "log-0.db":
            raise ValueError("The log is odd.")
        return real(log_file, *rest)

    monkeypatch.setattr(script, "render_log", fail_at_the_first_log)
    code, printed, error = call("--data", world, "--output", tmp_path / "seen", *SMALL)
    assert code == 1
    assert "log-0.db: The log is odd." in error
    assert "Left out 1 logs or scenarios" in error
    assert "holds 1 logs" in printed


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--rig", "nuplan8"), "No rig named 'nuplan8'. Did you mean 'nuplan_8'"),
        (("--rig", "absent.json"), "There is no rig file absent.json"),
        (("--appearance", "nigth"), "Did you mean 'night'"),
        (("--limit", "0"), "--limit must be at least 1"),
    ],
)
def test_wrong_arguments_are_a_sentence(world, call, tmp_path, words, sentence):
    code, _, error = call("--data", world, "--output", tmp_path / "seen", *words)
    assert code == 1
    assert sentence in error
    assert list(tmp_path.iterdir()) == []


def test_a_limit_and_a_rig_file_hold_for_the_images(world, call, tmp_path, repository):
    rig = tmp_path / "rig.json"
    rig.write_text(
        '{"cameras": [{"name": "front", "size": [48, 27], "K": [[40, 0, 24], [0, 40, 13], [0, 0, 1]],'
        ' "D": [0, 0, 0, 0], "rotation": [[0, 0, 1], [-1, 0, 0], [0, -1, 0]], "translation": [1.6, 0, 1.5]}]}'
    )
    output = tmp_path / "seen"
    code, printed, _ = call("--data", world, "--output", output, "--rig", rig, "--limit", 1, "--every-steps", 75)
    assert code == 0
    assert "Rendered 3 images of 1 scenarios" in printed
    (entry,) = list_scenarios(DataRoot.find(output))
    assert open_scenario(entry).cameras.rig.names == ("front",)
