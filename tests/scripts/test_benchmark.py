"""The command as a user calls it: in a process of its own, without the type checks of the test run."""

import importlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios
from driving.nuplan.writer import write_world
from driving.rig_files import write_rig
from driving.rigs import RIGS
from driving.synthetic.scenes import SCENES
from planning.registry import PLANNERS

USERS_PLANNERS = """
import numpy as np
from driving import Trajectory


class XY:
    name = "xy"

    def reset(self, map, route):
        pass

    def plan(self, observation):
        time_s = np.arange(0.0, 4.1, 0.5)
        return Trajectory(time_s=time_s, poses=np.tile(observation.ego_now.rear_axle_pose[:2], (len(time_s), 1)))


class Lists(XY):
    def plan(self, observation):
        pose = observation.ego_now.rear_axle_pose.tolist()
        return Trajectory(time_s=[0.0, 1.0], poses=[pose, pose])


class NeedsCheckpoint(XY):
    def __init__(self, checkpoint):
        self.checkpoint = checkpoint

    def plan(self, observation):
        poses = np.tile(observation.ego_now.rear_axle_pose, (3, 1))
        return Trajectory(time_s=np.array([0.0, 1.0, 2.0]), poses=poses)


class Raises(XY):
    def __init__(self):
        raise RuntimeError("[red]no weights[/red] at 100%")
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_world([SCENES["queue"](), SCENES["straight_road"]()], folder)
    (folder / "users_planners.py").write_text(USERS_PLANNERS)
    return folder


@pytest.fixture
def call(repository, world):
    """Run the command in the folder of the data; returns exit code, standard output and errors."""

    def run(*words):
        environment = {**os.environ, "PYTHONPATH": str(repository), "COLUMNS": "400"}
        command = [sys.executable, str(repository / "scripts" / "benchmark.py"), *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=world, env=environment, check=False)
        return done.returncode, done.stdout, done.stderr

    return run


def options(world, output, *planners):
    named = [word for planner in planners for word in ("--planner", planner)]
    return ["--data", world, "--output", output, "--no-probes", "--backend", "serial", *named]


def test_the_help_lists_all_planners(call):
    code, out, _ = call("--help")
    assert code == 0
    text = " ".join(out.split())
    assert f"Planners: {', '.join(PLANNERS)}, `student:DIR`" in text
    assert "Exit code: 0 when everything requested was driven" in text


def test_plans_of_wrong_shapes_and_types_fail_with_a_sentence(call, world, tmp_path):
    code, out, _ = call(*options(world, tmp_path / "r", "users_planners:XY", "users_planners:Lists"), "--limit", 1)
    assert code == 0
    assert "Trajectory.poses must be a float64 NumPy array of shape (time, 3: x, y, heading), got shape (9, 2)" in out
    assert "TypeError: Trajectory.time_s must be a float64 NumPy array of shape (time), got a list." in out


def test_a_planner_gets_its_arguments(call, world, tmp_path):
    name = "users_planners:NeedsCheckpoint"
    code, _, err = call(*options(world, tmp_path / "r", name))
    assert code == 1
    assert err.strip() == f"Error: ValueError: Planner {name} needs checkpoint: give --planner-arg checkpoint=VALUE."
    words = [*options(world, tmp_path / "r", name, "idm"), "--limit", 1]
    code, _, _ = call(*words, "--planner-arg", "checkpoint=a b.pt")
    assert code == 0
    run = json.loads((tmp_path / "r" / "run.json").read_text())
    assert run["settings"]["planner_arguments"] == {name: ["checkpoint=a b.pt"]}
    code, _, err = call(*words, "--planner-arg", "chekpoint=x")
    assert code == 1
    assert "no planner of this run takes it" in err
    assert "Did you mean 'checkpoint'" in err


def test_a_constructor_that_raises_is_reported_in_a_sentence(call, world, tmp_path):
    code, _, err = call(*options(world, tmp_path / "r", "users_planners:Raises"))
    assert code == 1
    assert "cannot be made: RuntimeError: [red]no weights[/red] at 100%" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--limit", "0"), "wrong settings: limit = 0: Input should be greater than or equal to 1."),
        (("--batch", "0"), "wrong settings: batch = 0: Input should be greater than or equal to 1."),
        (("--planner-arg", "x"), "--planner-arg takes NAME=VALUE or PLANNER.NAME=VALUE, got 'x'."),
        (("--planner", ""), "No planner named ''. Did you mean"),
        (("--gpus-per-worker", "0.5"), "1 workers with 0.5 GPU each need 1 GPUs, this machine has 0."),
    ],
)
def test_wrong_options_are_reported_in_a_sentence(call, world, tmp_path, words, sentence):
    code, _, err = call(*options(world, tmp_path / "r", "idm"), *words)
    assert code == 1
    assert sentence in err
    assert "Traceback" not in err


def test_missing_tokens_and_unreadable_logs_are_printed_and_counted(call, tmp_path):
    world = tmp_path / "world"
    write_world([SCENES["queue"](), SCENES["straight_road"]()], world)
    entries = list_scenarios(DataRoot.find(world))
    log = Path(entries[0].log_file)
    log.write_bytes(log.read_bytes()[:50_000])
    tokens = [*(entry.token for entry in entries), "00000000000000ab"]
    chosen = tmp_path / "filter.yaml"
    chosen.write_text(f"scenario_tokens: {tokens}\n")
    code, out, _ = call(*options(world, tmp_path / "r", "stand_still"), "--filter", chosen)
    assert code == 3
    assert "2 of 3 tokens are not in the data" in out
    assert "1 log cannot be read (left out):" in out
    assert f"{log} is truncated" in out


def test_odd_characters_are_printed_as_they_are(call, tmp_path):
    world = tmp_path / "[red] ü|% :car:"
    write_world([SCENES["straight_road"]()], world)
    code, out, _ = call(*options(world, world / "r", "stand_still"))
    assert code == 0
    assert f"Report: {world / 'r' / 'report.html'}" in out


def test_options_of_cameras_name_rig_size_appearance_and_faults(repository, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(repository / "scripts"))
    script = importlib.import_module("benchmark")
    write_rig(RIGS["nuscenes_6"].shifted(yaw_rad=0.02), tmp_path / "calibration.json")
    arguments = script.Arguments(
        data=tmp_path,
        output=tmp_path,
        cameras="nuscenes_6",
        camera_calibration=tmp_path / "calibration.json",
        appearance="fog",
        camera_fault=("CAM_BACK:black:2-6",),
    )
    options = script.camera_options(arguments)
    assert options.rig.image_sizes.tolist() == 6 * [[480, 270]]
    assert options.calibration.image_sizes.tolist() == 6 * [[480, 270]]
    assert (options.appearance, [str(fault) for fault in options.faults]) == ("fog", ["CAM_BACK:black:2-6"])
    large = script.camera_options(replace(arguments, camera_size=(800, 450), camera_calibration=None))
    assert large.rig.image_sizes.tolist() == 6 * [[800, 450]]
    with pytest.raises(ValueError, match="--camera-size needs a rig"):
        script.camera_options(replace(arguments, cameras=None, camera_size=(800, 450)))
