"""Time of one run of a perception network."""

import importlib
from pathlib import Path

import pytest
from small_perception import small_network

from perception.checkpoint import Checkpoint

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def test_torch_and_onnxruntime_stand_side_by_side(tmp_path, monkeypatch, capsys):
    pytest.importorskip("onnx", reason="needs the extra onnx")
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    script = importlib.import_module("perception_speed")
    Checkpoint(network=small_network()).save(tmp_path / "network")
    script.main(script.Arguments(checkpoint=tmp_path / "network", repeats=2, quiet=True))
    printed = capsys.readouterr().out
    for name in ("torch, as trained", "torch, folded", "torch, of the perceiver", "onnxruntime", "one thread"):
        assert name in printed


def test_the_runs_take_turns_and_the_first_turn_does_not_count(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    script = importlib.import_module("perception_speed")
    calls = []
    seconds = script.taken_in_turns({name: lambda name=name: calls.append(name) for name in ("a", "b")}, 3)
    assert calls == ["a", "b"] * 4
    assert {name: len(values) for name, values in seconds.items()} == {"a": 3, "b": 3}
