import html
import logging
import sqlite3

import pytest
from benchmark_runs import run

from driving.nuplan.writer import write_world
from driving.synthetic.scenes import SCENES
from simulation.benchmark.data_warnings import collected_warnings


def test_warnings_of_the_readers_are_collected(caplog):
    lines = []
    with collected_warnings(lines):
        logging.getLogger("driving.nuplan.maps").warning("%s of %d", "one", 2)
        logging.getLogger("driving.nuplan.maps").info("not a warning")
        logging.getLogger("planning").warning("another package")
    logging.getLogger("driving.nuplan.maps").warning("later")
    assert lines == ["one of 2"]
    assert [record.getMessage() for record in caplog.records] == ["another package", "later"]


def test_collected_warnings_are_logged_too_on_request(caplog):
    lines = []
    with collected_warnings(lines, propagate=True):
        logging.getLogger("driving").warning("a line")
    assert lines == [record.getMessage() for record in caplog.records] == ["a line"]


@pytest.mark.parametrize("backend", ["serial", "process", "ray"])
def test_each_line_of_the_workers_is_logged_once(tmp_path, caplog, backend):
    world = tmp_path / "world"
    (log,) = write_world([SCENES["queue"]()], world, fill_locations=False)
    with sqlite3.connect(next(world.glob("maps/*/*/map.gpkg"))) as connection:
        connection.execute("INSERT INTO carpark_areas (fid) VALUES (90000)")
    with sqlite3.connect(log) as connection:
        connection.execute("UPDATE lidar_box SET height = NULL")
        connection.execute("UPDATE track SET category_token = x'00' WHERE rowid = 3")
    with caplog.at_level(logging.WARNING):
        report = run(world, tmp_path / "out", traffic=("nonreactive", "reactive"), backend=backend, workers=1)
    lines = [record.getMessage() for record in caplog.records]
    for part in (
        "`carpark_areas`: no usable polygon (fid 90000)",
        "boxes have no height",
        "table `track`: rows have",
    ):
        assert sum(part in line for line in lines) == 1
        assert sum(part in line for line in report.data_warnings) == 1
    summary, page = (tmp_path / "out" / "summary.md").read_text(), (tmp_path / "out" / "report.html").read_text()
    for line in report.data_warnings:
        assert f"- {line}" in summary
        assert f"<li>{html.escape(line)}</li>" in page
