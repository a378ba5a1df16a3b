"""Training of a perception network: resumable, in one process or several, with curves on disk.

Seed and step alone determine the samples of a batch, so an interrupted training resumes with identical batches.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from learning.loop import Report, TrainingLoop
from learning.processes import TrainingProcess
from learning.training_files import load_weights
from perception.checkpoint import WEIGHTS, Checkpoint
from perception.contract import PerceptionInput, PerceptionTargets
from perception.grid import BevGrid
from perception.lift import LiftTable
from perception.losses import LossWeights, losses
from perception.network import PerceptionConfig, PerceptionNetwork
from perception.pretraining import FeatureDistillation


class TrainingBatch(NamedTuple):
    """Samples of one step."""

    inputs: PerceptionInput
    table: LiftTable
    targets: PerceptionTargets

    def to(self, device: str) -> "TrainingBatch":
        """The batch on a device."""
        moved = PerceptionInput(*(value.to(device, non_blocking=True) for value in self.inputs))
        return TrainingBatch(moved, self.table.to(device), self.targets.to(device))


@runtime_checkable
class Batch(Protocol):
    """Samples of one step, of any kind."""

    def to(self, device: str) -> "Batch":
        """The batch on a device."""
        ...


@runtime_checkable
class Samples(Protocol):
    """States from which images and targets are made on the fly."""

    def __len__(self) -> int:
        """Number of states."""
        ...

    def batch(self, rows: Int64[np.ndarray, "rows"], rng: np.random.Generator) -> Batch:
        """Images, geometry and targets of some states.

        Args:
            rows: States.
            rng: For everything random; it depends on seed, step and process alone.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Settings of a training."""

    network: PerceptionConfig = field(default_factory=PerceptionConfig)
    losses: LossWeights = field(default_factory=LossWeights)
    steps: int = 1500
    batch_size: int = 8
    """Samples per step over all processes."""
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    warmup_steps: int = 100
    max_gradient: float = 10.0
    use_bf16: bool = False
    distillation: float = 1.0
    """Weight of the distance to the features of a teacher, where one is given."""
    num_workers: int = 0
    """Processes per training process that render; 0 renders in the training process."""
    seed: int = 0
    log_every: int = 20
    checkpoint_every_s: float = 120.0


def tiny() -> TrainingConfig:
    """Up to 60 minutes on 2 cores (two processes)."""
    # Planners need more range ahead than behind.
    return TrainingConfig(network=PerceptionConfig(grid=BevGrid(x_min_m=-24.0, x_max_m=40.0)))


def small() -> TrainingConfig:
    """A wider backbone, a night on 4 cores."""
    recipe = tiny()
    network = replace(recipe.network, backbone="resnet_w32", image_channels=64, bev_channels=64, head_channels=64)
    return replace(recipe, network=network, steps=20_000, batch_size=16, warmup_steps=400)


def base() -> TrainingConfig:
    """Images of 256 x 704 on GPUs, with torchrun."""
    recipe = tiny()
    network = replace(
        recipe.network,
        backbone="resnet_w64",
        image_size=(256, 704),
        image_channels=96,
        bev_channels=96,
        head_channels=96,
        fusion_channels=48,
    )
    return replace(
        recipe, network=network, steps=30_000, batch_size=32, warmup_steps=600, use_bf16=True, num_workers=14
    )


RECIPES: dict[str, Callable[[], TrainingConfig]] = {"tiny": tiny, "small": small, "base": base}


class _Steps(Dataset[Batch]):
    """Batches by step, for the processes of a `DataLoader`."""

    def __init__(self, config: TrainingConfig, samples: Samples, process: TrainingProcess) -> None:
        self.config, self.samples, self.process = config, samples, process

    def __len__(self) -> int:
        return self.config.steps

    def __getitem__(self, step: int) -> Batch:
        config, process = self.config, self.process
        rows = np.random.default_rng([config.seed, step]).integers(0, len(self.samples), config.batch_size)
        rng = np.random.default_rng([config.seed, step, process.rank])
        # Sorted: each process renders states of the same few maps, and draws their ground once.
        share = np.array_split(np.sort(rows), process.world_size)[process.rank]
        return self.samples.batch(share, rng)


class Trainer:
    """One training in a folder: the checkpoint, the state for resuming, and the curves."""

    def __init__(
        self,
        config: TrainingConfig,
        samples: Samples,
        folder: Path,
        process: TrainingProcess | None = None,
        teacher: PerceptionNetwork | None = None,
    ) -> None:
        """Start, or resume the training in the folder.

        Args:
            config: Settings.
            samples: States.
            folder: Of checkpoint and curves.
            process: This process of several.
            teacher: A trained network with the same image size and grid, whose features the network imitates.

        Raises:
            ValueError: When the folder holds a training of another configuration, or the teacher does not fit.
        """
        self.config, self.samples, self.folder = config, samples, folder
        self.process = process or TrainingProcess()
        torch.manual_seed(config.seed)
        self.network = PerceptionNetwork(config.network).to(self.process.device)
        self.distillation: FeatureDistillation | None = None
        if teacher is not None:
            self.distillation = FeatureDistillation(self.network, teacher).to(self.process.device)
        self.loop = TrainingLoop(self._trained(), config, folder, described=asdict(config), process=self.process)

    @property
    def step(self) -> int:
        """Number of finished steps."""
        return self.loop.step

    def _trained(self) -> nn.Module:
        """The network, or the distillation that contains it."""
        return self.distillation or self.network

    def run(self, report: Report | None = None, stop_at: int | None = None) -> None:
        """Train up to `stop_at`, or to the last step of the configuration.

        Args:
            report: Receives step and losses whenever they are logged.
            stop_at: An earlier step to stop at.

        Raises:
            ValueError: When a loss is not finite; the last checkpoint is kept.
        """
        batches = self._batches(self.loop.last_step(stop_at))
        self.loop.run(
            lambda _: self._losses(next(batches).to(self.process.device)),
            self.save,
            report=report,
            stop_at=stop_at,
            suspects="images and targets",
        )

    def _batches(self, last: int) -> Iterator[Batch]:
        steps = _Steps(self.config, self.samples, self.process)
        if self.config.num_workers == 0:
            return (steps[step] for step in range(self.step, last))
        return iter(
            DataLoader(
                steps,
                batch_size=None,
                sampler=range(self.step, last),
                num_workers=self.config.num_workers,
                multiprocessing_context="spawn",
            )
        )

    def _losses(self, batch: Any) -> dict[str, Tensor]:
        """Losses by name; `total` is minimised."""
        config = self.config
        with self._precision():
            output = self.loop.model(batch.inputs, batch.table)
        if self.distillation is None:
            return losses(output, batch.targets, config.losses)
        output, gap = output
        parts = losses(output, batch.targets, config.losses)
        return {**parts, "distillation": gap, "total": parts["total"] + config.distillation * gap}

    def _precision(self) -> torch.autocast:
        """The context of the forward pass."""
        return torch.autocast(self.process.device.split(":")[0], torch.bfloat16, enabled=self.config.use_bf16)

    def save(self, metadata: dict[str, Any] | None = None) -> None:
        """Write the checkpoint and the state for resuming; in the first of several processes."""
        about = {"steps": self.step, "seed": self.config.seed, "states": len(self.samples), **(metadata or {})}
        Checkpoint(network=self.network, metadata=about).save(self.folder)
        self.loop.save_state()

    def initialize_from(self, folder: Path) -> None:
        """Initialize the weights from another checkpoint of the same network configuration.

        Raises:
            FileNotFoundError: When the folder holds no checkpoint.
            ValueError: When the network has another configuration.
        """
        load_weights(self.network, folder / WEIGHTS)
