"""A worker turns batches of jobs into results: one per job, failures included."""

from dataclasses import replace

import pytest
from benchmark_runs import STRAIGHT, STRAIGHT_BATCHED

from driving.nuplan.data import DataRoot
from driving.nuplan.scenarios import list_scenarios
from planning.registry import load_planner
from simulation.benchmark import worker as worker_module
from simulation.benchmark.jobs import Job
from simulation.benchmark.worker import BenchmarkWorker, WorkerSetup, is_warmed_up, sentence_of
from simulation.log import SimulationLog
from simulation.time_limit import StepTimeoutError


@pytest.fixture(scope="module")
def entries(world):
    return list_scenarios(DataRoot.find(world))


@pytest.fixture(scope="module")
def worker():
    return BenchmarkWorker(WorkerSetup(load_planner=load_planner, step_timeout_s=5.0, opened_scenarios=3))


def jobs(entries, planner=STRAIGHT_BATCHED, traffic="nonreactive"):
    return [Job(planner=planner, traffic=traffic, entry=entry, seed=0) for entry in entries]


@pytest.mark.parametrize("traffic", ["nonreactive", "reactive", "open_loop"])
def test_a_batch_gives_the_results_of_its_jobs_alone(worker, entries, traffic):
    together = worker.run(jobs(entries, traffic=traffic))
    assert [result.scenario for result in together] == [entry.token for entry in entries]
    for result, job in zip(together, jobs(entries, traffic=traffic), strict=True):
        (alone,) = worker.run([job])
        assert result.status == "succeeded"
        assert (result.score, result.metrics, result.sentences) == (alone.score, alone.metrics, alone.sentences)
        ours, theirs = SimulationLog.from_bytes(result.log_bytes), SimulationLog.from_bytes(alone.log_bytes)
        assert ours.ego.rear_axle_poses.tobytes() == theirs.ego.rear_axle_poses.tobytes()
        assert (ours.planner_name, ours.seed) == (STRAIGHT_BATCHED, job.own_seed)


def test_times_of_a_batch_are_those_of_one_scenario(worker, entries):
    results = worker.run(jobs(entries))
    for result in results:
        times = result.stage_time_s
        parts = ("opening", "loading", "rollout", "metrics", "packing")
        assert times["total"] == pytest.approx(sum(times[part] for part in parts))
        assert {"planning", "control", "traffic", "observation", "set_up"} <= set(times)
    assert len({result.stage_time_s["rollout"] for result in results}) == 1


def test_a_scenario_that_fails_fails_alone(worker, entries):
    results = worker.run(jobs(entries, "odd_planners:FailsOnEmptyRoads"))
    failed = [result for result in results if result.status == "failed"]
    assert [result.reason for result in failed] == ["RuntimeError: nothing to see"]
    assert "Traceback" in failed[0].traceback
    assert len(results) == 3


def test_a_scenario_that_cannot_be_opened_fails_alone(worker, entries, tmp_path):
    gone = replace(entries[0], token="00000000000000ab", log_file=str(tmp_path / "gone.db"))
    first, second = worker.run(jobs([gone, entries[1]]))
    assert (first.status, second.status) == ("failed", "succeeded")
    assert "No log" in first.reason


def test_a_planner_that_cannot_be_made_fails_all_its_jobs(worker, entries):
    results = worker.run(jobs(entries, "odd_planners:Nothing"))
    assert {result.status for result in results} == {"failed"}
    assert "has no class 'Nothing'" in results[0].reason


def test_a_planner_that_writes_into_its_scenario_changes_no_other_drive(worker, entries):
    (before,) = worker.run(jobs(entries[:1], STRAIGHT))
    (odd,) = worker.run(jobs(entries[:1], "odd_planners:WritesIntoItsScenario"))
    (after,) = worker.run(jobs(entries[:1], STRAIGHT))
    assert "the ego starts at" in odd.reason
    assert (before.score, before.metrics) == (after.score, after.metrics)


def test_the_device_and_the_arguments_reach_the_planner(entries):
    name = "odd_planners:WithArguments"
    setup = WorkerSetup(
        load_planner=load_planner,
        step_timeout_s=5.0,
        arguments={name: ("checkpoint=x.pt", "scale=2")},
        device="cuda:1",
    )
    (result,) = BenchmarkWorker(setup).run(jobs(entries[:1], name))
    assert result.status == "succeeded"
    loaded = load_planner(name, device="cuda:1", arguments=("checkpoint=x.pt", "scale=2"))
    assert loaded.name == "x.pt|cuda:1|2.0|"


class Recording:
    """Records its queries; a planner that only `plan` is expected of has no `plan_batch`."""

    name = "recording"

    def __init__(self):
        self.planned, self.batches, self.resets = [], [], 0

    def reset(self, map, route):  # noqa: A002
        self.resets += 1

    def plan(self, observation):
        self.planned.append(observation.iteration)

    def plan_batch(self, observations):
        self.batches.append(len(observations))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("student", True),
        ("student:/some/folder", True),
        ("idm", True),
        ("my_module:MyPlanner", False),
        ("recorded:folder", False),
        ("devkit:a.b:C", False),
    ],
)
def test_all_planners_but_those_from_outside_are_warmed_up(name, expected):
    assert is_warmed_up(name) is expected
    planner = Recording()
    BenchmarkWorker(
        WorkerSetup(load_planner=lambda *_names, **_options: planner, step_timeout_s=1e-9, planners=(name,))
    )
    assert (planner.resets > 0) is expected
    assert (len(planner.batches) == len(worker_module.WARM_UP_SCENES)) is expected


def test_a_planner_that_fails_in_the_warm_up_fails_in_its_scenarios_only(entries, caplog):
    class Broken(Recording):
        def reset(self, map, route):  # noqa: A002
            raise RuntimeError("no weights")

    setup = WorkerSetup(load_planner=lambda *_names, **_options: Broken(), step_timeout_s=5.0, planners=("broken",))
    (result,) = BenchmarkWorker(setup).run(jobs(entries[:1], "broken"))
    assert result.reason == "RuntimeError: no weights"
    assert "Planner broken cannot be warmed up: RuntimeError: no weights" in caplog.text


class UnprintableError(Exception):
    def __str__(self):
        raise ValueError


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (KeyError("no such lane"), "KeyError: no such lane"),
        (StepTimeoutError("The plan took longer."), "The plan took longer."),
        (UnprintableError(), "UnprintableError (its message cannot be printed)"),
        (SystemExit(3), "SystemExit: 3"),
    ],
)
def test_errors_become_one_sentence(error, sentence):
    assert sentence_of(error) == sentence
