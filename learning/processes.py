"""Processes of a training, as torchrun starts them."""

import os
from dataclasses import dataclass

import torch
from torch.distributed import barrier, destroy_process_group, init_process_group


@dataclass(frozen=True, kw_only=True)
class TrainingProcess:
    """This process in a distributed training."""

    rank: int = 0
    world_size: int = 1
    device: str = "cpu"

    @property
    def is_first(self) -> bool:
        """Whether this process writes files."""
        return self.rank == 0


def join_process_group(threads: int = 1) -> TrainingProcess:
    """Join the process group that torchrun describes by environment variables, if there is one.

    Args:
        threads: Of torch in this process.
    """
    torch.set_num_threads(threads)
    world_size, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    on_gpu = torch.cuda.is_available()
    device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if on_gpu else "cpu"
    if world_size > 1 and not torch.distributed.is_initialized():
        init_process_group("nccl" if on_gpu else "gloo")
    return TrainingProcess(rank=rank, world_size=world_size, device=device)


def wait_for_all() -> None:
    """Wait at a barrier of all processes."""
    if torch.distributed.is_initialized():
        barrier()


def leave_process_group() -> None:
    """Wait at a barrier, then destroy the process group: a process that exits early aborts all."""
    if torch.distributed.is_initialized():
        barrier()
        destroy_process_group()
