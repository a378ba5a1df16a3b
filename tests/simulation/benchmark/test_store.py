"""The results folder: what is stored comes back, whatever characters it holds; damaged rows are named."""

from dataclasses import replace

import pytest

from simulation.benchmark.jobs import JobResult
from simulation.benchmark.store import ResultStore, storable

RESULT = JobResult(
    planner="a|b [red] %",
    scenario="00000000000000ab",
    log_name="log\n1",
    scenario_type="ünknown",
    traffic="reactive",
    status="succeeded",
    score=0.25,
    metrics={"ego_is_comfortable": 0.5, "ego_mean_speed": None},
    sentences={"ego_is_comfortable": "too harsh | at 3 s"},
    violation_times_s={"ego_is_comfortable": 3.0},
    violation_tracks={"no_ego_at_fault_collisions": "track"},
    stage_time_s={"total": 0.125},
    worker_pid=7,
    memory_mib=1.5,
    log_bytes=b"log",
)


@pytest.fixture
def store(tmp_path):
    made = ResultStore(tmp_path / "results")
    made.create({"settings": {}})
    return made


def test_a_result_comes_back_as_it_was_stored(store):
    store.write("key", RESULT)
    assert store.finished() == {"key"}
    assert store.read("key") == replace(RESULT, log_bytes=None)
    assert store.log_file("key").read_bytes() == b"log"
    assert store.read_all() == [store.read("key")]


def test_a_row_that_a_killed_process_left_half_written_is_not_finished(store):
    store.write("key", RESULT)
    (store.rows_folder / ".other.parquet.x1y2.parquet").write_bytes(b"PAR1")
    assert store.finished() == {"key"}
    assert store.read_all() == [store.read("key")]


def test_a_removed_job_is_not_finished(store):
    store.write("key", RESULT)
    store.remove("key")
    store.remove("key")
    assert store.finished() == set()
    assert not store.log_file("key").exists()


def test_text_that_no_file_can_hold_is_escaped(store):
    store.write("key", replace(RESULT, reason="bad \ud800 name", sentences={"a": "\udcff"}))
    read = store.read("key")
    assert (read.reason, read.sentences) == ("bad \\ud800 name", {"a": "\\udcff"})
    assert storable("plain ü 𝛼 [red]\n") == "plain ü 𝛼 [red]\n"


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no parquet at all"])
def test_a_damaged_row_is_named(store, content):
    store.write("key", RESULT)
    path = store.rows_folder / "key.parquet"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"key\.parquet is damaged .*Delete it and continue the run with --resume"):
        store.read_all()


def test_a_folder_without_a_run_is_named(tmp_path, store):
    with pytest.raises(FileNotFoundError, match=r"holds no benchmark results: there is no run\.json"):
        ResultStore(tmp_path).read_run()
    with pytest.raises(FileExistsError, match=r"holds a run already\. Continue it with --resume"):
        store.create({})
