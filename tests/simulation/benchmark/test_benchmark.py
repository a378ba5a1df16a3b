"""Benchmarks end to end on a small world: equal results on every backend, and no result lost to a failure."""

import json
import multiprocessing
import os
import re
import shutil
import signal
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import ray
from benchmark_runs import STRAIGHT, STRAIGHT_BATCHED, run, settings
from odd_planners import Straight

from planning.registry import load_planner
from simulation.benchmark.comparison import compare_reports
from simulation.benchmark.ray_backend import start_ray
from simulation.benchmark.report import Report
from simulation.benchmark.run import run_benchmark
from simulation.benchmark.scores import counted_score
from simulation.benchmark.store import ResultStore
from simulation.log import SimulationLog


@pytest.fixture(scope="module")
def reference(world, tmp_path_factory):
    output = tmp_path_factory.mktemp("results") / "serial"
    run(world, output, STRAIGHT, "idm", traffic=("nonreactive", "reactive"))
    return output


@pytest.fixture(scope="module")
def _ray(world):
    # GPUs are resources that Ray counts: it starts with two on a machine that has none.
    start_ray(settings(world, world, workers=2), num_gpus=2)
    yield
    ray.shutdown()


@pytest.fixture(params=["process", "ray"])
def backend(request):
    if request.param == "ray":
        request.getfixturevalue("_ray")  # Started once: each start takes seconds.
    return request.param


def test_scores_do_not_depend_on_batches_of_a_planner_that_computes_each_plan_alone(world, reference, tmp_path):
    report = run(world, tmp_path / "r", STRAIGHT_BATCHED, batch=2)
    expected = Report.read(ResultStore(reference)).groups[0].results
    assert [result.score for result in report.groups[0].results] == [result.score for result in expected]
    assert report.run["sessions"][0]["batch"] == 2


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


def test_the_summary_holds_command_data_and_hardware(reference):
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
        ("Throws", "RuntimeError: the engine failed"),
        ("Nan", "NaN"),
        ("EgoFrame", "starts .* from the ego's rear axle"),
        ("TooShort", "ends after 0.05 s"),
        ("Exits", "SystemExit: 3"),
        ("Hangs", "The plan of step 0 took longer than 0.5 s"),
    ],
)
def test_a_failing_planner_gives_a_failed_row_and_no_other_planner_fails(world, tmp_path, name, reason):
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


def test_a_planner_that_kills_its_process_fails_only_itself(world, tmp_path, backend, caplog):
    report = run(world, tmp_path / "r", "odd_planners:KillsItsProcess", STRAIGHT, backend=backend, workers=1, limit=1)
    odd, straight = report.groups
    assert odd.results[0].status == "failed"
    assert "died" in odd.results[0].reason
    assert straight.results[0].status == "succeeded"
    again, last = (line for line in caplog.messages if line.startswith("The worker process died"))
    assert again.endswith("Its scenario will be driven again.")
    assert last.endswith("Its scenario failed, as it happened 2 times.")


def test_a_planner_that_blocks_signals_is_killed(world, tmp_path, backend):
    changes = {"step_timeout_s": 0.3, "scenario_timeout_s": 3.0, "limit": 1, "workers": 1}
    report = run(world, tmp_path / "r", "odd_planners:HangsDeaf", backend=backend, **changes)
    assert "killed after 3 s over one scenario" in report.groups[0].results[0].reason


def test_a_batch_whose_worker_dies_is_repeated_one_by_one(world, tmp_path, backend):
    report = run(world, tmp_path / "r", "odd_planners:KillsOnEmptyRoads", backend=backend, workers=1)
    (group,) = report.groups
    assert [result.status for result in group.results].count("succeeded") == 2
    (failed,) = group.failed
    assert "died" in failed.reason
    assert failed.scenario_type == "following_lane_without_lead"


def test_a_worker_killed_from_outside_costs_nothing(world, tmp_path, backend):
    mark = Path(os.environ["CAMBER_CACHE"]) / "killed-once"
    mark.unlink(missing_ok=True)
    report = run(world, tmp_path / "r", "odd_planners:KilledOnce", backend=backend, workers=1)
    assert mark.exists()
    assert {result.status for result in report.groups[0].results} == {"succeeded"}


def _run_to_be_killed(world, output):
    run_benchmark(settings(world, output, STRAIGHT, "idm", traffic=("nonreactive", "reactive")), load_planner)


def test_a_serial_run_that_ends_its_process_resumes_job_by_job_and_fails_the_culprit(world, tmp_path):
    output = tmp_path / "r"
    for _ in range(2):
        process = multiprocessing.get_context("spawn").Process(
            target=_run_that_ends_its_process, args=(world, output)
        )
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    report = run(world, output, "odd_planners:KillsOnEmptyRoads", resume=True)
    (failed,) = report.groups[0].failed
    assert failed.reason == "The process ended 2 times during this job."
    assert report.is_complete


def _run_that_ends_its_process(world, output):
    run_benchmark(settings(world, output, "odd_planners:KillsOnEmptyRoads", resume=True), load_planner)


def test_a_run_killed_halfway_ends_in_the_same_report_after_resuming(world, reference, tmp_path):
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


def test_failed_scenarios_run_again_on_request(world, tmp_path, monkeypatch):
    monkeypatch.setattr(Straight, "plan", lambda self, observation: None)
    report = run(world, tmp_path / "r", limit=1)
    assert report.groups[0].results[0].status == "failed"
    monkeypatch.undo()
    report = run(world, tmp_path / "r", limit=1, resume=True)
    assert report.groups[0].results[0].status == "failed"
    report = run(world, tmp_path / "r", limit=1, resume=True, retry_failed=True)
    assert report.groups[0].results[0].status == "succeeded"


def test_a_damaged_row_is_run_again(world, tmp_path, caplog):
    report = run(world, tmp_path / "r", limit=1)
    (row,) = (tmp_path / "r" / "rows").iterdir()
    row.write_bytes(row.read_bytes()[:100])
    again = run(world, tmp_path / "r", limit=1, resume=True)
    assert "is damaged and its scenario is run again" in caplog.text
    assert again.groups[0].results[0].score == report.groups[0].results[0].score


def test_gpus_that_are_not_there_are_named(world, tmp_path):
    with pytest.raises(ValueError, match=r"4 workers with 0.5 GPU each need 2 GPUs, this machine has 1"):
        run_benchmark(settings(world, tmp_path / "a", **PROCESSES, gpus_per_worker=0.5), load_planner, num_gpus=1)
    with pytest.raises(ValueError, match="--device cuda needs a GPU"):
        run_benchmark(settings(world, tmp_path / "b", **PROCESSES, device="cuda"), load_planner)
    with pytest.raises(ValueError, match=r"--gpus-per-worker 0.5 contradicts --device cpu"):
        run_benchmark(
            settings(world, tmp_path / "c", **PROCESSES, device="cpu", gpus_per_worker=0.5), load_planner, num_gpus=2
        )


PROCESSES = {"backend": "process", "workers": 4}


@pytest.mark.usefixtures("_ray")
def test_gpus_that_the_cluster_lacks_are_named(world, tmp_path):
    on_ray = {"backend": "ray", "workers": 2}
    with pytest.raises(ValueError, match=r"2 workers with 100 GPU each need 200 GPUs, the cluster has 2"):
        run_benchmark(settings(world, tmp_path / "a", **on_ray, gpus_per_worker=100), load_planner)
    with pytest.raises(ValueError, match="On Ray, --device cuda needs a share"):
        run_benchmark(settings(world, tmp_path / "b", **on_ray, device="cuda"), load_planner)


@pytest.mark.parametrize("backend", ["serial", "process"])
def test_local_workers_run_their_planners_on_the_gpus_in_turn(world, tmp_path, backend):
    store = run_benchmark(
        settings(world, tmp_path / "r", "odd_planners:ReportsItsDevice", backend=backend, workers=2),
        load_planner,
        num_gpus=2,
    )
    devices = {result.worker_pid: re.search(r"runs on (\S+),", result.reason)[1] for result in store.read_all()}
    # Three scenarios, so that both workers get one.
    assert sorted(devices.values()) == (["cuda:0"] if backend == "serial" else ["cuda:0", "cuda:1"])


@pytest.mark.usefixtures("_ray")
def test_actors_with_a_share_run_their_planners_on_the_gpu_that_ray_gives_them(world, tmp_path):
    name, on_ray = "odd_planners:ReportsItsDevice", {"backend": "ray", "workers": 2}
    shared = run(world, tmp_path / "a", name, **on_ray, gpus_per_worker=0.5).groups[0]
    assert {result.reason for result in shared.results} <= {
        f"RuntimeError: runs on cuda, visible {number}" for number in range(2)
    }
    without = run(world, tmp_path / "b", name, **on_ray).groups[0]
    assert all("runs on cpu" in result.reason for result in without.results)


def test_unknown_planners_are_reported_before_anything_runs(world, tmp_path):
    with pytest.raises(KeyError, match="Did you mean 'idm'"):
        run_benchmark(settings(world, tmp_path / "r", "idn"), load_planner)
    assert not (tmp_path / "r").exists()


def test_arguments_of_planners_are_recorded_and_must_match_on_resuming(world, tmp_path):
    name = "odd_planners:WithArguments"
    arguments = {"planner_arguments": {name: ("checkpoint=x.pt",)}, "limit": 1}
    report = run(world, tmp_path / "r", name, **arguments)
    assert report.run["settings"]["planner_arguments"] == {name: ["checkpoint=x.pt"]}
    assert report.groups[0].results[0].status == "succeeded"
    run(world, tmp_path / "r", name, **arguments, resume=True)
    changed = {"planner_arguments": {name: ("checkpoint=y.pt",)}, "limit": 1, "resume": True}
    with pytest.raises(ValueError, match=r"was run with planner_arguments = .*x.pt.* now it is .*y.pt"):
        run(world, tmp_path / "r", name, **changed)
    with pytest.raises(ValueError, match="WithArguments needs checkpoint"):
        run(world, tmp_path / "other", name)


def test_a_report_compared_with_itself_shows_no_difference(reference):
    report = Report.read(ResultStore(reference))
    comparisons = compare_reports(report, report)
    assert len(comparisons) == 4
    assert all(item.difference == 0.0 and item.interval == (0.0, 0.0) for item in comparisons)


def test_the_single_planners_of_two_folders_are_paired(world, tmp_path):
    a, b = run(world, tmp_path / "a", STRAIGHT), run(world, tmp_path / "b", "stand_still")
    (comparison,) = compare_reports(a, b)
    scores = [[counted_score(result) for result in report.groups[0].results] for report in (a, b)]
    expected = sum(y - x for x, y in zip(*scores, strict=True)) / 3
    assert comparison.difference == pytest.approx(expected)
    assert abs(comparison.changes[0].difference) == max(abs(y - x) for x, y in zip(*scores, strict=True))


def test_probes_have_a_table_of_their_own(world, tmp_path):
    report = run(world, tmp_path / "r", STRAIGHT, probes=True, limit=1)
    assert [group.planner for group in report.groups if group.is_probe] == [
        "stand_still",
        "constant_velocity",
        "ignore_agents",
    ]
    assert set(pq.read_table(tmp_path / "r" / "scores.parquet")["planner"].to_pylist()) == {STRAIGHT}
    assert pq.read_table(tmp_path / "r" / "probe_scores.parquet").num_rows == 3
