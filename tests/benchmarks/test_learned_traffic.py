"""Measures of learned traffic."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from driving.synthetic.scenes import scene
from simulation.realism.rollouts import KINEMATICS, rollout_statistics

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("learned_traffic")


@pytest.fixture(scope="module")
def junction():
    return scene("t_junction")


def test_the_log_is_driven_with_the_ego_first(script, junction):
    tracks = script.driven(junction, script.LOG, 40)
    assert tracks.track_ids[0] == "ego"
    assert tracks.num_steps == 41
    np.testing.assert_array_equal(tracks.poses[0], junction.ego.center_poses()[0, junction.first_frame :][:41])
    assert tracks.valid[:, 0].all()


def test_constant_velocity_keeps_the_first_speed(script, junction):
    tracks = script.driven(junction, script.CONSTANT_VELOCITY, 10)
    logged = script.driven(junction, script.LOG, 10)
    steps = np.diff(tracks.poses[1:, :, :2], axis=1)
    np.testing.assert_allclose(np.hypot(*np.moveaxis(steps, -1, 0)).std(axis=1), 0.0, atol=1e-9)
    np.testing.assert_array_equal(tracks.poses[1:, 0], logged.poses[1:, 0])


def test_only_steps_of_the_log_count(script, junction):
    logged = script.driven(junction, script.LOG, 60)
    found = script.driven(junction, "reactive", 60)
    rows = [logged.track_ids.index(track) for track in found.track_ids]
    assert not (found.valid & ~logged.valid[rows]).any()


def test_the_log_is_likelier_than_constant_velocity(script, junction):
    log, straight = (script.likelihoods(junction, kind, 4) for kind in (script.LOG, script.CONSTANT_VELOCITY))
    assert set(log) == set(KINEMATICS)
    for name in ("speed", "acceleration"):
        expected = (4 + script.PSEUDO_COUNT) / (4 + script.PSEUDO_COUNT * script._num_bins(name))
        np.testing.assert_allclose(log[name], expected)
    assert np.mean(straight["yaw_rate"]) < np.mean(log["yaw_rate"])


def test_tables_have_a_row_per_kind_of_traffic(script, junction):
    table = script.realism_table("here", [junction], ("reactive",), 1)
    assert [row[0] for row in table.rows] == ["log", "constant velocity", "reactive"]
    assert table.rows[0][1] == "0.0000"
    assert script.speed_table("here", [junction], ("reactive",)).rows == []
    assert script.speed_table("here", [junction], ("mixed:vehicle=idm",)).rows[0][0] == "mixed:vehicle=idm"


def test_series_are_the_samples_of_the_statistics(script, junction):
    tracks = script.driven(junction, script.LOG, 40)
    series = script.agent_series(tracks, junction.map)
    samples = rollout_statistics(tracks, junction.map).samples
    for name, values in series.items():
        assert np.isfinite(values).sum() == len(samples[name])


def test_a_folder_without_recordings_is_refused(script, tmp_path):
    with pytest.raises(FileNotFoundError, match="holds none of argoverse2/sensor, nuscenes_mini"):
        list(script.recorded_scenarios(tmp_path))
