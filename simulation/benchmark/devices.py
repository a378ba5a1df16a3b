"""Which GPU each worker's planners run on."""

import math
from typing import Literal

DeviceChoice = Literal["auto", "cpu", "cuda"]


def worker_devices(choice: DeviceChoice, workers: int, share: float, num_gpus: int) -> tuple[str, ...]:
    """The device of each worker on this machine, in torch's names.

    Args:
        choice: `auto` uses GPUs when there are any.
        workers: Number of workers.
        share: Part of a GPU per worker; 0 places workers on the GPUs in turn.
        num_gpus: GPUs of this machine.

    Raises:
        ValueError: When the GPUs do not suffice.
    """
    if choice == "cpu" or (choice == "auto" and not num_gpus and not share):
        return ("cpu",) * workers
    if not num_gpus and not share:
        raise ValueError("--device cuda needs a GPU, and torch finds none on this machine. Use --device auto or cpu.")
    require_gpus(workers, share, num_gpus, "this machine")
    if not share:
        return tuple(f"cuda:{worker % num_gpus}" for worker in range(workers))
    if share > 1.0:
        return tuple(f"cuda:{worker * math.ceil(share)}" for worker in range(workers))
    return tuple(f"cuda:{worker // workers_per_gpu(share)}" for worker in range(workers))


def require_gpus(workers: int, share: float, num_gpus: float, place: str) -> None:
    """Raise when workers with a share of a GPU each need more GPUs than there are.

    A worker's share lies on one GPU: of shares of 0.6, one fits a GPU.

    Raises:
        ValueError: Names both numbers.
    """
    if share > 1.0:
        needed = workers * math.ceil(share)
    else:
        needed = math.ceil(workers / workers_per_gpu(share)) if share else 0
    if needed > num_gpus:
        raise ValueError(
            f"{workers} workers with {share:g} GPU each need {needed} GPUs, {place} has {num_gpus:g}."
            " Lower --workers or --gpus-per-worker."
        )


def workers_per_gpu(share: float) -> int:
    """Workers that fit one GPU, given the share of each, at most 1."""
    return math.floor(1.0 / share + 1e-9)
