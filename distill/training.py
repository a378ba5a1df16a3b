"""Training of a student: resumable, in one process or several, with curves on disk.

Seed and step alone determine the states of a batch, so an interrupted training resumes with identical results.
"""

import csv
import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.distributed import barrier, destroy_process_group, init_process_group
from torch.nn.parallel import DistributedDataParallel

from distill.losses import losses
from distill.recipes import TrainingConfig
from distill.samples import Samples
from planning.neural.network import ScoreWeights, Student, StudentNetwork, load_weights
from planning.neural.vocabulary import TrajectoryVocabulary

RESUME_TENSORS, CONFIG, CURVES = "resume.safetensors", "training.json", "curves.csv"


@dataclass(frozen=True, kw_only=True)
class TrainingProcess:
    """This process in a distributed training."""

    rank: int
    world_size: int
    device: str

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


class Trainer:
    """One training in a folder: the student's checkpoint, the state for resuming, and the curves."""

    def __init__(
        self,
        config: TrainingConfig,
        samples: Samples,
        vocabulary: TrajectoryVocabulary,
        folder: Path,
        process: TrainingProcess | None = None,
    ) -> None:
        """Start, or resume the training in the folder.

        Raises:
            ValueError: When the folder holds a training of another configuration or vocabulary.
        """
        self.config, self.samples, self.vocabulary, self.folder = config, samples, vocabulary, folder
        self.process = process or TrainingProcess(rank=0, world_size=1, device="cpu")
        torch.manual_seed(config.seed)
        network = StudentNetwork(config.network, tuple(config.losses.teacher))
        self.network = network.to(self.process.device)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.step = 0
        folder.mkdir(parents=True, exist_ok=True)
        self._load()
        self._model: nn.Module = self.network
        if self.process.world_size > 1:
            self._model = DistributedDataParallel(self.network)

    def run(self, report: Callable[[int, dict[str, float]], None] | None = None, stop_at: int | None = None) -> None:
        """Train up to `stop_at`, or to the last step of the configuration.

        Args:
            report: Receives step and losses whenever they are logged.
            stop_at: An earlier step to stop at.

        Raises:
            ValueError: When a loss is not finite; the last checkpoint is kept.
        """
        from torch.utils.tensorboard import SummaryWriter

        curves = SummaryWriter(str(self.folder)) if self.process.is_first else None
        self._model.train()
        saved_s, running = time.monotonic(), []
        last = min(self.config.steps, stop_at or self.config.steps)
        while self.step < last:
            parts = self._train_step()
            running.append(parts)
            if self.step % self.config.log_every == 0 or self.step == last:
                means = {name: float(np.mean([one[name] for one in running])) for name in parts}
                running = []
                if curves is not None:
                    self._log(means, curves)
                if report is not None:
                    report(self.step, means)
            if time.monotonic() - saved_s > self.config.checkpoint_every_s:
                self.save()
                saved_s = time.monotonic()
        if curves is not None:
            curves.close()
        self.save()

    def _train_step(self) -> dict[str, float]:
        config = self.config
        rng = np.random.default_rng([config.seed, self.step])
        rows = rng.integers(0, len(self.samples), config.batch_states)[self.process.rank :: self.process.world_size]
        batch = self.samples.batch(rows, config.entries_per_state, rng).to(self.process.device)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(config, self.step)
        with torch.autocast(self.process.device.split(":")[0], torch.bfloat16, enabled=config.use_bf16):
            logits, ahead_m = self._model(batch.features, batch.geometry)
        parts = losses(logits, ahead_m, batch, config.losses)
        if not torch.isfinite(parts["total"]):
            bad = [name for name, value in parts.items() if not torch.isfinite(value)]
            raise ValueError(
                f"Training stopped at step {self.step}: {', '.join(bad)} is NaN or infinite. The checkpoint in"
                f" {self.folder} is an earlier one. Try a learning rate below {config.learning_rate:g}, or search the"
                " labels for NaN."
            )
        self.optimizer.zero_grad()
        parts["total"].backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), config.max_gradient)
        self.optimizer.step()
        self.step += 1
        return {name: float(value.detach()) for name, value in parts.items()}

    def student(self, metadata: dict[str, Any] | None = None) -> Student:
        """The student with the present weights."""
        weights = ScoreWeights() if self.config.losses.teacher else ScoreWeights(imitation=1.0)
        about = {"steps": self.step, "seed": self.config.seed, "states": len(self.samples), **(metadata or {})}
        return Student(network=self.network, vocabulary=self.vocabulary, weights=weights, metadata=about)

    def save(self) -> None:
        """Write the student and the state for resuming; each file is replaced atomically."""
        if not self.process.is_first:
            return
        self.student().save(self.folder)
        moments = {
            f"{number}.{name}": value.contiguous() if value.dim() else value.reshape(1)
            for number, state in self.optimizer.state_dict()["state"].items()
            for name, value in state.items()
        }
        weights = {f"network.{name}": value.contiguous() for name, value in self.network.state_dict().items()}
        part = self.folder / f"{RESUME_TENSORS}.part"
        # The weights are stored twice, so that moments and weights always belong to one step.
        safetensors.torch.save_file({**moments, **weights}, part, metadata={"step": str(self.step)})
        part.replace(self.folder / RESUME_TENSORS)

    def _load(self) -> None:
        written = json.loads(json.dumps({**asdict(self.config), "vocabulary": self.vocabulary.digest}))
        path = self.folder / CONFIG
        if path.is_file():
            found = json.loads(path.read_text(encoding="utf-8"))
            changed = [name for name in written if found.get(name) != written[name] and name != "steps"]
            if changed:
                raise ValueError(
                    f"{self.folder} holds a training with another {', '.join(changed)}. Use a new folder, or"
                    " resume with the same configuration."
                )
        if self.process.is_first:
            path.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
        resumed = self.folder / RESUME_TENSORS
        if resumed.is_file():
            self._resume(resumed)

    def _resume(self, path: Path) -> None:
        with safetensors.safe_open(path, framework="pt") as opened:
            self.step = int(opened.metadata()["step"])
        tensors = safetensors.torch.load_file(path, device=self.process.device)
        weights = {name[8:]: value for name, value in tensors.items() if name.startswith("network.")}
        self.network.load_state_dict(weights)
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if not name.startswith("network."):
                number, _, key = name.partition(".")
                state.setdefault(int(number), {})[key] = value.reshape(()) if key == "step" else value
        described = self.optimizer.state_dict()
        self.optimizer.load_state_dict({"state": state, "param_groups": described["param_groups"]})

    def initialize_from(self, folder: Path) -> None:
        """Initialize the weights from another student of the same configuration.

        Raises:
            FileNotFoundError: When the folder holds no student.
            ValueError: When the student has another configuration.
        """
        load_weights(self.network, folder / "weights.safetensors")

    def _log(self, means: dict[str, float], curves: Any) -> None:
        path = self.folder / CURVES
        is_new = not path.is_file()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if is_new:
                writer.writerow(["step", "learning_rate", *means])
            writer.writerow([self.step, learning_rate(self.config, self.step), *means.values()])
        for name, value in means.items():
            curves.add_scalar(f"loss/{name}", value, self.step)


def learning_rate(config: TrainingConfig, step: int) -> float:
    """Learning rate of a step: linear warm-up, then cosine decay to 1 %."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    share = min(1.0, (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps))
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * share)))
