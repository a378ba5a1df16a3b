import json
import shutil

import pytest

from simulation.benchmark.store import ResultStore
from simulation.log import SimulationLog
from simulation.viewer.rows import DriveRow, RowReader


@pytest.fixture
def store(results, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(results, folder)
    return ResultStore(folder)


def rows_by_key(store):
    return {row.key: row for row in RowReader(store).read()}


def a_key(store, planner="simple"):
    return sorted(path.stem for path in store.rows_folder.glob(f"{planner}.*"))[0]


def test_rows_hold_the_results_of_the_benchmark(store):
    rows = rows_by_key(store)
    assert len(rows) == 6
    for result in store.read_all():
        row = rows[f"{result.planner}.{result.traffic}.{result.scenario}"]
        assert (row.score, row.metrics, row.sentences) == (result.score, result.metrics, result.sentences)
        assert row.status == "succeeded"
        assert row.has_log


def test_a_second_reading_is_equal_and_detects_changes(store):
    reader = RowReader(store)
    first = reader.read()
    assert RowReader(store).read() == first
    store.remove(a_key(store))
    assert len(reader.read()) == len(first) - 1


def test_a_truncated_log_is_an_error_row(store):
    key = a_key(store)
    content = store.log_file(key).read_bytes()
    store.log_file(key).write_bytes(content[:-100])
    row = rows_by_key(store)[key]
    assert row.status == "damaged"
    assert not row.has_log
    assert "is damaged: it holds" in row.reason


def test_a_log_of_a_newer_version_is_reported(store):
    key = a_key(store)
    content = store.log_file(key).read_bytes()
    store.log_file(key).write_bytes(content.replace(b'"format_version":1', b'"format_version":9', 1))
    assert "has format version 9" in rows_by_key(store)[key].reason


def test_a_drive_without_its_log_keeps_its_scores(store):
    key = a_key(store)
    store.log_file(key).unlink()
    row = rows_by_key(store)[key]
    assert row.score is not None
    assert not row.has_log
    assert "not in the folder logs/" in row.reason


def test_a_log_without_a_score_can_be_replayed(store):
    key = a_key(store)
    (store.rows_folder / f"{key}.parquet").unlink()
    row = rows_by_key(store)[key]
    assert row.status == "unscored"
    assert row.has_log
    assert row.planner == SimulationLog.load(store.log_file(key)).planner_name


@pytest.mark.parametrize("content", [b"", b"PAR1 something else", json.dumps({}).encode()])
def test_a_damaged_row_is_an_error_row(store, content):
    key = a_key(store)
    (store.rows_folder / f"{key}.parquet").write_bytes(content)
    row = rows_by_key(store)[key]
    assert row.status == "damaged"
    assert "is damaged" in row.reason
    assert (row.planner, row.traffic) == ("simple", "nonreactive")


def row(**fields):
    return DriveRow(key="key", scenario="token", scenario_type="type", log_name="log", **fields)


def test_the_worst_drives_come_first():
    rows = [
        row(status="damaged", score=1.0),
        row(status="failed"),
        row(score=0.0),
        row(score=0.7),
        row(score=1.0),
        row(status="unscored"),
    ]
    shuffled = [rows[index] for index in (3, 5, 0, 4, 2, 1)]
    assert sorted(shuffled, key=lambda one: one.sort_score) == rows


def test_a_score_that_is_not_a_number_counts_as_no_score():
    assert row(score=float("nan")).sort_score == row(status="logged").sort_score
