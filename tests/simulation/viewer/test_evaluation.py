import json
import shutil

import numpy as np
import pytest

from simulation.metrics.nuplan.drive import drive_of
from simulation.viewer.evaluation import centerline_distance_m, evaluate
from simulation.viewer.server import Viewer
from simulation.viewer.sources import open_sources


@pytest.fixture(scope="module")
def source(results):
    return open_sources([results], None, None)[0]


def test_scores_and_sentences_are_those_of_the_benchmark(source):
    for row in source.rows():
        evaluation = evaluate(source.log(row.key), source.scenario(row.key))
        assert evaluation["score"] == row.score
        lost = {metric["name"] for metric in evaluation["metrics"] if metric["violations"] and metric["scored"]}
        assert lost == {
            name for name in row.sentences if name in evaluation["multipliers"] or name in evaluation["weights"]
        }


def test_curves_contain_their_bounds_and_are_valid_json(source):
    row = source.rows()[0]
    evaluation = evaluate(source.log(row.key), source.scenario(row.key))
    curves = {curve["name"]: curve for curve in json.loads(json.dumps(evaluation, allow_nan=False))["curves"]}
    assert (curves["ego_lon_acceleration"]["low"], curves["ego_lon_acceleration"]["high"]) == (-4.05, 2.40)
    assert curves["time_to_collision"]["low"] == 0.95
    assert [series["label"] for series in curves["speed"]["series"]] == ["speed", "limit"]
    for curve in curves.values():
        assert all(len(series["values"]) == len(curve["time_s"]) == 150 for series in curve["series"])


def test_the_centerline_distance_of_the_logged_ego_is_below_a_lane_width(source):
    row = next(row for row in source.rows() if row.planner == "log_future")
    drive = drive_of(source.log(row.key), source.scenario(row.key))
    distance = centerline_distance_m(drive)
    assert np.isfinite(distance).any()
    assert np.nanmax(np.abs(distance)) < 5.0


def test_a_drive_without_its_scenario_has_curves_of_its_motion(source, results, tmp_path):
    folder = tmp_path / "alone"
    shutil.copytree(results, folder)
    (folder / "run.json").unlink()
    alone = open_sources([folder], None, None)[0]
    viewer = Viewer([alone])
    answer = json.loads(viewer.evaluation("alone", alone.rows()[0].key))
    assert "Name it by --data" in answer["missing"]
    assert [curve["name"] for curve in answer["curves"]] == [
        "speed",
        "ego_lon_acceleration",
        "ego_lat_acceleration",
        "planning_time",
    ]
