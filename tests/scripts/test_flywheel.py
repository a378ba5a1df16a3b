import importlib
from pathlib import Path

import pytest

from distill.flywheel.config import MIX
from distill.flywheel.results import FlywheelResult, SetScore


@pytest.fixture
def flywheel(repository, monkeypatch):
    monkeypatch.syspath_prepend(str(repository / "scripts"))
    return importlib.import_module("flywheel")


@pytest.mark.parametrize(("given", "expected"), [((), MIX), ((0.6, 0.2), (0.6, 0.2))])
def test_the_shares_of_the_command_line_replace_the_default(flywheel, monkeypatch, capsys, tmp_path, given, expected):
    found = []

    def run_flywheel(config, _report, _on_round):
        found.append(config)
        score = SetScore(name="towns")
        return FlywheelResult(rounds=(), student=tmp_path, before=(score,), after=(score,), seconds=0.0)

    monkeypatch.setattr(flywheel, "run_flywheel", run_flywheel)
    monkeypatch.chdir(tmp_path)
    flywheel.main(flywheel.Arguments(data=(Path("worlds"),), mix=given, output=Path("out")))
    (config,) = found
    assert config.mix == expected
    assert config.data == (tmp_path / "worlds",)
    assert "towns: 0 -> 0 failures of 0" in capsys.readouterr().out
    assert (tmp_path / "out" / "index.html").is_file()
