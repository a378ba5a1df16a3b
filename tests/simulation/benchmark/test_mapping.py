import json
import os

import pytest
import ray

from simulation.benchmark.mapping import BACKENDS, mapped
from simulation.benchmark.ray_backend import init_ray


@pytest.fixture(params=BACKENDS)
def backend(request):
    if request.param == "ray":
        init_ray(1)
    yield request.param
    if request.param == "ray":
        # Ray that was running before stays.
        assert ray.is_initialized()
        ray.shutdown()


def test_results_come_in_the_order_of_the_jobs_and_errors_as_they_are(backend):
    assert list(mapped(json.loads, ["3", "1", "2", "0", "4"], backend, workers=1)) == [3, 1, 2, 0, 4]
    with pytest.raises(json.JSONDecodeError, match="Expecting value"):
        list(mapped(json.loads, ["1", "x"], backend, workers=1))


def test_the_death_of_a_worker_is_a_sentence(backend, caplog):
    if backend == "serial":
        pytest.skip("It has no workers.")
    # Ray takes no built-in function, and a local process none that has no module.
    end = os._exit if backend == "process" else lambda code: os._exit(code)
    with pytest.raises(ChildProcessError, match="A worker process ended, perhaps killed or out of memory"):
        list(mapped(end, [1], backend, workers=1))
    assert caplog.text.count("its job is repeated") == (2 if backend == "ray" else 0)


def test_results_are_made_while_they_are_read():
    made = mapped(json.loads, ["4", "x"], "serial")
    assert next(made) == 4
    with pytest.raises(json.JSONDecodeError, match="Expecting value"):
        next(made)


def test_an_unknown_backend_and_no_worker_are_refused():
    with pytest.raises(KeyError, match=r"No backend 'rey'. Did you mean 'ray'"):
        mapped(json.loads, [], "rey")
    with pytest.raises(ValueError, match="at least 1 worker, got 0"):
        mapped(json.loads, [], "process", workers=0)
