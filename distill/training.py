"""Training of a student: resumable, in one process or several, with curves on disk.

Seed and step alone determine the states of a batch, so an interrupted training resumes with identical results.
"""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from distill.losses import losses
from distill.recipes import TrainingConfig
from distill.samples import Samples
from perception.distributed import TrainingProcess
from perception.training_state import (
    append_curves,
    cosine_rate,
    load_state,
    load_weights,
    require_finite,
    require_same_config,
    save_state,
)
from planning.neural.network import ScoreWeights, Student, StudentNetwork
from planning.neural.vocabulary import TrajectoryVocabulary


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
        self.process = process or TrainingProcess()
        torch.manual_seed(config.seed)
        network = StudentNetwork(config.network, tuple(config.losses.teacher))
        self.network = network.to(self.process.device)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        folder.mkdir(parents=True, exist_ok=True)
        described = {**asdict(config), "vocabulary": vocabulary.digest}
        require_same_config(folder, described, writes=self.process.is_first)
        self.step = load_state(folder, self.network, self.optimizer, self.process.device)
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
        advice = f"Try a learning rate below {config.learning_rate:g}, or search the labels for NaN."
        require_finite(parts, self.step, self.folder, advice)
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
        save_state(self.folder, self.network, self.optimizer, self.step)

    def initialize_from(self, folder: Path) -> None:
        """Initialize the weights from another student of the same configuration.

        Raises:
            FileNotFoundError: When the folder holds no student.
            ValueError: When the student has another configuration.
        """
        load_weights(self.network, folder / "weights.safetensors")

    def _log(self, means: dict[str, float], curves: Any) -> None:
        rate = learning_rate(self.config, self.step)
        append_curves(self.folder, self.step, {"learning_rate": rate, **means})
        for name, value in means.items():
            curves.add_scalar(f"loss/{name}", value, self.step)


def learning_rate(config: TrainingConfig, step: int) -> float:
    """Learning rate of a step: linear warm-up, then cosine decay to 1 %."""
    return cosine_rate(step, steps=config.steps, warmup_steps=config.warmup_steps, highest=config.learning_rate)
