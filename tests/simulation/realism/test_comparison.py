import json
import re

import numpy as np
import pytest

from driving.synthetic.scenes import scene
from simulation.realism.comparison import CONSTANT_VELOCITY, FLOOR, HELD_OUT, Row, compare, means
from simulation.realism.controls import CONTROLS
from simulation.realism.page import html_page, number
from simulation.realism.sources import measure


@pytest.fixture(scope="module")
def comparison():
    recorded = measure(iter([scene("queue"), scene("red_light"), scene("cut_in")]), every_s=3.0)
    towns = measure(iter([scene("parked_car")]), every_s=3.0)
    return compare(recorded, {"towns": towns}, {"paste": CONTROLS["paste"]}, folds=3, seed=0)


def test_each_kind_is_compared_with_each_fold(comparison):
    assert len(comparison.folds) == 3
    assert [row.kind for row in comparison.scenes if row.fold == 0] == ["towns", FLOOR, "paste"]
    assert [row.kind for row in comparison.rollouts if row.fold == 2] == ["towns", FLOOR, CONSTANT_VELOCITY, "log"]
    assert [row.kind for row in comparison.maps if row.fold == 1] == ["towns", FLOOR]
    assert len(comparison.scenes) == 9
    assert set(comparison.scene_samples) == {HELD_OUT, "towns", "paste"}


def test_the_log_has_no_divergence_from_itself(comparison):
    log = next(row for row in comparison.rollouts if row.kind == "log")
    assert log.values["mean"] == 0.0


def test_means_are_over_the_folds():
    rows = [Row(kind=kind, fold=fold, values={"six": value}) for kind, fold, value in (("a", 0, 1.0), ("a", 1, 3.0))]
    assert means(rows) == [Row(kind="a", fold=-1, values={"six": 2.0})]


def test_the_page_holds_all_tables_and_needs_no_network(comparison):
    run = {"command": "realism.py --data <worlds>", "commit": "abc"}
    page = html_page(comparison, run)
    assert "&lt;worlds&gt;" in page
    assert re.findall(r"<h2>(\w+)</h2>", page) == ["Scenes", "Motion", "Maps", "Folds"]
    assert page.count("data:image/png;base64,") == 3
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    for kind in (FLOOR, "towns", "paste", CONSTANT_VELOCITY):
        assert kind in page
    json.dumps([dict(row.values) for row in comparison.scenes])


def test_numbers_are_short():
    assert [number(value) for value in (0.12345, 112.0, 2.5, float("nan"), 16.0)] == [
        "0.123",
        "112",
        "2.500",
        "-",
        "16",
    ]
    assert number(float(np.float64(0.0))) == "0.000"
