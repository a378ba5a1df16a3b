"""Devices of the network."""

import torch


def cuda_device_count() -> int:
    """GPUs that torch can use; 0 for a build of torch without CUDA."""
    return torch.cuda.device_count()


def torch_device(name: str) -> torch.device:
    """The device of a name: "cpu", "cuda", "cuda:1", or "auto" for a GPU if there is one.

    Raises:
        ValueError: When there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda") or (index and not index.isdigit()):
        raise ValueError(f"No device {name!r}; devices are 'auto', 'cpu', 'cuda' and 'cuda:0', 'cuda:1', ...")
    num_gpus = cuda_device_count() if kind == "cuda" and torch.cuda.is_available() else 0
    if kind == "cuda" and int(index or 0) >= num_gpus:
        raise ValueError(f"Device {name!r} does not exist: torch finds {num_gpus} GPUs. Use 'auto' or 'cpu'.")
    return torch.device(name)


def cuda_device_name() -> str:
    """Model of the first GPU.

    Raises:
        RuntimeError: When torch finds none.
    """
    return torch.cuda.get_device_name(0)
