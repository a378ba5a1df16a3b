import json
import shutil

import pytest

from simulation.benchmark.store import ResultStore
from simulation.log import SimulationLog
from simulation.viewer.rows import RowReader


@pytest.fixture
def copy(results, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(results, folder)
    return ResultStore(folder)


def rows_by_key(store):
    return {row.key: row for row in RowReader(store).read()}


def a_key(store, planner="simple"):
    return sorted(path.stem for path in store.rows_folder.glob(f"{planner}.*"))[0]


def test_rows_say_what_the_benchmark_found(copy):
    rows = rows_by_key(copy)
    assert len(rows) == 6
    for result in copy.read_all():
        row = rows[f"{result.planner}.{result.traffic}.{result.scenario}"]
        assert (row.score, row.metrics, row.sentences) == (result.score, result.metrics, result.sentences)
        assert row.status == "succeeded"
        assert row.has_log


def test_a_second_reading_gives_the_same_and_notices_changes(copy):
    reader = RowReader(copy)
    first = reader.read()
    assert RowReader(copy).read() == first
    copy.remove(a_key(copy))
    assert len(reader.read()) == len(first) - 1


def test_a_log_cut_off_is_an_error_row(copy):
    key = a_key(copy)
    content = copy.log_file(key).read_bytes()
    copy.log_file(key).write_bytes(content[:-100])
    row = rows_by_key(copy)[key]
    assert row.status == "damaged"
    assert not row.has_log
    assert "is damaged: it holds" in row.reason


def test_a_log_of_a_newer_version_says_so(copy):
    key = a_key(copy)
    content = copy.log_file(key).read_bytes()
    copy.log_file(key).write_bytes(content.replace(b'"format_version":1', b'"format_version":9', 1))
    assert "has format version 9" in rows_by_key(copy)[key].reason


def test_a_lost_log_leaves_its_scores(copy):
    key = a_key(copy)
    copy.log_file(key).unlink()
    row = rows_by_key(copy)[key]
    assert row.score is not None
    assert not row.has_log
    assert "not in the folder logs/" in row.reason


def test_a_log_without_a_score_can_be_replayed(copy):
    key = a_key(copy)
    (copy.rows_folder / f"{key}.parquet").unlink()
    row = rows_by_key(copy)[key]
    assert row.status == "unscored"
    assert row.has_log
    assert row.planner == SimulationLog.load(copy.log_file(key)).planner_name


@pytest.mark.parametrize("content", [b"", b"PAR1 something else", json.dumps({}).encode()])
def test_a_damaged_row_is_an_error_row(copy, content):
    key = a_key(copy)
    (copy.rows_folder / f"{key}.parquet").write_bytes(content)
    row = rows_by_key(copy)[key]
    assert row.status == "damaged"
    assert "is damaged" in row.reason
    assert (row.planner, row.traffic) == ("simple", "nonreactive")
