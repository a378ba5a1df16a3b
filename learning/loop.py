"""The loop of every training: optimiser, learning rate, curves, checkpoints, resuming.

Seed and step alone should determine a batch, so that an interrupted training resumes with identical results.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from learning.processes import TrainingProcess
from learning.training_files import (
    append_curves,
    cosine_rate,
    cut_curves,
    load_state,
    require_finite,
    require_same_config,
    save_state,
)

Report = Callable[[int, dict[str, float]], None]
"""Receives step and mean losses whenever they are logged."""


class LoopSettings(Protocol):
    """Settings of a training that the loop uses; frozen dataclasses have them as fields."""

    @property
    def steps(self) -> int:
        """Of the whole training."""
        ...

    @property
    def learning_rate(self) -> float:
        """The highest, after the warm-up."""
        ...

    @property
    def weight_decay(self) -> float:
        """Of AdamW."""
        ...

    @property
    def warmup_steps(self) -> int:
        """Steps with a rising learning rate."""
        ...

    @property
    def max_gradient(self) -> float:
        """Largest norm of the gradient."""
        ...

    @property
    def log_every(self) -> int:
        """Steps between two lines of the curves."""
        ...

    @property
    def checkpoint_every_s(self) -> float:
        """Wall-clock time between two checkpoints [s]."""
        ...


class TrainingLoop:
    """Optimises a module in a folder that holds checkpoint, state for resuming, and curves.

    Call `torch.manual_seed` before the module is made, so that its first weights follow the seed.
    """

    def __init__(
        self,
        module: nn.Module,
        settings: LoopSettings,
        folder: Path,
        *,
        described: dict[str, Any],
        process: TrainingProcess | None = None,
    ) -> None:
        """Start, or resume the training in the folder.

        Args:
            module: With the parameters that are trained, on the device of the process.
            settings: Of the optimiser and the loop.
            folder: Of the training.
            described: Everything that determines the result; compared with that of an earlier training.
            process: This process of several.

        Raises:
            ValueError: When the folder holds a training of another configuration.
        """
        self.module, self.settings, self.folder = module, settings, folder
        self.process = process or TrainingProcess()
        self.optimizer = torch.optim.AdamW(
            module.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        folder.mkdir(parents=True, exist_ok=True)
        require_same_config(folder, described, writes=self.process.is_first)
        self.step = load_state(folder, module, self.optimizer, self.process.device)
        if self.process.is_first:
            cut_curves(folder, self.step)
        self.model: nn.Module = DistributedDataParallel(module) if self.process.world_size > 1 else module

    def run(
        self,
        losses: Callable[[int], dict[str, Float[Tensor, ""]]],
        save: Callable[[], None],
        *,
        report: Report | None = None,
        stop_at: int | None = None,
        suspects: str = "data",
    ) -> None:
        """Train up to `stop_at`, or to the last step of the settings.

        Args:
            losses: Losses of a step by name, computed with `model`; `total` is minimised.
            save: Writes the checkpoint and calls `save_state`; the first process calls it, at intervals and last.
            report: Receives step and losses whenever they are logged.
            stop_at: An earlier step to stop at.
            suspects: Where NaN may come from, for the message of the error.

        Raises:
            ValueError: When a loss is not finite; the last checkpoint is kept.
        """
        settings, last = self.settings, self.last_step(stop_at)
        advice = f"Try a learning rate below {settings.learning_rate:g}, or search the {suspects} for NaN."
        self.model.train()
        saved_s, running = time.monotonic(), []
        while self.step < last:
            parts = losses(self.step)
            require_finite(parts, self.step, self.folder, advice)
            self._optimise(parts["total"])
            running.append({name: float(value.detach()) for name, value in parts.items()})
            if self.step % settings.log_every == 0 or self.step == last:
                means = {name: float(np.mean([one[name] for one in running])) for name in running[0]}
                running = []
                self._log(means, report)
            if time.monotonic() - saved_s > settings.checkpoint_every_s:
                self._save(save)
                saved_s = time.monotonic()
        self._save(save)

    def last_step(self, stop_at: int | None) -> int:
        """The step after which `run` ends."""
        return min(self.settings.steps, stop_at or self.settings.steps)

    def learning_rate(self) -> float:
        """Of the present step."""
        settings = self.settings
        return cosine_rate(
            self.step, steps=settings.steps, warmup_steps=settings.warmup_steps, highest=settings.learning_rate
        )

    def save_state(self) -> None:
        """Write the state from which the training resumes."""
        save_state(self.folder, self.module, self.optimizer, self.step)

    def _optimise(self, total: Tensor) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        self.optimizer.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(self.module.parameters(), self.settings.max_gradient)
        self.optimizer.step()
        self.step += 1

    def _log(self, means: dict[str, float], report: Report | None) -> None:
        if self.process.is_first:
            append_curves(self.folder, self.step, {"learning_rate": self.learning_rate(), **means})
        if report is not None:
            report(self.step, means)

    def _save(self, save: Callable[[], None]) -> None:
        if self.process.is_first:
            save()
