"""Closed-loop drives on perceived agents."""

import importlib
from dataclasses import replace
from pathlib import Path

import pytest
from small_perception import small_network

from driving.nuplan.writer import write_world
from driving.synthetic.scenes import SCENES, scene
from perception.checkpoint import Checkpoint
from planning.perceived import PerceivedPlanner
from planning.registry import load_planner
from simulation.metrics.score import score_simulation
from simulation.rollout import run_rollout

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("camera_drives")


def short(scenario, num_frames):
    return replace(scenario, num_frames=num_frames)


def test_the_table_holds_the_planner_beside_its_controls(script, tmp_path, monkeypatch, capsys):
    write_world([SCENES["queue"]()], tmp_path / "world")
    Checkpoint(network=small_network()).save(tmp_path / "network")
    whole = script.opened
    monkeypatch.setattr(script, "opened", lambda arguments: [short(one, 12) for one in whole(arguments)])
    arguments = script.Arguments(
        data=(tmp_path / "world",), planner=("constant_velocity",), checkpoint=tmp_path / "network", quiet=True
    )
    script.main(arguments)
    printed = capsys.readouterr().out
    for name in ("perceived:constant_velocity", "constant_velocity, true agents", "constant_velocity, no agents"):
        assert name in printed


def test_a_collision_is_explained(script):
    scenario = scene("queue")
    planner = script.RecordedPerception(
        PerceivedPlanner(load_planner("constant_velocity"), small_network(), every_s=2.0)
    )
    log = run_rollout(scenario, planner)
    collisions = score_simulation(log, scenario).metrics["no_ego_at_fault_collisions"].violations
    assert collisions
    lines = [script.explained(scenario, log, planner, one) for one in collisions]
    assert all("visible since" in line and "perceived in" in line for line in lines)
