import os

import pytest
from benchmark_runs import STRAIGHT, settings

from planning.registry import load_planner
from simulation.benchmark.backends import ProcessBackend, SerialBackend, make_backend
from simulation.benchmark.worker import WorkerSetup

SETUP = WorkerSetup(load_planner=load_planner, step_timeout_s=60.0)


def test_the_settings_name_the_backend(tmp_path):
    serial = make_backend(settings(tmp_path, tmp_path / "out", STRAIGHT, backend="serial", workers=3), SETUP)
    assert isinstance(serial, SerialBackend)
    processes = make_backend(settings(tmp_path, tmp_path / "out", STRAIGHT, backend="process", workers=1), SETUP)
    processes.close()
    assert isinstance(processes, ProcessBackend)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backend": "process", "device": "cpu", "gpus_per_worker": 0.5}, "0.5 contradicts --device cpu; drop one"),
        ({"backend": "ray", "device": "cuda"}, "needs a share of a GPU per worker: --gpus-per-worker 0.25"),
    ],
)
def test_contradicting_devices_are_refused_before_a_worker_starts(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        make_backend(settings(tmp_path, tmp_path / "out", STRAIGHT, **changes), SETUP)


class EndsItsReader:
    """Ends the process that unpickles it."""

    def __reduce__(self):
        return os._exit, (9,)


def test_a_worker_that_dies_while_it_starts_gives_a_sentence():
    with pytest.raises(ChildProcessError, match=r"A worker process ended, .* repeat the command"):
        ProcessBackend([WorkerSetup(load_planner=EndsItsReader(), step_timeout_s=60.0)], 60.0)
