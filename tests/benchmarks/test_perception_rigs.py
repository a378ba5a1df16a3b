"""IoU on other rigs."""

import importlib
from pathlib import Path

import pytest
from small_perception import small_network

from driving.nuplan.writer import write_world
from driving.synthetic.scenes import SCENES
from perception.checkpoint import Checkpoint

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def test_tables_hold_rigs_faults_and_errors_beside_their_controls(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    script = importlib.import_module("perception_rigs")
    write_world([SCENES["queue"]()], tmp_path / "world")
    Checkpoint(network=small_network()).save(tmp_path / "network")
    script.main(script.Arguments(checkpoint=tmp_path / "network", data=(tmp_path / "world",), states=1, quiet=True))
    printed = capsys.readouterr().out
    assert len(script.other_rigs()) == 5
    for name in (*script.other_rigs(), "CAM_BACK missing", "CAM_BACK black, not reported", "height error 0.3 m"):
        assert name in printed
    assert printed.count("calibration of the training rig") == 3


def test_missing_data_is_a_sentence(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    script = importlib.import_module("perception_rigs")
    with pytest.raises(ValueError, match="Name at least one data root"):
        script.main(script.Arguments(checkpoint=tmp_path, quiet=True))
