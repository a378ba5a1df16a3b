"""Parts of benchmarks/gpu_workers.py that need no GPU: shares, runs on the CPU, comparison of scores."""

import importlib
from pathlib import Path

import pytest
from benchmark_runs import STRAIGHT_BATCHED

from driving.nuplan.writer import write_world
from driving.synthetic.scenes import SCENES
from simulation.benchmark.devices import worker_devices

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("gpu_workers")


def test_without_a_gpu_one_sentence_is_printed(script, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(script, "cuda_device_count", lambda: 0)
    script.main(script.Arguments(data=tmp_path))
    assert capsys.readouterr().out.splitlines() == [
        "No GPU: torch finds no CUDA device on this machine. Nothing was measured."
    ]


@pytest.mark.parametrize(
    ("gpus", "workers", "share", "devices"),
    [
        (1, 4, 0.25, ["cuda:0"] * 4),
        (2, 4, 0.5, ["cuda:0", "cuda:0", "cuda:1", "cuda:1"]),
        (2, 3, 0.5, ["cuda:0", "cuda:0", "cuda:1"]),
        (2, 1, 1.0, ["cuda:0"]),
    ],
)
def test_workers_share_the_gpus_equally(script, gpus, workers, share, devices):
    one = script.Run(device="cuda", batch=8, workers=workers, gpus=gpus)
    assert one.gpus_per_worker == share
    assert list(worker_devices("cuda", workers, one.gpus_per_worker, gpus)) == devices


def test_runs_are_measured_and_compared_with_the_first(script, tmp_path):
    world = tmp_path / "world"
    write_world([SCENES[name]() for name in ("straight_road", "queue")], world)
    arguments = script.Arguments(data=world, planner=STRAIGHT_BATCHED, limit=2)
    runs = [script.Run(device="cpu", batch=batch, workers=1) for batch in (1, 2)]
    measured = [script.measure(each, arguments) for each in runs]
    assert all(each.drives_per_s > 0.0 for each in measured)
    assert [row[:3] for row in script.run_table(runs, measured).rows] == [("cpu", "1", "1"), ("cpu", "1", "2")]
    assert [row[4:] for row in script.run_table(runs, measured).rows] == [("0", "2 of 2")] * 2


def test_all_batches_and_workers_run_on_a_faked_gpu(script, monkeypatch, capsys, tmp_path):
    runs = []

    def measure(one, _arguments):
        runs.append((one.device, one.workers, one.batch, one.gpus_per_worker))
        moved = 0.0 if one.device == "cpu" else 2e-3
        return script.Measured(drives_per_s=2.0, scores={"a": 0.5, "b": 0.5 + moved}, failed=0)

    monkeypatch.setattr(script, "cuda_device_count", lambda: 1)
    monkeypatch.setattr(script, "cuda_device_name", lambda: "Fake")
    monkeypatch.setattr(script, "measure", measure)
    script.main(script.Arguments(data=tmp_path, quiet=True))
    assert runs[0] == ("cpu", 4, 1, 0.0)
    assert runs[1:] == [("cuda", workers, batch, 1.0 / workers) for workers in (1, 4) for batch in (1, 8, 32)]
    printed = capsys.readouterr().out
    assert "| cuda | 4 | 32 | 2.00 | 0 | 1 of 2 |" in printed
    assert "1 × Fake" in printed


def test_failed_scenarios_are_not_the_same(script):
    assert script.num_same({"a": 0.5, "b": 1.0}, {"a": 0.5009, "b": 0.9, "c": 1.0}) == 1
