"""Files of a training: its configuration, its curves, and the state from which it resumes."""

import csv
import json
import math
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import Optimizer

RESUME_TENSORS, CONFIG, CURVES = "resume.safetensors", "training.json", "curves.csv"


def require_same_config(folder: Path, config: dict[str, Any], *, writes: bool) -> None:
    """Compare the configuration with that of an earlier training in the folder, and write it.

    Args:
        folder: Of the training.
        config: Anything that JSON can hold; `steps` may differ.
        writes: Whether this process writes files.

    Raises:
        ValueError: Names what differs.
    """
    written = json.loads(json.dumps(config))
    path = folder / CONFIG
    if path.is_file():
        found = json.loads(path.read_text(encoding="utf-8"))
        changed = [name for name in written if found.get(name) != written[name] and name != "steps"]
        if changed:
            raise ValueError(
                f"{folder} holds a training with another {', '.join(changed)}. Use a new folder, or resume with the"
                " same configuration."
            )
    if writes:
        # Complete or absent, also when the process is killed here.
        part = path.with_name(f"{path.name}.part")
        part.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
        part.replace(path)


def save_state(folder: Path, network: nn.Module, optimizer: Optimizer, step: int) -> None:
    """Write weights, moments of the optimizer and the step into one file, which is replaced atomically."""
    moments = {
        f"{number}.{name}": value.contiguous() if value.dim() else value.reshape(1)
        for number, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
    }
    weights = {f"network.{name}": value.contiguous() for name, value in network.state_dict().items()}
    part = folder / f"{RESUME_TENSORS}.part"
    safetensors.torch.save_file({**moments, **weights}, part, metadata={"step": str(step)})
    part.replace(folder / RESUME_TENSORS)


def load_state(folder: Path, network: nn.Module, optimizer: Optimizer, device: str) -> int:
    """Read what `save_state` wrote, if there is any.

    Returns:
        The step; 0 without an earlier training.

    Raises:
        ValueError: When the file is damaged.
    """
    path = folder / RESUME_TENSORS
    if not path.is_file():
        return 0
    try:
        with safetensors.safe_open(path, framework="pt") as opened:
            step = int(opened.metadata()["step"])
        tensors = safetensors.torch.load_file(path, device=device)
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path} is damaged: {error}. Without it, the training begins anew.") from error
    network.load_state_dict({name[8:]: value for name, value in tensors.items() if name.startswith("network.")})
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if not name.startswith("network."):
            number, _, key = name.partition(".")
            state.setdefault(int(number), {})[key] = value.reshape(()) if key == "step" else value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return step


def append_curves(folder: Path, step: int, values: dict[str, float]) -> None:
    """Append one line to the curves; the first call writes the header."""
    path = folder / CURVES
    is_new = not path.is_file()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(["step", *values])
        writer.writerow([step, *values.values()])


def cut_curves(folder: Path, step: int) -> None:
    """Remove the lines of steps after a checkpoint, which a training that continues there writes again.

    Args:
        folder: Of the training.
        step: Of the checkpoint.
    """
    path = folder / CURVES
    if not path.is_file():
        return
    # As bytes, which keep the ends of lines as they were written.
    header, *lines = path.read_bytes().splitlines(keepends=True) or [b""]
    if not header.endswith(b"\n"):
        # Killed before the first line was written: the next one writes the header again.
        path.unlink()
        return
    # The last line of a process that was killed while it wrote may end within its step: "4" of "40,0.5".
    kept = [line for line in lines if line.endswith(b"\n") and int(line.partition(b",")[0]) <= step]
    if kept == lines:
        return
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(b"".join([header, *kept]))
    part.replace(path)


def cosine_rate(step: int, *, steps: int, warmup_steps: int, highest: float) -> float:
    """Learning rate of a step: linear warm-up, then cosine decay to 1 %."""
    if step < warmup_steps:
        return highest * (step + 1) / warmup_steps
    share = min(1.0, (step - warmup_steps) / max(1, steps - warmup_steps))
    return highest * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * share)))


def save_weights(network: nn.Module, path: Path) -> None:
    """Write the weights of a network (safetensors); the file is replaced atomically."""
    tensors = {name: value.contiguous() for name, value in network.state_dict().items()}
    part = path.with_name(f"{path.name}.part")
    safetensors.torch.save_file(tensors, part)
    part.replace(path)


def load_weights(network: nn.Module, path: Path) -> None:
    """Read weights into a network.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When the weights belong to a network of another configuration, or the file is damaged.
    """
    if not path.is_file():
        raise FileNotFoundError(f"No weights at {path}.")
    try:
        network.load_state_dict(safetensors.torch.load_file(path))
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path} is damaged: {error}. Copy it again, or train again.") from error
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise ValueError(f"{path} belongs to a network of another configuration: {first}") from error


def require_finite(losses: dict[str, Float[Tensor, ""]], step: int, folder: Path, advice: str) -> None:
    """Stop a training whose total loss is not finite.

    Args:
        losses: By name; `total` is their weighted sum.
        step: Of the training.
        folder: Of the training.
        advice: What to try.

    Raises:
        ValueError: Names the losses that are NaN or infinite.
    """
    if not torch.isfinite(losses["total"]):
        bad = [name for name, value in losses.items() if not torch.isfinite(value)]
        raise ValueError(
            f"Training stopped at step {step}: {', '.join(bad)} is NaN or infinite. The checkpoint in {folder} is an"
            f" earlier one. {advice}"
        )
