"""Train a student: resumable, over one process or several, with curves on disk.

Which states a step sees follows from seed and step alone, so that a training that was killed goes on as if nothing
had happened.
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
class Worker:
    """This process among those that train together."""

    rank: int
    world_size: int
    device: str

    @property
    def is_first(self) -> bool:
        """Whether this process writes."""
        return self.rank == 0


def join_workers(threads: int = 1) -> Worker:
    """Find out who else trains; torchrun says so by its environment variables.

    Args:
        threads: Of torch in this process.
    """
    torch.set_num_threads(threads)
    world_size, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    on_gpu = torch.cuda.is_available()
    device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if on_gpu else "cpu"
    if world_size > 1 and not torch.distributed.is_initialized():
        init_process_group("nccl" if on_gpu else "gloo")
    return Worker(rank=rank, world_size=world_size, device=device)


def wait_for_all() -> None:
    """Go on when all processes have come this far."""
    if torch.distributed.is_initialized():
        barrier()


def leave_workers() -> None:
    """Say goodbye to the other processes, once all are done: who leaves early takes the others down."""
    if torch.distributed.is_initialized():
        barrier()
        destroy_process_group()


class Trainer:
    """One training in a folder: the checkpoint of the student, what is needed to go on, and the curves."""

    def __init__(
        self,
        config: TrainingConfig,
        samples: Samples,
        vocabulary: TrajectoryVocabulary,
        folder: Path,
        worker: Worker | None = None,
    ) -> None:
        """Begin, or go on with what is in the folder.

        Raises:
            ValueError: When the folder holds a training of another configuration or vocabulary.
        """
        self.config, self.samples, self.vocabulary, self.folder = config, samples, vocabulary, folder
        self.worker = worker or Worker(rank=0, world_size=1, device="cpu")
        torch.manual_seed(config.seed)
        network = StudentNetwork(config.network, tuple(config.losses.teacher))
        self.network = network.to(self.worker.device)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.step = 0
        folder.mkdir(parents=True, exist_ok=True)
        self._load()
        self._model: nn.Module = self.network
        if self.worker.world_size > 1:
            self._model = DistributedDataParallel(self.network)

    def run(self, report: Callable[[int, dict[str, float]], None] | None = None, stop_at: int | None = None) -> None:
        """Train up to `stop_at`, or to the last step of the configuration.

        Args:
            report: Called with step and losses whenever they are logged.
            stop_at: A step to stop at, before the end.

        Raises:
            ValueError: When a loss is not finite; the checkpoint of before stays.
        """
        from torch.utils.tensorboard import SummaryWriter

        curves = SummaryWriter(str(self.folder)) if self.worker.is_first else None
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
        rows = rng.integers(0, len(self.samples), config.batch_states)[self.worker.rank :: self.worker.world_size]
        batch = self.samples.batch(rows, config.entries_per_state, rng).to(self.worker.device)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(config, self.step)
        with torch.autocast(self.worker.device.split(":")[0], torch.bfloat16, enabled=config.use_bf16):
            logits, ahead_m = self._model(batch.features, batch.driven)
        parts = losses(logits, ahead_m, batch, config.losses)
        if not torch.isfinite(parts["total"]):
            bad = [name for name, value in parts.items() if not torch.isfinite(value)]
            raise ValueError(
                f"Training stopped at step {self.step}: {', '.join(bad)} is NaN or infinite. The checkpoint in"
                f" {self.folder} is of before; try a smaller learning rate than {config.learning_rate:g}, or look for"
                " NaN in the labels."
            )
        self.optimizer.zero_grad()
        parts["total"].backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), config.max_gradient)
        self.optimizer.step()
        self.step += 1
        return {name: float(value.detach()) for name, value in parts.items()}

    def student(self, metadata: dict[str, Any] | None = None) -> Student:
        """The student as it is now."""
        weights = ScoreWeights() if self.config.losses.teacher else ScoreWeights(imitation=1.0)
        about = {"steps": self.step, "seed": self.config.seed, "states": len(self.samples), **(metadata or {})}
        return Student(network=self.network, vocabulary=self.vocabulary, weights=weights, metadata=about)

    def save(self) -> None:
        """Write the student and all that is needed to go on; each file is replaced as a whole."""
        if not self.worker.is_first:
            return
        self.student().save(self.folder)
        moments = {
            f"{number}.{name}": value.contiguous() if value.dim() else value.reshape(1)
            for number, state in self.optimizer.state_dict()["state"].items()
            for name, value in state.items()
        }
        weights = {f"network.{name}": value.contiguous() for name, value in self.network.state_dict().items()}
        part = self.folder / f"{RESUME_TENSORS}.part"
        # Weights again, so that they and the moments are never of different steps.
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
                    f"{self.folder} holds a training with another {', '.join(changed)}; take a new folder, or the"
                    " same configuration to go on."
                )
        if self.worker.is_first:
            path.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
        resumed = self.folder / RESUME_TENSORS
        if resumed.is_file():
            self._resume(resumed)

    def _resume(self, path: Path) -> None:
        with safetensors.safe_open(path, framework="pt") as opened:
            self.step = int(opened.metadata()["step"])
        tensors = safetensors.torch.load_file(path, device=self.worker.device)
        weights = {name[8:]: value for name, value in tensors.items() if name.startswith("network.")}
        self.network.load_state_dict(weights)
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if not name.startswith("network."):
                number, _, key = name.partition(".")
                state.setdefault(int(number), {})[key] = value.reshape(()) if key == "step" else value
        described = self.optimizer.state_dict()
        self.optimizer.load_state_dict({"state": state, "param_groups": described["param_groups"]})

    def start_from(self, folder: Path) -> None:
        """Take over the weights of another student of the same configuration.

        Raises:
            FileNotFoundError: When there is none.
            ValueError: When it is of another configuration.
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
    """Rises linearly, then falls along a cosine to a hundredth."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    share = min(1.0, (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps))
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * share)))
