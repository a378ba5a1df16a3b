"""The GPUs of this machine."""

import torch


def cuda_device_count() -> int:
    """GPUs that torch can use; 0 for a build of torch without CUDA."""
    return torch.cuda.device_count()
