"""Scores of a perception network."""

import importlib
from pathlib import Path

import pytest
from small_perception import small_network

from driving.nuplan.writer import write_world
from driving.synthetic.scenes import SCENES
from perception.checkpoint import Checkpoint

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    script = importlib.import_module("perception_scores")
    monkeypatch.setattr(script, "MEAN_MAP_STATES", 2)
    return script


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("made")
    write_world([SCENES["queue"]()], made / "world")
    Checkpoint(network=small_network()).save(made / "network")
    return made


def test_tables_have_all_classes_beside_their_control(script, folder, capsys):
    words = {"past": "shuffled", "shuffle_images": True}
    script.main(
        script.Arguments(checkpoint=folder / "network", data=(folder / "world",), states=2, quiet=True, **words)
    )
    printed = capsys.readouterr().out
    for name in ("vehicle", "person", "drivable", "lane_line", "crosswalk", "mean map", "pedestrian", "standing"):
        assert name in printed
    assert "'past': 'shuffled'" in printed


def test_unknown_cameras_and_missing_data_are_sentences(script, folder):
    arguments = {"checkpoint": folder / "network", "quiet": True}
    with pytest.raises(ValueError, match="Name at least one data root"):
        script.main(script.Arguments(**arguments))
