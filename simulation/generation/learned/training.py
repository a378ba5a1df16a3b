"""Training of a scene network: seeded and resumable, with curves on disk.

Seed and step alone determine scenes, conditions and given agents of a batch, so an interrupted training resumes with
identical batches.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from learning.loop import Report, TrainingLoop
from learning.processes import TrainingProcess
from simulation.generation.learned.checkpoint import Checkpoint
from simulation.generation.learned.facts import Levels, facts_of, training_condition
from simulation.generation.learned.inputs import TracedScene, batch_of, traced
from simulation.generation.learned.likelihood import decision_losses
from simulation.generation.learned.network import SceneNetwork, SceneNetworkConfig
from simulation.generation.learned.scene import BARE_LAYERS, Scene


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Settings of a training."""

    network: SceneNetworkConfig = field(default_factory=SceneNetworkConfig)
    steps: int = 1400
    batch_size: int = 16
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    warmup_steps: int = 100
    max_gradient: float = 5.0
    none_share: float = 0.5
    """Share of the decisions without an agent that a step uses; there are three times as many as agents."""
    kept_share: float = 0.25
    """Share of scenes in which some agents are given, as in a scene that is completed."""
    bare_share: float = 0.0
    """Share of scenes without lights, walkways and car parks in the features of their map, half of them also without
    crosswalks: most recorded maps have none."""
    seed: int = 0
    log_every: int = 20
    checkpoint_every_s: float = 120.0


def tiny() -> TrainingConfig:
    """About 15 CPU minutes of one core."""
    return TrainingConfig()


def base() -> TrainingConfig:
    """A wider network on a GPU."""
    network = SceneNetworkConfig(width=256, heads=8, piece_layers=4, row_layers=4, near_width=128)
    return replace(tiny(), network=network, steps=40_000, batch_size=64, learning_rate=8e-4, warmup_steps=500)


RECIPES: dict[str, Callable[[], TrainingConfig]] = {"tiny": tiny, "base": base}


class Trainer:
    """One training in a folder: the checkpoint, the state for resuming, and the curves."""

    def __init__(
        self,
        config: TrainingConfig,
        scenes: list[Scene],
        folder: Path,
        process: TrainingProcess | None = None,
        *,
        start: SceneNetwork | None = None,
    ) -> None:
        """Start, or resume the training in the folder.

        Args:
            config: Settings.
            scenes: What is learned.
            folder: Of checkpoint and curves.
            process: The process with its device; the CPU by default.
            start: Network whose weights the training begins with; random ones by default.

        Raises:
            ValueError: Without scenes, or when the folder holds a training of another configuration, or when
                the network to begin with has another size.
        """
        if not scenes:
            raise ValueError("No scene to learn from: no ego of the data is in a lane of a map with enough lanes.")
        self.config, self.scenes = config, scenes
        self.facts = [facts_of(scene) for scene in scenes]
        self.levels = Levels.of(self.facts)
        torch.manual_seed(config.seed)
        process = process or TrainingProcess()
        self.network = SceneNetwork(config.network)
        if start is not None:
            if start.config != config.network:
                raise ValueError(f"The network to begin with is {start.config}, the recipe needs {config.network}.")
            self.network.load_state_dict(start.state_dict())
        self.network.to(process.device)
        self.loop = TrainingLoop(self.network, config, folder, described=asdict(config), process=process)

    @property
    def step(self) -> int:
        """Steps so far."""
        return self.loop.step

    def run(self, report: Report | None = None, stop_at: int | None = None) -> None:
        """Train up to `stop_at`, or to the last step of the configuration.

        Args:
            report: Receives step and losses whenever they are logged.
            stop_at: An earlier step to stop at.

        Raises:
            ValueError: When a loss is not finite; the last checkpoint is kept.
        """
        self.loop.run(self._losses, self.save, report=report, stop_at=stop_at, suspects="scenes")

    def batch(self, step: int) -> list[TracedScene]:
        """Scenes of a step with random conditions, some of them with given agents."""
        config = self.config
        rng = np.random.default_rng([config.seed, step])
        found = []
        for number in rng.integers(0, len(self.scenes), config.batch_size).tolist():
            scene = self.scenes[number]
            if config.bare_share and rng.uniform() < config.bare_share:
                scene = scene.on_bare_map(("crosswalks", *BARE_LAYERS) if rng.uniform() < 0.5 else BARE_LAYERS)
            condition = training_condition(rng, self.facts[number], self.levels)
            given = rng.uniform() * 0.8 if rng.uniform() < config.kept_share else 0.0
            whole = traced(scene, condition, rng.uniform(size=len(scene.agents)) < given)
            used = (whole.drawn >= 0) | (rng.uniform(size=len(whole.drawn)) < config.none_share)
            found.append(whole.take(np.flatnonzero(used)))
        return found

    def _losses(self, step: int) -> dict[str, Float[Tensor, ""]]:
        """Negative log-likelihood per agent, by part."""
        batch = batch_of(self.batch(step)).to(self.loop.process.device)
        losses = decision_losses(self.network, batch)
        is_none = batch.agent_of_row < 0
        losses["class"] = torch.where(is_none, losses["class"] / self.config.none_share, losses["class"])
        num_agents = len(batch.targets.row)
        parts = {name: value.sum() / num_agents for name, value in losses.items()}
        return {"total": torch.stack(list(parts.values())).sum(), **parts}

    def save(self, **metadata: Any) -> None:
        """Write the checkpoint and the state for resuming."""
        about = {"steps": self.step, "seed": self.config.seed, "scenes": len(self.scenes), **metadata}
        Checkpoint(network=self.network, levels=self.levels, metadata=about).save(self.loop.folder)
        self.loop.save_state()
