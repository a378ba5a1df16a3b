"""Workers are placed on GPUs by share, or in turn; too few GPUs are an error. No GPU is needed for these tests."""

import pytest

from planning.neural.devices import cuda_device_count
from simulation.benchmark.devices import require_gpus, worker_devices


@pytest.mark.parametrize(
    ("choice", "workers", "share", "num_gpus", "devices"),
    [
        ("auto", 2, 0.0, 0, ["cpu", "cpu"]),
        ("cpu", 2, 0.0, 4, ["cpu", "cpu"]),
        ("auto", 3, 0.0, 2, ["cuda:0", "cuda:1", "cuda:0"]),
        ("cuda", 1, 0.0, 1, ["cuda:0"]),
        ("auto", 4, 0.25, 1, ["cuda:0"] * 4),
        ("cuda", 4, 0.5, 2, ["cuda:0", "cuda:0", "cuda:1", "cuda:1"]),
        ("auto", 3, 0.6, 3, ["cuda:0", "cuda:1", "cuda:2"]),
        ("auto", 3, 0.3334, 2, ["cuda:0", "cuda:0", "cuda:1"]),
        ("auto", 2, 2.0, 4, ["cuda:0", "cuda:2"]),
    ],
)
def test_workers_are_placed_by_share_or_in_turn(choice, workers, share, num_gpus, devices):
    assert list(worker_devices(choice, workers, share, num_gpus)) == devices


@pytest.mark.parametrize(
    ("workers", "share", "num_gpus", "sentence"),
    [
        (4, 0.5, 1, "4 workers with 0.5 GPU each need 2 GPUs, this machine has 1. Lower --workers"),
        (1, 0.25, 0, "1 workers with 0.25 GPU each need 1 GPUs, this machine has 0"),
        # Two shares of 0.6 do not fit one GPU, although they add up to 1.8 GPUs for three workers.
        (3, 0.6, 2, "3 workers with 0.6 GPU each need 3 GPUs, this machine has 2"),
        (2, 1.5, 3, "2 workers with 1.5 GPU each need 4 GPUs, this machine has 3"),
    ],
)
def test_too_few_gpus_are_an_error(workers, share, num_gpus, sentence):
    with pytest.raises(ValueError, match=sentence):
        worker_devices("auto", workers, share, num_gpus)


def test_cuda_without_a_gpu_is_an_error():
    with pytest.raises(ValueError, match="--device cuda needs a GPU, and torch finds none"):
        worker_devices("cuda", 1, 0.0, 0)


def test_the_place_without_enough_gpus_is_named():
    require_gpus(4, 0.25, 1.0, "the cluster")
    with pytest.raises(ValueError, match="the cluster has 1"):
        require_gpus(5, 0.25, 1.0, "the cluster")


def test_the_number_of_gpus_is_that_of_torch(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    assert cuda_device_count() == 3
