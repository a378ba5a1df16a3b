"""Perception on real frames."""

import importlib
from pathlib import Path

import numpy as np
import pytest
from small_perception import small_network

from perception.checkpoint import Checkpoint

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("real_images")


def test_the_table_holds_both_recordings_before_and_after_adaptation(script, recorded_data, tmp_path, capsys):
    Checkpoint(network=small_network()).save(tmp_path)
    script.main(script.Arguments(checkpoint=tmp_path, recordings=recorded_data, quiet=True))
    printed = capsys.readouterr().out
    for words in ("as trained", "2 nuScenes", "6 DGP", "statistics of 54 real images, share 0.5"):
        assert words in printed


def test_boxes_stand_on_the_road_of_the_frame(script, recorded_data):
    frames = script.nuscenes_frames(recorded_data / "nuscenes_mini") + script.dgp_frames(recorded_data / "tri_dgp")
    assert [len(frame.images) for frame in frames] == [6, 6, 3, 3, 3, 6, 6, 6]
    for frame in frames:
        heights = frame.rig.ego_from_camera[:, 2, 3]
        assert np.all((heights > 1.2) & (heights < 2.2)), frame.name
        assert len(frame.poses) > 5
