import json

import numpy as np
import pytest

from simulation.metrics.nuplan.drive import drive_of
from simulation.viewer.server import Viewer
from simulation.viewer.sources import open_sources
from simulation.viewer.why import centerline_distance_m, explain


@pytest.fixture(scope="module")
def source(results):
    return open_sources([results], None, None)[0]


def test_scores_and_sentences_are_those_of_the_benchmark(source):
    for row in source.rows():
        why = explain(source.log(row.key), source.scenario(row.key))
        assert why["score"] == row.score
        lost = {metric["name"] for metric in why["metrics"] if metric["violations"] and metric["scored"]}
        assert lost == {name for name in row.sentences if name in why["multipliers"] or name in why["weights"]}


def test_curves_carry_their_bounds_and_are_plain_json(source):
    row = source.rows()[0]
    why = explain(source.log(row.key), source.scenario(row.key))
    curves = {curve["name"]: curve for curve in json.loads(json.dumps(why, allow_nan=False))["curves"]}
    assert (curves["ego_lon_acceleration"]["low"], curves["ego_lon_acceleration"]["high"]) == (-4.05, 2.40)
    assert curves["time_to_collision"]["low"] == 0.95
    assert [series["label"] for series in curves["speed"]["series"]] == ["speed", "limit"]
    for curve in curves.values():
        assert all(len(series["values"]) == len(curve["time_s"]) == 150 for series in curve["series"])


def test_the_distance_to_the_centerline_is_that_of_the_lane(source):
    row = next(row for row in source.rows() if row.planner == "log_future")
    drive = drive_of(source.log(row.key), source.scenario(row.key))
    distance = centerline_distance_m(drive)
    assert np.isfinite(distance).any()
    assert np.nanmax(np.abs(distance)) < 5.0


def test_without_its_scenario_a_drive_still_has_curves(source, results, tmp_path):
    import shutil

    folder = tmp_path / "alone"
    shutil.copytree(results, folder)
    (folder / "run.json").unlink()
    alone = open_sources([folder], None, None)[0]
    viewer = Viewer([alone])
    answer = json.loads(viewer.why("alone", alone.rows()[0].key))
    assert "Name it by --data" in answer["missing"]
    assert [curve["name"] for curve in answer["curves"]] == [
        "speed",
        "ego_lon_acceleration",
        "ego_lat_acceleration",
        "planning_time",
    ]
