"""Comparison of generated maps with nuPlan's devkit, without the devkit."""

import importlib
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("devkit_maps")


def test_nothing_is_compared_without_the_devkit(script, monkeypatch, capsys):
    monkeypatch.setattr(script.importlib.util, "find_spec", lambda name: None)
    script.main(script.Arguments(plans=1, quiet=True))
    assert "Skipped: nuPlan's devkit is not on the PYTHONPATH" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("lanes", "length_m", "equal"), [((4.0, 4.0), (0.0, 0.0005), True), ((4.0, 3.0), (0.0, 0.0), False)]
)
def test_maps_are_equal_up_to_a_small_error_of_lengths(script, lanes, length_m, equal):
    row = {"lane": lanes, "length error in m": length_m}
    assert script.is_equal(row) is equal
    assert script.table([row, row]).row_count == 2
