"""Training of a student: resumable, in one process or several, with curves on disk.

Seed and step alone determine the states of a batch, so an interrupted training resumes with identical results.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distill.losses import losses
from distill.recipes import TrainingConfig
from distill.samples import Samples
from learning.loop import Report, TrainingLoop
from learning.processes import TrainingProcess
from learning.training_files import load_weights
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
        described = {**asdict(config), "vocabulary": vocabulary.digest}
        self.loop = TrainingLoop(self.network, config, folder, described=described, process=self.process)

    @property
    def step(self) -> int:
        """Number of finished steps."""
        return self.loop.step

    def run(self, report: Report | None = None, stop_at: int | None = None) -> None:
        """Train up to `stop_at`, or to the last step of the configuration.

        Args:
            report: Receives step and losses whenever they are logged.
            stop_at: An earlier step to stop at.

        Raises:
            ValueError: When a loss is not finite; the last checkpoint is kept.
        """
        from torch.utils.tensorboard import SummaryWriter

        curves = SummaryWriter(str(self.folder)) if self.process.is_first else None

        def log(step: int, means: dict[str, float]) -> None:
            if curves is not None:
                for name, value in means.items():
                    curves.add_scalar(f"loss/{name}", value, step)
            if report is not None:
                report(step, means)

        self.loop.run(self._losses, self.save, report=log, stop_at=stop_at, suspects="labels")
        if curves is not None:
            curves.close()

    def _losses(self, step: int) -> dict[str, Tensor]:
        config = self.config
        rng = np.random.default_rng([config.seed, step])
        rows = rng.integers(0, len(self.samples), config.batch_states)[self.process.rank :: self.process.world_size]
        is_mirrored = bool(np.random.default_rng([config.seed, step, 1]).random() < config.mirrored_share)
        batch = self.samples.batch(rows, config.entries_per_state, rng, is_mirrored).to(self.process.device)
        with torch.autocast(self.process.device.split(":")[0], torch.bfloat16, enabled=config.use_bf16):
            logits, ahead_m = self.loop.model(batch.features, batch.geometry)
        return losses(logits, ahead_m, batch, config.losses)

    def student(self, metadata: dict[str, Any] | None = None) -> Student:
        """The student with the present weights."""
        weights = ScoreWeights() if self.config.losses.teacher else ScoreWeights(imitation=1.0)
        about = {"steps": self.step, "seed": self.config.seed, "states": len(self.samples), **(metadata or {})}
        return Student(network=self.network, vocabulary=self.vocabulary, weights=weights, metadata=about)

    def save(self) -> None:
        """Write the student and the state for resuming, in the first of several processes."""
        self.student().save(self.folder)
        self.loop.save_state()

    def initialize_from(self, folder: Path) -> None:
        """Initialize the weights from another student of the same configuration.

        Raises:
            FileNotFoundError: When the folder holds no student.
            ValueError: When the student has another configuration.
        """
        load_weights(self.network, folder / "weights.safetensors")
