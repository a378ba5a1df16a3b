"""Jobs form chunks of scenarios and batches of planners; a worker stays with its chunk."""

from dataclasses import replace

import pytest

from driving.nuplan.entries import ScenarioEntry
from simulation.benchmark.schedule import Batch, WorkQueue, batches_of, chunks_of_jobs


def entries(count):
    """In the order of tokens; the logs are in the opposite order."""
    return [
        ScenarioEntry(
            token=f"{number:016x}",
            scenario_type="unknown",
            log_name=f"log{number}",
            map_name="map",
            log_file=f"{count - number:03d}.db",
            maps_root="maps",
            sensor_root="blobs",
            time_us=0,
        )
        for number in range(count)
    ]


def numbers(batch):
    return [int(job.entry.token, 16) for job in batch.jobs]


def test_all_planners_and_traffic_of_a_scenario_follow_each_other():
    chunks = chunks_of_jobs(entries(3), {"a": 1, "b": 1}, {}, ("nonreactive", "reactive"), seed=0)
    assert [len(chunk) for chunk in chunks] == [4, 4, 4]
    assert [(job.planner, job.traffic) for job in chunks[0]] == [
        *(("a", "nonreactive"), ("a", "reactive"), ("b", "nonreactive"), ("b", "reactive"))
    ]
    assert [int(chunk[0].entry.token, 16) for chunk in chunks] == [2, 1, 0]


def test_a_chunk_holds_as_many_scenarios_as_the_largest_batch():
    sizes = {"single": 1, "batched": 4}
    chunks = chunks_of_jobs(entries(6), sizes, {}, ("nonreactive",), seed=0)
    batches = batches_of(chunks, sizes)
    assert [(batch.chunk, batch.jobs[0].planner, numbers(batch)) for batch in batches] == [
        *((0, "single", [number]) for number in (5, 4, 3, 2)),
        (0, "batched", [5, 4, 3, 2]),
        *((1, "single", [number]) for number in (1, 0)),
        (1, "batched", [1, 0]),
    ]


def test_finished_jobs_are_left_out_and_suspect_jobs_run_alone():
    sizes = {"batched": 4}
    chunks = chunks_of_jobs(entries(4), sizes, {}, ("nonreactive",), seed=0)
    keys = [job.key for job in chunks[0]]
    batches = batches_of(chunks, sizes, finished={keys[0]}, alone={keys[2]})
    assert [numbers(batch) for batch in batches] == [[2, 0], [1]]


def test_arguments_and_seed_reach_the_jobs():
    (chunk,) = chunks_of_jobs(entries(1), {"a": 1, "b": 1}, {"b": ("x=1",)}, ("nonreactive",), seed=7)
    assert [(job.planner, job.arguments, job.seed) for job in chunk] == [("a", (), 7), ("b", ("x=1",), 7)]


def test_the_key_and_the_seed_of_a_job_depend_on_its_arguments():
    (chunk,) = chunks_of_jobs(entries(1), {"a": 1}, {}, ("nonreactive",), seed=7)
    plain, other = chunk[0], replace(chunk[0], arguments=("x=1",))
    assert plain.key == "a.nonreactive.0000000000000000"
    assert other.key not in (plain.key, replace(plain, arguments=("x=2",)).key)
    assert other.own_seed != plain.own_seed


@pytest.mark.parametrize("name", ["a b", "x:y", "ü", "[red]", "a|b", "a\nb", "100%", "../x", "a" * 300])
def test_keys_are_safe_as_file_names(name):
    (chunk,) = chunks_of_jobs(entries(1), {name: 1}, {}, ("nonreactive",), seed=0)
    key = chunk[0].key
    assert len(key) < 400
    assert all(character.isascii() and (character.isalnum() or character in "-_.") for character in key)


def queue(*chunks):
    return WorkQueue(Batch(jobs=(), chunk=chunk) for chunk in chunks)


def chunk_for(waiting, worker):
    batch = waiting.next_for(worker)
    return None if batch is None else batch.chunk


def test_a_worker_stays_with_its_chunk():
    waiting = queue(0, 0, 0, 1, 1, 2)
    assert [chunk_for(waiting, worker) for worker in (0, 1, 0, 1, 0)] == [0, 1, 0, 1, 0]
    assert [chunk_for(waiting, worker) for worker in (1, 0)] == [2, None]


def test_an_idle_worker_takes_batches_of_the_largest_chunk():
    waiting = queue(0, 0, 1, 1, 1, 1)
    assert [chunk_for(waiting, worker) for worker in (0, 1, 2, 2)] == [0, 1, 1, 1]
    assert [chunk_for(waiting, worker) for worker in (0, 0, 0)] == [0, 1, None]
