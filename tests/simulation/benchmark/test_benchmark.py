"""Benchmarks end to end on a small world: same results in every backend, and nothing lost when things fail."""

import json
import multiprocessing
import os
import re
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import ray
from odd_planners import Straight

from driving.nuplan.writer import write_world
from driving.synthetic.scenes import SCENES
from planning.registry import load_planner
from simulation.benchmark.comparison import bootstrap_interval, compare_reports
from simulation.benchmark.ray_backend import start_ray
from simulation.benchmark.report import Report
from simulation.benchmark.run import run_benchmark
from simulation.benchmark.scores import counted_score
from simulation.benchmark.settings import BenchmarkSettings
from simulation.benchmark.store import ResultStore
from simulation.log import SimulationLog

STRAIGHT = "odd_planners:Straight"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    write_world([SCENES[name]() for name in ("straight_road", "queue", "cut_in")], folder)
    return folder


def settings(world, output, *planners, **changes):
    defaults = {"backend": "serial", "probes": False, "planners": planners or (STRAIGHT,)}
    return BenchmarkSettings(data=world, output=output, **{**defaults, **changes})


def run(world, output, *planners, **changes):
    store = run_benchmark(settings(world, output, *planners, **changes), load_planner)
    report = Report.read(store)
    report.write(store.folder)
    return report


@pytest.fixture(scope="module")
def reference(world, tmp_path_factory):
    output = tmp_path_factory.mktemp("results") / "serial"
    run(world, output, STRAIGHT, "idm", traffic=("nonreactive", "reactive"))
    return output


@pytest.fixture(scope="module")
def _ray(world):
    start_ray(settings(world, world, workers=2))
    yield
    ray.shutdown()


@pytest.fixture(params=["process", "ray"])
def backend(request):
    if request.param == "ray":
        request.getfixturevalue("_ray")  # Started once: each start takes seconds.
    return request.param


def test_every_backend_gives_the_same_scores_to_the_last_bit(world, reference, tmp_path, backend):
    run(world, tmp_path / "r", STRAIGHT, "idm", traffic=("nonreactive", "reactive"), backend=backend, workers=2)
    for name in ("scores.parquet", "scores.csv"):
        assert (tmp_path / "r" / name).read_bytes() == (reference / name).read_bytes()
    for path in sorted((reference / "logs").iterdir()):
        ours, theirs = SimulationLog.load(path), SimulationLog.load(tmp_path / "r" / "logs" / path.name)
        assert ours.ego.rear_axle_poses.tobytes() == theirs.ego.rear_axle_poses.tobytes()
        assert ours.agents.poses.tobytes() == theirs.agents.poses.tobytes()
        assert len(ours.candidates) == (ours.num_steps if ours.planner_name == STRAIGHT else 0)
        for one, other in zip(ours.candidates, theirs.candidates, strict=True):
            assert one.poses.tobytes() == other.poses.tobytes()


def test_the_report_names_columns_as_nuplan_does(reference):
    table = pq.read_table(reference / "scores.parquet")
    assert table.column_names[:6] == ["planner", "scenario", "log_name", "scenario_type", "traffic", "status"]
    assert {"no_ego_at_fault_collisions", "ego_is_comfortable", "score"} <= set(table.column_names)
    assert table.num_rows == 2 * 2 * 3
    assert (reference / "scores.csv").read_text().splitlines()[0].split(",") == table.column_names


def test_the_summary_says_how_it_was_made(reference):
    summary = json.loads((reference / "summary.json").read_text())
    assert summary["is_complete"] is True
    assert summary["seconds_per_scenario"] > 0
    assert summary["seconds_per_scenario_by_stage"]["planning"] > 0
    assert {"command", "commit", "seed", "data_version", "hardware"} <= set(summary)
    page = (reference / "report.html").read_text()
    assert "http://" not in page
    assert "https://" not in page
    assert page.count("data:image/png;base64,") == 3


def test_a_moved_folder_still_opens(reference, tmp_path):
    moved = shutil.copytree(reference, tmp_path / "elsewhere")
    assert Report.read(ResultStore(moved)).summary() == Report.read(ResultStore(reference)).summary()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Throws", "RuntimeError: the engine fell out"),
        ("Nan", "NaN"),
        ("EgoFrame", "starts .* from the ego's rear axle"),
        ("TooShort", "ends after 0.05 s"),
        ("Exits", "SystemExit: 3"),
        ("Hangs", "longer than 0.5 s for one step"),
    ],
)
def test_a_failing_planner_gives_a_failed_row_and_leaves_the_others_alone(world, tmp_path, name, reason):
    report = run(world, tmp_path / "r", f"odd_planners:{name}", STRAIGHT, step_timeout_s=0.5, limit=1)
    odd, straight = report.groups
    assert [result.status for result in odd.results] == ["failed"]
    assert re.search(reason, odd.results[0].reason)
    assert "Traceback" in odd.results[0].traceback
    assert odd.final_score == 0.0
    assert [result.status for result in straight.results] == ["succeeded"]
    assert "## Failed: 1" in (tmp_path / "r" / "summary.md").read_text()
    table = pq.read_table(tmp_path / "r" / "scores.parquet").to_pylist()
    assert (table[0]["status"], table[0]["score"]) == ("failed", 0.0)


def test_a_planner_that_kills_its_process_fails_only_itself(world, tmp_path, backend):
    report = run(world, tmp_path / "r", "odd_planners:KillsItsProcess", STRAIGHT, backend=backend, workers=1, limit=1)
    odd, straight = report.groups
    assert odd.results[0].status == "failed"
    assert "died" in odd.results[0].reason
    assert straight.results[0].status == "succeeded"


def test_a_planner_deaf_to_signals_is_killed(world, tmp_path, backend):
    changes = {"step_timeout_s": 0.3, "scenario_timeout_s": 3.0, "limit": 1, "workers": 1}
    report = run(world, tmp_path / "r", "odd_planners:HangsDeaf", backend=backend, **changes)
    assert "killed after 3 s over one scenario" in report.groups[0].results[0].reason


def test_a_worker_killed_from_outside_costs_nothing(world, tmp_path, backend):
    mark = Path(os.environ["CAMBER_CACHE"]) / "killed-once"
    mark.unlink(missing_ok=True)
    report = run(world, tmp_path / "r", "odd_planners:KilledOnce", backend=backend, workers=1)
    assert mark.exists()
    assert {result.status for result in report.groups[0].results} == {"succeeded"}


def _run_to_be_killed(world, output):
    run_benchmark(settings(world, output, STRAIGHT, "idm", traffic=("nonreactive", "reactive")), load_planner)


def test_a_run_killed_in_the_midst_ends_in_the_same_report_after_resuming(world, reference, tmp_path):
    output = tmp_path / "r"
    process = multiprocessing.get_context("spawn").Process(target=_run_to_be_killed, args=(world, output))
    process.start()
    store = ResultStore(output)
    deadline = time.monotonic() + 60
    while len(store.finished()) < 2 and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    kept = store.finished()
    assert 2 <= len(kept) < 12
    before = {key: (store.rows_folder / f"{key}.parquet").stat().st_mtime_ns for key in kept}
    run(world, output, STRAIGHT, "idm", traffic=("nonreactive", "reactive"), resume=True)
    assert (output / "scores.parquet").read_bytes() == (reference / "scores.parquet").read_bytes()
    assert before == {key: (store.rows_folder / f"{key}.parquet").stat().st_mtime_ns for key in kept}


def test_a_folder_with_results_is_not_overwritten(world, reference):
    with pytest.raises(FileExistsError, match="holds a run already"):
        run_benchmark(settings(world, reference), load_planner)


def test_a_run_is_not_resumed_with_other_settings(world, reference):
    with pytest.raises(ValueError, match="was run with planners"):
        run_benchmark(settings(world, reference, resume=True), load_planner)


def test_failed_scenarios_run_again_when_asked(world, tmp_path, monkeypatch):
    monkeypatch.setattr(Straight, "plan", lambda self, observation: None)
    report = run(world, tmp_path / "r", limit=1)
    assert report.groups[0].results[0].status == "failed"
    monkeypatch.undo()
    report = run(world, tmp_path / "r", limit=1, resume=True)
    assert report.groups[0].results[0].status == "failed"
    report = run(world, tmp_path / "r", limit=1, resume=True, retry_failed=True)
    assert report.groups[0].results[0].status == "succeeded"


def test_gpus_that_are_not_there_are_named(world, tmp_path):
    with pytest.raises(ValueError, match="use --backend ray"):
        run_benchmark(settings(world, tmp_path / "a", gpus_per_worker=0.25), load_planner)
    with pytest.raises(ValueError, match=r"2 workers with 100 GPU each need 200 GPUs"):
        run_benchmark(settings(world, tmp_path / "b", gpus_per_worker=100, backend="ray", workers=2), load_planner)


def test_unknown_planners_are_said_before_anything_runs(world, tmp_path):
    with pytest.raises(KeyError, match="Did you mean 'idm'"):
        run_benchmark(settings(world, tmp_path / "r", "idn"), load_planner)
    assert not (tmp_path / "r").exists()


def test_a_report_compared_with_itself_shows_no_difference(reference):
    report = Report.read(ResultStore(reference))
    comparisons = compare_reports(report, report)
    assert len(comparisons) == 4
    assert all(item.difference == 0.0 and item.interval == (0.0, 0.0) for item in comparisons)


def test_two_planners_of_two_folders_are_paired(world, tmp_path):
    a, b = run(world, tmp_path / "a", STRAIGHT), run(world, tmp_path / "b", "stand_still")
    (comparison,) = compare_reports(a, b)
    scores = [[counted_score(result) for result in report.groups[0].results] for report in (a, b)]
    expected = sum(y - x for x, y in zip(*scores, strict=True)) / 3
    assert comparison.difference == pytest.approx(expected)
    assert abs(comparison.changes[0].difference) == max(abs(y - x) for x, y in zip(*scores, strict=True))


def test_the_interval_covers_the_mean_of_differences():
    differences = np.random.default_rng(1).normal(0.1, 0.2, 400)
    low, high = bootstrap_interval(differences, seed=0)
    assert low < differences.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * differences.std() / 20, rel=0.1)


def test_probes_stand_beside_the_others_in_their_own_table(world, tmp_path):
    report = run(world, tmp_path / "r", STRAIGHT, probes=True, limit=1)
    assert [group.planner for group in report.groups if group.is_probe] == [
        "stand_still",
        "constant_velocity",
        "ignore_agents",
    ]
    assert set(pq.read_table(tmp_path / "r" / "scores.parquet")["planner"].to_pylist()) == {STRAIGHT}
    assert pq.read_table(tmp_path / "r" / "probe_scores.parquet").num_rows == 3
